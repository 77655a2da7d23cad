package myghty

import (
	"context"
	"errors"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Session is the session that Request.GetSession returns: Myghty's Session, and Beaker's. It holds what was stored when it
// was asked for, and what the request has changed since. It is for one goroutine at a time and ends with the request.
type Session struct {
	m           *Request
	core        *core.Session
	locks       int // how often Lock was called and Unlock was not
	invalidated bool
}

func (s *Session) context() context.Context { return s.m.Context() }

// Core returns the session underneath, to fetch values with their types: core.Get[int](s.Core(), "visits"). It is another
// one after Invalidate and Delete.
func (s *Session) Core() *core.Session { return s.core }

// ID returns the session's id, a secret: id. Other than in Myghty it is another one after Delete.
func (s *Session) ID() string { return s.core.ID() }

// Key returns the name of the session cookie: key.
func (s *Session) Key() string { return s.m.app.opts.text("key") }

// IsNew reports whether the session was begun by this request: is_new. That is so for a client that sent no id, or one of
// no living session.
func (s *Session) IsNew() bool { return s.core.IsNew() }

// WasInvalidated reports whether the client's session has ended and this one took its place: was_invalidated. It was
// invalidated by this request, or what the client sent is the id of no living session, mostly because of the timeout.
func (s *Session) WasInvalidated() bool { return s.invalidated }

// Created returns when the session began, in UTC: created.
func (s *Session) Created() time.Time { return s.core.Created() }

// Accessed returns when the session was last used before this request, in UTC: accessed in Myghty. It is no more exact than
// core.Config.TouchInterval, because the store keeps it, and not every request writes.
func (s *Session) Accessed() time.Time { return s.core.LastAccessed() }

// LastAccessed is Accessed: last_accessed in Beaker.
func (s *Session) LastAccessed() time.Time { return s.core.LastAccessed() }

// Timeout returns how long the session may be unused: timeout. 0 is for ever.
func (s *Session) Timeout() time.Duration { return s.core.Timeout() }

// SetTimeout changes the timeout of this session when it is saved; 0 is for ever. Errors: core.ErrGone.
func (s *Session) SetTimeout(d time.Duration) error { return s.core.SetTimeout(d) }

// Dirty reports whether there is something to save: dirty(). Other than in Beaker it does not matter whether Save was
// called, and a list or map that was changed in place counts.
func (s *Session) Dirty() bool { return s.core.Dirty() }

// Save stores what the request has changed, now: save(). Names that it has not changed are left alone, also if another
// request has changed them. Nothing is written if nothing was changed; a new session is stored even if it is
// empty, and gets its cookie. Between Lock and Unlock the lock stays.
//
// Errors: core.ErrGone if the session was deleted meanwhile, which is not undone; core.ErrLockLost, after which the changes
// are dropped and Load reads anew; compat.ErrSent for a new session when the response has begun; core.ErrTooLarge; a
// *core.ValueError; and the store's. They are in a *compat.SessionError.
func (s *Session) Save() error {
	if s.m.app.cfg.Quirks.DeferredSave && s.locks == 0 {
		if s.core.SetSave(core.SaveDirty); s.core.Stored() || s.core.Dirty() {
			return nil
		}
	}
	return s.failed("commit", s.core.Flush(s.context()))
}

// failed drops what was changed under a lock that was lost: it was worked out from what another has changed since.
func (s *Session) failed(op string, err error) error {
	if errors.Is(err, core.ErrLockLost) {
		_ = s.core.Revert() // fails only if the session has ended
	}
	return sessionError(op, err)
}

// Load drops what was not saved and reads the session anew: load(). Errors: core.ErrGone if it was deleted meanwhile, and
// the store's.
func (s *Session) Load() error { return sessionError("open", s.core.Reload(s.context())) }

// Revert drops what was not saved: revert() in Beaker. The session is as it was last loaded or saved, by this
// request; the store is not asked. Error: core.ErrGone.
func (s *Session) Revert() error { return sessionError("open", s.core.Revert()) }

// Delete ends the session and clears its values: delete(). The data is gone from the store when Delete returns, for
// requests in flight too, and the client's cookie is taken back. What is set and saved afterwards is a new session with a new
// id. See also Quirks.DeleteKeepsValues. Errors: the store's, after which the session may still be there.
func (s *Session) Delete() error {
	var kept map[string]any
	if s.m.app.cfg.Quirks.DeleteKeepsValues && !s.m.settings.auto {
		kept = s.values()
	}
	if err := s.end(); err != nil || s.core.Ended() {
		return err
	}
	for name, v := range kept {
		if err := s.core.Set(name, v); err != nil {
			return err
		}
	}
	return nil
}

// Invalidate is Delete that is remembered: invalidate(). See WasInvalidated. Nothing of the old values is kept.
func (s *Session) Invalidate() error {
	if err := s.end(); err != nil {
		return err
	}
	s.invalidated = true
	return nil
}

// end ends the session and begins a new one, unless it is too late for that; then every change fails with core.ErrGone.
func (s *Session) end() error {
	if err := s.core.Invalidate(s.context()); err != nil && !errors.Is(err, core.ErrGone) {
		return sessionError("invalidate", err)
	}
	s.locks = 0
	c, err := s.m.freshSession(s.m.settings)
	if errors.Is(err, compat.ErrSent) {
		return nil
	}
	if err != nil {
		return err
	}
	s.core = c
	return nil
}

// Rotate gives the session a new id at once: regenerate_id() in Beaker. The values stay, saved or not; the old id is dead when
// Rotate returns. Call it at login, so that an id that somebody knew before is worth nothing after. Errors: those of
// core.Session.Rotate.
func (s *Session) Rotate() error { return sessionError("rotate", s.core.Rotate(s.context(), 0)) }
