package memstore

import (
	"context"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Lock implements core.Locker.
func (s *Store) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	if err := ctx.Err(); err != nil {
		return core.Record{}, 0, err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, opt.Now, core.ErrNotFound)
	if err != nil {
		return core.Record{}, 0, err
	}
	if e.fence != 0 && opt.Now.Before(e.lease) {
		return core.Record{}, 0, &core.LockedError{Key: key, Left: e.lease.Sub(opt.Now)}
	}
	e.fence = s.fences.Add(1)
	e.lease = opt.Now.Add(opt.Lease)
	return s.touchOnLoad(sh, e, opt.LoadOptions), e.fence, nil
}

// Renew implements core.Locker.
func (s *Store) Renew(ctx context.Context, key core.Key, fence uint64, now time.Time, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, now, core.ErrGone)
	if err != nil {
		return err
	}
	if fence == 0 || fence != e.fence {
		return core.ErrLockLost
	}
	e.lease = now.Add(lease)
	return nil
}

// Unlock implements core.Locker. It is given no time, so it may let go the lock of a session that has
// expired; that does no harm.
func (s *Store) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, time.Time{}, core.ErrGone)
	if err != nil {
		return err
	}
	if fence == 0 || fence != e.fence {
		return core.ErrLockLost
	}
	e.unlock()
	return nil
}

// WaitLock implements core.LockWaiter. It returns at once when the key is not locked, and
// core.ErrClosed when the store is closed. The store has no clock, so it does not notice that a lease
// ran out: give as limit what core.LockedError.Left said.
func (s *Store) WaitLock(ctx context.Context, key core.Key, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	freed, err := s.freed(key)
	if err != nil || freed == nil {
		return err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-freed:
		return nil
	case <-timer.C:
		return nil
	case <-s.closed:
		return core.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// freed returns a channel that is closed when the key's lock is let go, or nil when it is free.
func (s *Store) freed(key core.Key) (<-chan struct{}, error) {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries == nil {
		return nil, core.ErrClosed
	}
	e := sh.entries[key]
	if e == nil || e.fence == 0 {
		return nil, nil
	}
	if e.freed == nil {
		e.freed = make(chan struct{})
	}
	return e.freed, nil
}
