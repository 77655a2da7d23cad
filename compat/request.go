package compat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

// request is what compat keeps per request: its response, its sessions, and the context in which both
// are found. It is that context itself, and holds the copy of the http.Request that carries the context, so
// that a request which uses no session costs one allocation. It can not be pooled, because a context may be
// kept by a goroutine that outlives the handler. Its fields are few because every request pays for them.
type request struct {
	parent context.Context
	outer  *http.Request // as it came
	r      http.Request  // with this as its context
	resp   Response
	scope  core.Scope
	cancel lazyCancel

	framework *framework // nil without one
	frameCtx  any        // the framework's own context

	mu      sync.Mutex // protects the following fields
	over    bool
	first   slot  // of the outermost Sessions around the handler; the others follow
	current *slot // of the innermost Sessions around the running handler; nil without Sessions
}

// framework is what the mount of a web framework that keeps its own notes of a request tells of it. ctx is the
// framework's context.
type framework struct {
	// forget is called when what the framework noted of the response is void: it was informational, or
	// it was held back and then dropped.
	forget func(ctx any)
	// scheme returns "http" or "https".
	scheme func(ctx any) string
}

// slot is the place of one Sessions in a request.
type slot struct {
	sessions *Sessions // nil in the first slot of a request without Sessions
	client   *client   // nil until somebody asks for the session or its id
	next     *slot
}

// client is what a request knows of one Sessions' client.
type client struct {
	cookie  string        // the id that the cookie carried, or ""
	id      string        // the id that the client claims; "" also when it names no living session
	session *core.Session // what Session last returned, or nil
	lost    bool          // the client's session ended and another took its place
	stop    func() bool   // ends the watch over the session's lock
}

// find returns the slot of s in the list that begins here, or nil.
func (sl *slot) find(s *Sessions) *slot {
	for ; sl != nil; sl = sl.next {
		if sl.sessions == s {
			return sl
		}
	}
	return nil
}

type requestKey struct{}

// newRequest makes what s, which may be nil, keeps for a request.
func newRequest(w http.ResponseWriter, r *http.Request, s *Sessions, hold *holdConfig) *request {
	q := &request{parent: r.Context(), outer: r}
	q.resp.w, q.resp.q, q.resp.hold = w, q, hold
	if s != nil {
		q.first.sessions = s
		q.current = &q.first
	}
	q.r = *r.WithContext(q) // inlined, so that the copy in between is not allocated
	return q
}

// requestOf returns the request that ctx belongs to, or nil.
func requestOf(ctx context.Context) *request {
	if q, ok := ctx.(*request); ok {
		return q
	}
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// running returns the request that r belongs to, or nil if there is none, or it has ended and r is one
// of its own that only inherited the context.
func running(r *http.Request) *request {
	q := requestOf(r.Context())
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return nil
	}
	return q
}

// attach makes s the current Sessions and returns what was current before.
func (q *request) attach(s *Sessions) (before *slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before = q.current
	if q.first.sessions == nil {
		q.first.sessions = s
	}
	if q.current = q.first.find(s); q.current == nil {
		q.current = &slot{sessions: s}
		last := &q.first
		for last.next != nil {
			last = last.next
		}
		last.next = q.current
	}
	return before
}

func (q *request) focus(current *slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.current = current
}

func (q *request) find(s *Sessions) *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.first.find(s)
}

// innermost returns the slot of the innermost Sessions around the running handler, or nil.
func (q *request) innermost() *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current
}

// client returns what is known of the slot's client. q.mu is held.
func (q *request) client(sl *slot) *client {
	if sl.client == nil {
		id := sl.sessions.cookie.find(q.r.Header, sl.sessions.manager.ValidID)
		sl.client = &client{cookie: id, id: id}
	}
	return sl.client
}

// open returns the session of a slot.
func (q *request) open(ctx context.Context, sl *slot, create bool, opts []core.OpenOption) (*core.Session, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return nil, ErrOver
	}
	c := q.client(sl)
	id := c.id
	if c.session != nil {
		if id = c.session.ID(); c.session.Ended() {
			id = ""
		}
	}
	if id != "" {
		s, err := sl.sessions.manager.Open(ctx, id, opts...)
		if err == nil {
			q.keep(c, s)
			return s, nil
		}
		if !errors.Is(err, core.ErrNotFound) {
			return nil, &SessionError{Op: "open", Err: err}
		}
		c.id = ""
	}
	switch {
	case !create:
		return nil, core.ErrNotFound
	case q.resp.Sent():
		return nil, fmt.Errorf("a new session: %w", ErrSent)
	}
	s, err := sl.sessions.manager.Create(ctx, opts...)
	if err != nil {
		return nil, &SessionError{Op: "create", Err: err}
	}
	q.keep(c, s)
	return s, nil
}

// keep makes s the session of the client. q.mu is held.
func (q *request) keep(c *client, s *core.Session) {
	if c.session != nil && c.session != s && c.session.Ended() {
		c.lost = true
	}
	c.session = s
	if q.resp.Sent() {
		s.Seal(ErrSent)
	}
	if s.Locked() {
		q.watch(c, s.Context())
	}
}

// watch makes the request's context end when the session's ends because its lock is lost. q.mu is held.
func (q *request) watch(c *client, ctx context.Context) {
	if c.stop != nil {
		c.stop()
	}
	c.stop = context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, core.ErrLockLost) {
			q.cancel.with(q.parent, cause)
		}
	})
}

// commit saves the sessions and lets their locks go.
func (q *request) commit() error {
	if err := q.scope.End(q); err != nil {
		return &SessionError{Op: "commit", Err: err}
	}
	return nil
}

// settle is called when the headers are about to leave: it sets the cookies that the client must learn of, and
// makes sure that nothing is stored later under an id which can not be told to the client any more.
func (q *request) settle() {
	for sl := &q.first; sl != nil; sl = sl.next {
		if c := q.known(sl); c.session != nil {
			q.tell(sl.sessions, c)
		}
	}
}

// known returns what is known of the slot's client by now, which may be nothing.
func (q *request) known(sl *slot) client {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sl.client == nil {
		return client{}
	}
	return *sl.client
}

// tell sets or removes a cookie, and seals the session against changes that would need another. What happened in the store at once, a rotation or an end, happened whether or not
// the rest of the request was rolled back.
func (q *request) tell(sessions *Sessions, c client) {
	id, stored := c.session.Settle(ErrSent)
	switch {
	case stored:
		if id != c.cookie {
			sessions.cookie.give(q.resp.w.Header(), id, q.schemeFor(sessions) == "https")
		}
	case c.cookie != "" && (c.lost || c.session.Ended()):
		sessions.cookie.take(q.resp.w.Header(), q.schemeFor(sessions) == "https")
	}
}

// needsCookie reports whether committing would make a cookie necessary.
func (q *request) needsCookie() bool {
	for sl := &q.first; sl != nil; sl = sl.next {
		c := q.known(sl)
		if s := c.session; s != nil && !s.Ended() && s.ID() != c.cookie && (s.Stored() || s.Dirty()) {
			return true
		}
	}
	return false
}

// path returns the request's path for the log: without session ids, which an application may have put there.
func (q *request) path() string {
	path := q.r.URL.Path
	for sl := &q.first; sl != nil; sl = sl.next {
		c := q.known(sl)
		ids := []string{c.cookie, c.id}
		if c.session != nil {
			ids = append(ids, c.session.ID())
		}
		for _, id := range ids {
			if id != "" {
				path = strings.ReplaceAll(path, id, "-")
			}
		}
	}
	return path
}

// rollback drops the uncommitted changes of all sessions and lets their locks go. An error means that
// a lock stays until its lease ends; nothing else depends on it.
func (q *request) rollback() {
	if err := q.scope.Rollback(q); err != nil {
		q.resp.hold.log.WarnContext(q, "sessions were not released properly", "error", err)
	}
}

// finish ends the request after its handler returned: what is held back is sent.
func (q *request) finish() {
	rw := &q.resp
	switch {
	case rw.Failed() != nil:
		q.rollback() // the client was told that nothing is saved
	case rw.Sent():
		q.commitLate()
	default:
		_ = rw.send() // a failure has been answered and logged
	}
	q.end()
}

// commitLate saves what the handler changed after the response began.
func (q *request) commitLate() {
	if err := q.scope.End(q); err != nil {
		q.resp.hold.log.ErrorContext(q, "session changes made after the response began are lost", "error", err,
			"method", q.r.Method, "path", q.path())
		q.rollback()
	}
}

// abort ends a request whose handler failed or panicked: changes are rolled back and held-back output is
// dropped. If the request has ended already it does nothing.
func (q *request) abort() {
	if q.over {
		return
	}
	q.undo()
	if !q.resp.Sent() {
		q.settle()
	}
	q.end()
}

// undo rolls the sessions back and drops the output that is held back.
func (q *request) undo() {
	q.rollback()
	if q.resp.rest != nil {
		q.resp.rest.before = nil
	}
	if !q.resp.Sent() {
		q.resp.drop()
	}
}

func (q *request) end() {
	q.mu.Lock()
	q.over = true
	for sl := &q.first; sl != nil; sl = sl.next {
		if sl.client != nil && sl.client.stop != nil {
			sl.client.stop()
		}
	}
	q.mu.Unlock()
	q.rollback() // a goroutine of the handler may have opened a session since the commit
	if q.outer.MultipartForm == nil {
		q.outer.MultipartForm = q.r.MultipartForm // the server removes its files
	}
	q.resp.release()
	q.cancel.end()
}

// Deadline implements context.Context.
func (q *request) Deadline() (time.Time, bool) { return q.parent.Deadline() }

// Done implements context.Context: the request ends with the client's connection, or when a lock of the
// Serialized policy is lost.
func (q *request) Done() <-chan struct{} { return q.cancel.context(q.parent).Done() }

// Err implements context.Context.
func (q *request) Err() error {
	if c := q.cancel.made(); c != nil {
		return c.Err()
	}
	return q.parent.Err()
}

// Value implements context.Context.
func (q *request) Value(key any) any {
	switch key.(type) {
	case requestKey:
		return q
	case core.ScopeKey:
		return &q.scope
	}
	if c := q.cancel.made(); c != nil {
		return c.Value(key) // context.Cause and child contexts look for c itself
	}
	return q.parent.Value(key)
}

// scheme returns "http" or "https", as the innermost Sessions around the handler see it.
func (q *request) scheme() string {
	if sl := q.innermost(); sl != nil {
		return q.schemeFor(sl.sessions)
	}
	return q.schemeFor(nil)
}

func (q *request) schemeFor(s *Sessions) string {
	switch {
	case s != nil && s.scheme != nil:
		return s.scheme(&q.r)
	case q.framework != nil:
		return q.framework.scheme(q.frameCtx)
	case q.r.TLS != nil:
		return "https"
	default:
		return "http"
	}
}
