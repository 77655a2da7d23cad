package webstack

import (
	"context"
	"errors"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Session is the session of a transaction, in the form of a dictionary: what get_session() returns. Keys are strings.
// Changes are remembered without any call to save them: when the transaction ends well. It is for one goroutine at a
// time, and not for use after the transaction.
//
// Values come back with the type that they were set with. A map that was fetched may be changed in place, and so may the
// elements of a list; to make a list longer in place, fetch a pointer to it with Value:
//
//	cart, err := webstack.Value[*[]string](s, "cart")
//	*cart = append(*cart, "tea")
type Session struct {
	t    *Transaction
	core *core.Session
	past map[string]any // what an expired session still answers, see AfterExpire; else nil
}

// GetSession returns the session of the client: get_session(create). If it has none, the answer is nil without create,
// and a new one with create. Nothing is stored for a new session, and the client gets no cookie, before something is put
// into it. In one transaction it is the same session each time.
//
// Under core.Serialized it waits until no other transaction has the session, at most for the setting lock_timeout. A
// resource that only reads says so with the option core.ReadOnly: it waits for nobody, and a remote store is asked once
// and not twice. The same transaction can ask for the session without it later, to change it; values that were fetched
// before are then to be fetched again. A locking policy is another such option.
//
// Errors are those of compat.Sessions.Session, after which there is no session to go on with.
func (t *Transaction) GetSession(create bool, opts ...core.OpenOption) (*Session, error) {
	s := t.session
	if s != nil && (s.past != nil || len(opts) == 0 && !t.released && s.core.Mode() == core.ReadWrite && !s.core.Ended()) {
		return s, nil
	}
	open := t.app.http.Existing
	if create || t.app.cfg.Quirks.AlwaysCreate {
		open = t.app.http.Session
	}
	c, err := open(t.Context(), opts...)
	switch {
	case err == core.ErrNotFound: // and not wrapped: that is what there is to know
		return nil, nil
	case err != nil:
		return nil, err
	}
	t.released = false
	if s == nil || s.core != c {
		s = t.keep(c)
	}
	return s, nil
}

// keep makes c the session of the transaction.
func (t *Transaction) keep(c *core.Session) *Session {
	s := &t.first
	if s.core != nil { // somebody may still hold it
		s = new(Session)
	}
	s.t, s.core = t, c
	t.session = s
	return s
}

// ExpireSession ends the session of the client, if there is one: expire_session(). Its data is gone when ExpireSession
// returns, for other transactions too: one that has the session at that moment fails with core.ErrGone when it saves, and
// nothing comes back. It does not wait for such a transaction. The client's cookie is taken back. A session that was
// created in this transaction can be expired in it.
//
// See Quirks.AfterExpire for what GetSession answers afterwards. The error is the store's: then the session may still be
// there.
func (t *Transaction) ExpireSession() error {
	s := t.session
	if s == nil || s.core.Ended() && s.past == nil || s.core.Mode() != core.ReadWrite {
		c, err := t.app.http.Existing(t.Context(), core.ReadWrite, core.Merge) // no lock: the end needs none
		switch {
		case err == core.ErrNotFound:
			return nil
		case err != nil:
			return err
		}
		if s == nil || s.core != c {
			s = t.keep(c)
		}
	}
	if s.core.Ended() {
		return nil // expired before, and goes on in this transaction only
	}
	past := s.past
	if past == nil && t.app.cfg.Quirks.AfterExpire != ExpiredIsGone {
		past = s.snapshot()
	}
	if err := s.core.Invalidate(t.Context()); err != nil && !errors.Is(err, core.ErrGone) {
		return &compat.SessionError{Op: "invalidate", Err: err}
	}
	if s.past = past; past == nil {
		t.session = nil
	}
	return nil
}

// snapshot returns what the session holds. Values that can not be read are left out.
func (s *Session) snapshot() map[string]any {
	values := make(map[string]any)
	for key, v := range s.core.All() {
		if _, broken := v.(*core.ValueError); !broken {
			values[key] = v
		}
	}
	return values
}

// goesOn makes an expired session usable as a new one, where the quirk ExpiredGoesOn asks for that. It reports whether
// there is something to write to.
func (s *Session) goesOn() (bool, error) {
	if s.past == nil {
		return true, nil
	}
	if s.t.app.cfg.Quirks.AfterExpire != ExpiredGoesOn {
		return false, nil
	}
	if s.core.Ended() {
		c, err := s.t.app.http.Session(s.t.Context())
		if err != nil {
			return false, err
		}
		s.core = c
	}
	return true, nil
}

// Core returns the session underneath, for what WebStack has no call for: times, timeouts, the hash of its id for logs.
func (s *Session) Core() *core.Session { return s.core }

// Rotate gives the session a new id, which WebStack could not. Call it at login, with grace 0, so that an id that
// somebody knew before is worth nothing after. See core.Session.Rotate for grace and errors. A session that has expired, and
// is answered by a quirk, has no id to change.
func (s *Session) Rotate(grace time.Duration) error {
	if writable, err := s.goesOn(); err != nil || !writable {
		return err
	}
	if err := s.core.Rotate(s.context(), grace); err != nil {
		return &compat.SessionError{Op: "rotate", Err: err}
	}
	return nil
}

func (s *Session) context() context.Context { return s.t.Context() }

// end saves the session and lets go of it, as its save policy says.
func (s *Session) end() error {
	if s.core.Ended() {
		return nil
	}
	if err := s.core.End(s.context()); err != nil {
		return &compat.SessionError{Op: "commit", Err: err}
	}
	return nil
}

// save saves what a transaction that failed has changed, see Quirks.SaveOnError.
func (s *Session) save() error {
	if s.core.Ended() || s.core.Mode() != core.ReadWrite || !s.core.Dirty() {
		return nil
	}
	return s.core.Commit(s.context())
}
