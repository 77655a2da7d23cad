package compat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// Response is the response of a request: an http.ResponseWriter that holds its output back until the
// request's sessions are committed. Handlers get it as their writer, or find it with ResponseOf. Like
// any http.ResponseWriter it is for one goroutine at a time, and only until the handler returns.
type Response struct {
	w    http.ResponseWriter
	q    *request
	hold *holdConfig

	buf  *buffer // what is held back, or nil
	rest *rest   // what most responses do without, or nil

	sent   atomic.Bool // the headers have left, or the connection is no longer ours
	status int16       // what the handler said, 0 while it said nothing
	noted  bool        // rest.entry is filled in
	over   bool        // the request has ended; protected by its mu
}

// rest is the part of a Response that is seldom needed.
type rest struct {
	entry    []headerEntry  // the headers as they were before the handler
	before   []func() error // see BeforeCommit
	after    []func()       // see AfterEnd
	trial    *trial         // the attempt that is running, or nil
	failed   error          // why an error page was sent in place of the response
	page     pageWriter     // through which it was sent
	writeErr error          // the first failure to write to the client
	final    bool           // before is running: whatever is written is held back
	hijacked bool
	private  bool // see KeepPrivate
	informed bool // an informational response was sent and Echo has not been told to forget it
}

// more returns the rest to put something into it.
func (rw *Response) more() *rest {
	if rw.rest == nil {
		rw.rest = new(rest)
	}
	return rw.rest
}

func (rw *Response) final() bool    { return rw.rest != nil && rw.rest.final }
func (rw *Response) hijacked() bool { return rw.rest != nil && rw.rest.hijacked }

// Failed returns why an error page was sent in place of the response, or nil: the sessions could not be committed.
func (rw *Response) Failed() error {
	if rw.rest == nil {
		return nil
	}
	return rw.rest.failed
}

type headerEntry struct {
	name   string
	values []string
}

// ResponseOf returns the response of the request that ctx belongs to, or nil if no Sessions and no
// Handler is around.
func ResponseOf(ctx context.Context) *Response {
	if q := requestOf(ctx); q != nil {
		return &q.resp
	}
	return nil
}

// Sent reports whether the headers have left, or the connection was hijacked: it is too late then for
// headers, cookies and new sessions.
func (rw *Response) Sent() bool { return rw.sent.Load() }

// Status returns the status code that was set, or sent; 0 if the handler has set none yet.
func (rw *Response) Status() int { return int(rw.status) }

// Buffered returns how many bytes of the body are held back.
func (rw *Response) Buffered() int {
	if rw.buf == nil {
		return 0
	}
	return len(rw.buf.b)
}

// BeforeCommit registers fn to be called once, just before the sessions commit and the first byte
// leaves, whatever the reason: the handler's end, the buffer's overflow, a flush, a hijack. Functions
// are called in the order of their registration and may still write. An error is treated as a failed
// commit. A rollback forgets the functions, and after the headers have left none is called any more.
func (rw *Response) BeforeCommit(fn func() error) {
	m := rw.more()
	m.before = append(m.before, fn)
}

// AfterEnd registers fn to be called once when the request has ended, whatever the way: its sessions are committed or
// rolled back and the response is complete or given up. Functions are called in the order of their registration, on
// the goroutine that serves the request. None may use the response or the sessions any more.
func (rw *Response) AfterEnd(fn func()) {
	m := rw.more()
	m.after = append(m.after, fn)
}

// Reset drops the status, the headers that the handler set and the output that is held back, so that the
// response can begin anew. The error is ErrSent if the headers have left.
func (rw *Response) Reset() error {
	if rw.Sent() {
		return ErrSent
	}
	rw.drop()
	return nil
}

// Rollback rolls all sessions of the request back, and does what Reset does. The sessions are rolled
// back even if it returns ErrSent.
func (rw *Response) Rollback() error {
	rw.q.undo()
	if rw.Sent() {
		return ErrSent
	}
	return nil
}

// Header returns the response's headers. Changes count until the headers leave, even after WriteHeader.
func (rw *Response) Header() http.Header {
	h := rw.w.Header()
	if !rw.noted {
		rw.noted = true
		if len(h) > 0 {
			m := rw.more()
			m.entry = make([]headerEntry, 0, len(h))
			for name, values := range h {
				m.entry = append(m.entry, headerEntry{name, values})
			}
		}
	}
	rw.forgetInformed()
	return h
}

// WriteHeader sets the status. An informational status, such as 103 Early Hints, is sent at once with the
// headers set so far; it commits nothing and the real status can still follow. As in net/http, a second
// call has no effect and a code that is no status panics.
func (rw *Response) WriteHeader(code int) {
	switch {
	case code < 100 || code > 999:
		panic(fmt.Sprintf("compat: invalid WriteHeader code %d", code))
	case rw.Failed() != nil || rw.hijacked():
	case rw.Sent():
		rw.w.WriteHeader(code) // superfluous; net/http says where
	case code < 200 && code != http.StatusSwitchingProtocols:
		if !rw.tried() { // it could not be taken back, and nobody needs it
			rw.w.WriteHeader(code)
		}
		rw.more().informed = true
	case rw.status == 0:
		rw.status = int16(code)
	}
}

// Write holds p back, or sends it if the headers have left. When the output outgrows the buffer, the
// sessions are committed and all of it is sent. Errors: a *SessionError if that commit failed, and an error
// page was sent instead; http.ErrBodyNotAllowed; http.ErrHijacked; and those of the connection.
func (rw *Response) Write(p []byte) (int, error) {
	if err := rw.begin(len(p)); err != nil {
		return 0, err
	}
	if rw.Sent() {
		n, err := rw.w.Write(p)
		return n, rw.note(err)
	}
	rw.buffer().b = append(rw.buf.b, p...)
	return len(p), nil
}

// WriteString is Write for a string.
func (rw *Response) WriteString(s string) (int, error) {
	if err := rw.begin(len(s)); err != nil {
		return 0, err
	}
	if rw.Sent() {
		n, err := io.WriteString(rw.w, s)
		return n, rw.note(err)
	}
	rw.buffer().b = append(rw.buf.b, s...)
	return len(s), nil
}

// ReadFrom sends what src holds. What does not fit into the buffer is given to the server's own
// ReadFrom after the commit, so that files are still copied by the operating system.
func (rw *Response) ReadFrom(src io.Reader) (n int64, err error) {
	if err := rw.bodyAllowed(); err != nil {
		return 0, err
	}
	if rw.final() {
		return io.Copy(struct{ io.Writer }{rw}, src)
	}
	if !rw.Sent() {
		large := false
		if l, ok := src.(*io.LimitedReader); ok {
			large = l.N > int64(rw.hold.limit-rw.Buffered())
		}
		if !large {
			n, err = rw.fill(src)
			if err != nil {
				if err == io.EOF {
					err = nil
				}
				return n, err
			}
		}
		if err := rw.send(); err != nil {
			return n, err
		}
		if !rw.Sent() { // it is going to be taken back
			m, err := io.Copy(io.Discard, src)
			return n + m, err
		}
	}
	m, err := io.Copy(rw.w, src)
	if rw.q.outer.Context().Err() != nil { // else it is src that failed
		rw.note(err)
	}
	return n + m, err
}

// FlushError commits the sessions, if that has not happened, and sends all output so far to the client.
// Errors: those of Write, and http.ErrNotSupported.
func (rw *Response) FlushError() error {
	switch {
	case rw.hijacked():
		return http.ErrHijacked
	case rw.final():
		return nil // what is written now goes out in a moment
	case !rw.Sent():
		if err := rw.send(); err != nil {
			return err
		}
		if !rw.Sent() {
			return nil // it is going to be taken back
		}
	case rw.Failed() != nil:
		return rw.Failed()
	}
	if rw.status == 0 {
		rw.status = http.StatusOK
	}
	err := http.NewResponseController(rw.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return rw.note(err)
}

// Flush is FlushError for callers that look for an http.Flusher. The error shows in the next Write.
func (rw *Response) Flush() { _ = rw.FlushError() }

// Hijack commits the sessions and takes the connection over from the server. Output that is held back
// is dropped, and so are headers: who hijacks writes the response. Since the cookie of a new session, or
// of a new id, would be lost with them, Hijack fails with ErrCookieNeeded before anything is committed if
// there is one; the response can then go on. Changes made afterwards commit when the handler returns.
//
// Errors: ErrCookieNeeded, ErrSent, http.ErrNotSupported, and a *SessionError if the commit failed.
func (rw *Response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case rw.hijacked():
		return nil, nil, http.ErrHijacked
	case rw.Failed() != nil:
		return nil, nil, rw.Failed()
	case rw.final():
		return nil, nil, ErrSent
	case rw.doomed() != nil:
		return nil, nil, http.ErrNotSupported
	case !rw.Sent():
		if err := rw.runBefore(); err != nil {
			return nil, nil, rw.fail(err)
		}
		if rw.q.needsCookie() {
			return nil, nil, ErrCookieNeeded
		}
		if err := rw.commit(); err != nil {
			return nil, nil, err
		}
	}
	conn, bufrw, err := http.NewResponseController(rw.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	rw.more().hijacked = true
	rw.sent.Store(true)
	rw.q.settle()
	rw.release()
	return conn, bufrw, nil
}

// ErrCookieNeeded is returned by Response.Hijack when a session that the client does not know yet, or by
// another id, waits to be committed. Begin and rotate sessions in an ordinary request before the one that
// switches protocols.
var ErrCookieNeeded = errors.New("compat: a hijacked response can not carry the cookie that a session needs")

// Unwrap returns the server's writer, for http.ResponseController and its deadlines. What is written
// to it directly goes out before the sessions are committed, and before what is held back.
func (rw *Response) Unwrap() http.ResponseWriter { return rw.w }
