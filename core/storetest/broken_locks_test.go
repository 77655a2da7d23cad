package storetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

var brokenLocks = []brokenStore{
	{name: "lock without exclusion", want: "Lock", make: with(func(o *override, st *memstore.Store) {
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(ctx, k, opt)
			if errors.Is(err, core.ErrLocked) {
				rec, err = st.Load(ctx, k, opt.LoadOptions)
				return rec, 99, err
			}
			return rec, fence, err
		}
	})},
	{name: "save ignores the fence", want: "Fence", make: savedAs(func(c *core.Change) { c.Fence = 0 })},
	{name: "renew ignores the fence", want: "Fence", make: with(func(o *override, st *memstore.Store) {
		o.renew = func(ctx context.Context, k core.Key, fence uint64, now time.Time, lease time.Duration) error {
			err := st.Renew(ctx, k, fence, now, lease)
			if errors.Is(err, core.ErrLockLost) {
				return nil
			}
			return err
		}
	})},
	{name: "unlock ignores the fence", want: "Fence", make: with(func(o *override, st *memstore.Store) {
		var fences sync.Map
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(ctx, k, opt)
			if err == nil {
				fences.Store(k, fence)
			}
			return rec, fence, err
		}
		o.unlock = func(ctx context.Context, k core.Key, fence uint64) error {
			if held, ok := fences.Load(k); ok {
				fence = held.(uint64)
			}
			return st.Unlock(ctx, k, fence)
		}
	})},
	{name: "unlock of a lost lock says nothing", want: "Fence", make: with(func(o *override, st *memstore.Store) {
		o.unlock = func(ctx context.Context, k core.Key, fence uint64) error {
			err := st.Unlock(ctx, k, fence)
			if errors.Is(err, core.ErrLockLost) {
				return nil
			}
			return err
		}
	})},
	{name: "lapsed lock is lost at once", want: "LapseUntaken", make: with(func(o *override, st *memstore.Store) {
		ends := new(sync.Map)
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(ctx, k, opt)
			if err == nil {
				ends.Store(fence, opt.Now.Add(opt.Lease))
			}
			return rec, fence, err
		}
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			if end, ok := ends.Load(c.Fence); ok && !c.Now.Before(end.(time.Time)) {
				return 0, core.ErrLockLost
			}
			return st.Save(ctx, k, c)
		}
	})},
	{name: "lease ends a nanosecond late", want: "Lapse", make: with(func(o *override, st *memstore.Store) {
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			opt.Lease++
			return st.Lock(ctx, k, opt)
		}
	})},
	{name: "renew does nothing", want: "Renew", make: with(func(o *override, st *memstore.Store) {
		o.renew = func(ctx context.Context, k core.Key, fence uint64, now time.Time, _ time.Duration) error {
			return st.Renew(ctx, k, fence, now, 0)
		}
	})},
	{name: "failed save unlocks", want: "SaveUnlocks", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			version, err := st.Save(ctx, k, c)
			if err != nil && c.Unlock {
				st.Unlock(ctx, k, c.Fence)
			}
			return version, err
		}
	})},
	{name: "save never unlocks", want: "SaveUnlocks", make: savedAs(func(c *core.Change) { c.Unlock = false })},
	{name: "fences begin again with each session", want: "FenceUnique", make: with(fencesPerSession)},
	{name: "lock outlives its session", want: "LockEndsWithSession", make: with(func(o *override, st *memstore.Store) {
		var locked sync.Map
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(ctx, k, opt)
			if err == nil {
				locked.Store(k, opt)
			}
			return rec, fence, err
		}
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			err := st.Create(ctx, k, rec)
			if opt, ok := locked.Load(k); ok && err == nil {
				st.Lock(ctx, k, opt.(core.LockOptions))
			}
			return err
		}
	})},
	{name: "one lock for all", want: "LockPerSession", make: with(func(o *override, st *memstore.Store) {
		var mu sync.Mutex
		var holder core.Key
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			if (holder != core.Key{}) && holder != k {
				return core.Record{}, 0, &core.LockedError{Key: k}
			}
			rec, fence, err := st.Lock(ctx, k, opt)
			if err == nil {
				holder = k
			}
			return rec, fence, err
		}
	})},
	{name: "locks what is not there", want: "LockAbsent", make: with(func(o *override, st *memstore.Store) {
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(ctx, k, opt)
			if errors.Is(err, core.ErrNotFound) {
				return core.Record{}, 1, nil
			}
			return rec, fence, err
		}
	})},
	{name: "waiters sleep through the context", want: "WaitLock", make: with(func(o *override, st *memstore.Store) {
		o.wait = func(ctx context.Context, k core.Key, limit time.Duration) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			st.WaitLock(ctx, k, limit)
			return nil
		}
	})},
}

// fencesPerSession counts the locks of each session instead of those of each key.
func fencesPerSession(o *override, st *memstore.Store) {
	var mu sync.Mutex
	given := make(map[core.Key]uint64)
	real := make(map[core.Key]map[uint64]uint64)
	o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
		mu.Lock()
		defer mu.Unlock()
		given[k], real[k] = 0, make(map[uint64]uint64)
		return st.Create(ctx, k, rec)
	}
	o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		rec, fence, err := st.Lock(ctx, k, opt)
		if err != nil {
			return rec, 0, err
		}
		given[k]++
		real[k][given[k]] = fence
		return rec, given[k], nil
	}
	o.unlock = func(ctx context.Context, k core.Key, fence uint64) error {
		mu.Lock()
		defer mu.Unlock()
		return st.Unlock(ctx, k, real[k][fence])
	}
	o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		change := *c
		change.Fence = real[k][c.Fence]
		return st.Save(ctx, k, &change)
	}
}
