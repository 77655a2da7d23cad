package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

// The lost update that the project began with: a slow request that changes nothing overlaps a quick
// one that adds something.
func TestSlowReaderAndQuickWriter(t *testing.T) {
	for _, tt := range []struct {
		locking core.LockingPolicy
		save    core.SavePolicy
		lost    bool
	}{
		{core.Lossy, core.SaveAlways, true}, // as in Webware
		{core.Lossy, core.SaveDirty, false},
		{core.Optimistic, core.SaveDirty, false},
		{core.Merge, core.SaveDirty, false},
		{core.Merge, core.SaveAlways, false},
	} {
		t.Run(fmt.Sprintf("%v %v", tt.locking, tt.save), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: tt.locking, Save: tt.save})
			id := begin(t, m)
			slow := open(t, m, id)
			quick := open(t, m, id)
			ok(t, quick.Set("cart", "tea"))
			ok(t, quick.End(t.Context()))
			ok(t, slow.End(t.Context()))
			if got := peek(t, m, id, "cart"); (got == nil) != tt.lost {
				t.Errorf("cart = %v, lost should be %v", got, tt.lost)
			}
		})
	}
}

func TestTwoWriters(t *testing.T) {
	for _, tt := range []struct {
		locking core.LockingPolicy
		first   any // what is stored of the first committer's name
		second  any // of the second's
		same    any // of the name that both wrote
		err     error
	}{
		{core.Lossy, nil, 2, "second", nil},
		{core.Merge, 1, 2, "second", nil},
		{core.Optimistic, 1, nil, "first", core.ErrConflict},
	} {
		t.Run(tt.locking.String(), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: tt.locking})
			id := begin(t, m, "old", 0)
			a, b := open(t, m, id), open(t, m, id)
			ok(t, a.Set("first", 1))
			ok(t, a.Set("same", "first"))
			ok(t, b.Set("second", 2))
			ok(t, b.Set("same", "second"))
			ok(t, a.Commit(t.Context()))
			if err := b.Commit(t.Context()); !errors.Is(err, tt.err) {
				t.Errorf("second commit: %v, want %v", err, tt.err)
			}
			for name, want := range map[string]any{"first": tt.first, "second": tt.second, "same": tt.same, "old": 0} {
				if got := peek(t, m, id, name); got != want {
					t.Errorf("%s = %v, want %v", name, got, want)
				}
			}
		})
	}
}

func TestMergeKeepsOthersNames(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "a", 1, "b", 1)
	clearing, adding := open(t, m, id), open(t, m, id)
	ok(t, clearing.Clear())
	ok(t, adding.Set("c", 1))
	ok(t, adding.End(t.Context()))
	ok(t, clearing.End(t.Context()))
	if got := open(t, m, id).Keys(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("keys = %v, want c alone", got)
	}
}

func TestConflictBringsTheCurrentRecord(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Optimistic})
	id := begin(t, m, "a", 1)
	mine, theirs := open(t, m, id), open(t, m, id)
	ok(t, theirs.Set("a", 2))
	ok(t, theirs.Commit(t.Context()))
	ok(t, mine.Set("a", 3))
	conflict, is := errors.AsType[*core.ConflictError](mine.Commit(t.Context()))
	if !is || conflict.Have != 1 || conflict.Current.Version != 2 {
		t.Fatalf("conflict = %+v", conflict)
	}
	if data, _ := conflict.Current.Values.Get("a"); data != "\x02" {
		t.Errorf("the conflict carries %q", data)
	}
	if err := mine.Commit(t.Context()); !errors.Is(err, core.ErrConflict) {
		t.Errorf("a second try with the same data: %v", err)
	}
}

func TestSerializedWaitersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		m := managerOn(t, st, core.Config{Locking: core.Serialized, Handover: 16})
		id := begin(t, m, "n", 0)
		first := open(t, m, id)
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				s := open(t, m, id)
				order = append(order, i) // guarded by the session itself
				ok(t, increment(s))
				ok(t, s.End(t.Context()))
			})
			synctest.Wait() // i stands in line now
		}
		st.reset()
		ok(t, increment(first))
		ok(t, first.End(t.Context()))
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("served in the order %v", order)
		}
		if got := peek(t, m, id, "n"); got != 11 {
			t.Errorf("n = %v, want 11", got)
		}
		if locks, loads, saves := st.locks.Load(), st.loads.Load(), st.saves.Load(); locks != 0 || loads != 1 || saves != 11 {
			t.Errorf("%d locks, %d loads (one is ours), %d saves for 11 requests: the lock and the record were not handed over", locks, loads, saves)
		}
		if n := st.unlocks.Load(); n != 0 {
			t.Errorf("%d unlocks, want none: the last save lets go", n)
		}
	})
}

func TestHandoverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		m := managerOn(t, st, core.Config{Locking: core.Serialized, Handover: 2})
		id := begin(t, m, "n", 0)
		first := open(t, m, id)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				s := open(t, m, id)
				ok(t, increment(s))
				ok(t, s.End(t.Context()))
			})
			synctest.Wait()
		}
		st.reset()
		ok(t, first.End(t.Context()))
		wg.Wait()
		if n := st.locks.Load(); n != 1 {
			t.Errorf("%d locks for five waiters in runs of two, want 1", n)
		}
	})
}

func TestLockWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{Locking: core.Serialized, LockWait: 5 * time.Second, MaxWaiters: 1})
		id := begin(t, m, "n", 0)
		holder := open(t, m, id)
		begun := time.Now()
		result := make(chan error)
		go func() { _, err := m.Open(t.Context(), id); result <- err }()
		synctest.Wait()
		if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrQueueFull) {
			t.Errorf("one waiter too many: %v", err)
		}
		if err := <-result; !errors.Is(err, core.ErrLockTimeout) || time.Since(begun) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, err := m.Open(ctx, id); result <- err }()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled wait: %v", err)
		}
		other := open(t, m, begin(t, m, "n", 0)) // nobody waits for another session's request
		ok(t, other.End(t.Context()))
		open(t, m, id, core.ReadOnly) // and readers never wait
		ok(t, holder.End(t.Context()))
		ok(t, open(t, m, id).End(t.Context()))
	})
}

// Two managers on one store stand for two processes.
func TestSerializedBetweenProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a := managerOn(t, st, core.Config{Locking: core.Serialized, LockWait: 2 * time.Second})
		b := managerOn(t, st, core.Config{Locking: core.Serialized, LockWait: 2 * time.Second})
		id := begin(t, a, "n", 0)
		s := open(t, a, id)
		begun := time.Now()
		if _, err := b.Open(t.Context(), id); !errors.Is(err, core.ErrLockTimeout) || time.Since(begun) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		done := make(chan int)
		go func() {
			s := open(t, b, id)
			n, _ := core.Get[int](s, "n")
			ok(t, s.End(t.Context()))
			done <- n
		}()
		synctest.Wait()
		time.Sleep(time.Second) // of simulated time; the lease is renewed, so the lock stays
		ok(t, increment(s))
		ok(t, s.End(t.Context()))
		if n := <-done; n != 1 {
			t.Errorf("the second process read %d, want 1", n)
		}
	})
}

func TestLeaseIsRenewedWhileTheRequestLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a := managerOn(t, st, core.Config{Locking: core.Serialized, Lease: time.Second})
		b := managerOn(t, st, core.Config{Locking: core.Serialized, LockWait: time.Millisecond})
		id := begin(t, a, "n", 0)
		s := open(t, a, id)
		time.Sleep(time.Minute) // of simulated time
		if _, err := b.Open(t.Context(), id); !errors.Is(err, core.ErrLockTimeout) {
			t.Errorf("after a minute the lock is free: %v", err)
		}
		ok(t, increment(s))
		ok(t, s.End(t.Context()))
	})
}

// Fence: promise 6. A process that was stopped for longer than its lease must not write.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		st := newStore(t)
		a := managerOn(t, st, core.Config{Locking: core.Serialized, Lease: time.Hour, Now: c.now, IdleTimeout: -1})
		b := managerOn(t, st, core.Config{Locking: core.Serialized, Lease: time.Hour, Now: c.now, IdleTimeout: -1})
		id := begin(t, a, "n", 0)
		stopped := open(t, a, id)
		c.advance(2 * time.Hour) // the lease runs out while nobody renews it
		s := open(t, b, id)
		ok(t, increment(s))
		ok(t, s.Set("by", "b"))
		ok(t, stopped.Set("by", "a"))
		if err := stopped.Commit(t.Context()); !errors.Is(err, core.ErrLockLost) {
			t.Errorf("commit without the lock: %v, want ErrLockLost", err)
		}
		ok(t, s.End(t.Context()))
		if peek(t, a, id, "by") != "b" || peek(t, a, id, "n") != 1 {
			t.Error("the holder that lost its lock wrote")
		}
		ok(t, open(t, a, id).End(t.Context()))
	})
}

func TestLosingTheLockCancelsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		st := newStore(t)
		cfg := core.Config{Locking: core.Serialized, Lease: 3 * time.Second, Now: c.now}
		a, b := managerOn(t, st, cfg), managerOn(t, st, cfg)
		id := begin(t, a, "n", 0)
		s := open(t, a, id)
		c.advance(time.Minute)
		ok(t, open(t, b, id).End(t.Context()))
		<-s.Context().Done()
		if err := context.Cause(s.Context()); !errors.Is(err, core.ErrLockLost) {
			t.Errorf("cause = %v, want ErrLockLost", err)
		}
		ok(t, s.End(t.Context()))
	})
}

func TestLateChanges(t *testing.T) {
	for _, tt := range []struct {
		locking core.LockingPolicy
		want    error
	}{{core.Merge, nil}, {core.Lossy, nil}, {core.Optimistic, core.ErrConflict}, {core.Serialized, core.ErrConflict}} {
		t.Run(tt.locking.String(), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: tt.locking})
			id := begin(t, m, "n", 0)
			s := open(t, m, id)
			ok(t, increment(s))
			ok(t, s.Commit(t.Context()))
			ok(t, increment(s))
			ok(t, s.Commit(t.Context())) // late, but nobody came in between
			ok(t, m.Update(t.Context(), id, increment))
			ok(t, increment(s))
			if err := s.Commit(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("late commit after another's: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPolicyOverridePerOpen(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "a", 1)
	s, other := open(t, m, id, core.Optimistic), open(t, m, id)
	ok(t, other.Set("b", 1))
	ok(t, other.Commit(t.Context()))
	ok(t, s.Set("c", 1))
	if err := s.Commit(t.Context()); !errors.Is(err, core.ErrConflict) {
		t.Errorf("Optimistic by option: %v", err)
	}
}
