package core

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Update runs fn on the session and commits, again with the current data if another request saved
// the session in between, so that a value computed from itself (a counter, a list) loses no update
// under any policy. fn must have no effect besides the session, because it may run several times. Its
// own error ends the update, nothing is written, and Update returns that error.
//
// Within this process updates of one session run one after the other, so that they do not conflict
// with each other. Options are those of Open; ReadOnly has no effect. An update is apart from what the
// request of ctx has changed in the session and not yet committed, unless that request holds the
// session's lock: then fn runs on the request's own session, and all its changes are committed.
//
// Errors: those of Open and Commit; *ConflictError after Config.MaxRetries further runs.
func (m *Manager) Update(ctx context.Context, id string, fn func(*Session) error, opts ...OpenOption) error {
	if !m.ValidID(id) {
		return ErrBadID
	}
	own := scopeOf(ctx).find(m, id)
	if own != nil && own.locked() {
		return own.apply(ctx, fn)
	}
	if _, err := m.updates.enter(ctx, id, m.cfg.MaxWaiters, m.cfg.LockWait); err != nil {
		if _, ok := errors.AsType[*turnError](err); ok {
			m.updates.leave(id)
		}
		return err
	}
	defer m.updates.leave(id)

	cfg := m.openConfig(opts)
	if cfg.locking != Serialized {
		cfg.locking = Optimistic
	}
	s, err := m.Open(WithScope(ctx, nil), id, ReadWrite, cfg.locking)
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

func (m *Manager) retry(ctx context.Context, s *Session, fn func(*Session) error) error {
	for try := 0; ; try++ {
		err := s.apply(ctx, fn)
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok || try >= m.cfg.MaxRetries {
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
	return s.Commit(ctx)
}

// pause keeps processes that conflict from running in step.
func (m *Manager) pause(ctx context.Context, try int) error {
	const longest = 20 * time.Millisecond
	timer := time.NewTimer(rand.N(min(time.Duration(try+1)*time.Millisecond, longest)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
