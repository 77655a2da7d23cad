package webstack

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// discard is a ResponseWriter that keeps nothing but the headers.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// callSpy counts the calls that requests make of a store.
type callSpy struct {
	*memstore.Store
	calls atomic.Int64
}

func (s *callSpy) Create(ctx context.Context, key core.Key, rec core.Record) error {
	s.calls.Add(1)
	return s.Store.Create(ctx, key, rec)
}

func (s *callSpy) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	s.calls.Add(1)
	return s.Store.Load(ctx, key, opt)
}

func (s *callSpy) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	s.calls.Add(1)
	return s.Store.Lock(ctx, key, opt)
}

func (s *callSpy) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	s.calls.Add(1)
	return s.Store.Unlock(ctx, key, fence)
}

func (s *callSpy) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	s.calls.Add(1)
	return s.Store.Save(ctx, key, c)
}

func (s *callSpy) Touch(ctx context.Context, key core.Key, now time.Time) error {
	s.calls.Add(1)
	return s.Store.Touch(ctx, key, now)
}

func (s *callSpy) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	s.calls.Add(1)
	return s.Store.Delete(ctx, key, now)
}

// costs are requests with what they may cost: calls of the store, which are trips to a remote one, and allocations.
var costs = []struct {
	name    string
	locking core.LockingPolicy
	fn      ResourceFunc
	calls   int
	allocs  float64 // at most
}{
	{"untouched", 0, func(t *Transaction) error { return write(t, "x") }, 0, 9},
	{"read", 0, getting("b", core.ReadOnly), 1, 15},
	{"read without saying so", 0, getting("b"), 2, 37},
	{"read under merge", core.Merge, getting("b"), 1, 15},
	{"write", 0, addOne, 2, 34},
	{"write under merge", core.Merge, addOne, 2, 14},
	{"write, with a login that reads", 0, func(t *Transaction) error {
		if _, err := t.GetSession(true); err != nil {
			return err
		}
		if _, err := (SessionAuthenticator{Key: "a"}).Authenticate(t); err != nil {
			return err
		}
		return addOne(t)
	}, 2, 40},
	{"read, and later write, under merge", core.Merge, func(t *Transaction) error {
		if _, err := t.GetSession(false, core.ReadOnly); err != nil {
			return err
		}
		return addOne(t)
	}, 3, 20},
	{"read, and later write", 0, func(t *Transaction) error {
		if _, err := t.GetSession(false, core.ReadOnly); err != nil {
			return err
		}
		return addOne(t)
	}, 3, 36},
}

func addOne(t *Transaction) error {
	s, err := t.GetSession(true)
	if err != nil {
		return err
	}
	n, err := Value[int](s, "n")
	if err != nil {
		return err
	}
	return s.Set("n", n+1)
}

// measured is an application whose one session holds 10 names and 1 KB, and a request that carries its id.
func measured(t *testing.T, store core.Store, locking core.LockingPolicy, fn ResourceFunc) (http.Handler, *http.Request) {
	t.Helper()
	a := newTestApp(t, testConfig{Config: Config{Resource: fn}, store: store, manager: core.Config{SweepInterval: -1, Locking: locking}}, nil)
	s, err := a.Manager().Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("a b c d e f g h i") {
		if err := s.Set(name, strings.Repeat(name, 105)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("n", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, "/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.RequestURI = "/page"
	req.Header.Set("Cookie", "SID="+s.ID())
	return a.Handler(), req
}

// Requests ask the store, and allocate, no more than they may.
func TestAllocationsAndStoreCalls(t *testing.T) {
	for _, tt := range costs {
		t.Run(tt.name, func(t *testing.T) {
			store := &callSpy{Store: memstore.New(memstore.Config{})}
			t.Cleanup(func() { _ = store.Close() })
			h, req := measured(t, store, tt.locking, tt.fn)
			w := &discard{make(http.Header)}
			serve := func() {
				clear(w.header)
				h.ServeHTTP(w, req)
			}
			serve() // fill the pools
			before := store.calls.Load()
			serve()
			if n := store.calls.Load() - before; n != int64(tt.calls) {
				t.Errorf("%d store calls, want %d", n, tt.calls)
			}
			if allocs := testing.AllocsPerRun(500, serve); allocs > tt.allocs && !raceDetector {
				t.Errorf("%v allocations, want at most %v", allocs, tt.allocs)
			}
		})
	}
}

// The same requests make as many trips to a real Redis.
func TestRedisTrips(t *testing.T) {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{proxy.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for _, tt := range costs {
		t.Run(tt.name, func(t *testing.T) {
			h, req := measured(t, store, tt.locking, tt.fn)
			w := &discard{make(http.Header)}
			h.ServeHTTP(w, req) // the first request may have to bring the scripts along
			proxy.Reset()
			clear(w.header)
			h.ServeHTTP(w, req)
			if n := proxy.Trips(); n != tt.calls {
				t.Errorf("%d trips, want %d: %v", n, tt.calls, proxy.Names())
			}
		})
	}
}
