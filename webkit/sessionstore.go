package webkit

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/holdover-web/holdover/core"
)

// SessionStore is a view of all sessions of an application, like a dictionary from ids to sessions: Webware's
// SessionStore. Application.Sessions returns it. Its methods may be called from several goroutines, the
// sessions that it returns may not.
//
// What gets a session into the store under an id of the caller's choice is refused: store[key] = session and
// setdefault. So is storeAllSessions: there is nothing that is not stored.
type SessionStore struct {
	app *Application
}

// Application returns the application whose sessions these are: application().
func (s *SessionStore) Application() *Application { return s.app }

// Len returns how many sessions there are: len(store). The error matches core.ErrUnsupported if the store
// can not count; other errors are the store's.
func (s *SessionStore) Len(ctx context.Context) (int, error) { return s.app.manager.Count(ctx) }

// Keys yields the ids of all sessions, in no order: keys() and iter(store). Sessions that come and go
// meanwhile may be missed or shown. After an error, which is that of Len, it ends.
func (s *SessionStore) Keys(ctx context.Context) iter.Seq2[string, error] {
	return s.app.manager.IDs(ctx)
}

// Items yields all sessions, as Get returns them: items() and values(). Those that end meanwhile are left out.
func (s *SessionStore) Items(ctx context.Context) iter.Seq2[*Session, error] {
	return func(yield func(*Session, error) bool) {
		for id, err := range s.Keys(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			session, err := s.Get(ctx, id)
			if errors.Is(err, ErrKey) {
				continue
			}
			if !yield(session, err) || err != nil {
				return
			}
		}
	}
}

// Has reports whether there is a living session of that id: key in store. It is no access to the session. The
// error is the store's, in a *compat.SessionError.
func (s *SessionStore) Has(ctx context.Context, id string) (bool, error) {
	m := s.app.manager
	ok, err := m.Has(ctx, id)
	if err != nil {
		return false, fmt.Errorf("webkit: look for session %s: %w", core.Key{Manager: m.ID(), ID: id}.Hash(), sessionError("open", err))
	}
	return ok, nil
}

// Get returns the session of that id, for reading: store[key]. It counts as an access. Use Update to
// change a session. Errors: ErrKey if there is none; others are those of core.Manager.Open.
func (s *SessionStore) Get(ctx context.Context, id string) (*Session, error) {
	c, err := s.app.manager.Open(ctx, id, core.ReadOnly)
	if err != nil {
		return nil, noSession(err)
	}
	return s.view(ctx, c), nil
}

// Update changes the session of that id, again if another request changed it at the same time: what Webware
// programs do by store[key] and storeSession(session). See core.Manager.Update; a missing session is ErrKey.
func (s *SessionStore) Update(ctx context.Context, id string, fn func(*Session) error) error {
	return noSession(s.app.manager.Update(ctx, id, func(c *core.Session) error {
		session := s.view(ctx, c)
		if err := fn(session); err != nil {
			return err
		}
		if session.IsExpired() && !session.emptied {
			return session.Invalidate()
		}
		return session.live.flush(c)
	}))
}

// New stores a new, empty session under an id of its own and returns it: what store[key] = Session(trans) is
// used for. Errors: those of core.Manager.Create and core.Session.Commit.
func (s *SessionStore) New(ctx context.Context) (*Session, error) {
	c, err := s.app.manager.Create(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Commit(ctx); err != nil {
		return nil, err
	}
	return s.view(ctx, c), nil
}

// StoreSession saves the changes of a session: storeSession(session). It is Session.Save.
func (s *SessionStore) StoreSession(session *Session) error { return session.Save() }

// Del ends the session of that id: del store[key]. Errors: ErrKey if there is none; others are the store's.
func (s *SessionStore) Del(ctx context.Context, id string) error {
	_, err := s.Pop(ctx, id)
	return err
}

// Pop ends the session of that id and returns it, for reading: pop(key). Errors are those of Del.
func (s *SessionStore) Pop(ctx context.Context, id string) (*Session, error) {
	session, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return session, s.app.manager.Delete(ctx, id)
}

// Clear ends all sessions: clear(). Those that begin meanwhile may stay. Errors: those of Len.
func (s *SessionStore) Clear(ctx context.Context) error {
	for id, err := range s.Keys(ctx) {
		if err == nil {
			err = s.app.manager.Delete(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CleanStaleSessions removes sessions that have expired, and returns how many: cleanStaleSessions(task). The
// manager does it by itself; expired sessions are not served in any case.
func (s *SessionStore) CleanStaleSessions(ctx context.Context) (int, error) {
	return s.app.manager.Sweep(ctx)
}

func (s *SessionStore) view(ctx context.Context, c *core.Session) *Session {
	return &Session{app: s.app, ctx: ctx, core: c, version: c.Version()}
}

// noSession says in Webware's words that there is no session.
func noSession(err error) error {
	if errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("%w: session: %w", ErrKey, err)
	}
	return err
}
