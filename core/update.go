package core

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Update runs fn on the session and commits, again with the current data if another request saved
// the session in between, so that a value computed from itself (a counter, a list) loses no update
// under any policy. fn must have no effect besides the session, because it may run several times. Its
// own error ends the update, nothing is written, and Update returns that error.
//
// Within this process updates of one session run one after the other, so that they do not conflict
// with each other: fn must not update or open the same session itself. Options are those of Open;
// ReadOnly has no effect.
//
// An update is apart from what the request of ctx has changed in the session and not yet committed. If
// that request holds the session's lock, fn runs on the request's own session instead, and all changes
// of the request are committed with it. If fn fails there, what it set is dropped; what it changed in
// place, in a list or map that the request also holds, is not.
//
// Errors: those of Open and Commit; *ConflictError after Config.MaxRetries further runs.
func (m *Manager) Update(ctx context.Context, id string, fn func(*Session) error, opts ...OpenOption) error {
	if !m.ValidID(id) {
		return ErrBadID
	}
	cfg, err := m.openConfig(opts)
	if err != nil {
		return err
	}
	own := scopeOf(ctx).find(m, id)
	if own != nil && own.Locked() {
		return own.updateInRequest(ctx, fn)
	}
	if cfg.locking != Serialized { // whose updates stand in line for the lock
		cfg.locking = Optimistic
		if err := m.enterUpdate(ctx, id); err != nil {
			return err
		}
		defer m.updates.leave(id)
	}
	ctx, done := context.WithCancel(WithScope(ctx, nil))
	defer done() // a long-lived ctx must not collect what the session hangs on it
	s, err := m.Open(ctx, id, ReadWrite, cfg.locking)
	if err != nil {
		return err
	}
	if err := m.retry(ctx, s, fn); err != nil {
		return err
	}
	if own != nil {
		own.catchUp(s.rec)
	}
	return nil
}

// enterUpdate waits for the turn to update a session. Who gets it must leave m.updates.
func (m *Manager) enterUpdate(ctx context.Context, id string) error {
	_, err := m.updates.enter(ctx, id, m.cfg.MaxWaiters, m.cfg.LockWait)
	if _, ok := errors.AsType[*turnError](err); ok {
		m.updates.leave(id)
	}
	return err
}

// Update runs fn on this session and commits; if another request has saved the session since it was loaded, it runs fn
// again on the current data, which the conflict has brought. So what fn works out from the values is right under any
// policy, and costs no further load; only after a commit under Merge that met the changes of others is one needed. It is
// Manager.Update for a request that has the session open, and has no uncommitted changes in it: those are refused with an
// error. fn must have no effect besides the session, because it may run several times, and must not commit. If fn changes
// nothing, nothing is written.
//
// In this process the updates of one session run one after the other. After an error the session holds no changes.
// Errors: fn's own; those of Commit and Reload; ErrLockTimeout and ErrQueueFull; *ConflictError after Config.MaxRetries
// further runs.
func (s *Session) Update(ctx context.Context, fn func(*Session) error) error {
	if s.Dirty() {
		return errors.New("core: Session.Update: the session has uncommitted changes; commit or drop them first")
	}
	s.updating.Lock()
	defer s.updating.Unlock()
	if s.incomplete() {
		if err := s.Reload(ctx); err != nil {
			return err
		}
	}
	locking := s.Locking()
	if locking != Serialized {
		id := s.ID()
		if err := s.m.enterUpdate(ctx, id); err != nil {
			return err
		}
		defer s.m.updates.leave(id)
		s.setLocking(Optimistic)
		defer s.setLocking(locking)
	}
	err := s.m.retry(ctx, s, fn)
	if err != nil {
		if dropped := s.Rollback(ctx); dropped != nil {
			return errors.Join(err, dropped)
		}
	}
	return err
}

func (s *Session) setLocking(p LockingPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.locking = p
}

// incomplete reports whether the session lacks what others have written before its own last commit. The version is that
// of the commit, so no condition on it would tell.
func (s *Session) incomplete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blended
}

func (s *Session) setQuiet(quiet bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = quiet
}

func (m *Manager) retry(ctx context.Context, s *Session, fn func(*Session) error) error {
	defer s.setQuiet(false) // what the request commits later is told of
	for try := 0; ; try++ {
		last := try >= m.cfg.MaxRetries
		s.setQuiet(!last)
		err := s.apply(ctx, fn)
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok || last {
			return err
		}
		s.rebase(conflict.Current)
		if err := m.pause(ctx, try); err != nil {
			return err
		}
	}
}

// apply runs fn and commits what it did, or drops it if fn fails or panics.
func (s *Session) apply(ctx context.Context, fn func(*Session) error) error {
	returned := false
	defer func() {
		if !returned {
			_ = s.Rollback(ctx) // the panic goes on
		}
	}()
	err := fn(s)
	returned = true
	if err != nil {
		if dropped := s.Rollback(ctx); dropped != nil {
			return errors.Join(err, dropped)
		}
		return err
	}
	return s.commitUnlessEnded(ctx)
}

// updateInRequest runs fn on a session that the request has open and locked. If fn fails or panics, what
// the request did before stays as it was.
func (s *Session) updateInRequest(ctx context.Context, fn func(*Session) error) error {
	s.updating.Lock()
	defer s.updating.Unlock()
	undo, err := s.savepoint()
	if err != nil {
		return err
	}
	succeeded := false
	defer func() {
		if !succeeded {
			undo()
		}
	}()
	if err := fn(s); err != nil {
		return err
	}
	succeeded = true
	return s.commitUnlessEnded(ctx)
}

// savepoint returns a function that brings back the changes of the request as they are now.
func (s *Session) savepoint() (undo func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.collect(new(Change)) // notices in-place changes
	entries, idle, idleWas := slices.Clone(s.entries), s.rec.Idle, s.idleWas
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.entries, s.rec.Idle, s.idleWas = entries, idle, idleWas
	}, err
}

// commitUnlessEnded commits what an update did, which may be to end the session.
func (s *Session) commitUnlessEnded(ctx context.Context) error {
	if s.Ended() || !s.Stored() && !s.Dirty() {
		return nil
	}
	return s.Commit(ctx)
}

// pause keeps processes that conflict from running in step.
func (m *Manager) pause(ctx context.Context, try int) error {
	const longest = 20 * time.Millisecond
	timer := time.NewTimer(rand.N(min(time.Duration(try+1)*time.Millisecond, longest)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
