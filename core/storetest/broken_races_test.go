package storetest_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

// crossing is where two goroutines meet in the gap between a check and a write, so that a race that
// can happen does happen.
type crossing chan struct{}

// crowd is more than the suite has goroutines at work at once.
const crowd = 16

// meet returns when another goroutine calls it, or soon.
func (c crossing) meet() {
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	select {
	case c <- struct{}{}:
	case <-c:
	case <-timer.C:
	}
}

var brokenAtomicity = []brokenStore{
	{name: "ignores the context", want: "CancelledBefore", make: seen(func(p *proxy) { p.ctx = context.WithoutCancel })},
	{name: "cancelled lock stays", want: "CancelledBefore", make: with(func(o *override, st *memstore.Store) {
		o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
			rec, fence, err := st.Lock(context.WithoutCancel(ctx), k, opt)
			if ctx.Err() != nil {
				return core.Record{}, 0, ctx.Err()
			}
			return rec, fence, err
		}
	})},
	{name: "cancelled save is half done", want: "CancelledDuring", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			if len(c.Set) != 2 || c.Version != 0 || c.Fence != 0 {
				return st.Save(ctx, k, c)
			}
			half := *c
			half.Set = c.Set[:1]
			if _, err := st.Save(ctx, k, &half); err != nil {
				return 0, err
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			half.Set = c.Set[1:]
			return st.Save(ctx, k, &half)
		}
	})},
	{name: "merge loads and replaces", want: "ConcurrentMerges", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: c.Now, Touch: core.NoTouch})
			if err != nil || c.Replace {
				return st.Save(ctx, k, c)
			}
			gap.meet()
			whole := *c
			whole.Set, err = c.Apply(rec.Values)
			if err != nil {
				return 0, err
			}
			whole.Delete, whole.Replace = nil, true
			return st.Save(ctx, k, &whole)
		}
	})},
	{name: "version is checked beforehand", want: "ConcurrentVersions", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: c.Now, Touch: core.NoTouch})
			if err == nil && c.Version != 0 && c.Version != rec.Version {
				return st.Save(ctx, k, c)
			}
			gap.meet()
			unconditional := *c
			unconditional.Version = 0
			return st.Save(ctx, k, &unconditional)
		}
	})},
	{name: "lock is checked beforehand", want: "ConcurrentLocks", make: with(lockInTwoSteps)},
	{name: "create looks and then writes", want: "ConcurrentCreates", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			if _, err := st.Load(ctx, k, core.LoadOptions{Now: rec.Accessed, Touch: core.NoTouch}); !errors.Is(err, core.ErrNotFound) {
				return st.Create(ctx, k, rec)
			}
			gap.meet()
			st.Delete(ctx, k, rec.Accessed.Add(-time.Hour))
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "save writes back what was deleted meanwhile", want: "DeleteDuringSaves", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: c.Now, Touch: core.NoTouch})
			if err != nil {
				return st.Save(ctx, k, c)
			}
			gap.meet()
			version, err := st.Save(ctx, k, c)
			if errors.Is(err, core.ErrGone) {
				return rec.Version + 1, st.Create(ctx, k, rec)
			}
			return version, err
		}
	})},
	{name: "readers see half a save", want: "WholeRecords", make: with(func(o *override, st *memstore.Store) {
		loaded := make(chan struct{})
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			rec, err := st.Load(ctx, k, opt)
			select {
			case loaded <- struct{}{}:
			default:
			}
			return rec, err
		}
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			if len(c.Set) == 2 {
				half := *c
				half.Set = c.Set[:1]
				if _, err := st.Save(ctx, k, &half); err != nil {
					return 0, err
				}
				soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				for range 2 * crowd { // more loads than were under way
					select {
					case <-loaded:
					case <-soon.Done():
					}
				}
			}
			return st.Save(ctx, k, c)
		}
	})},
	{name: "rotates to several ids", want: "ConcurrentRotations", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.rotate = func(ctx context.Context, k core.Key, r core.Rotation) error {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: r.Now, Touch: core.NoTouch})
			if err != nil || r.Grace > 0 || r.Fence > 0 {
				return st.Rotate(ctx, k, r)
			}
			gap.meet()
			if err := st.Create(ctx, core.Key{Manager: k.Manager, ID: r.To}, rec); err != nil {
				return err
			}
			st.Delete(ctx, k, r.Now)
			return nil
		}
	})},
	{name: "deletes for several", want: "ConcurrentDeletes", make: with(func(o *override, st *memstore.Store) {
		gap := make(crossing)
		o.delete = func(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: now, Touch: core.NoTouch})
			if err != nil {
				return st.Delete(ctx, k, now)
			}
			gap.meet()
			st.Delete(ctx, k, now)
			return rec, true, nil
		}
	})},
}

// lockInTwoSteps looks whether the lock is free, loads, and then takes it.
func lockInTwoSteps(o *override, st *memstore.Store) {
	gap := make(crossing)
	var held sync.Map // of those who hold the lock, by key
	var fences atomic.Uint64
	o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
		if _, locked := held.Load(k); locked {
			return core.Record{}, 0, &core.LockedError{Key: k}
		}
		rec, err := st.Load(ctx, k, opt.LoadOptions)
		if err != nil {
			return core.Record{}, 0, err
		}
		gap.meet()
		held.Store(k, true)
		return rec, fences.Add(1), nil
	}
	o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
		change := *c
		change.Fence = 0
		version, err := st.Save(ctx, k, &change)
		if err == nil && c.Unlock {
			held.Delete(k)
		}
		return version, err
	}
	o.unlock = func(_ context.Context, k core.Key, _ uint64) error {
		held.Delete(k)
		return nil
	}
}

var brokenLists = []brokenStore{
	{name: "counts the expired", want: "List", make: with(func(o *override, st *memstore.Store) {
		o.count = func(ctx context.Context, manager string, _ time.Time) (int, error) {
			return st.Count(ctx, manager, time.Time{})
		}
	})},
	{name: "lists ids twice", want: "List", make: with(func(o *override, st *memstore.Store) {
		o.ids = func(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for id, err := range st.IDs(ctx, manager, now) {
					for range 2 {
						if !yield(id, err) {
							return
						}
					}
				}
			}
		}
	})},
	{name: "enumeration holds a lock", want: "ListWhileWriting", make: with(func(o *override, st *memstore.Store) {
		var listing sync.Map
		o.ids = func(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				listing.Store(manager, true)
				defer listing.Delete(manager)
				st.IDs(ctx, manager, now)(yield)
			}
		}
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			if _, locked := listing.Load(k.Manager); locked {
				return errors.New("deadlock")
			}
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "skips a session while others are made", want: "ListWhileWriting", make: with(func(o *override, st *memstore.Store) {
		o.ids = func(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				before, _ := st.Count(ctx, manager, now)
				n := 0
				for id, err := range st.IDs(ctx, manager, now) {
					if n++; n == 50 && before > 99 {
						continue // as a cursor does when what it points at has moved
					}
					if !yield(id, err) {
						return
					}
				}
			}
		}
	})},
	{name: "enumeration goes on", want: "ListStops", make: with(func(o *override, st *memstore.Store) {
		o.ids = func(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for id, err := range st.IDs(ctx, manager, now) {
					yield(id, err)
				}
			}
		}
	})},
}

var brokenLives = []brokenStore{
	{name: "works on after close", want: "Close", make: with(func(o *override, st *memstore.Store) {
		o.close = func() error { return nil }
	})},
	{name: "second close fails", want: "Close", make: with(func(o *override, st *memstore.Store) {
		closed := false
		o.close = func() error {
			if closed {
				return core.ErrClosed
			}
			closed = true
			return st.Close()
		}
	})},
	{name: "loses all when closed", want: "Reopen",
		make: func(st *memstore.Store) core.Store { return st },
		opts: storetest.Options{
			Reopen: func(*testing.T, core.Store) core.Store { return memstore.New(memstore.Config{}) },
		}},
	{name: "fences begin again when reopened", want: "ReopenLocks",
		make: seen(func(*proxy) {}),
		opts: storetest.Options{
			Reopen: func(_ *testing.T, st core.Store) core.Store {
				old, again := st.(*proxy).st, memstore.New(memstore.Config{})
				for _, manager := range []string{"app", "other"} {
					for id := range old.IDs(context.Background(), manager, time.Time{}) {
						k := core.Key{Manager: manager, ID: id}
						rec, _ := old.Load(context.Background(), k, core.LoadOptions{Touch: core.NoTouch})
						again.Create(context.Background(), k, rec)
					}
				}
				return newProxy(again)
			},
		}},
	{name: "second process has data of its own", want: "Second/Create",
		make: func(st *memstore.Store) core.Store { return st },
		opts: storetest.Options{
			Second: func(*testing.T, core.Store) core.Store { return memstore.New(memstore.Config{}) },
		}},
	{name: "second process locks for itself", want: "Second/Shared",
		make: seen(func(*proxy) {}),
		opts: storetest.Options{
			Second: func(_ *testing.T, st core.Store) core.Store {
				return with(func(o *override, inner *memstore.Store) {
					o.close = func() error { return nil }
					o.lock = func(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
						rec, fence, err := inner.Lock(ctx, k, opt)
						if errors.Is(err, core.ErrLocked) {
							rec, err = inner.Load(ctx, k, opt.LoadOptions)
							return rec, 1 << 40, err
						}
						return rec, fence, err
					}
				})(st.(*proxy).st)
			},
		}},
	{name: "other errors when closed", want: "CloseDuring", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			version, err := st.Save(ctx, k, c)
			if errors.Is(err, core.ErrClosed) {
				err = errors.New("file already closed")
			}
			return version, err
		}
	})},
}
