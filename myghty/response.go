package myghty

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// buffer holds output back.
type buffer struct {
	bytes.Buffer
	w io.Writer // the response, once it has begun
}

// maxKept is how large a buffer may be that is kept for other requests.
const maxKept = 256 << 10

func (m *Request) release() {
	b := m.buffer
	m.buffer, m.out = nil, nil
	if b.w = nil; b.Cap() <= maxKept {
		b.Reset()
		m.app.requests.Put(b)
	}
}

// HeadersOut returns the headers of the response, to be changed before it begins: r.headers_out. The Content-Type is
// text/html; charset=utf-8 unless it is set.
func (m *Request) HeadersOut() http.Header {
	if m.headers == nil {
		m.headers = make(http.Header)
	}
	return m.headers
}

// SetContentType sets the Content-Type: r.content_type.
func (m *Request) SetContentType(kind string) { m.HeadersOut().Set("Content-Type", kind) }

// SetStatus sets the response's status: r.status. Errors: ErrCommitted; and for what is no final status.
func (m *Request) SetStatus(code int) error {
	switch {
	case m.begun:
		return ErrCommitted
	case code < 200 || code > 599:
		return fmt.Errorf("myghty: SetStatus: %d is no status of a response", code)
	}
	m.status = code
	return nil
}

// Write implements io.Writer: output at this place. The first failure is also what the request ends with.
func (m *Request) Write(p []byte) (int, error) {
	n, _ := m.out.Write(p) // never fails
	return n, m.overflow()
}

// WriteString is m.write(text). Text is not escaped; see html.EscapeString.
func (m *Request) WriteString(s string) (int, error) {
	n, _ := m.out.WriteString(s) // never fails
	return n, m.overflow()
}

// Writef writes formatted text: m.write(format % args). A failure is what the request ends with.
func (m *Request) Writef(format string, args ...any) {
	fmt.Fprintf(m.out, format, args...)
	_ = m.overflow() // kept in m.failed
}

// overflow begins the response when its buffer is full.
func (m *Request) overflow() error {
	if m.out != &m.buffer.Buffer || m.out.Len() <= m.app.cfg.BufferBytes {
		return nil
	}
	return m.send()
}

// ClearBuffer drops what was written and not yet sent: m.clear_buffer(). Error: ErrCommitted, if a part was sent.
func (m *Request) ClearBuffer() error {
	if m.begun {
		return ErrCommitted
	}
	m.out.Reset()
	return nil
}

// FlushBuffer saves the sessions as far as they are to be saved by now, and sends what was written: m.flush_buffer().
// After that it is too late for headers and for the cookie of a new session. Before any output it does nothing.
func (m *Request) FlushBuffer() error {
	if m.out != &m.buffer.Buffer || !m.begun && m.out.Len() == 0 {
		return nil
	}
	if err := m.send(); err != nil {
		return err
	}
	if err := m.env.Response().FlushError(); err != nil {
		m.failed = err
		return err
	}
	return nil
}

// send begins the response, if it has not begun, and writes what the buffer holds.
func (m *Request) send() error {
	if m.failed != nil {
		return m.failed
	}
	if !m.begun {
		m.begun = true
		if m.buffer.w, m.failed = m.start(statusLine(m.status), m.headerList(), nil); m.failed != nil {
			return m.failed
		}
	}
	_, m.failed = m.buffer.w.Write(m.buffer.Bytes())
	m.buffer.Reset()
	return m.failed
}

func statusLine(code int) string {
	if code == http.StatusOK {
		return "200 OK"
	}
	return strconv.Itoa(code) + " " + http.StatusText(code)
}

// deliver sends the rest at the end of the request.
func (m *Request) deliver() error { return m.send() }

// plainHTML are the headers of most responses.
var plainHTML = []compat.Header{{Name: "Content-Type", Value: "text/html; charset=utf-8"}}

func (m *Request) headerList() []compat.Header {
	if len(m.headers) == 0 {
		return plainHTML
	}
	list := make([]compat.Header, 0, len(m.headers)+1)
	if m.headers["Content-Type"] == nil {
		list = append(list, plainHTML...)
	}
	for name, values := range m.headers {
		for _, value := range values {
			list = append(list, compat.Header{Name: name, Value: value})
		}
	}
	return list
}

// Abort returns the error that ends the request with a status when a component returns it: m.abort(status, reason). An
// empty reason is net/http's text.
func (m *Request) Abort(code int, reason string) error {
	if code < 200 || code > 599 {
		return fmt.Errorf("myghty: Abort: %d is no status of a response", code)
	}
	return &AbortError{Code: code, Reason: reason}
}

// SendRedirect returns the error that sends the client elsewhere when a component returns it:
// m.send_redirect(path, hard=True). The status is 303 after a POST and its like, and 302 otherwise.
func (m *Request) SendRedirect(location string) error {
	code := http.StatusFound
	if method := m.Method(); method != http.MethodGet && method != http.MethodHead {
		code = http.StatusSeeOther
	}
	return &AbortError{Code: code, Location: ascii(location)}
}

// ascii escapes what a header can not carry, except control characters, which are refused when the response begins.
func ascii(location string) string {
	var b strings.Builder
	for i := range len(location) {
		if c := location[i]; c == ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// aborted makes the answer to an AbortError. It returns err if it is too late for that.
func (m *Request) aborted(abort *AbortError, err error) error {
	if m.begun || m.failed != nil {
		return err
	}
	if abort.Code >= http.StatusBadRequest {
		if rerr := m.env.Response().Rollback(); rerr != nil {
			return rerr
		}
		m.headers = nil
	}
	m.out = &m.buffer.Buffer
	m.out.Reset()
	m.status = abort.Code
	switch {
	case abort.Location != "":
		m.HeadersOut().Set("Location", abort.Location)
	case abort.Code >= http.StatusBadRequest:
		title := strconv.Itoa(abort.Code) + " " + html.EscapeString(abort.text())
		fmt.Fprintf(m.out, "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">"+
			"<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>\n<h1>%s</h1>\n</html>\n", title, title)
	}
	return nil
}
