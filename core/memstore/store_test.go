package memstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

var start = time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)

func key(id string) core.Key { return core.Key{Manager: "app", ID: id} }

func record(idle time.Duration) core.Record {
	return core.Record{
		Values:   core.Values{{Name: "name", Data: "value"}},
		Created:  start,
		Accessed: start,
		Idle:     idle,
	}
}

func mustCreate(t testing.TB, s *Store, id string, rec core.Record) {
	t.Helper()
	if err := s.Create(t.Context(), key(id), rec); err != nil {
		t.Fatalf("Create(%s): %v", id, err)
	}
}

// Reading is what most requests do: it must not cost the garbage collector anything.
func TestLoadAllocatesNothing(t *testing.T) {
	s := New(Config{})
	mustCreate(t, s, "a", record(time.Hour))
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		key  core.Key
		opt  core.LoadOptions
		want error
	}{
		{"no touch", key("a"), core.LoadOptions{Now: start, Touch: core.NoTouch}, nil},
		{"touch not due", key("a"), core.LoadOptions{Now: start.Add(time.Second), Touch: time.Minute}, nil},
		{"missing", key("b"), core.LoadOptions{Now: start, Touch: core.NoTouch}, core.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := s.Load(ctx, tt.key, tt.opt); !errors.Is(err, tt.want) {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("Load makes %v allocations, want 0", allocs)
			}
		})
	}
	t.Run("touch", func(t *testing.T) {
		now := start
		allocs := testing.AllocsPerRun(100, func() {
			now = now.Add(time.Second)
			if _, err := s.Load(ctx, key("a"), core.LoadOptions{Now: now}); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("a touching Load makes %v allocations, want 0", allocs)
		}
	})
}

// Readers must go on while another reader is inside: Load may take the shard's lock for reading only.
func TestLoadTakesReadLockOnly(t *testing.T) {
	s := New(Config{})
	mustCreate(t, s, "a", record(time.Hour))
	sh := s.shard(key("a"))
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	done := make(chan error, 1)
	go func() {
		_, err := s.Load(t.Context(), key("a"), core.LoadOptions{Now: start.Add(time.Second), Touch: time.Minute})
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Load waits for another reader")
	}
}

func TestLoadSharesValues(t *testing.T) {
	s := New(Config{})
	rec := record(0)
	mustCreate(t, s, "a", rec)
	got, err := s.Load(t.Context(), key("a"), core.LoadOptions{Now: start, Touch: core.NoTouch})
	if err != nil {
		t.Fatal(err)
	}
	if &got.Values[0] != &rec.Values[0] {
		t.Error("Load copies the values; readers should share them")
	}
}

func TestNewRefusesNegativeLimits(t *testing.T) {
	for _, cfg := range []Config{{MaxSessions: -1}, {MaxBytes: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%+v) does not panic", cfg)
				}
			}()
			New(cfg)
		}()
	}
}

// check looks into the store for what no caller can see: that indexes and counters agree.
func check(t *testing.T, s *Store) {
	t.Helper()
	sessions, bytes := 0, 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.RLock()
		defer sh.mu.RUnlock()
		recent := 0
		for manager, x := range sh.managers {
			forwards := 0
			for slot, e := range x.entries {
				if e.slot != slot || e.index != x || e.key.Manager != manager {
					t.Errorf("shard %d: entry %q is not where it believes to be", i, e.key.ID)
				}
				if parent := (slot - 1) / 2; slot > 0 && x.Less(slot, parent) {
					t.Errorf("shard %d: slot %d expires before its parent", i, slot)
				}
				if e.forwards() {
					forwards++
					continue
				}
				if !e.expires.Equal(e.rec.Expires()) {
					t.Errorf("shard %d: entry %q expires at %v, indexed at %v", i, e.key.ID, e.rec.Expires(), e.expires)
				}
				sessions++
				bytes += e.size()
				recent++
			}
			if x.forwards != forwards {
				t.Errorf("shard %d: %d forwarding records, counted %d", i, forwards, x.forwards)
			}
			if len(x.entries) == 0 {
				t.Errorf("shard %d keeps the empty index of %q", i, manager)
			}
		}
		if s.limited() && sh.recent.Len() != recent {
			t.Errorf("shard %d: %d sessions in access order, want %d", i, sh.recent.Len(), recent)
		}
	}
	if !s.limited() {
		return
	}
	if got := s.usage.sessions.Load(); got != int64(sessions) {
		t.Errorf("counted %d sessions, there are %d", got, sessions)
	}
	if got := s.usage.bytes.Load(); got != int64(bytes) {
		t.Errorf("counted %d bytes, there are %d", got, bytes)
	}
}

func TestIndexesAgree(t *testing.T) {
	for _, cfg := range []Config{{}, {MaxSessions: 1000, MaxBytes: 50_000}} {
		t.Run(fmt.Sprintf("%+v", cfg), func(t *testing.T) {
			s := New(cfg)
			r := rand.New(rand.NewPCG(1, 2))
			ctx, now := t.Context(), start
			id := func() core.Key {
				return core.Key{Manager: string(rune('A' + r.IntN(2))), ID: fmt.Sprint(r.IntN(3000))}
			}
			for range 30_000 {
				now = now.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
				switch k := id(); r.IntN(8) {
				case 0, 1:
					rec := record(time.Duration(r.IntN(100)) * time.Second)
					rec.Accessed = now
					s.Create(ctx, k, rec)
				case 2:
					data := strings.Repeat("x", r.IntN(100))
					s.Save(ctx, k, &core.Change{Now: now, Set: core.Values{{Name: "n", Data: data}},
						SetIdle: r.IntN(2) == 0, Idle: time.Duration(r.IntN(100)) * time.Second})
				case 3:
					s.Touch(ctx, k, now)
				case 4:
					s.Load(ctx, k, core.LoadOptions{Now: now})
				case 5:
					s.Rotate(ctx, k, core.Rotation{Now: now, To: id().ID, Grace: time.Duration(r.IntN(50)) * time.Second})
				case 6:
					s.Delete(ctx, k, now)
				case 7:
					if r.IntN(10) == 0 {
						s.Sweep(ctx, k.Manager, now, func(string, core.Record) {})
					}
				}
			}
			check(t, s)
			for _, manager := range []string{"A", "B"} {
				s.Sweep(ctx, manager, now.Add(24*time.Hour), func(string, core.Record) {})
			}
			check(t, s)
		})
	}
}

// An id that is used again before its expired session was swept must not swallow that session's end.
func TestEndOfReusedIDIsTold(t *testing.T) {
	s := New(Config{})
	mustCreate(t, s, "a", record(time.Minute))
	rec := record(time.Hour)
	rec.Accessed = start.Add(time.Minute)
	mustCreate(t, s, "a", rec)
	ends := 0
	err := s.Sweep(t.Context(), "app", start.Add(time.Minute), func(id string, rec core.Record) {
		ends++
		if id != "a" || rec.Idle != time.Minute {
			t.Errorf("the end of %s with idle timeout %v was told, want that of the first a", id, rec.Idle)
		}
	})
	if err != nil || ends != 1 {
		t.Errorf("Sweep told %d ends (%v), want 1", ends, err)
	}
	if _, err := s.Load(t.Context(), key("a"), core.LoadOptions{Now: start.Add(time.Minute), Touch: core.NoTouch}); err != nil {
		t.Errorf("the new session is gone: %v", err)
	}
	check(t, s)
}

// Forwarding records are nobody's session, so nothing but Sweep can ever free them.
func TestSweepRemovesForwardingRecords(t *testing.T) {
	s := New(Config{})
	mustCreate(t, s, "a", record(0))
	if err := s.Rotate(t.Context(), key("a"), core.Rotation{Now: start, To: "b", Grace: time.Minute}); err != nil {
		t.Fatal(err)
	}
	sweep := func(now time.Time) {
		t.Helper()
		err := s.Sweep(t.Context(), "app", now, func(id string, _ core.Record) { t.Errorf("the end of %s was told", id) })
		if err != nil {
			t.Fatal(err)
		}
	}
	entries := func() (n int) {
		for i := range s.shards {
			n += len(s.shards[i].entries)
		}
		return n
	}
	sweep(start.Add(time.Minute - 1))
	if n := entries(); n != 2 {
		t.Errorf("%d entries within the grace, want 2", n)
	}
	sweep(start.Add(time.Minute))
	if n := entries(); n != 1 {
		t.Errorf("%d entries after the grace, want 1", n)
	}
}

func TestSweepCallsBackWithoutLock(t *testing.T) {
	s := New(Config{})
	mustCreate(t, s, "a", record(time.Minute))
	end := start.Add(time.Minute)
	err := s.Sweep(t.Context(), "app", end, func(id string, rec core.Record) {
		rec.Accessed = end
		if err := s.Create(t.Context(), key(id), rec); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func mustLock(t *testing.T, s *Store, id string) {
	t.Helper()
	_, _, err := s.Lock(t.Context(), key(id), core.LockOptions{
		LoadOptions: core.LoadOptions{Now: start, Touch: core.NoTouch}, Lease: time.Hour})
	if err != nil {
		t.Fatalf("Lock(%s): %v", id, err)
	}
}

// Whatever ends a session or the store wakes those who wait for its lock.
func TestWakesWaiters(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *Store) error
		want error
	}{
		{"sweep", func(s *Store) error {
			return s.Sweep(t.Context(), "app", start.Add(time.Minute), func(string, core.Record) {})
		}, nil},
		{"evict", func(s *Store) error { return s.Create(t.Context(), key("b"), record(0)) }, nil},
		{"close", func(s *Store) error { return s.Close() }, core.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Config{MaxSessions: 1})
			mustCreate(t, s, "a", record(time.Minute))
			mustLock(t, s, "a")
			done := make(chan error, 1)
			go func() { done <- s.WaitLock(t.Context(), key("a"), time.Hour) }()
			for !awaited(s, "a") {
				runtime.Gosched()
			}
			if err := tt.end(s); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("WaitLock: %v, want %v", err, tt.want)
			}
		})
	}
}

// awaited reports whether somebody waits for the lock.
func awaited(s *Store, id string) bool {
	sh := s.shard(key(id))
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.entries[key(id)].freed != nil
}

// Rotating takes two locks, which must not deadlock with a rotation the other way round.
func TestRotateConcurrently(t *testing.T) {
	s := New(Config{})
	var wg sync.WaitGroup
	for worker := range 4 {
		from := fmt.Sprint(worker)
		mustCreate(t, s, from, record(0))
		wg.Go(func() {
			for i := range 2000 {
				to := fmt.Sprint(worker, "-", i)
				if err := s.Rotate(t.Context(), key(from), core.Rotation{Now: start, To: to}); err != nil {
					t.Errorf("Rotate: %v", err)
				}
				from = to
			}
		})
	}
	wg.Wait()
	check(t, s)
}
