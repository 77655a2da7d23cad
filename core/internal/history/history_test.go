package history

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// tampered is a store that answers some calls wrongly.
type tampered struct {
	*memstore.Store
	load func(core.Record) core.Record
	save func(*core.Change)
	lock func(fence uint64) uint64
	fail error // of Load
}

func (s *tampered) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	rec, err := s.Store.Load(ctx, key, opt)
	if s.fail != nil {
		return rec, s.fail
	}
	if s.load != nil {
		rec = s.load(rec)
	}
	return rec, err
}

func (s *tampered) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	change := *c
	if s.save != nil {
		s.save(&change)
	}
	return s.Store.Save(ctx, key, &change)
}

func (s *tampered) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	rec, fence, err := s.Store.Lock(ctx, key, opt)
	if s.lock != nil {
		fence = s.lock(fence)
	}
	return rec, fence, err
}

// TestCheck plays one history on stores that answer it rightly and wrongly.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		st      tampered
		want    string // in the error; empty for none
		picture bool
	}{
		{"right", tampered{}, "", false},
		{"stale read", tampered{load: func(rec core.Record) core.Record {
			if rec.Version == 3 {
				rec.Version, rec.Values = 2, core.Values{{Name: "a", Data: "2"}}
			}
			return rec
		}}, "no order of the calls", true},
		{"lost merge", tampered{save: func(c *core.Change) { c.Replace = true }}, "no order of the calls", true},
		{"version ignored", tampered{save: func(c *core.Change) { c.Version = 0 }}, "no order of the calls", true},
		{"fence ignored", tampered{save: func(c *core.Change) { c.Fence = 0 }}, "no order of the calls", true},
		{"fence repeated", tampered{lock: func(uint64) uint64 { return 7 }}, "fence 7 was given out twice", false},
		{"down", tampered{fail: errors.New("connection refused")}, "connection refused", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.st.Store = memstore.New(memstore.Config{})
			dir := t.TempDir()
			err := play(t.Context(), &tt.st).Check(dir)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check: %v, want an error with %q", err, tt.want)
			}
			_, missing := os.Stat(filepath.Join(dir, "history.html"))
			if (missing == nil) != tt.picture {
				t.Errorf("there is a picture: %v, want %v", missing == nil, tt.picture)
			}
		})
	}
}

// play makes one call of each kind, and records them.
func play(ctx context.Context, st core.Store) *Recorder {
	r := NewRecorder()
	c := r.Client(0, st)
	now := time.Now()
	key := core.Key{Manager: "history", ID: "a"}
	load := core.LoadOptions{Now: now, Touch: core.NoTouch}
	set := func(name, data string) *core.Change {
		return &core.Change{Now: now, Set: core.Values{{Name: name, Data: data}}}
	}
	c.Load(ctx, key, load)
	c.Create(ctx, key, core.Record{Values: core.Values{{Name: "a", Data: "1"}}, Created: now, Accessed: now})
	c.Save(ctx, key, set("a", "2"))
	c.Save(ctx, key, set("b", "3"))
	c.Load(ctx, key, load)
	conditional := set("a", "4")
	conditional.Version = 1
	c.Save(ctx, key, conditional)
	_, fence, _ := c.Lock(ctx, key, core.LockOptions{LoadOptions: load, Lease: time.Minute})
	c.Lock(ctx, key, core.LockOptions{LoadOptions: load, Lease: time.Minute})
	c.Unlock(ctx, key, fence)
	late := set("a", "5")
	late.Fence = fence
	c.Save(ctx, key, late)
	later := core.LoadOptions{Now: now.Add(time.Hour), Touch: core.NoTouch} // also if it is locked
	c.Lock(ctx, key, core.LockOptions{LoadOptions: later, Lease: time.Minute})
	c.Load(ctx, key, load)
	c.Delete(ctx, key, now)
	c.Save(ctx, key, set("a", "6"))
	c.Delete(ctx, key, now)
	return r
}

func TestIncrements(t *testing.T) {
	var n atomic.Int64
	Increments(t, 4, 20, func(int) (int, error) { return int(n.Add(1)), nil })

	n.Store(0)
	lossy := func(int) (int, error) { return int(n.Add(1)+1) / 2, nil } // every second one is lost
	if err := increments(t.TempDir(), 4, 20, lossy); err == nil {
		t.Error("lost increments are explained away")
	}
	broken := errors.New("broken")
	if err := increments(t.TempDir(), 2, 1, func(int) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("increments: %v, want the error of the increment", err)
	}
}

// A store with several ways to the data, and one that is no Locker, are checked as far as they go.
func TestRun(t *testing.T) {
	Run(t, func(*testing.T) []core.Store {
		st := memstore.New(memstore.Config{})
		return []core.Store{st, st}
	})
	type plain struct{ core.Store }
	Run(t, func(*testing.T) []core.Store { return []core.Store{plain{memstore.New(memstore.Config{})}} })
}
