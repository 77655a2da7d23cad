package compat

import (
	"bufio"
	"bytes"
	"io"
	"iter"
)

// Input is wsgi.input of PEP 3333: the request's body, which ends where Content-Length says. It is for
// one goroutine at a time, and closed by the server, not by the application.
type Input struct {
	body   io.Reader
	buf    *bufio.Reader // once a line was asked for
	failed error         // how body broke off, if it did
}

// NewInput returns an input that reads what r holds, for middleware that puts another body in place of the client's:
//
//	env.Set("wsgi.input", compat.NewInput(r))
//	env.Set("CONTENT_LENGTH", strconv.Itoa(size)) // or Delete, if it is not known
//
// Nobody closes r.
func NewInput(r io.Reader) *Input { return &Input{body: r} }

// Read reads up to len(p) bytes, as io.Reader does: read(size) in Python. At the end the error is io.EOF. When the
// client breaks off before, it is another one, from then on and in every method.
func (in *Input) Read(p []byte) (int, error) {
	switch {
	case in.buf != nil:
		return in.buf.Read(p)
	case in.body != nil:
		return in.fetch(p)
	default:
		return 0, io.EOF
	}
}

// fetch reads from the body. net/http says only once that it broke off, and io.EOF to who asks again.
func (in *Input) fetch(p []byte) (int, error) {
	if in.failed != nil {
		return 0, in.failed
	}
	n, err := in.body.Read(p)
	if err != io.EOF {
		in.failed = err
	}
	return n, err
}

// fetcher is the body for in.buf.
type fetcher struct{ in *Input }

func (f fetcher) Read(p []byte) (int, error) { return f.in.fetch(p) }

// ReadAll reads the rest: read() in Python. It reads as much as the client sends; wrap the handler in
// http.MaxBytesHandler to set a limit.
func (in *Input) ReadAll() ([]byte, error) { return io.ReadAll(in) }

// ReadLine reads one line with its line feed, or limit bytes of it if limit is positive: readline(size) in
// Python. The last line may lack the line feed. After it the error is io.EOF and the line empty. Like
// ReadAll, it sets no limit of its own.
func (in *Input) ReadLine(limit int) ([]byte, error) {
	if in.body == nil {
		return nil, io.EOF
	}
	if in.buf == nil {
		in.buf = bufio.NewReader(fetcher{in})
	}
	var line []byte
	for {
		part, err := in.peekLine()
		if limit > 0 && len(part) > limit-len(line) {
			part = part[:limit-len(line)]
		}
		line = append(line, part...)
		_, _ = in.buf.Discard(len(part)) // they are in the buffer
		switch {
		case bytes.HasSuffix(line, []byte("\n")), limit > 0 && len(line) == limit:
			return line, nil
		case err == io.EOF && len(line) > 0:
			return line, nil
		case err != nil:
			return line, err
		}
	}
}

// peekLine returns what is buffered of the line; the error is that of getting more.
func (in *Input) peekLine() ([]byte, error) {
	_, err := in.buf.Peek(1)
	part, _ := in.buf.Peek(in.buf.Buffered())
	if i := bytes.IndexByte(part, '\n'); i >= 0 {
		return part[:i+1], nil
	}
	return part, err
}

// ReadLines reads lines until the body ends or, if hint is positive, until they have hint bytes together:
// readlines(hint) in Python. At the end it returns no lines and no error.
func (in *Input) ReadLines(hint int) ([][]byte, error) {
	var lines [][]byte
	total := 0
	for line, err := range in.Lines() {
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
		if total += len(line); hint > 0 && total >= hint {
			break
		}
	}
	return lines, nil
}

// Lines yields the lines that are left, each with its line feed: iteration in Python. It ends at an error,
// which it yields.
func (in *Input) Lines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			line, err := in.ReadLine(0)
			if err == io.EOF {
				return
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
