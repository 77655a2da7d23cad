package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestAllocations holds what each call allocates to what was measured, and two more. Those of the
// goroutine that reads replies are counted too.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Connections: 1})
	ctx, key := t.Context(), core.Key{Manager: "m", ID: "session"}
	var items []string
	for _, name := range strings.Split("abcdefghij", "") {
		items = append(items, name, strings.Repeat("v", 100))
	}
	ok(t, st.Create(ctx, key, anHour(items...)))
	change := core.Change{Set: core.Values{{Name: "e", Data: strings.Repeat("w", 100)}}}
	locking := core.LockOptions{LoadOptions: core.LoadOptions{Touch: time.Minute}, Lease: time.Minute}
	tests := []struct {
		name string
		most float64
		call func() error
	}{
		{"load", 14, func() error { _, err := st.Load(ctx, key, core.LoadOptions{Touch: time.Minute}); return err }},
		{"load without touch", 14, func() error { _, err := st.Load(ctx, key, core.LoadOptions{Touch: core.NoTouch}); return err }},
		{"load with touch", 13, func() error { _, err := st.Load(ctx, key, core.LoadOptions{}); return err }},
		{"save", 8, func() error { _, err := st.Save(ctx, key, &change); return err }},
		{"lock and unlock", 23, func() error {
			_, fence, err := st.Lock(ctx, key, locking)
			if err != nil {
				return err
			}
			return st.Unlock(ctx, key, fence)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			got := testing.AllocsPerRun(300, func() {
				if e := tt.call(); e != nil {
					err = e
				}
			})
			ok(t, err)
			if got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			}
		})
	}
}
