package core

import (
	"context"
	"errors"
)

// Flush is Commit that keeps the session's lock, for applications that take and let go of it by themselves: what the
// request does next is still its own turn. Without a lock it is Commit. When the lock turns out to be lost, or the
// session to be gone, the lock is let go. Errors: those of Commit.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.lease == nil {
		return s.commit(ctx, true)
	}
	var w commitWork
	w.detached.parent, w.detached.limit = ctx, s.m.cfg.CommitTimeout
	defer w.detached.stop()
	err := s.collect(&w.Change)
	if err == nil && s.changes(&w.Change) {
		w.Change.keepLock = true
		err = s.write(&w.detached, &w.Change)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrLockLost) || errors.Is(err, ErrGone) {
		_ = s.release(&w.detached) // there is nothing to let go of but the turn
	}
	return s.commitFailed(err)
}

// Unlock lets the session's lock go and keeps what the request has changed and not committed. From then on the session is
// under the policy that is given, until it is opened under Serialized again. Without a lock it does nothing else.
//
// Errors: ErrLockLost if the lock was lost before; what was changed under it can not be committed any more, see Reload.
// Anything else is the store's: the lock ends with its lease.
func (s *Session) Unlock(ctx context.Context, then LockingPolicy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.locking = then
	if s.lease == nil && !s.inLine {
		return nil
	}
	if s.lease != nil && !s.lease.attach(nil) {
		s.lockLost = true
	}
	err := s.release(ctx)
	if s.lockLost {
		return ErrLockLost
	}
	return err
}

// Revert drops the changes that were not committed, and keeps the lock. It asks no store. Errors: ErrReadOnly, ErrGone.
func (s *Session) Revert() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.drop()
	return nil
}

// Reload is Revert that also reads the session anew, as it is stored now, and counts as an access. A lock that was lost
// does not matter any more. Errors: ErrGone, *CorruptError, and the store's, after which the session is as it was.
func (s *Session) Reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrGone
	}
	if !s.stored {
		s.drop()
		return nil
	}
	id, err := s.m.load(ctx, s.id, &s.rec)
	if errors.Is(err, ErrNotFound) {
		return s.note(ErrGone)
	}
	if err != nil {
		return s.opening(err)
	}
	if id != s.id {
		s.rename(id)
	}
	s.entries, s.idleWas = nil, nil
	s.blended, s.exact = false, false
	s.lockLost = s.lockLost && s.lease != nil
	return nil
}
