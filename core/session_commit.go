package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Dirty reports whether there is something to commit, in-place changes of fetched values included. A
// value that was changed in place to something that can not be stored counts as a change.
func (s *Session) Dirty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Change
	err := s.collect(&c)
	return err != nil || s.changes(&c)
}

// Commit writes the session's changes and lets go of its lock. A session that was not changed writes
// nothing, one that is new is stored even if it is empty. The commit goes on when ctx is cancelled, and
// is bounded by Config.CommitTimeout instead.
//
// The session can be used further. What is changed after a commit is late: a further commit writes it,
// under Serialized and Optimistic only if nobody else has saved the session in between; under Serialized
// it takes the lock again, and waits for it at most for Config.CommitTimeout.
//
// Errors: ErrReadOnly; ErrGone if the session ended meanwhile; *ConflictError under Optimistic and for
// late changes; ErrLockLost; ErrTooLarge; *ValueError for a value that was changed in place to something
// that can not be stored; what Seal was given; and the store's own, after which it is not known whether
// the changes were written. In all other cases they were not. The lock is let go in every case.
func (s *Session) Commit(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	return s.commit(ctx, true)
}

// End ends the request's use of the session as its save policy says: it commits, or drops what was
// not committed, and lets go of the lock. Ending twice, or ending a session that is over, does
// nothing. In a Scope that is held it is left to the scope. Errors: those of Commit.
func (s *Session) End(ctx context.Context) error {
	if sc := scopeOf(s.Context()); sc != nil && sc.held.Load() > 0 {
		return nil
	}
	return s.end(ctx, true)
}

// end is End. Without over the request may go on, and commit later by itself what it has changed so far.
func (s *Session) end(ctx context.Context, over bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.usable() != nil, over && s.cfg.save == SaveExplicit:
		s.drop()
		return s.release(ctx)
	case s.cfg.save == SaveExplicit:
		return s.release(ctx)
	}
	return s.commit(ctx, false)
}

// Rollback drops the changes that were not committed and lets go of the lock. The error is the
// store's, about the lock; the changes are dropped in any case.
func (s *Session) Rollback(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled && len(s.entries) == 0 && s.idleWas == nil && (s.stored || len(s.rec.Values) == 0) && s.lease == nil && !s.inLine {
		return nil // a second time
	}
	if s.m.heard() {
		var c Change
		if err := s.collect(&c); err != nil || s.changes(&c) {
			s.m.tell(Event{Kind: EventRolledBack, Manager: s.m.id, Session: s.key().Hash(), Time: s.m.now(), Data: s.m.snapshot(s.rec)})
		}
	}
	s.drop()
	return s.release(ctx)
}

// drop forgets what was not committed.
func (s *Session) drop() {
	s.entries = nil
	if !s.stored && !s.draft {
		s.rec.Values = nil // a fork's
	}
	if s.idleWas != nil {
		s.rec.Idle, s.idleWas = *s.idleWas, nil
	}
}

// collect gathers what the request has changed.
func (s *Session) collect(c *Change) error {
	c.MaxSize = s.m.cfg.MaxSize
	for i := range s.entries {
		e := &s.entries[i]
		if len(e.views) > 0 {
			if err := e.refresh(s.m.cfg.Codec); err != nil {
				return err
			}
		}
		switch e.state {
		case changed:
			if c.Set == nil {
				if c.Set = c.room[:0]; len(s.entries)-i > len(c.room) {
					c.Set = make(Values, 0, len(s.entries)-i)
				}
			}
			c.Set = append(c.Set, Item{e.name, e.data})
		case deleted:
			c.Delete = append(c.Delete, e.name)
		}
	}
	return nil
}

func (s *Session) changes(c *Change) bool {
	return len(c.Set) > 0 || len(c.Delete) > 0 || s.idleWas != nil || !s.stored && !s.draft && len(s.rec.Values) > 0
}

// forget drops what was only fetched, after turning in-place changes into plain ones.
func (s *Session) forget() error {
	var c Change
	if err := s.collect(&c); err != nil {
		return err
	}
	s.entries = nil
	for _, it := range c.Set {
		s.put(entry{name: it.Name, data: it.Data, state: changed})
	}
	for _, name := range c.Delete {
		s.put(entry{name: name, state: deleted})
	}
	return nil
}

// commitWork is what one commit takes, and room for the first name that the request changes. It is in one piece
// because all of it outlives the stack, and is used once because a store may hold on to it.
type commitWork struct {
	Change
	detached
	room [1]entry
}

func (s *Session) commit(ctx context.Context, explicit bool) error {
	forced := s.cfg.save == SaveAlways && s.stored && !s.settled || explicit && !s.stored
	if !forced && len(s.entries) == 0 && s.idleWas == nil && (s.stored || len(s.rec.Values) == 0) {
		return s.release(ctx)
	}
	w := s.pending
	if s.pending = nil; w == nil {
		w = new(commitWork)
	}
	w.detached.parent, w.detached.limit = ctx, s.m.cfg.CommitTimeout
	defer w.detached.stop()
	err := s.collect(&w.Change)
	w.Change.settled = true
	if err == nil && (forced || s.changes(&w.Change)) {
		err = s.write(&w.detached, &w.Change)
	}
	if released := s.release(&w.detached); err == nil {
		return released
	}
	return s.commitFailed(err)
}

func (s *Session) write(ctx context.Context, c *Change) error {
	if s.stored {
		return s.save(ctx, c)
	}
	return s.create(ctx, c)
}

// create stores a new session.
func (s *Session) create(ctx context.Context, c *Change) error {
	if s.draft {
		return fmt.Errorf("%w: a draft is not stored", ErrUnsupported)
	}
	if s.refusal != nil {
		return s.refusal
	}
	values, err := c.Apply(s.rec.Values)
	if err != nil {
		return err
	}
	rec := s.rec
	rec.Values, rec.Accessed = values, s.m.now()
	err = s.m.store.Create(ctx, s.key(), rec)
	if errors.Is(err, ErrExists) {
		err = s.fresh(func(id string) error {
			s.id = id
			return s.m.store.Create(ctx, s.key(), rec)
		})
	}
	if err != nil {
		return err
	}
	s.stored = true
	s.wrote(values, 1, EventCreated)
	return nil
}

// save writes the changes of a session that is stored, under its policy's condition.
func (s *Session) save(ctx context.Context, c *Change) error {
	switch {
	case s.lease != nil:
	case s.lockLost:
		return ErrLockLost
	case s.cfg.locking == Serialized:
		if err := s.relock(ctx); err != nil {
			return err
		}
	}
	c.Now = s.m.now()
	c.SetIdle, c.Idle = s.idleWas != nil, s.rec.Idle
	if !s.blended {
		c.Base = s.rec.Version
	}
	values, err := c.Apply(s.rec.Values)
	if err != nil {
		return err
	}
	switch s.cfg.locking {
	case Lossy:
		c.Set, c.Delete, c.Replace = values, nil, true
	case Optimistic:
		c.Version = s.rec.Version
	case Serialized:
		c.Fence = s.lease.fence
		if !c.keepLock {
			c.Unlock = s.lease.run >= s.m.cfg.Handover || !(s.inLine && s.m.turns.waiting(s.id))
		}
		if c.Unlock {
			s.lease.stop()
		}
	}
	var version uint64
	err = s.follow(func(key Key) (err error) {
		version, err = s.m.store.Save(ctx, key, c)
		return err
	})
	if err != nil {
		return s.note(err)
	}
	s.blended = !c.Replace && (s.blended || version != s.rec.Version+1)
	s.exact = s.lease != nil && !s.blended
	if c.Unlock {
		s.lease = nil
	}
	s.rec.Accessed = c.Now
	s.wrote(values, version, EventSaved)
	return nil
}

// wrote makes the session look as it does in the store now.
func (s *Session) wrote(values Values, version uint64, kind EventKind) {
	s.rec.Values, s.rec.Version, s.idleWas = values, version, nil
	s.writes++
	kept := s.entries[:0]
	for i := range s.entries {
		if e := &s.entries[i]; e.state != deleted && len(e.views) > 0 {
			e.state = fetched
			kept = append(kept, *e)
		}
	}
	s.entries = kept
	if s.m.heard() {
		s.m.tell(Event{Kind: kind, Manager: s.m.id, Session: s.key().Hash(), Time: s.m.now(), Data: s.m.snapshot(s.rec)})
	}
}

// commitFailed tells those whom the error does not reach, for example because the response has begun.
func (s *Session) commitFailed(err error) error {
	hash := s.key().Hash()
	if s.m.heard() && !(s.quiet && errors.Is(err, ErrConflict)) {
		s.m.tell(Event{Kind: EventCommitFailed, Manager: s.m.id, Session: hash, Time: s.m.now(), Err: err})
	}
	return fmt.Errorf("core: commit session %s: %w", hash, err)
}

// rebase starts the request's work over on the record that a conflict brought.
func (s *Session) rebase(rec Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rec, s.entries, s.idleWas, s.settled, s.blended = rec, nil, nil, false, false
}

// catchUp lets a session that the request has open, and has not changed, see what an Update wrote.
func (s *Session) catchUp(rec Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Change
	if err := s.collect(&c); err == nil && !s.changes(&c) {
		s.rec, s.blended = rec, false
		s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { // what the update changed is fetched anew
			data, ok := rec.Values.Get(e.name)
			return !ok || data != e.data
		})
	}
}
