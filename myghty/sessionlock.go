package myghty

import (
	"context"
	"errors"

	"github.com/holdover-web/holdover/core"
)

// Lock waits until no other request has the session locked, locks it, and reads it anew: lock(). What was changed before
// and not saved stays changed. It makes a read-modify-write safe, in this process and in others:
//
//	if err := s.Lock(); err != nil {
//		return err
//	}
//	defer s.Unlock()
//	n, err := core.Get[int](s.Core(), "n")
//	...
//	s.Set("n", n+1)
//	return s.Save()
//
// Requests that only read do not wait for it, and neither do those that save without a lock. A request that locks twice
// must unlock twice. The lock ends with the request at the latest, or when the response begins to leave: a Save after that
// takes it anew, and returns core.ErrConflict if another request came in between. It ends early if this process stops
// for longer than core.Config.Lease and another takes it over: then Save returns core.ErrLockLost, and Context is
// cancelled.
//
// A new session needs no lock before it is saved, and gets none. Errors: core.ErrLockTimeout and core.ErrQueueFull if the
// session is busy; core.ErrGone if it was deleted meanwhile; core.ErrUnsupported if the store has no locks; the store's.
func (s *Session) Lock() error {
	if !s.core.Locked() {
		_, err := s.m.app.manager.Open(s.context(), s.core.ID(), core.Serialized)
		if errors.Is(err, core.ErrNotFound) && !s.core.Stored() && !s.core.Ended() {
			err = nil // it is new
		}
		if errors.Is(err, core.ErrNotFound) {
			err = core.ErrGone
		}
		if err != nil {
			return sessionError("open", err)
		}
	}
	s.locks++
	return nil
}

// Unlock lets the lock go: unlock(). What was changed and not saved stays so, without protection. Unlocking what is not
// locked does nothing. Errors: core.ErrLockLost if the lock was lost before, after which the changes that were not saved are
// dropped; and the store's: then the lock ends with its lease.
func (s *Session) Unlock() error {
	if s.locks == 0 {
		return nil
	}
	if s.locks--; s.locks > 0 {
		return nil
	}
	return s.failed("commit", s.core.Unlock(s.context(), s.m.app.locking()))
}

// Locked reports whether this request holds the session's lock. It is false for a new session, and after the lock was
// lost.
func (s *Session) Locked() bool {
	return s.core.Locked() && !errors.Is(context.Cause(s.core.Context()), core.ErrLockLost)
}

// Context returns the request's context. While the session is locked it ends, with core.ErrLockLost as its cause, when the
// lock is lost: stop working, the save will be refused.
func (s *Session) Context() context.Context {
	if s.core.Locked() {
		return s.core.Context()
	}
	return s.context()
}
