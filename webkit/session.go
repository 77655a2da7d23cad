package webkit

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// NoTimeout is the Timeout of a session that never ends for want of use: None in Webware.
const NoTimeout time.Duration = -1

// Session is one request's view of a session: Webware's Session. It is for one goroutine at a time.
//
// Other than in Webware it is never shared with other requests, and it is what was stored when the
// request first asked for it.
type Session struct {
	app  *Application
	t    *Transaction    // nil if it comes from a SessionStore
	ctx  context.Context // if there is no transaction
	core *core.Session

	version  uint64 // of what was stored at first
	awakes   uint64
	accessed time.Time // when it was awoken
	save     core.SavePolicy
	marked   mark
	expiring bool
	timeless bool // SetTimeout(0)
	emptied  bool // Invalidate was called and nothing set since
	live     live
}

// mark is what SetDirty said.
type mark uint8

const (
	unmarked mark = iota
	markedDirty
	markedClean
)

func (s *Session) init(t *Transaction, c *core.Session, opts []core.OpenOption) {
	s.app, s.t, s.core = t.app, t, c
	s.version = c.Version()
	for _, o := range opts {
		if p, ok := o.(core.SavePolicy); ok {
			s.save = p
		}
	}
}

func (s *Session) context() context.Context {
	if s.t != nil {
		return s.t.Context()
	}
	return s.ctx
}

// Core returns the session underneath. It is for what Webware has no call for: fetching a value with its type, as
// in core.Get[*[]string](s.Core(), "cart"), and changing it in place.
func (s *Session) Core() *core.Session { return s.core }

// Identifier returns the session's id: identifier(). It is a secret. After Invalidate it is still the old one,
// until something is set.
func (s *Session) Identifier() string { return s.core.ID() }

// CreationTime returns when the session was created: creationTime(), which is in seconds since 1970.
func (s *Session) CreationTime() time.Time { return s.core.Created() }

// LastAccessTime returns when the session was awoken in this request, or if it was not, when it was last
// used before: lastAccessTime(). It is zero after Invalidate.
func (s *Session) LastAccessTime() time.Time {
	switch {
	case s.emptied:
		return time.Time{}
	case s.accessed.IsZero():
		return s.core.LastAccessed()
	default:
		return s.accessed
	}
}

// Timeout returns how long the session may be unused before it ends: timeout(), which is in seconds. It is
// NoTimeout where Webware has None, and 0 if the session is over.
func (s *Session) Timeout() time.Duration {
	if s.emptied || s.timeless {
		return 0
	}
	if d := s.core.Timeout(); d > 0 {
		return d
	}
	return NoTimeout
}

// SetTimeout changes how long the session may be unused: setTimeout(seconds). NoTimeout or any other negative
// value means for ever. With 0 the session ends with this request. Errors: those of SetValue.
func (s *Session) SetTimeout(d time.Duration) error {
	if err := s.revive(); err != nil {
		return err
	}
	if s.timeless = d == 0; s.timeless {
		return nil
	}
	return s.core.SetTimeout(max(d, 0))
}

// IsExpired reports whether the session ends with this request: isExpired(). One that has timed out is
// never served, so this is true only after Expiring, SetTimeout(0) or Invalidate.
func (s *Session) IsExpired() bool { return s.expiring || s.timeless || s.emptied }

// Expiring marks the session as over: expiring(). It really ends, and the client's cookie with it, when the
// request does, even if the request fails. Until then its values can be read. In a servlet that opens its session
// core.ReadOnly the request fails with core.ErrReadOnly.
func (s *Session) Expiring() { s.expiring = true }

// Invalidate ends the session at once: invalidate(). Its data is gone from the store when Invalidate returns,
// for other requests too, and the client's cookie is taken back. The Session then looks empty, with Timeout
// 0. Setting a value afterwards begins a new session with an id of its own.
//
// The error is the store's, after which the session may still be there; or core.ErrReadOnly.
func (s *Session) Invalidate() error {
	if s.emptied {
		return nil
	}
	if err := s.core.Invalidate(s.context()); err != nil && !errors.Is(err, core.ErrGone) {
		return sessionError("invalidate", err)
	}
	s.emptied, s.marked, s.live = true, unmarked, live{}
	return nil
}

// revive makes a session that was invalidated usable again, as a new one.
func (s *Session) revive() error {
	if !s.emptied {
		return nil
	}
	if s.t == nil {
		return core.ErrGone
	}
	opts := s.t.openOptions()
	c, err := s.app.openSession(s.t, opts)
	if err != nil {
		return err
	}
	s.core, s.version = c, c.Version()
	s.emptied, s.expiring, s.timeless = false, false, false
	return nil
}

// Rotate gives the session a new id, which Webware could not. Call it at login, with grace 0, so that an id
// that somebody knew before is worth nothing after. See core.Session.Rotate for grace and errors.
func (s *Session) Rotate(grace time.Duration) error {
	return sessionError("rotate", s.core.Rotate(s.context(), grace))
}

// NumTransactions returns how many requests have used the session, this one included: numTransactions(). Counting
// each would make every reader write, so it counts the requests that changed the session; with
// Quirks.CountTransactions it counts all.
func (s *Session) NumTransactions() int {
	if s.app.cfg.Quirks.CountTransactions {
		n, err := core.Get[int](s.core, countName)
		if err == nil {
			return n
		}
	}
	return int(s.version + s.awakes)
}

// IsNew reports whether NumTransactions is less than 2: isNew(). It is true throughout the first request.
func (s *Session) IsNew() bool { return s.NumTransactions() < 2 }

// IsDirty reports whether the session has changes to save: isDirty(). Other than in Webware, a list or map
// that was changed in place counts, and a changed timeout.
func (s *Session) IsDirty() bool {
	switch {
	case s.emptied:
		return len(s.live.values) > 0
	case s.marked == markedClean:
		return false
	case s.marked == markedDirty:
		return true
	}
	return s.live.flush(s.core) != nil || s.core.Dirty()
}

// SetDirty says whether the session has changes to save: setDirty(dirty). SetDirty(true) makes the end of the
// request save a stored session that was not changed; SetDirty(false) drops the changes so far, unless the
// save policy is core.SaveAlways. A change that follows counts as usual.
func (s *Session) SetDirty(dirty bool) {
	s.marked = markedClean
	if dirty {
		s.marked = markedDirty
	}
}

// SetSave is Transaction.SetSaveSession.
func (s *Session) SetSave(save bool) {
	if s.t != nil {
		s.t.SetSaveSession(save)
	}
}

func (s *Session) setSave(p core.SavePolicy) {
	s.save = p
	s.core.SetSave(p)
}

// Save writes the session's changes now, as Webware programs do by SessionStore.storeSession. Errors: those of
// core.Session.Commit.
func (s *Session) Save() error {
	if s.emptied {
		return nil
	}
	if err := s.live.flush(s.core); err != nil {
		return err
	}
	s.marked = unmarked
	return sessionError("commit", s.core.Commit(s.context()))
}

// end saves the session at the end of its request, as its save policy and SetDirty say: what Webware's
// storeSession does after sleep.
func (s *Session) end() error {
	ctx := s.context()
	switch {
	case s.emptied && len(s.live.values) == 0:
		return nil
	case s.emptied:
		if err := s.revive(); err != nil {
			return err
		}
	case s.IsExpired():
		return s.Invalidate()
	case s.marked == markedClean && s.save != core.SaveAlways:
		return s.drop()
	case s.marked == markedDirty && s.save != core.SaveExplicit:
		s.core.SetSave(core.SaveAlways)
	}
	if err := s.live.flush(s.core); err != nil {
		return err
	}
	return sessionError("commit", s.core.End(ctx))
}

// abandon is end for a request that failed. One that was to end with the request does, and one that is gone is
// empty from here on, so that an error page can begin a new one.
func (s *Session) abandon() error {
	if s.emptied || !s.IsExpired() && !s.core.Ended() {
		return s.drop()
	}
	return s.Invalidate()
}

// drop forgets the request's changes.
func (s *Session) drop() error {
	s.live, s.marked = live{}, unmarked
	if s.emptied {
		return nil
	}
	return s.core.Rollback(s.context())
}

// countName is the session value in which Quirks.CountTransactions keeps its count.
const countName = "_numTrans"

// Awake counts an access: awake(trans). The transaction calls it, and then Config.SessionHooks.
func (s *Session) Awake(t *Transaction) error {
	s.awakes++
	s.accessed = s.app.now()
	if s.app.cfg.Quirks.CountTransactions && s.core.Mode() == core.ReadWrite {
		n, err := core.Get[int](s.core, countName)
		if err == nil {
			err = s.core.Set(countName, n+1)
		}
		if err != nil {
			return err
		}
	}
	return callHook(s.app.cfg.SessionHooks.Awake, s, t)
}

// Respond does nothing of its own: respond(trans). The transaction calls it, and it calls Config.SessionHooks.
func (s *Session) Respond(t *Transaction) error {
	return callHook(s.app.cfg.SessionHooks.Respond, s, t)
}

// Sleep does nothing of its own: sleep(trans). The transaction calls it, and it calls Config.SessionHooks.
func (s *Session) Sleep(t *Transaction) error {
	return callHook(s.app.cfg.SessionHooks.Sleep, s, t)
}

// SessionHooks are what a subclass of Webware's Session overrides. Nil ones do nothing. They are called
// from several goroutines, for different sessions.
type SessionHooks struct {
	Awake, Respond, Sleep func(*Session, *Transaction) error
}

func callHook(hook func(*Session, *Transaction) error, s *Session, t *Transaction) error {
	if hook == nil {
		return nil
	}
	return hook(s, t)
}

// SessionEncode adds the session's id to the query of a URL: sessionEncode(url). It does so only with
// Quirks.FieldSessionID; without, the id would be of no use there, and the URL is returned as it is. So is one of
// another site, which Webware would send the id to.
func (s *Session) SessionEncode(u string) string {
	if !s.app.cfg.Quirks.FieldSessionID || s.emptied {
		return u
	}
	if s.t != nil {
		if !s.t.env.SameSite(u) {
			return u
		}
		s.t.env.Response().KeepPrivate()
	}
	u, fragment, hasFragment := strings.Cut(u, "#")
	mark := "?"
	if strings.Contains(u, "?") {
		mark = "&"
	}
	u += mark + url.QueryEscape(s.app.SessionName()) + "=" + s.Identifier()
	if hasFragment {
		u += "#" + fragment
	}
	return u
}
