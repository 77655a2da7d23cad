package storetest_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

// proxy is a way to a memory store that may see keys, times and contexts differently and that is
// closed apart from it.
type proxy struct {
	st     *memstore.Store
	key    func(core.Key) core.Key
	now    func(time.Time) time.Time
	ctx    func(context.Context) context.Context
	closed atomic.Bool
}

func newProxy(st *memstore.Store) *proxy {
	return &proxy{
		st:  st,
		key: func(k core.Key) core.Key { return k },
		now: func(t time.Time) time.Time { return t },
		ctx: func(ctx context.Context) context.Context { return ctx },
	}
}

// err comes before each call.
func (p *proxy) err(ctx context.Context) error {
	if err := p.ctx(ctx).Err(); err != nil {
		return err
	}
	if p.closed.Load() {
		return core.ErrClosed
	}
	return nil
}

func (p *proxy) Create(ctx context.Context, k core.Key, rec core.Record) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.Create(p.ctx(ctx), p.key(k), rec)
}

func (p *proxy) Load(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
	if err := p.err(ctx); err != nil {
		return core.Record{}, err
	}
	opt.Now = p.now(opt.Now)
	return p.st.Load(p.ctx(ctx), p.key(k), opt)
}

func (p *proxy) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	if err := p.err(ctx); err != nil {
		return 0, err
	}
	change := *c
	change.Now = p.now(c.Now)
	return p.st.Save(p.ctx(ctx), p.key(k), &change)
}

func (p *proxy) Touch(ctx context.Context, k core.Key, now time.Time) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.Touch(p.ctx(ctx), p.key(k), p.now(now))
}

func (p *proxy) Rotate(ctx context.Context, k core.Key, r core.Rotation) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	r.Now = p.now(r.Now)
	r.To = p.key(core.Key{Manager: k.Manager, ID: r.To}).ID
	return p.st.Rotate(p.ctx(ctx), p.key(k), r)
}

func (p *proxy) Delete(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
	if err := p.err(ctx); err != nil {
		return core.Record{}, false, err
	}
	return p.st.Delete(p.ctx(ctx), p.key(k), p.now(now))
}

func (p *proxy) Close() error {
	p.closed.Store(true)
	return nil
}

func (p *proxy) Lock(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	if err := p.err(ctx); err != nil {
		return core.Record{}, 0, err
	}
	opt.Now = p.now(opt.Now)
	return p.st.Lock(p.ctx(ctx), p.key(k), opt)
}

func (p *proxy) Renew(ctx context.Context, k core.Key, fence uint64, now time.Time, lease time.Duration) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.Renew(p.ctx(ctx), p.key(k), fence, p.now(now), lease)
}

func (p *proxy) Unlock(ctx context.Context, k core.Key, fence uint64) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.Unlock(p.ctx(ctx), p.key(k), fence)
}

func (p *proxy) WaitLock(ctx context.Context, k core.Key, limit time.Duration) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.WaitLock(p.ctx(ctx), p.key(k), limit)
}

func (p *proxy) IDs(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
	if err := p.err(ctx); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return p.st.IDs(p.ctx(ctx), p.key(core.Key{Manager: manager}).Manager, p.now(now))
}

func (p *proxy) Count(ctx context.Context, manager string, now time.Time) (int, error) {
	if err := p.err(ctx); err != nil {
		return 0, err
	}
	return p.st.Count(p.ctx(ctx), p.key(core.Key{Manager: manager}).Manager, p.now(now))
}

func (p *proxy) Sweep(ctx context.Context, manager string, now time.Time, ended func(string, core.Record)) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	return p.st.Sweep(p.ctx(ctx), p.key(core.Key{Manager: manager}).Manager, p.now(now), ended)
}

// The suite must pass a store that claims all there is to claim.
func TestOptions(t *testing.T) {
	storetest.Run(t,
		func(t *testing.T) core.Store { return newProxy(memstore.New(memstore.Config{})) },
		storetest.Options{
			Reopen: func(_ *testing.T, st core.Store) core.Store { return newProxy(st.(*proxy).st) },
			Second: func(_ *testing.T, st core.Store) core.Store { return newProxy(st.(*proxy).st) },
		})
}

// owner is a way to a store whose locks only it can use.
type owner struct {
	*proxy
	fences sync.Map
}

func (o *owner) Lock(ctx context.Context, k core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	rec, fence, err := o.proxy.Lock(ctx, k, opt)
	if err == nil {
		o.fences.Store(fence, true)
	}
	return rec, fence, err
}

func (o *owner) lost(fence uint64) bool {
	_, mine := o.fences.Load(fence)
	return fence != 0 && !mine
}

func (o *owner) Renew(ctx context.Context, k core.Key, fence uint64, now time.Time, lease time.Duration) error {
	if o.lost(fence) {
		fence = 0
	}
	return o.proxy.Renew(ctx, k, fence, now, lease)
}

func (o *owner) Unlock(ctx context.Context, k core.Key, fence uint64) error {
	if o.lost(fence) {
		fence = 0
	}
	return o.proxy.Unlock(ctx, k, fence)
}

// The suite must pass a store whose locks belong to a process.
func TestLocksStay(t *testing.T) {
	storetest.Run(t,
		func(t *testing.T) core.Store { return &owner{proxy: newProxy(memstore.New(memstore.Config{}))} },
		storetest.Options{
			LocksStay: true,
			Second:    func(_ *testing.T, st core.Store) core.Store { return &owner{proxy: newProxy(st.(*owner).st)} },
		})
}

// The suite must pass a store that goes by a clock of its own, which moves on while the suite works.
func TestOwnClock(t *testing.T) {
	var clock atomic.Int64 // nanoseconds
	clock.Store(time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Add(int64(time.Microsecond))).UTC() }
	storetest.Run(t,
		func(t *testing.T) core.Store {
			p := newProxy(memstore.New(memstore.Config{}))
			p.now = func(time.Time) time.Time { return now() }
			return p
		},
		storetest.Options{OwnClock: &storetest.OwnClock{
			Now:     now,
			Advance: func(d time.Duration) { clock.Add(int64(d)) },
			Unit:    time.Second,
			Slack:   100 * time.Millisecond,
		}})
}

// A store with no power beyond core.Store is a store.
func TestPlainStore(t *testing.T) {
	type plain struct{ core.Store }
	storetest.Run(t,
		func(t *testing.T) core.Store { return plain{memstore.New(memstore.Config{})} }, storetest.Options{})
}
