package core_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

var errConnection = errors.New("connection reset")

// moment is when a call to a faulty store fails.
type moment int

const (
	before moment = iota // nothing happened
	after                // all of it happened, but the answer was lost
)

// faulty is a memory store that fails like one behind a network: also after it did what it was asked.
type faulty struct {
	*memstore.Store
	fails atomic.Pointer[func(call string, at moment) bool]
}

func newFaulty(t testing.TB) *faulty {
	t.Helper()
	f := &faulty{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { ok(t, f.Close()) })
	return f
}

// plan decides from now on which calls fail; nil means none.
func (f *faulty) plan(fails func(call string, at moment) bool) {
	if fails == nil {
		f.fails.Store(nil)
		return
	}
	f.fails.Store(&fails)
}

// failOnce makes one call fail.
func (f *faulty) failOnce(call string, at moment) {
	var done atomic.Bool
	f.plan(func(c string, m moment) bool { return c == call && m == at && !done.Swap(true) })
}

func (f *faulty) around(call string, do func() error) error {
	fails := f.fails.Load()
	if fails != nil && (*fails)(call, before) {
		return errConnection
	}
	if err := do(); err != nil {
		return err
	}
	if fails != nil && (*fails)(call, after) {
		return errConnection
	}
	return nil
}

func (f *faulty) Create(ctx context.Context, k core.Key, r core.Record) error {
	return f.around("create", func() error { return f.Store.Create(ctx, k, r) })
}

func (f *faulty) Load(ctx context.Context, k core.Key, o core.LoadOptions) (rec core.Record, err error) {
	err = f.around("load", func() (err error) { rec, err = f.Store.Load(ctx, k, o); return err })
	return rec, err
}

func (f *faulty) Save(ctx context.Context, k core.Key, c *core.Change) (version uint64, err error) {
	err = f.around("save", func() (err error) { version, err = f.Store.Save(ctx, k, c); return err })
	return version, err
}

func (f *faulty) Touch(ctx context.Context, k core.Key, now time.Time) error {
	return f.around("touch", func() error { return f.Store.Touch(ctx, k, now) })
}

func (f *faulty) Rotate(ctx context.Context, k core.Key, r core.Rotation) error {
	return f.around("rotate", func() error { return f.Store.Rotate(ctx, k, r) })
}

func (f *faulty) Delete(ctx context.Context, k core.Key, now time.Time) (rec core.Record, there bool, err error) {
	err = f.around("delete", func() (err error) { rec, there, err = f.Store.Delete(ctx, k, now); return err })
	return rec, there, err
}

func (f *faulty) Lock(ctx context.Context, k core.Key, o core.LockOptions) (rec core.Record, fence uint64, err error) {
	err = f.around("lock", func() (err error) { rec, fence, err = f.Store.Lock(ctx, k, o); return err })
	return rec, fence, err
}

func (f *faulty) Renew(ctx context.Context, k core.Key, fence uint64, now time.Time, lease time.Duration) error {
	return f.around("renew", func() error { return f.Store.Renew(ctx, k, fence, now, lease) })
}

func (f *faulty) Unlock(ctx context.Context, k core.Key, fence uint64) error {
	return f.around("unlock", func() error { return f.Store.Unlock(ctx, k, fence) })
}

// WaitLock looks again soon: a lock whose holder never learned of it becomes free by time alone, of
// which the memory store tells nobody.
func (f *faulty) WaitLock(ctx context.Context, k core.Key, limit time.Duration) error {
	return f.Store.WaitLock(ctx, k, min(limit, 5*time.Millisecond))
}
