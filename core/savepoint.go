package core

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"
)

// Savepoint is what a request had changed in the sessions of a Scope at one moment. It serves a request that
// tries things: what came after the savepoint can be taken back without what came before.
type Savepoint struct {
	scope *Scope
	marks []mark
}

// mark is a session as it was at the savepoint.
type mark struct {
	s       *Session
	entries []entry
	values  Values // of a session that is not stored
	idle    time.Duration
	idleWas *time.Duration
	cfg     openConfig
	writes  uint16
	locked  bool
	settled bool
}

// Savepoint remembers the uncommitted changes of all sessions in the scope, in-place changes of fetched values
// included. The request must not change them meanwhile from another goroutine. The error is a *ValueError: a
// value was changed in place to something that can not be stored.
func (sc *Scope) Savepoint() (*Savepoint, error) {
	p := &Savepoint{scope: sc}
	for s := sc.latest.Load(); s != nil; s = s.next {
		m, err := s.mark()
		if err != nil {
			return nil, err
		}
		p.marks = append(p.marks, m)
	}
	return p, nil
}

// Rollback makes the sessions hold the changes that they held at the savepoint, and no others. It may be called
// more than once. Listeners are told, as by Session.Rollback.
//
// A session that was opened since is rolled back as a whole. One that was open keeps its lock; a lock that was
// taken since is let go. What has reached the store since is not undone: commits, rotations, ends. A
// commit has written the changes from before the savepoint too; they are not made again.
//
// Lists, maps and pointers that were fetched before the savepoint, and changed in place after it, keep what
// they hold but are no part of the session any more: fetch them again.
//
// The error is the store's, about locks; the changes are taken back in any case.
func (p *Savepoint) Rollback(ctx context.Context) error {
	var errs []error
	for s := p.scope.latest.Load(); s != nil; s = s.next {
		i := slices.IndexFunc(p.marks, func(m mark) bool { return m.s == s })
		var err error
		if i < 0 {
			err = s.Rollback(ctx)
		} else {
			err = s.backTo(ctx, &p.marks[i])
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Written reports whether something that the request did has reached the store already: one of its sessions
// was saved, has a new id, or has ended. Such a request can not be run again as if nothing had happened.
func (sc *Scope) Written() bool {
	for s := sc.latest.Load(); s != nil; s = s.next {
		s.mu.Lock()
		written := s.writes > 0 || s.was != nil || s.ended
		s.mu.Unlock()
		if written {
			return true
		}
	}
	return false
}

func (s *Session) mark() (mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Change
	if err := s.collect(&c); err != nil {
		return mark{}, err
	}
	m := mark{s: s, entries: copyEntries(s.entries), values: s.rec.Values, idle: s.rec.Idle, idleWas: s.idleWas,
		cfg: s.cfg, writes: s.writes, locked: s.lease != nil, settled: s.settled}
	return m, nil
}

func (s *Session) backTo(ctx context.Context, m *mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var had, has Change
	failed := s.collect(&had)
	if s.writes != m.writes || s.ended {
		s.drop()
	} else {
		s.restore(m)
	}
	if s.m.heard() && !s.ended {
		_ = s.collect(&has) // only what could be encoded was kept
		if failed != nil || !slices.Equal(had.Set, has.Set) || !slices.Equal(had.Delete, has.Delete) {
			s.m.tell(Event{Kind: EventRolledBack, Manager: s.m.id, Session: s.key().Hash(), Time: s.m.now(), Data: s.m.snapshot(s.rec)})
		}
	}
	if !m.locked {
		return s.yield(ctx)
	}
	return nil
}

func (s *Session) restore(m *mark) {
	s.entries = copyEntries(m.entries)
	for i := range s.entries {
		e := &s.entries[i]
		e.views = slices.DeleteFunc(e.views, func(v view) bool { return v.changed(s.m.cfg.Codec) })
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return e.state == fetched && len(e.views) == 0 })
	if !s.stored {
		s.rec.Values = m.values
	}
	switch {
	case m.idleWas != nil:
		s.rec.Idle, s.idleWas = m.idle, m.idleWas
	case s.idleWas != nil:
		s.rec.Idle, s.idleWas = *s.idleWas, nil
	}
	s.cfg, s.settled = m.cfg, m.settled
}

// changed reports whether the value is not any more what the view last saw.
func (v view) changed(c Codec) bool {
	now, err := encode(c, v.v)
	return err != nil || now != v.data && now != reencode(c, v.data, reflect.TypeOf(v.v))
}

// copyEntries copies what a session changes in its entries.
func copyEntries(entries []entry) []entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].views = slices.Clone(entries[i].views)
	}
	return entries
}
