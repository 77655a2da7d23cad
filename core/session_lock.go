package core

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Between two attempts at a lock that another process holds, for stores that can not wake a waiter.
const (
	pollMin = time.Millisecond
	pollMax = 25 * time.Millisecond
)

// load fills the session from the store, under the lock if the policy asks for it.
func (s *Session) load(ctx context.Context) error {
	if s.cfg.locking != Serialized || s.cfg.mode == ReadOnly {
		id, err := s.m.load(ctx, s.id, &s.rec)
		if err != nil {
			return err
		}
		if id != s.id {
			s.rename(id)
		}
		s.before, s.blended = s.rec.Accessed, false
		return nil
	}
	until := time.Now().Add(s.m.cfg.LockWait)
	for range maxMoves {
		err := s.takeTurn(ctx, until)
		moved, ok := errors.AsType[*MovedError](err)
		if !ok {
			return err
		}
		s.rename(moved.To)
	}
	return ErrNotFound
}

// relock takes the lock again for a late commit, so that it does not write into another request's turn.
func (s *Session) relock(ctx context.Context) error {
	had, blended, own := s.rec, s.blended, s.ctx
	err := s.load(ctx)
	now := s.rec
	s.rec, s.blended, s.ctx = had, blended, own // the lock lasts no longer than the commit
	switch {
	case errors.Is(err, ErrNotFound):
		return s.note(ErrGone)
	case err != nil:
		return s.opening(err)
	case now.Version != had.Version:
		return &ConflictError{Key: s.key(), Have: had.Version, Current: now}
	}
	return nil
}

// takeTurn waits in line, then takes or takes over the lock. After an error the turn is given up.
func (s *Session) takeTurn(ctx context.Context, until time.Time) error {
	h, err := s.m.turns.enter(ctx, s.id, s.m.cfg.MaxWaiters, time.Until(until))
	if err != nil {
		if _, ok := errors.AsType[*turnError](err); ok {
			_ = s.letGo(ctx, s.id, h) // the turn came too late: pass it on
		}
		return waited(ctx, err)
	}
	s.inLine = true
	err = s.takeOver(ctx, h)
	if err == nil && s.lease == nil {
		err = s.takeLock(ctx, until)
	}
	if err == nil {
		s.before, s.blended = s.rec.Accessed, false
		err = s.watch(ctx)
	}
	if err != nil {
		_ = s.yield(ctx)
	}
	return err
}

// takeOver uses what the request before handed on. The record is good unless something that only
// the store knows is due.
func (s *Session) takeOver(ctx context.Context, h handover) error {
	if h.lease == nil || !h.lease.attach(nil) {
		return nil
	}
	s.lease = h.lease
	opt := s.m.loadOptions()
	if h.fresh && !h.rec.Expired(opt.Now) && !opt.TouchDue(&h.rec) {
		s.rec = h.rec
		return nil
	}
	id, err := s.m.load(ctx, s.id, &s.rec)
	if err == nil && id != s.id {
		s.rename(id)
	}
	return err
}

// takeLock asks the store for the lock until it is free.
func (s *Session) takeLock(ctx context.Context, until time.Time) error {
	err := s.tryLock(ctx)
	if !errors.Is(err, ErrLocked) {
		return err
	}
	ctx, cancel := context.WithDeadlineCause(ctx, until, ErrLockTimeout) // costs what only those who wait should pay
	defer cancel()
	for pause := pollMin; errors.Is(err, ErrLocked); pause = min(2*pause, pollMax) {
		if err = s.waitLock(ctx, pause); err == nil {
			err = s.tryLock(ctx)
		}
	}
	return waited(ctx, err)
}

// tryLock asks the store for the lock once.
func (s *Session) tryLock(ctx context.Context) error {
	asked := time.Now()
	opt := LockOptions{LoadOptions: s.m.loadOptions(), Lease: s.m.cfg.Lease}
	rec, fence, err := s.m.locker.Lock(ctx, s.key(), opt)
	if err != nil {
		return s.m.lost(s.id, err)
	}
	s.rec = rec
	s.lease = s.m.hold(s.key(), fence, asked)
	return nil
}

func (s *Session) waitLock(ctx context.Context, pause time.Duration) error {
	if w, ok := s.m.store.(LockWaiter); ok {
		return w.WaitLock(ctx, s.key(), 10*pollMax)
	}
	timer := time.NewTimer(pause/2 + rand.N(pause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// waited names the reason for which a wait ended: our own bound or the request's context.
func waited(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrLockTimeout) {
		return ErrLockTimeout
	}
	return err
}

// watch makes the request's context end with the lock. That an earlier lock was lost says nothing of this one: then the
// context is made from the caller's.
func (s *Session) watch(caller context.Context) error {
	under := s.ctx
	if errors.Is(context.Cause(under), ErrLockLost) {
		under = caller
	}
	ctx, cancel := context.WithCancelCause(under)
	if !s.lease.attach(func(err error) { cancel(fmt.Errorf("%w: %w", ErrLockLost, err)) }) {
		cancel(nil)
		return ErrLockLost
	}
	s.ctx = ctx
	return nil
}

// release gives the lock and the turn to whoever is next. The session stays readable.
func (s *Session) release(ctx context.Context) error {
	s.settled = true
	return s.yield(ctx)
}

// yield is release for a request that has not had its use of the session.
func (s *Session) yield(ctx context.Context) error {
	if s.lease == nil && !s.inLine {
		return nil
	}
	h := handover{lease: s.lease, rec: s.rec, fresh: s.exact}
	turn := ""
	if s.inLine {
		turn = s.id
	}
	s.lease, s.inLine, s.exact = nil, false, false
	return s.letGo(ctx, turn, h)
}

// letGo gives what h holds, and the turn in the line of that id unless it is "", to whoever is next.
func (s *Session) letGo(ctx context.Context, turn string, h handover) error {
	var err error
	if l := h.lease; l != nil {
		l.run++
		if turn != "" && l.run <= s.m.cfg.Handover && l.attach(nil) && s.m.turns.pass(turn, h) {
			return nil
		}
		err = s.unlock(ctx, l)
	}
	if turn != "" {
		s.m.turns.leave(turn)
	}
	return err
}

// Locked reports whether this request holds the session's lock: it was opened for writing under Serialized, and
// has not been committed or rolled back.
func (s *Session) Locked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease != nil
}

// unlock lets go of the lock in the store. Whoever lost it already has nothing to let go of.
func (s *Session) unlock(ctx context.Context, l *lease) error {
	l.stop()
	dctx := detach(ctx, s.m.cfg.CommitTimeout)
	defer dctx.stop()
	err := s.follow(func(key Key) error { return s.m.locker.Unlock(dctx, key, l.fence) })
	s.lockLost = s.lockLost || errors.Is(err, ErrLockLost)
	if err == nil || errors.Is(err, ErrLockLost) || errors.Is(err, ErrGone) {
		return nil
	}
	s.m.cfg.Logger.Error("a session's lock could not be let go; it ends with its lease",
		"manager", s.m.id, "session", s.key().Hash(), "lease", s.m.cfg.Lease, "error", err)
	return fmt.Errorf("core: unlock session %s: %w", s.key().Hash(), err)
}

// reopen makes a session that the request has open fit for a further opening of it. What it fetched
// so far is read anew, what it changed stays changed.
func (s *Session) reopen(ctx context.Context, cfg openConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stored || cfg.mode == ReadOnly {
		return nil
	}
	lock := cfg.locking == Serialized && s.lease == nil
	if s.cfg.mode == ReadWrite && !lock {
		return nil
	}
	if s.cfg.mode == ReadOnly {
		s.entries = nil
	} else if err := s.forget(); err != nil {
		return err
	}
	was, idle := s.cfg, s.rec.Idle
	s.cfg.mode, s.cfg.locking = cfg.mode, cfg.locking
	if err := s.load(ctx); err != nil {
		s.cfg = was
		return s.opening(err)
	}
	s.settled, s.lockLost = false, false
	if s.idleWas != nil {
		s.rec.Idle = idle
	}
	return nil
}

// opening adds the session's name to errors of the store's own.
func (s *Session) opening(err error) error {
	for _, known := range []error{ErrNotFound, ErrLockTimeout, ErrQueueFull, ErrCorrupt, ErrClosed} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("core: open session %s: %w", s.key().Hash(), err)
}
