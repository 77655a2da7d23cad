package compat

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
)

// request is what compat keeps per request: its response, its sessions, and the context in which both
// are found. It is that context itself, and holds the copy of the http.Request that carries the context, so
// that a request which uses no session costs one allocation. It can not be pooled, because a context may be
// kept by a goroutine that outlives the handler. Its fields are few because every request pays for them.
type request struct {
	outer  *http.Request // as it came, with the context that this one continues
	r      http.Request  // with this as its context
	resp   Response
	scope  core.Scope
	cancel lazyCancel
	echo   echo.Context // nil if the mount is not Echo's

	mu      sync.Mutex // protects the following fields, and resp.over
	first   slot       // of the outermost Sessions around the handler; the others follow
	current *slot      // of the innermost Sessions around the running handler; nil without Sessions
}

// slot is the place of one Sessions in a request, and what the request knows of the client there.
type slot struct {
	sessions *Sessions // nil in the first slot of a request without Sessions
	next     *slot

	session atomic.Pointer[core.Session] // what Session last returned, or nil; set with request.mu held
	cookie  string                       // the id that the cookie carried, once it was looked for; used with request.mu held
	client  *client                      // nil while there is nothing to know but the cookie; likewise
}

// client is what most requests have no need to know of a client.
type client struct {
	id      string      // the id that it claims, instead of the cookie's; "" if that names no living session
	by      Carrier     // how that came, if not by the cookie
	foreign bool        // it names a living session, which the cookie does not
	lost    bool        // its session ended and another took its place
	stop    func() bool // ends the watch over the session's lock
	renew   bool        // its cookie is right, and is to be sent anew all the same; see CookieCodec
	stray   *strayIDs   // nil for sessions that travel by cookie alone
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
	q := &request{outer: r}
	q.resp.w, q.resp.q, q.resp.hold = w, q, hold.heldFor(w)
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
	if q.resp.over {
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

// claim returns the id that the slot's client claims, or "". q.mu is held.
func (q *request) claim(sl *slot) string {
	if sl.sessions.carriers != nil && sl.strays().tried == 0 {
		return q.offer(sl)
	}
	if sl.client != nil {
		return sl.client.id
	}
	if sl.cookie == "" {
		var renew bool
		if sl.cookie, renew = sl.sessions.findID(q.r.Header); sl.cookie == "" || renew {
			sl.client = &client{id: sl.cookie, renew: renew} // so that nobody looks again
		}
	}
	return sl.cookie
}

// more returns the slot's client to put something into it. The cookie has been looked for, and request.mu is held.
func (sl *slot) more() *client {
	if sl.client == nil {
		sl.client = &client{id: sl.cookie}
	}
	return sl.client
}

// open returns the session of a slot, or of the innermost one if sl is nil.
func (q *request) open(ctx context.Context, sl *slot, create bool, opts []core.OpenOption) (*core.Session, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sl == nil {
		if sl = q.current; sl == nil {
			return nil, ErrNoSessions
		}
	}
	if q.resp.over {
		return nil, ErrOver
	}
	id := q.claim(sl)
	if s := sl.session.Load(); s != nil {
		if id = s.ID(); s.Ended() {
			id = ""
		}
	}
	opts = withPolicy(ctx, opts)
	for id != "" {
		s, err := sl.sessions.manager.Open(ctx, id, opts...)
		if err == nil {
			q.opened(sl)
			q.keep(sl, s)
			return s, nil
		}
		if !errors.Is(err, core.ErrNotFound) {
			return nil, &SessionError{Op: "open", Err: err}
		}
		sl.more().id, id = "", ""
		if sl.sessions.carriers != nil {
			id = q.offer(sl)
		}
	}
	switch {
	case !create:
		return nil, core.ErrNotFound
	case q.resp.Sent():
		return nil, q.absent()
	}
	s, err := sl.sessions.manager.Create(ctx, opts...)
	if err != nil {
		return nil, &SessionError{Op: "create", Err: err}
	}
	q.keep(sl, s)
	return s, nil
}

// keep makes s the session of the slot's client. q.mu is held.
func (q *request) keep(sl *slot, s *core.Session) {
	if was := sl.session.Swap(s); was != nil && was != s && was.Ended() {
		sl.more().lost = true
	}
	if q.resp.Sent() {
		s.Seal(ErrSent)
	}
	if s.Locked() {
		q.watch(sl.more(), s.Context())
	}
}

// watch makes the request's context end when the session's ends because its lock is lost. q.mu is held.
func (q *request) watch(c *client, ctx context.Context) {
	if c.stop != nil {
		c.stop()
	}
	c.stop = nil
	q.watchToo(c, ctx)
}

// watchToo is watch for another session beside the client's. q.mu is held.
func (q *request) watchToo(c *client, ctx context.Context) {
	first := c.stop
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, core.ErrLockLost) {
			q.cancel.with(q.outer.Context(), cause)
		}
	})
	c.stop = stop
	if first != nil {
		c.stop = func() bool {
			defer first()
			return stop()
		}
	}
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
		if session := sl.session.Load(); session != nil {
			q.mu.Lock()
			cookie, cookieless, lost, renew := sl.cookie, sl.cookieless(), false, false
			if sl.client != nil {
				lost, renew = sl.client.lost, sl.client.renew
			}
			q.mu.Unlock()
			if cookieless {
				session.Seal(ErrSent)
			} else {
				q.tell(sl.sessions, session, cookie, lost, renew)
			}
		}
		if sl.sessions != nil && sl.sessions.carriers != nil {
			q.guard(sl)
		}
	}
	if q.resp.rest != nil && q.resp.rest.private {
		q.keepPrivate(true, true)
	}
}

// ids returns what is known by now of the ids that a slot's client came with: its cookie's, and the one it claims.
func (q *request) ids(sl *slot) (cookie, claim string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sl.client != nil {
		return sl.cookie, sl.client.id
	}
	return sl.cookie, sl.cookie
}

// tell sets or removes a cookie where the one that came is not right any more, and seals the session against
// changes that would need another. What happened in the store at once, a rotation or an end, happened whether
// or not the rest of the request was rolled back.
func (q *request) tell(sessions *Sessions, session *core.Session, cookie string, lost, renew bool) {
	id, stored := session.Settle(ErrSent)
	switch {
	case stored:
		if id != cookie || renew {
			sessions.cookie.give(q.resp.w.Header(), id, q.schemeFor(sessions) == "https")
		}
	case cookie != "" && (lost || session.Ended()):
		sessions.cookie.take(q.resp.w.Header(), q.schemeFor(sessions) == "https")
	}
}

// needsCookie reports whether committing would make a cookie necessary.
func (q *request) needsCookie() bool {
	for sl := &q.first; sl != nil; sl = sl.next {
		q.mu.Lock()
		cookie, cookieless := sl.cookie, sl.sessions != nil && sl.cookieless()
		q.mu.Unlock()
		if s := sl.session.Load(); s != nil && !cookieless && !s.Ended() && s.ID() != cookie && (s.Stored() || s.Dirty()) {
			return true
		}
	}
	return false
}

// path returns the request's path for the log: without session ids, which an application may have put there.
func (q *request) path() string {
	path := q.r.URL.Path
	for sl := &q.first; sl != nil; sl = sl.next {
		path = sl.sessions.hideIDs(path)
		cookie, claim := q.ids(sl)
		ids := []string{cookie, claim}
		if s := sl.session.Load(); s != nil {
			ids = append(ids, s.ID())
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
	if q.resp.over {
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
	q.resp.over = true
	for sl := &q.first; sl != nil; sl = sl.next {
		if sl.client != nil && sl.client.stop != nil {
			sl.client.stop()
		}
	}
	q.mu.Unlock()
	q.rollback() // a goroutine of the handler may have opened a session since the commit
	q.removeUploads()
	q.resp.release()
	q.cancel.end()
	if q.resp.rest != nil {
		for _, fn := range q.resp.rest.after {
			fn()
		}
	}
}

// removeUploads removes the temporary files of a form that was parsed. The server would do so for the http.Request that it
// made, of which ours is a copy, and not always of that itself.
func (q *request) removeUploads() {
	if q.echo != nil {
		passForm(&q.r, q.echo.Request())
	}
	if form := q.r.MultipartForm; form != nil && q.outer.MultipartForm == nil {
		_ = form.RemoveAll() // the operating system's temporary folder keeps what can not be removed
	}
}

// passForm lets whoever removes the files of a request's form know what was parsed for a copy of it.
func passForm(r, inner *http.Request) {
	if r != inner && r.MultipartForm == nil {
		r.MultipartForm = inner.MultipartForm
	}
}

// Deadline implements context.Context.
func (q *request) Deadline() (time.Time, bool) { return q.outer.Context().Deadline() }

// Done implements context.Context: the request ends with the client's connection, or when a lock of the
// Serialized policy is lost.
func (q *request) Done() <-chan struct{} { return q.cancel.context(q.outer.Context()).Done() }

// Err implements context.Context.
func (q *request) Err() error {
	if c := q.cancel.made(); c != nil {
		return c.Err()
	}
	return q.outer.Context().Err()
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
	return q.outer.Context().Value(key)
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
	case q.echo != nil:
		return q.echo.Scheme()
	case q.r.TLS != nil:
		return "https"
	default:
		return "http"
	}
}
