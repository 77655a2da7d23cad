package webstack

import (
	"io"
)

// ResponseStream is where output goes: what get_response_stream() returns. It is an io.Writer and an io.StringWriter.
// Output is kept until the response is committed: at the end of the transaction, by Commit, or when it outgrows the
// setting response_buffer_size. Until then everything can be taken back.
//
// Text is UTF-8 in Go, and is written in the charset of the response's content type. A character that the charset
// does not have is a *CharsetError, in Python a UnicodeError. The transaction fails with it even if the resource does not look
// at it, unless it calls Rollback, so that no page has holes; ask Charset.Encode first where that may happen. A character
// may be split between two writes. Under a content type that is no text, and has no charset, bytes are sent as they are.
type ResponseStream struct {
	r       *response
	pending string // the beginning of a character
}

// GetResponseStream returns the stream for the output: get_response_stream(). It is the same one each time.
func (t *Transaction) GetResponseStream() *ResponseStream { return &t.response.stream }

// GetResponseStreamEncoding returns the charset that text is written in: get_response_stream_encoding(). It is nil under
// a content type that is no text.
func (t *Transaction) GetResponseStreamEncoding() *Charset { return t.response.charset }

// Write writes text. Errors: a *CharsetError; and those of committing and of the connection. The first one stays.
func (s *ResponseStream) Write(p []byte) (int, error) {
	if s.plain() && (s.asIs() || isASCII(p)) {
		return s.r.write(p)
	}
	return s.encode(string(p))
}

// WriteString is Write for a string.
func (s *ResponseStream) WriteString(text string) (int, error) {
	if s.plain() && (s.asIs() || isASCII(text)) {
		return s.r.writeString(text)
	}
	return s.encode(text)
}

// plain reports whether no character has begun.
func (s *ResponseStream) plain() bool { return s.pending == "" }

// asIs reports whether what is written needs no conversion.
func (s *ResponseStream) asIs() bool { return s.r.charset == nil || s.r.charset.high == nil }

func (s *ResponseStream) encode(text string) (int, error) {
	data, rest, err := s.r.charset.append(nil, s.pending+text)
	if err != nil {
		return 0, s.r.note(err)
	}
	if _, err := s.r.write(data); err != nil {
		return 0, err
	}
	s.pending = rest
	return len(text), nil
}

// write adds bytes to the output.
func (r *response) write(p []byte) (int, error) {
	if err := r.makeRoom(len(p)); err != nil {
		return 0, err
	}
	if r.out == nil {
		buf := r.buffer()
		*buf = append(*buf, p...)
		return len(p), nil
	}
	n, err := r.out.Write(p)
	return n, r.note(err)
}

func (r *response) writeString(s string) (int, error) {
	if err := r.makeRoom(len(s)); err != nil {
		return 0, err
	}
	if r.out == nil {
		buf := r.buffer()
		*buf = append(*buf, s...)
		return len(s), nil
	}
	n, err := io.WriteString(r.out, s)
	return n, r.note(err)
}

// makeRoom commits the response if n more bytes do not fit into the buffer.
func (r *response) makeRoom(n int) error {
	held := 0
	if r.buf != nil {
		held = len(*r.buf)
	}
	if r.out == nil && r.err == nil && held+n > r.t.app.settings.buffer {
		return r.commitEarly()
	}
	return r.err
}

// commitEarly is commit in the middle of the output, where a character may have begun.
func (r *response) commitEarly() error {
	pending := r.stream.pending
	r.stream.pending = ""
	err := r.commit()
	r.stream.pending = pending
	return err
}

func (r *response) buffer() *[]byte {
	if r.buf == nil {
		r.buf = outputBuffers.Get().(*[]byte)
	}
	return r.buf
}
