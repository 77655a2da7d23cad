package compat

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
)

// defaultBufferSize holds most pages whole, so that their sessions commit when the handler is done.
const defaultBufferSize = 64 << 10

// holdConfig says how a response is held back and what becomes of one that can not be sent.
type holdConfig struct {
	limit int
	page  ErrorPage
	log   *slog.Logger
}

func newHoldConfig(limit int, page ErrorPage, log *slog.Logger) holdConfig {
	if limit == 0 {
		limit = defaultBufferSize
	}
	if page == nil {
		page = DefaultErrorPage
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return holdConfig{limit: max(limit, 0), page: page, log: log}
}

type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// maxPooled bounds what an idle buffer keeps from the garbage collector.
const maxPooled = 256 << 10

// begin prepares for n bytes of body: they fit into the buffer afterwards, or everything was sent.
func (rw *Response) begin(n int) error {
	if err := rw.bodyAllowed(); err != nil {
		return err
	}
	if !rw.Sent() && !rw.final() && rw.Buffered()+n > rw.hold.limit {
		return rw.send()
	}
	return nil
}

func (rw *Response) bodyAllowed() error {
	if m := rw.rest; m != nil {
		m.informed = false
		switch {
		case m.failed != nil:
			return m.failed
		case m.hijacked:
			return http.ErrHijacked
		}
	}
	if rw.status == 0 {
		rw.status = http.StatusOK
	}
	switch rw.status {
	case http.StatusNoContent, http.StatusNotModified, http.StatusSwitchingProtocols:
		return http.ErrBodyNotAllowed
	}
	return nil
}

// fill reads into the buffer until it is full, when the error is nil, or src ends.
func (rw *Response) fill(src io.Reader) (n int64, err error) {
	buf := rw.buffer()
	for len(buf.b) < rw.hold.limit {
		if len(buf.b) == cap(buf.b) {
			buf.b = append(buf.b, 0)[:len(buf.b)]
		}
		room := buf.b[len(buf.b):min(cap(buf.b), rw.hold.limit)]
		m, err := src.Read(room)
		buf.b = buf.b[:len(buf.b)+m]
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// send commits the sessions and sends the headers and what is held back. If the commit fails it sends
// an error page instead.
func (rw *Response) send() error {
	if t := rw.doomed(); t != nil {
		rw.shorten(t.keep)
		return nil
	}
	if err := rw.commit(); err != nil {
		return err
	}
	rw.q.settle()
	rw.sent.Store(true)
	if rw.status != 0 {
		rw.w.WriteHeader(int(rw.status))
	}
	if rw.buf == nil {
		return nil
	}
	_, err := rw.w.Write(rw.buf.b)
	rw.release()
	return rw.note(err)
}

func (rw *Response) commit() error {
	err := rw.runBefore()
	if err == nil {
		err = rw.q.commit()
	}
	if err != nil {
		return rw.fail(err)
	}
	return nil
}

func (rw *Response) runBefore() error {
	if rw.rest == nil || len(rw.rest.before) == 0 {
		return nil
	}
	m := rw.rest
	m.final = true
	defer func() { m.final = false }()
	for len(m.before) > 0 {
		fn := m.before[0]
		m.before = m.before[1:]
		if err := fn(); err != nil {
			return err
		}
	}
	return nil
}

// fail answers with an error page in place of the response.
func (rw *Response) fail(err error) error {
	rw.q.undo()
	again, err := rw.again(err)
	if again {
		return err
	}
	rw.q.settle()
	level := slog.LevelError
	if StatusOf(err) == http.StatusConflict {
		level = slog.LevelInfo // what requests for one session do to each other
	}
	rw.hold.log.Log(rw.q, level, "the request's sessions were not saved", "error", err,
		"method", rw.q.r.Method, "path", rw.q.path())
	m := rw.more()
	m.failed, m.page = err, pageWriter{ResponseWriter: rw.w}
	rw.sent.Store(true)
	rw.hold.page(&m.page, &rw.q.r, err)
	rw.status = int16(m.page.status)
	return err
}

// drop forgets what the handler has said so far.
func (rw *Response) drop() {
	rw.release()
	rw.status = 0
	if rw.noted {
		h := rw.w.Header()
		clear(h)
		if rw.rest != nil {
			for _, e := range rw.rest.entry {
				h[e.name] = e.values
			}
		}
	}
	rw.q.forgetEcho()
}

// forgetInformed is called when the handler goes on after an informational response: a framework that
// took it for the real one is told.
func (rw *Response) forgetInformed() {
	if rw.rest != nil && rw.rest.informed {
		rw.rest.informed = false
		rw.q.forgetEcho()
	}
}

func (rw *Response) buffer() *buffer {
	if rw.buf == nil {
		rw.buf = buffers.Get().(*buffer)
	}
	return rw.buf
}

// release gives the buffer back.
func (rw *Response) release() {
	if rw.buf == nil {
		return
	}
	if cap(rw.buf.b) <= maxPooled {
		rw.buf.b = rw.buf.b[:0]
		buffers.Put(rw.buf)
	}
	rw.buf = nil
}

// note remembers that the client can not be reached.
func (rw *Response) note(err error) error {
	if err != nil && rw.more().writeErr == nil {
		rw.rest.writeErr = err
	}
	return err
}

// clientGone reports whether err only says that the response could not be delivered.
func (rw *Response) clientGone(err error) bool {
	return rw.rest != nil && rw.rest.writeErr != nil && errors.Is(err, rw.rest.writeErr)
}
