package compat

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/holdover-web/holdover/core"
)

// trial is an attempt at answering that may be taken back. While the response's status is one that is caught, nothing
// of it leaves, however much there is of it.
type trial struct {
	up    *trial // the attempt that this one is part of
	catch func(status int) bool
	keep  int    // how many bytes were held back before
	lost  bool   // a status that is caught came by start_response, which does not reach the response
	let   func() // releases the scope of the sessions
}

// doomed returns the trial that ends in failure if nothing changes, or nil.
func (rw *Response) doomed() *trial {
	if rw.rest == nil {
		return nil
	}
	status := int(rw.status)
	if status == 0 {
		status = http.StatusOK
	}
	for t := rw.rest.trial; t != nil; t = t.up {
		if t.lost || t.catch(status) {
			return t
		}
	}
	return nil
}

func (rw *Response) tried() bool { return rw.rest != nil && rw.rest.trial != nil }

// try begins a trial; end ends it. Meanwhile sessions that an application ends are left to the request's end.
func (rw *Response) try(catch func(int) bool) *trial {
	m := rw.more()
	m.trial = &trial{up: m.trial, catch: catch, keep: rw.Buffered(), let: rw.q.scope.Hold()}
	return m.trial
}

func (rw *Response) end(t *trial) {
	if rw.rest.trial == t {
		rw.rest.trial = t.up
		t.let()
	}
}

// shorten drops what is held back beyond size bytes.
func (rw *Response) shorten(size int) {
	if size == 0 {
		rw.release()
	} else if rw.Buffered() > size {
		rw.buf.b = rw.buf.b[:size]
	}
}

// savepoint is what a request was like before an attempt.
type savepoint struct {
	q        *request
	sessions *core.Savepoint
	slots    []slotMark
	status   int16
	held     int
	header   http.Header
	before   []func() error
}

type slotMark struct {
	slot    *slot
	session *core.Session
	client  *client
	was     client   // what client pointed to
	stray   strayIDs // what was.stray pointed to
}

func (q *request) savepoint() (*savepoint, error) {
	sessions, err := q.scope.Savepoint()
	if err != nil {
		return nil, &SessionError{Op: "commit", Err: err} // which would fail for the same reason
	}
	rw := &q.resp
	p := &savepoint{q: q, sessions: sessions, status: rw.status, held: rw.Buffered(), header: maps.Clone(rw.Header())}
	if rw.rest != nil {
		p.before = slices.Clone(rw.rest.before)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for sl := &q.first; sl != nil; sl = sl.next {
		m := slotMark{slot: sl, session: sl.session.Load(), client: sl.client}
		if sl.client != nil {
			m.was = *sl.client
		}
		if m.was.stray != nil {
			m.stray = *m.was.stray
		}
		p.slots = append(p.slots, m)
	}
	return p, nil
}

// rollback takes back what happened in the request since, as far as it can be.
func (p *savepoint) rollback(ctx context.Context) {
	if err := p.sessions.Rollback(ctx); err != nil {
		p.q.resp.hold.log.WarnContext(ctx, "sessions were not released properly", "error", err)
	}
	p.q.mu.Lock()
	for sl := &p.q.first; sl != nil; sl = sl.next {
		i := slices.IndexFunc(p.slots, func(m slotMark) bool { return m.slot == sl })
		if i < 0 {
			sl.backTo(slotMark{})
		} else {
			sl.backTo(p.slots[i])
		}
	}
	p.q.mu.Unlock()
	p.q.resp.backTo(p)
}

// backTo makes the slot forget what an attempt opened, and by which id. If the attempt has done something that the
// client must be told of, such as rotating the session, it stays. request.mu is held.
func (sl *slot) backTo(m slotMark) {
	s := sl.session.Load()
	claim := sl.cookie
	if sl.client != nil {
		claim = sl.client.id
		if sl.client.lost && !m.was.lost {
			return
		}
	}
	if s != nil && s != m.session && (s.Ended() || s.Stored() && s.ID() != claim) {
		return
	}
	sl.session.Store(m.session)
	if c := sl.client; c != nil && c.stop != nil && m.was.stop == nil {
		c.stop()
		c.stop = nil
	}
	if m.client != nil {
		stop := m.client.stop
		*m.client = m.was
		if m.was.stray != nil {
			*m.was.stray = m.stray
		}
		if stop != nil {
			m.client.stop = stop
		}
	}
	sl.client = m.client
}

func (rw *Response) backTo(p *savepoint) {
	if rw.Sent() {
		return
	}
	rw.shorten(p.held)
	rw.status = p.status
	h := rw.w.Header()
	clear(h)
	maps.Copy(h, p.header)
	if rw.rest != nil {
		rw.rest.before = slices.Clone(p.before)
		rw.rest.informed = false
	}
	if p.status == 0 {
		rw.q.forgetEcho()
	}
}
