package storetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

var brokenEnds = []brokenStore{
	{name: "save resurrects", want: "NoResurrection", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			version, err := st.Save(ctx, k, c)
			if errors.Is(err, core.ErrGone) {
				return 1, st.Create(ctx, k, core.Record{Values: c.Set, Created: c.Now, Accessed: c.Now})
			}
			return version, err
		}
	})},
	{name: "touch creates", want: "NoResurrection", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			err := st.Touch(ctx, k, now)
			if errors.Is(err, core.ErrGone) {
				st.Create(ctx, k, core.Record{Created: now, Accessed: now})
			}
			return err
		}
	})},
	{name: "conflict before gone", want: "NoResurrection", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			version, err := st.Save(ctx, k, c)
			if errors.Is(err, core.ErrGone) && c.Version > 0 {
				err = &core.ConflictError{Key: k, Have: c.Version}
			}
			return version, err
		}
	})},
	{name: "touch revives the expired", want: "NoResurrection", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			err := st.Touch(ctx, k, now)
			if errors.Is(err, core.ErrGone) {
				if rec, ok, _ := st.Delete(ctx, k, now); ok {
					rec.Accessed = now
					return st.Create(ctx, k, rec)
				}
			}
			return err
		}
	})},
	{name: "says not found to those who write", want: "ExpiredIsAbsent", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			err := st.Touch(ctx, k, now)
			if errors.Is(err, core.ErrGone) {
				err = core.ErrNotFound
			}
			return err
		}
	})},
	{name: "load removes the expired", want: "Sweep", make: with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			rec, err := st.Load(ctx, k, opt)
			if errors.Is(err, core.ErrNotFound) {
				st.Delete(ctx, k, opt.Now)
			}
			return rec, err
		}
	})},
	{name: "expired key stays taken", want: "CreateOverExpired", make: with(func(o *override, st *memstore.Store) {
		var mu sync.Mutex
		taken := make(map[core.Key]bool)
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			mu.Lock()
			defer mu.Unlock()
			if taken[k] && rec.Idle > 0 {
				return core.ErrExists
			}
			taken[k] = true
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "delete leaves the expired", want: "DeleteExpired", make: with(func(o *override, st *memstore.Store) {
		o.delete = func(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
			if _, err := st.Load(ctx, k, core.LoadOptions{Now: now, Touch: core.NoTouch}); errors.Is(err, core.ErrNotFound) {
				return core.Record{}, false, nil
			}
			return st.Delete(ctx, k, now)
		}
	})},
	{name: "sweep tells twice", want: "Sweep", make: with(func(o *override, st *memstore.Store) {
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			return st.Sweep(ctx, manager, now, func(id string, rec core.Record) { ended(id, rec); ended(id, rec) })
		}
	})},
	{name: "sweep tells without data", want: "Sweep", make: with(func(o *override, st *memstore.Store) {
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			return st.Sweep(ctx, manager, now, func(id string, _ core.Record) { ended(id, core.Record{}) })
		}
	})},
	{name: "sweep holds a lock", want: "SweepCallsBackFree", make: with(func(o *override, st *memstore.Store) {
		lock := make(chan struct{}, 1) // like a mutex, but says so instead of hanging
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			select {
			case lock <- struct{}{}:
				defer func() { <-lock }()
			default:
				return errors.New("deadlock")
			}
			return st.Sweep(ctx, manager, now, ended)
		}
	})},
	{name: "sweep loses what it removed when it stops", want: "SweepStops", make: with(func(o *override, st *memstore.Store) {
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			removed := make(map[string]core.Record)
			if err := st.Sweep(ctx, manager, now, func(id string, rec core.Record) { removed[id] = rec }); err != nil {
				return err
			}
			for id, rec := range removed {
				if err := ctx.Err(); err != nil {
					return err
				}
				ended(id, rec)
			}
			return nil
		}
	})},
	{name: "sweepers tell the same ends", want: "SweepConcurrently", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		var mu sync.Mutex
		sweeping := make(map[string]core.Record) // removed by sweeps that go on
		sweeps := 0
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			mu.Lock()
			sweeps++
			err := st.Sweep(ctx, manager, now, func(id string, rec core.Record) { sweeping[id] = rec })
			mine := make(map[string]core.Record)
			for id, rec := range sweeping {
				mine[id] = rec
			}
			mu.Unlock()
			gap.meet()
			for id, rec := range mine {
				ended(id, rec)
			}
			mu.Lock()
			defer mu.Unlock()
			if sweeps--; sweeps == 0 {
				clear(sweeping)
			}
			return err
		}
	})},
}

var brokenTimes = []brokenStore{
	{name: "expires a nanosecond late", want: "IdleExpiry", make: seen(func(p *proxy) {
		p.now = func(now time.Time) time.Time { return now.Add(-1) }
	})},
	{name: "expires a nanosecond early", want: "IdleExpiry", make: seen(func(p *proxy) {
		p.now = func(now time.Time) time.Time { return now.Add(1) }
	})},
	{name: "ignores the absolute end", want: "AbsoluteExpiry", make: with(func(o *override, st *memstore.Store) {
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			rec.Ends = time.Time{}
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "touch makes a version", want: "TouchAndSave", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			_, err := st.Save(ctx, k, &core.Change{Now: now})
			return err
		}
	})},
	{name: "touch does nothing", want: "Touch", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			return st.Touch(ctx, k, now.Add(-1000*time.Hour))
		}
	})},
	{name: "every load touches", want: "TouchCoalesced", make: with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			opt.Touch = min(opt.Touch, 0)
			return st.Load(ctx, k, opt)
		}
	})},
	{name: "no load touches", want: "Extends", make: with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			opt.Touch = core.NoTouch
			return st.Load(ctx, k, opt)
		}
	})},
	{name: "touch goes backwards", want: "TouchBackwards", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: now, Touch: core.NoTouch})
			if err == nil && now.Before(rec.Accessed) {
				st.Delete(ctx, k, now)
				rec.Accessed = now
				return st.Create(ctx, k, rec)
			}
			return st.Touch(ctx, k, now)
		}
	})},
	{name: "load returns its own access", want: "AccessedBefore", make: with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			if _, err := st.Load(ctx, k, opt); err != nil {
				return core.Record{}, err
			}
			return st.Load(ctx, k, opt)
		}
	})},
	{name: "save is no access", want: "SaveIsAccess", make: savedAs(func(c *core.Change) { c.Now = c.Now.Add(-30 * time.Second) })},
	{name: "nothing lives for longer than a year", want: "NoExpiry", make: with(func(o *override, st *memstore.Store) {
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			if rec.Ends.IsZero() {
				rec.Ends = rec.Created.AddDate(1, 0, 0)
			}
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "idle timeout does not shrink", want: "IdleChange", make: savedAs(func(c *core.Change) {
		if c.Idle > 0 {
			c.Idle = max(c.Idle, time.Hour)
		}
	})},
	{name: "sweeps a nanosecond early", want: "SweepExact", make: with(func(o *override, st *memstore.Store) {
		o.sweep = func(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
			return st.Sweep(ctx, manager, now.Add(1), ended)
		}
	})},
	{name: "trusts the caller's clock", want: "WrongClock",
		make: func(st *memstore.Store) core.Store { return st },
		opts: storetest.Options{OwnClock: &storetest.OwnClock{
			Now: time.Now, Advance: time.Sleep, Unit: 200 * time.Millisecond, Slack: 40 * time.Millisecond,
		}}},
}

var brokenRotations = []brokenStore{
	{name: "rotate leaves the old id", want: "Rotate", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			rec, _ := st.Load(ctx, k, core.LoadOptions{Now: r.Now, Touch: core.NoTouch})
			err := st.Rotate(ctx, k, r)
			if err == nil && r.Grace == 0 {
				return st.Create(ctx, k, rec)
			}
			return err
		}
	})},
	{name: "rotate makes a new session", want: "Rotate", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			if r.Grace > 0 || r.Fence > 0 {
				return st.Rotate(ctx, k, r)
			}
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: r.Now, Touch: core.NoTouch})
			if errors.Is(err, core.ErrNotFound) {
				return core.ErrGone
			} else if err != nil {
				return err
			}
			if err := st.Create(ctx, core.Key{Manager: k.Manager, ID: r.To}, rec); err != nil {
				return err
			}
			_, _, err = st.Delete(ctx, k, r.Now)
			return err
		}
	})},
	{name: "grace is a nanosecond too long", want: "RotateGrace", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			if r.Grace > 0 {
				r.Grace++
			}
			return st.Rotate(ctx, k, r)
		}
	})},
	{name: "rotate replaces what is there", want: "RotateExists", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			if k.ID != r.To {
				st.Delete(ctx, core.Key{Manager: k.Manager, ID: r.To}, r.Now)
			}
			return st.Rotate(ctx, k, r)
		}
	})},
	{name: "rotate loses the lock", want: "RotateLock", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			err := st.Rotate(ctx, k, r)
			if err == nil && r.Fence > 0 {
				st.Unlock(ctx, core.Key{Manager: k.Manager, ID: r.To}, r.Fence)
			}
			return err
		}
	})},
	{name: "rotate ignores the fence", want: "RotateLock", make: with(func(o *override, st *memstore.Store) {
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			r.Fence = 0
			return st.Rotate(ctx, k, r)
		}
	})},
	{name: "delete of a rotated id says nothing", want: "DeleteForward", make: with(func(o *override, st *memstore.Store) {
		o.delete = func(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
			rec, ok, err := st.Delete(ctx, k, now)
			if moved := (*core.MovedError)(nil); errors.As(err, &moved) {
				err = nil
			}
			return rec, ok, err
		}
	})},
	{name: "forwards to the last id", want: "RotateChain", make: with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			rec, err := st.Load(ctx, k, opt)
			for moved := (*core.MovedError)(nil); errors.As(err, &moved); {
				rec, err = st.Load(ctx, core.Key{Manager: k.Manager, ID: moved.To}, opt)
			}
			return rec, err
		}
	})},
}
