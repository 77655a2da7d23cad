package webkit

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// TestAllocationsAndStoreCalls holds requests to what they may cost.
func TestAllocationsAndStoreCalls(t *testing.T) {
	tests := []struct {
		name   string
		fn     func(*Transaction) error
		allocs float64 // at most
		calls  int64
	}{
		{"untouched", untouched, 12, 0},
		{"read", readOne, 20, 1},
		{"write", writeOne, 26, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, req, calls := measured(t, test.fn)
			w := &discard{make(http.Header)}
			serve := func() {
				clear(w.header)
				h.ServeHTTP(w, req)
			}
			serve() // fill the pools
			before := calls.Load()
			serve()
			if n := calls.Load() - before; n != test.calls {
				t.Errorf("%d store calls, want %d", n, test.calls)
			}
			if allocs := testing.AllocsPerRun(500, serve); allocs > test.allocs && !raceDetector {
				t.Errorf("%v allocations, want at most %v", allocs, test.allocs)
			}
		})
	}
}

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

func (s *callSpy) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	s.calls.Add(1)
	return s.Store.Save(ctx, key, c)
}

func (s *callSpy) Touch(ctx context.Context, key core.Key, now time.Time) error {
	s.calls.Add(1)
	return s.Store.Touch(ctx, key, now)
}
