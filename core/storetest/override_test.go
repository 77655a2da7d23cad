package storetest_test

import (
	"context"
	"iter"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// override is a memory store with single methods replaced. A method that is nil is the memory store's.
type override struct {
	*memstore.Store
	create func(context.Context, core.Key, core.Record) error
	load   func(context.Context, core.Key, core.LoadOptions) (core.Record, error)
	save   func(context.Context, core.Key, *core.Change) (uint64, error)
	touch  func(context.Context, core.Key, time.Time) error
	rotate func(context.Context, core.Key, core.Rotation) error
	delete func(context.Context, core.Key, time.Time) (core.Record, bool, error)
	close  func() error
	lock   func(context.Context, core.Key, core.LockOptions) (core.Record, uint64, error)
	renew  func(context.Context, core.Key, uint64, time.Time, time.Duration) error
	unlock func(context.Context, core.Key, uint64) error
	wait   func(context.Context, core.Key, time.Duration) error
	ids    func(context.Context, string, time.Time) iter.Seq2[string, error]
	count  func(context.Context, string, time.Time) (int, error)
	sweep  func(context.Context, string, time.Time, func(string, core.Record)) error
}

func or[F any](set bool, f, otherwise F) F {
	if set {
		return f
	}
	return otherwise
}

func (o *override) Create(ctx context.Context, k core.Key, rec core.Record) error {
	return or(o.create != nil, o.create, o.Store.Create)(ctx, k, rec)
}

func (o *override) Load(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
	return or(o.load != nil, o.load, o.Store.Load)(ctx, k, opt)
}

func (o *override) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	return or(o.save != nil, o.save, o.Store.Save)(ctx, k, c)
}

func (o *override) Touch(ctx context.Context, k core.Key, now time.Time) error {
	return or(o.touch != nil, o.touch, o.Store.Touch)(ctx, k, now)
}

func (o *override) Rotate(ctx context.Context, k core.Key, r core.Rotation) error {
	return or(o.rotate != nil, o.rotate, o.Store.Rotate)(ctx, k, r)
}

func (o *override) Delete(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
	return or(o.delete != nil, o.delete, o.Store.Delete)(ctx, k, now)
}

func (o *override) Close() error { return or(o.close != nil, o.close, o.Store.Close)() }

func (o *override) Lock(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	return or(o.lock != nil, o.lock, o.Store.Lock)(ctx, k, opt)
}

func (o *override) Renew(ctx context.Context, k core.Key, fence uint64, now time.Time, lease time.Duration) error {
	return or(o.renew != nil, o.renew, o.Store.Renew)(ctx, k, fence, now, lease)
}

func (o *override) Unlock(ctx context.Context, k core.Key, fence uint64) error {
	return or(o.unlock != nil, o.unlock, o.Store.Unlock)(ctx, k, fence)
}

func (o *override) WaitLock(ctx context.Context, k core.Key, limit time.Duration) error {
	return or(o.wait != nil, o.wait, o.Store.WaitLock)(ctx, k, limit)
}

func (o *override) IDs(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
	return or(o.ids != nil, o.ids, o.Store.IDs)(ctx, manager, now)
}

func (o *override) Count(ctx context.Context, manager string, now time.Time) (int, error) {
	return or(o.count != nil, o.count, o.Store.Count)(ctx, manager, now)
}

func (o *override) Sweep(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
	return or(o.sweep != nil, o.sweep, o.Store.Sweep)(ctx, manager, now, ended)
}

// with returns a make function: set replaces methods.
func with(set func(o *override, st *memstore.Store)) func(*memstore.Store) core.Store {
	return func(st *memstore.Store) core.Store {
		o := &override{Store: st}
		set(o, st)
		return o
	}
}

// seen returns a make function for a store that sees keys, times or contexts wrongly.
func seen(set func(p *proxy)) func(*memstore.Store) core.Store {
	return func(st *memstore.Store) core.Store {
		p := newProxy(st)
		set(p)
		return p
	}
}

// savedAs returns a make function for a store that takes another change than it is given.
func savedAs(alter func(c *core.Change)) func(*memstore.Store) core.Store {
	return with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			altered := *c
			alter(&altered)
			return st.Save(ctx, k, &altered)
		}
	})
}

// loadedAs returns a make function for a store that returns another record than is stored.
func loadedAs(alter func(rec *core.Record)) func(*memstore.Store) core.Store {
	return with(func(o *override, st *memstore.Store) {
		o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
			rec, err := st.Load(ctx, k, opt)
			if err == nil {
				alter(&rec)
			}
			return rec, err
		}
	})
}
