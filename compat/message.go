package compat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/holdover-web/holdover/core"
)

// Message runs fn for one message of a connection that stays open: a WebSocket after Response.Hijack, or a stream of
// server-sent events after the first flush. Inside, with the context that fn gets, Session and its relatives open the
// request's sessions anew, for this message: it sees what other requests have saved since, and that a session was logged out.
// When fn returns, the sessions are committed and their locks let go; when it returns an error or panics, they are
// rolled back. Nothing is held between messages, so the connection blocks no other request.
//
// A message can not begin a session, nor give it a new id, because there is no response to carry a cookie. FromContext
// returns an error that matches core.ErrNotFound, as well as ErrSent, when the client's session has ended, or there was
// none when the response began: close the connection then.
//
// ctx is the request's context or derived from it. It bounds the message; if the connection outlives its handler, as
// one that a goroutine serves, take context.WithoutCancel of it. A policy of the route (Policy) counts for its messages
// too. Message may be called from several goroutines, and their messages run side by side.
//
// Errors: that of fn; a *SessionError when the commit failed; ErrNoSessions; ErrNotSent; ErrOpen.
func Message(ctx context.Context, fn func(ctx context.Context) error) error {
	q := requestOf(ctx)
	if q == nil || q.first.sessions == nil {
		return ErrNoSessions
	}
	m, err := q.message(ctx)
	if err != nil {
		return err
	}
	defer m.abort() // after a commit nothing is left to roll back
	if err := fn(m); err != nil {
		return err
	}
	return m.commit()
}

// Errors of Message that tell of a mistake in the handler.
var (
	// ErrNotSent is returned by Message as long as the request's own response is held back. Its session may be locked and
	// unsaved. Flush, or hijack the connection, before the first message.
	ErrNotSent = errors.New("compat: Message: the response has not begun; flush it or hijack the connection first")

	// ErrOpen is returned by Message when the handler has locked a session of its own after the response began. A message
	// would wait for it. Commit or roll the handler's session back before the next message.
	ErrOpen = errors.New("compat: Message: the handler holds the lock of its session; let it go by Commit or Rollback first")
)

// message returns a request of its own for a message of q.
func (q *request) message(ctx context.Context) (*request, error) {
	if !q.resp.Sent() {
		return nil, ErrNotSent
	}
	q.mu.Lock() // the handler may be returning
	defer q.mu.Unlock()
	m := &request{outer: q.outer.WithContext(ctx)}
	m.resp.w, m.resp.q, m.resp.hold = noResponse{}, m, q.resp.hold
	m.resp.rest = &rest{hijacked: true}
	m.resp.sent.Store(true)
	m.r = *m.outer.WithContext(m)

	into := &m.first
	for sl := &q.first; sl != nil; sl = sl.next {
		id := q.claim(sl)
		if s := sl.session.Load(); s != nil {
			if s.Locked() {
				return nil, ErrOpen
			}
			if id = s.ID(); s.Ended() {
				id = ""
			}
		}
		*into = slot{sessions: sl.sessions, cookie: id, client: &client{id: id, stray: exhausted(sl.sessions)}}
		if sl == q.current {
			m.current = into
		}
		if sl.next != nil {
			into.next = new(slot)
			into = into.next
		}
	}
	if m.current == nil { // the handler has returned
		m.current = &m.first
	}
	return m, nil
}

// exhausted says that nobody needs to look for an id any more.
func exhausted(s *Sessions) *strayIDs {
	if s.carriers == nil {
		return nil
	}
	return &strayIDs{tried: len(s.carriers.order)}
}

// absent is why there is no session where none can begin.
func (q *request) absent() error {
	if _, isMessage := q.resp.w.(noResponse); isMessage {
		return fmt.Errorf("compat: %w, and a message can not begin one: %w", core.ErrNotFound, ErrSent)
	}
	return fmt.Errorf("a new session: %w", ErrSent)
}

// noResponse is the writer below a message's Response, which answers everything with http.ErrHijacked.
type noResponse struct{}

func (noResponse) Header() http.Header                          { return make(http.Header) }
func (noResponse) WriteHeader(int)                              {}
func (noResponse) Write([]byte) (int, error)                    { return 0, http.ErrHijacked }
func (noResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrHijacked }
