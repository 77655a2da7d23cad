package bench

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// countingStore counts the calls that reach a store for a request.
type countingStore struct {
	*memstore.Store
	calls atomic.Int64
}

func (s *countingStore) Create(ctx context.Context, key core.Key, rec core.Record) error {
	s.calls.Add(1)
	return s.Store.Create(ctx, key, rec)
}

func (s *countingStore) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	s.calls.Add(1)
	return s.Store.Load(ctx, key, opt)
}

func (s *countingStore) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	s.calls.Add(1)
	return s.Store.Lock(ctx, key, opt)
}

func (s *countingStore) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	s.calls.Add(1)
	return s.Store.Unlock(ctx, key, fence)
}

func (s *countingStore) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	s.calls.Add(1)
	return s.Store.Save(ctx, key, c)
}

func (s *countingStore) Touch(ctx context.Context, key core.Key, now time.Time) error {
	s.calls.Add(1)
	return s.Store.Touch(ctx, key, now)
}

func (s *countingStore) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	s.calls.Add(1)
	return s.Store.Rotate(ctx, key, r)
}

func (s *countingStore) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	s.calls.Add(1)
	return s.Store.Delete(ctx, key, now)
}

// A request asks the store once to read, twice to write, and not at all if it leaves its session alone.
func TestStoreCalls(t *testing.T) {
	for name, build := range map[string]func(core.Store) (http.Handler, func() error, error){
		"compat":    compatHandler,
		"wsgi":      wsgiHandler,
		"webkit":    webkitHandler,
		"myghty":    myghtyHandler,
		"webstack":  webstackHandler,
		"albatross": albatrossHandler,
	} {
		store := &countingStore{Store: memstore.New(memstore.Config{})}
		h, closer, err := build(store)
		if err != nil {
			t.Fatal(err)
		}
		c := NewClient(h)
		for _, want := range []struct {
			op    Op
			calls int64
		}{{Untouched, 0}, {New, 1}, {Read, 1}, {Write, 2}, {Untouched, 0}} {
			before := store.calls.Load()
			expect(t, c, want.op, http.StatusOK, "ok\n")
			if got := store.calls.Load() - before; got != want.calls {
				t.Errorf("%s: /%s made %d store calls, want %d", name, want.op, got, want.calls)
			}
		}
		if err := closer(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Allocations are exact where times are not, so these limits are kept by a test.
func TestAllocations(t *testing.T) {
	allocations := func(p Peer, op Op) int {
		c := NewClient(open(t, p))
		expect(t, c, New, http.StatusOK, "")
		request := c.Repeat(op)
		return int(testing.AllocsPerRun(200, func() { request() }))
	}
	for op, limit := range map[Op]int{
		Read:      8,
		Write:     14,
		Untouched: allocations(echoPeer, Untouched) + 2,
	} {
		if got := allocations(holdoverCompat, op); got > limit {
			t.Errorf("/%s: %d allocations, at most %d allowed", op, got, limit)
		}
	}
	if got, limit := allocations(holdoverHello, Untouched), allocations(echoPeer, Untouched)+4; got > limit {
		t.Errorf("hello: %d allocations, at most %d allowed", got, limit)
	}
}
