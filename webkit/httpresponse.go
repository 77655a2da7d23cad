package webkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdover-web/holdover/compat"
)

// ErrCommitted is returned by the methods of HTTPResponse that change headers, cookies or the status, and by
// Reset, when the headers have been handed over to the server: Webware's ConnectionError. Do such things
// before the first Flush, and before the output outgrows the setting ResponseBufferSize.
var ErrCommitted = errors.New("webkit: the response is committed already")

// HTTPResponse is the response of a transaction: Webware's HTTPResponse. It is an io.Writer and an
// io.StringWriter. Output is kept until the response is committed: by Deliver at the end of the transaction,
// by Flush, or when the output outgrows the setting ResponseBufferSize. Until then headers, cookies and the
// status can be changed, and everything can be taken back with Reset.
//
// The cookie of the session is not among the cookies here; the application's compat.Sessions set it.
type HTTPResponse struct {
	transaction *Transaction
	start       compat.StartResponse
	limit       int // how many bytes buf may hold

	status  string // "404 Not Found" in form, or "" for the usual one
	headers []compat.Header
	cookies []*Cookie
	buf     *[]byte // output before the commit, or nil

	out   io.Writer // where output goes, nil before the commit
	cause error     // the error that is answered after start was called already
	size  int64     // bytes of output
	err   error     // the first failure to commit or to write
	ended time.Time
}

const defaultContentType = "text/html; charset=utf-8"

// outputBuffers are shared by all applications, whatever their buffer size: append makes them fit.
var outputBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledOutput bounds what an idle buffer keeps from the garbage collector, in bytes.
const maxPooledOutput = 256 << 10

// init prepares a response that keeps up to limit bytes of output.
func (r *HTTPResponse) init(t *Transaction, start compat.StartResponse, limit int) {
	*r = HTTPResponse{transaction: t, start: start, limit: limit}
	r.clear()
}

// clear sets the response back to what every response begins with.
func (r *HTTPResponse) clear() {
	r.status, r.cookies, r.size = "", nil, 0
	r.headers = []compat.Header{{Name: "Content-Type", Value: defaultContentType}}
	if r.buf != nil {
		*r.buf = (*r.buf)[:0]
	}
}

// Transaction returns the transaction that the response belongs to: transaction().
func (r *HTTPResponse) Transaction() *Transaction { return r.transaction }

// Protocol returns the protocol of the request: protocol().
func (r *HTTPResponse) Protocol() string { return r.transaction.request.Protocol() }

// IsCommitted reports whether the headers were handed over, so that they can not be changed: isCommitted().
func (r *HTTPResponse) IsCommitted() bool { return r.out != nil }

// Header returns a header, the first one if there are several of that name: header(name). The name
// "Status" stands for the status that was set, such as "404 Not Found". The error is ErrKey if there is
// none.
func (r *HTTPResponse) Header(name string) (string, error) {
	if name = http.CanonicalHeaderKey(name); name == "Status" && r.status != "" {
		return r.status, nil
	}
	if i := r.findHeader(name); i >= 0 {
		return r.headers[i].Value, nil
	}
	return "", keyError("header", name)
}

// HeaderDefault returns a header like Header, or otherwise if there is none: header(name, default).
func (r *HTTPResponse) HeaderDefault(name, otherwise string) string {
	if value, err := r.Header(name); err == nil {
		return value
	}
	return otherwise
}

// HasHeader reports whether there is a header of that name: hasHeader(name).
func (r *HTTPResponse) HasHeader(name string) bool {
	_, err := r.Header(name)
	return err == nil
}

// Headers returns a copy of the headers, without status and cookies: headers().
func (r *HTTPResponse) Headers() []compat.Header { return slices.Clone(r.headers) }

// SetHeader sets a header and replaces those of the same name: setHeader(name, value). The name "Status"
// sets the status, as in Webware. Errors: ErrCommitted, and one that says what a header can not have, such
// as a line break.
func (r *HTTPResponse) SetHeader(name, value string) error {
	if name = http.CanonicalHeaderKey(name); name == "Status" {
		return r.setStatus(value)
	}
	if err := r.checkHeader(name, value); err != nil {
		return err
	}
	r.removeHeader(name)
	r.headers = append(r.headers, compat.Header{Name: name, Value: value})
	return nil
}

// AddHeader adds a header beside those of the same name. Errors are those of SetHeader.
func (r *HTTPResponse) AddHeader(name, value string) error {
	name = http.CanonicalHeaderKey(name)
	if err := r.checkHeader(name, value); err != nil {
		return err
	}
	r.headers = append(r.headers, compat.Header{Name: name, Value: value})
	return nil
}

// DelHeader removes all headers of that name: delHeader(name). Errors: ErrCommitted, and ErrKey if there is
// none.
func (r *HTTPResponse) DelHeader(name string) error {
	name = http.CanonicalHeaderKey(name)
	switch {
	case r.IsCommitted():
		return ErrCommitted
	case name == "Status" && r.status != "":
		r.status = ""
		return nil
	case r.findHeader(name) < 0:
		return keyError("header", name)
	}
	r.removeHeader(name)
	return nil
}

// ClearHeaders removes all headers, the content type included, and the status: clearHeaders(). The error is
// ErrCommitted.
func (r *HTTPResponse) ClearHeaders() error {
	if r.IsCommitted() {
		return ErrCommitted
	}
	r.headers, r.status = nil, ""
	return nil
}

// MergeTextHeaders sets the headers in text, one on a line: mergeTextHeaders(headerStr). Lines without a
// colon are ignored. Errors are those of SetHeader; lines before the one with the error have counted.
func (r *HTTPResponse) MergeTextHeaders(text string) error {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if err := r.SetHeader(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

func (r *HTTPResponse) findHeader(name string) int {
	return slices.IndexFunc(r.headers, func(h compat.Header) bool { return h.Name == name })
}

func (r *HTTPResponse) removeHeader(name string) {
	r.headers = slices.DeleteFunc(r.headers, func(h compat.Header) bool { return h.Name == name })
}

func (r *HTTPResponse) checkHeader(name, value string) error {
	switch {
	case r.IsCommitted():
		return ErrCommitted
	case name == "" || strings.ContainsFunc(name, notPlain) || strings.Contains(name, ":"):
		return fmt.Errorf("webkit: %.100q is no header name", name)
	case strings.ContainsFunc(value, isControl):
		return fmt.Errorf("webkit: the value of header %s has control characters", name)
	}
	return compat.CheckHeader(compat.Header{Name: name, Value: value}) // now, and not after the session was saved
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// Status returns the status line as it will be sent, such as "200 OK".
func (r *HTTPResponse) Status() string {
	switch {
	case r.status != "":
		return r.status
	case r.findHeader("Location") >= 0:
		return "302 Found"
	default:
		return "200 OK"
	}
}

// SetStatus sets the status, 200 to 599: setStatus(code, msg). An empty reason stands for the code's own.
// Errors: ErrCommitted, and one that says what is wrong with the arguments.
func (r *HTTPResponse) SetStatus(code int, reason string) error {
	if reason == "" {
		reason = http.StatusText(code)
	}
	return r.setStatus(strconv.Itoa(code) + " " + reason)
}

func (r *HTTPResponse) setStatus(status string) error {
	digits, _, _ := strings.Cut(status, " ")
	code, err := strconv.Atoi(digits)
	switch {
	case r.IsCommitted():
		return ErrCommitted
	case err != nil, len(digits) != 3, code < 200, code > 599, strings.ContainsFunc(status, isControl):
		return fmt.Errorf("webkit: %.100q is no status: use one such as 404 Not Found", status)
	}
	r.status = status
	return nil
}

// SendError is SetStatus: sendError(code, msg). It sends no page of its own; return an *HTTPException for
// that.
func (r *HTTPResponse) SendError(code int, reason string) error { return r.SetStatus(code, reason) }

// Write adds p to the output: write(output). Errors are those of committing and of the connection; the
// first one stays, and Deliver returns it too.
func (r *HTTPResponse) Write(p []byte) (int, error) {
	if err := r.makeRoom(len(p)); err != nil {
		return 0, err
	}
	r.size += int64(len(p))
	if r.out == nil {
		buf := r.buffer()
		*buf = append(*buf, p...)
		return len(p), nil
	}
	n, err := r.out.Write(p)
	return n, r.note(err)
}

// WriteString is Write for a string.
func (r *HTTPResponse) WriteString(s string) (int, error) {
	if err := r.makeRoom(len(s)); err != nil {
		return 0, err
	}
	r.size += int64(len(s))
	if r.out == nil {
		buf := r.buffer()
		*buf = append(*buf, s...)
		return len(s), nil
	}
	n, err := io.WriteString(r.out, s)
	return n, r.note(err)
}

// makeRoom commits the response if n more bytes do not fit into the buffer.
func (r *HTTPResponse) makeRoom(n int) error {
	if r.out == nil && r.err == nil && r.size+int64(n) > int64(r.limit) {
		return r.Commit()
	}
	return r.err
}

// Size returns the length of the output so far in bytes: size().
func (r *HTTPResponse) Size() int64 { return r.size }

// Reset takes back everything: headers, cookies, the status and the output: reset(). The error is
// ErrCommitted.
func (r *HTTPResponse) Reset() error {
	if r.IsCommitted() {
		return ErrCommitted
	}
	r.clear()
	return nil
}

// restart is Reset for an answer to cause: it also takes back what was committed, as long as none of it has
// reached the client. Otherwise it returns compat.ErrSent.
func (r *HTTPResponse) restart(cause error) error {
	if r.transaction.env.Response().Sent() {
		return compat.ErrSent
	}
	if r.out != nil {
		r.out, r.cause = nil, cause
	}
	r.err = nil
	r.clear()
	return nil
}

// Commit hands status, headers and cookies over to the server, and the output so far: commit(). Further
// calls do nothing. Servlets call Flush instead. Errors are those of compat.StartResponse, of the
// request's sessions and of the connection.
func (r *HTTPResponse) Commit() error {
	if r.out != nil || r.err != nil {
		return r.err
	}
	headers := r.headers
	for _, c := range r.cookies {
		value, err := c.HeaderValue()
		if err != nil {
			return r.note(err)
		}
		headers = append(headers, compat.Header{Name: "Set-Cookie", Value: value})
	}
	out, err := r.start(r.Status(), headers, r.cause)
	if err != nil {
		return r.note(err)
	}
	r.out = out
	if r.buf != nil && len(*r.buf) > 0 {
		_, err = out.Write(*r.buf)
	}
	r.release()
	return r.note(err)
}

// Flush commits the response and sends the output so far to the client: flush(). The sessions of the
// request are saved by that. Before there is any output, the headers wait for it.
func (r *HTTPResponse) Flush() error {
	if err := r.Commit(); err != nil || r.size == 0 {
		return err
	}
	err := r.transaction.env.Response().FlushError()
	if errors.Is(err, http.ErrNotSupported) {
		return nil // this server sends in its own time
	}
	return r.note(err)
}

// Deliver ends the response: deliver(). The application calls it. The error is the first one that a
// commit or a write met.
func (r *HTTPResponse) Deliver() error {
	r.RecordEndTime()
	return r.Commit()
}

// RecordEndTime notes the end of the response for EndTime: recordEndTime().
func (r *HTTPResponse) RecordEndTime() { r.ended = time.Now() }

// EndTime returns when the response ended: endTime(), which is in seconds since 1970. It is zero before.
func (r *HTTPResponse) EndTime() time.Time { return r.ended }

func (r *HTTPResponse) buffer() *[]byte {
	if r.buf == nil {
		r.buf = outputBuffers.Get().(*[]byte)
	}
	return r.buf
}

// release gives the buffer back. It must be called when the transaction ends.
func (r *HTTPResponse) release() {
	if r.buf == nil {
		return
	}
	if cap(*r.buf) <= maxPooledOutput {
		*r.buf = (*r.buf)[:0]
		outputBuffers.Put(r.buf)
	}
	r.buf = nil
}

// note keeps the first failure.
func (r *HTTPResponse) note(err error) error {
	if err != nil && r.err == nil {
		r.err = err
	}
	return err
}
