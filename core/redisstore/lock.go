package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/holdover-web/holdover/core"
)

// reserve is how long a lock is kept for a process to which it was given while it waited. A process
// that has died meanwhile holds the others up for no longer.
const reserve = 500 * time.Millisecond

// Lock takes the lock and loads the record in one step, or returns *core.LockedError.
func (s *Store) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	it := s.subject(key)
	t, waited := s.wakeups.take(key)
	if !waited {
		t.fence = nonce()
	}
	// Redis may give us the lock, now or from the queue, while nobody waits for it any more.
	abandoned := func() { s.letGo(key, t.fence) }
	every := int64(-1)
	if opt.Touch >= 0 {
		every = opt.Touch.Microseconds()
	}
	// The lock keeps others from writing, so that what is read right behind it is what was locked.
	packs := 9
	if waited {
		packs++
	}
	reply, err := s.ask(ctx, it, request{script: lockScript, then: it.data, late: abandoned, packs: packs, pack: func(p *packed, _ bool) {
		p.keys(it, waited)
		p.text(key.ID)
		p.int(s.grace)
		p.int(every)
		p.bytes(t.fence[:])
		p.int(opt.Lease.Microseconds())
		if waited {
			p.bytes(s.wakeups.entry(t.fence))
		} else {
			p.text("")
		}
	}}, core.ErrNotFound)
	if err != nil {
		if unsure(err) || waited && errors.Is(err, core.ErrNotFound) { // an expired session may still have a line
			abandoned()
		}
		return core.Record{}, 0, err
	}
	if parts, ok := reply.(both).script.([]any); ok { // locked
		if waited {
			s.wakeups.putBack(key, t)
		}
		left, _ := parts[1].(int64)
		return core.Record{}, 0, &core.LockedError{Key: key, Left: time.Duration(left) * time.Microsecond}
	}
	if reply.(both).then == nil { // deleted right after
		return core.Record{}, 0, core.ErrNotFound
	}
	rec, err := s.record(ctx, it, reply.(both).then)
	if err != nil {
		abandoned()
		return core.Record{}, 0, err
	}
	accessed, _ := reply.(both).script.(int64)
	rec.Accessed = micros(uint64(accessed))
	return rec, binary.BigEndian.Uint64(t.fence[:]), nil
}

// unsure reports whether an error leaves open what Redis did.
func unsure(err error) bool {
	_, moved := errors.AsType[*core.MovedError](err)
	return !moved && !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrCorrupt)
}

// letGo gives back, in the background, a lock that may be held and that nobody uses.
func (s *Store) letGo(key core.Key, fence [8]byte) {
	s.later(func(ctx context.Context) {
		it := s.subject(key)
		_, _ = s.run(ctx, it.slot, request{script: unlockScript, args: func(bool) []any { // else it ends with its lease
			return []any{nil, 2, it.data, it.queue(key.ID), fence[:], reserve.Microseconds(), s.wakeups.entry(fence)}
		}})
	})
}

// later runs fn in the background, until the store is closed.
func (s *Store) later(fn func(ctx context.Context)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ending.Err() != nil {
		return
	}
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(s.ending, s.cfg.Timeout)
		defer cancel()
		fn(ctx)
	})
}

// Renew makes the lease end that long after now.
func (s *Store) Renew(ctx context.Context, key core.Key, fence uint64, _ time.Time, lease time.Duration) error {
	if fence == 0 {
		return s.fenceless(ctx, key)
	}
	it := s.subject(key)
	_, err := s.ask(ctx, it, request{script: renewScript, args: func(bool) []any {
		return []any{nil, 1, it.data, fenceBytes(fence), lease.Microseconds()}
	}}, core.ErrGone)
	return err
}

// Unlock lets the lock go, or gives it to the process that waits longest for it.
func (s *Store) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	if fence == 0 {
		return s.fenceless(ctx, key)
	}
	it := s.subject(key)
	repeated := false
	_, err := s.ask(ctx, it, request{script: unlockScript, args: func(again bool) []any {
		repeated = again
		return []any{nil, 2, it.data, it.queue(key.ID), fenceBytes(fence), reserve.Microseconds(), ""}
	}}, core.ErrGone)
	if repeated && errors.Is(err, core.ErrLockLost) {
		return nil // the attempt whose reply was lost let it go
	}
	return err
}

// fenceless is what those get who hold no lock: a free lock is stored as fence 0, which is no holder's.
func (s *Store) fenceless(ctx context.Context, key core.Key) error {
	_, err := s.Load(ctx, key, core.LoadOptions{Touch: core.NoTouch})
	switch {
	case err == nil:
		return core.ErrLockLost
	case errors.Is(err, core.ErrNotFound):
		return core.ErrGone
	}
	return err
}
