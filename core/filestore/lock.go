//go:build unix && !aix

package filestore

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Lock implements core.Locker. A lock that another process has does not lapse while that process
// lives; the *core.LockedError then has Left 0.
func (s *Store) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	if err := s.begin(ctx); err != nil {
		return core.Record{}, 0, err
	}
	defer s.end()
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return core.Record{}, 0, absentAs(core.ErrNotFound, err)
	}
	defer c.leave()
	cur, err := c.living(opt.Now, core.ErrNotFound)
	if err != nil {
		return core.Record{}, 0, err
	}
	home, err := s.shard(key.Manager, birthShard(cur.birth), true)
	if err != nil {
		return core.Record{}, 0, err
	}
	fence, err := s.locks.take(key, cur.birth, home.slots, opt.Now, opt.Lease)
	if err != nil {
		return core.Record{}, 0, err
	}
	if err := c.touchOnLoad(&cur.rec, opt.LoadOptions); err != nil {
		s.locks.release(fence)
		return core.Record{}, 0, err
	}
	return cur.rec, fence, nil
}

// Renew implements core.Locker.
func (s *Store) Renew(ctx context.Context, key core.Key, fence uint64, now time.Time, lease time.Duration) error {
	return s.ifHeld(ctx, key, fence, now, func() { s.locks.renew(fence, now.Add(lease)) })
}

// Unlock implements core.Locker. It is given no time, so it may let go the lock of a session that has
// expired; that does no harm.
func (s *Store) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	return s.ifHeld(ctx, key, fence, time.Time{}, func() { s.locks.release(fence) })
}

// ifHeld calls fn, with nobody else changing the session, if its lock is held under fence.
func (s *Store) ifHeld(ctx context.Context, key core.Key, fence uint64, now time.Time, fn func()) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	if fence == 0 {
		fence = noFence
	}
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return absentAs(core.ErrGone, err)
	}
	defer c.leave()
	if _, err := c.held(now, fence); err != nil {
		return err
	}
	fn()
	return nil
}

// noFence is a fence that nobody ever gets.
const noFence = 1<<64 - 1

// locks are the request locks that this store holds. It decides between the goroutines of this
// process, by lease; the system decides between processes.
//
// A lock lies on the session's birth number, not on its key: so it goes along when the session gets
// another id, whoever does that, and does not hold up a later session with the same id.
type locks struct {
	mu      sync.Mutex
	last    uint64 // the last fence given out; it starts at random, so that processes do not share any
	byFence map[uint64]*lock
	byBirth map[uint64]*lock
}

type lock struct {
	key   core.Key // the session's, as far as this process knows
	birth uint64
	fence uint64
	until time.Time // when the lease ends
	slots *slots    // has the lock between processes, at birthSlot
}

func (l *locks) init() {
	l.last = rand.Uint64() >> 1
	l.byFence = make(map[uint64]*lock)
	l.byBirth = make(map[uint64]*lock)
}

// take locks the session, or returns a *core.LockedError.
func (l *locks) take(key core.Key, birth uint64, slots *slots, now time.Time, lease time.Duration) (fence uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.byBirth[birth]; h != nil {
		if now.Before(h.until) {
			return 0, &core.LockedError{Key: key, Left: h.until.Sub(now)}
		}
		delete(l.byFence, h.fence)
	} else if ok, err := slots.try(birthSlot(birth)); err != nil {
		return 0, err
	} else if !ok {
		return 0, &core.LockedError{Key: key}
	}
	l.last++
	h := &lock{key: key, birth: birth, fence: l.last, until: now.Add(lease), slots: slots}
	l.byFence[h.fence] = h
	l.byBirth[birth] = h
	return h.fence, nil
}

// holds reports whether the session's lock is held under fence.
func (l *locks) holds(fence, birth uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.byFence[fence]
	return h != nil && h.birth == birth
}

func (l *locks) renew(fence uint64, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.byFence[fence]; h != nil {
		h.until = until
	}
}

// rotated notes the session's new id.
func (l *locks) rotated(birth uint64, to core.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.byBirth[birth]; h != nil {
		h.key = to
	}
}

// release lets the lock that is held under fence go.
func (l *locks) release(fence uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(l.byFence[fence])
}

// drop lets the lock of a session go that has ended.
func (l *locks) drop(birth uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(l.byBirth[birth])
}

// forget lets go what is held under fence for a session that another process has ended meanwhile: the
// key now holds the session with that birth, or none if it is 0.
func (l *locks) forget(key core.Key, fence, birth uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.byFence[fence]; h != nil && h.key == key && h.birth != birth {
		l.remove(h)
	}
}

func (l *locks) remove(h *lock) {
	if h != nil {
		delete(l.byFence, h.fence)
		delete(l.byBirth, h.birth)
		h.slots.release(birthSlot(h.birth))
	}
}
