package compat

import (
	"io"
	"iter"
	"slices"
)

// Application is a WSGI application in Go (PEP 3333). The server calls it once for each request.
//
// The application calls start, at the latest before its body's first non-empty block, and returns the
// body, or nil if there is none or all of it was written to start's writer. An error that it returns, or
// that its body yields, is an exception in WSGI's words: the sessions of the request are rolled back,
// and if nothing was sent yet the client gets an error page, as StatusOf says.
//
// One Application serves many requests at the same time.
type Application interface {
	Call(env *Environ, start StartResponse) (Body, error)
}

// ApplicationFunc is a function that is an Application.
type ApplicationFunc func(env *Environ, start StartResponse) (Body, error)

// Call calls f.
func (f ApplicationFunc) Call(env *Environ, start StartResponse) (Body, error) { return f(env, start) }

// StartResponse begins the response: start_response of PEP 3333. The status is "200 OK" in form, a
// final one (200 to 999); net/http sends its own reason phrase for the number. The headers come on top of
// those that Go middleware has set, and replace those of the same name, except Set-Cookie and Vary.
//
// Nothing is sent yet: headers go with the first non-empty block, the first write of at least a byte,
// or the end of the body, and no sooner than the request's sessions are committed.
//
// The returned writer is WSGI's write(): what it gets precedes the body's blocks. It is never nil when
// err is nil.
//
// excInfo is the error that the application is answering, exc_info in Python: nil in the first, normal call.
// With it, status and headers replace those of an earlier call, output that is still held back is dropped
// and the sessions of the request are rolled back. If the headers have left, excInfo itself is returned, and
// the application should give it back to its caller.
//
// Errors: ErrStarted for a second call without excInfo, even if the first failed; *HeaderError for a status or
// header that PEP 3333 or HTTP forbids.
type StartResponse func(status string, headers []Header, excInfo error) (io.Writer, error)

// Header is one header field of a response.
type Header struct {
	Name  string
	Value string
}

// Body is what an application returns: WSGI's iterable of byte strings with its close method.
type Body interface {
	// Blocks yields the body's blocks. Each is sent, or held back, before the next is asked for; the
	// receiver keeps no block. It is called at most once, and iteration stops at an error.
	Blocks() iter.Seq2[[]byte, error]

	// Close is called exactly once when the request ends, however it ends: after the last block, an
	// error, a panic, or when the client has gone. An error is treated as the application's.
	Close() error
}

// Bytes returns a body of the given blocks.
func Bytes(blocks ...[]byte) Body {
	if len(blocks) == 1 { // as most are
		return &blockBody{blocks[0]}
	}
	return bytesBody(slices.Clone(blocks)) // so that the list of one need not be kept
}

// Text returns a body of one block.
func Text(s string) Body { return textBody(s) }

// The bodies that are there as a whole. The server takes them apart by itself, since going through Blocks costs several
// allocations.
type (
	bytesBody [][]byte
	blockBody [1][]byte
	textBody  string
)

func (b bytesBody) Blocks() iter.Seq2[[]byte, error]  { return blocks(b) }
func (b *blockBody) Blocks() iter.Seq2[[]byte, error] { return blocks(b[:]) }
func (b textBody) Blocks() iter.Seq2[[]byte, error]   { return blocks([][]byte{[]byte(b)}) }

func (bytesBody) Close() error  { return nil }
func (*blockBody) Close() error { return nil }
func (textBody) Close() error   { return nil }

func blocks(list [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, block := range list {
			if !yield(block, nil) {
				return
			}
		}
	}
}

// lifeless reports whether a body runs nothing of the application any more.
func lifeless(b Body) bool {
	switch b.(type) {
	case nil, *fileBody, bytesBody, *blockBody, textBody:
		return true
	}
	return false
}

// File returns a body that sends what r holds, and closes r if it is an io.Closer: wsgi.file_wrapper
// of PEP 3333. Nothing is read before the server asks for blocks. A server that gets it as the final
// body lets the operating system copy the file where it can. It sends from where r stands to r's end, or until the
// declared Content-Length is reached: so a range of a file is sent by seeking first. Behind middleware that hands the
// blocks on it is a body like any other, for which more than the Content-Length is ErrTooLong; limit r there.
func File(r io.Reader) Body { return &fileBody{r: r} }

type fileBody struct {
	r    io.Reader
	then func() error // called after r is closed, or nil; see closing
}

// blockSize is how much of a file is read at once where it can not be handed to the system.
const blockSize = 32 << 10

func (b *fileBody) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		block := make([]byte, blockSize)
		for {
			n, err := b.r.Read(block)
			if n > 0 && !yield(block[:n], nil) || err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (b *fileBody) Close() (err error) {
	if b.then != nil {
		defer func() { err = firstError(err, b.then()) }() // also when r's Close panics
	}
	if c, ok := b.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
