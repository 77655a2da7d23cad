package core_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Flush writes and keeps the lock, in one call of the store; Commit lets it go in the same call.
func TestFlushKeepsTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		m := managerOn(t, st, core.Config{Locking: core.Serialized})
		id := begin(t, m, "n", 0)
		s := open(t, m, id)
		ok(t, s.Set("alone", true)) // while nobody waits
		ok(t, s.Flush(t.Context()))
		if !s.Locked() {
			t.Fatal("Flush let the lock go")
		}
		waiting := make(chan int, 1)
		go func() {
			other := open(t, m, id)
			n, _ := core.Get[int](other, "n")
			waiting <- n
			_ = other.End(t.Context())
		}()
		synctest.Wait()
		st.reset()
		for n := 1; n <= 2; n++ {
			ok(t, s.Set("n", n))
			ok(t, s.Flush(t.Context()))
		}
		ok(t, s.Flush(t.Context())) // of nothing
		if saves := st.saves.Load(); saves != 2 || st.unlocks.Load() != 0 {
			t.Errorf("%d saves, %d unlocks", saves, st.unlocks.Load())
		}
		synctest.Wait()
		if len(waiting) != 0 || !s.Locked() {
			t.Fatal("Flush let the lock go")
		}
		ok(t, s.Set("n", 3))
		ok(t, s.Unlock(t.Context(), core.Merge))
		if n := <-waiting; n != 2 {
			t.Errorf("the next holder reads %d, want 2: what was flushed, and not what was not", n)
		}
		ok(t, s.Flush(t.Context())) // under Merge now
		synctest.Wait()
		if n := peek(t, m, id, "n"); n != 3 {
			t.Errorf("n = %v, want 3", n)
		}
	})
}

func TestFlushUnderALostLock(t *testing.T) {
	c, st := newClock(), newStore(t)
	cfg := core.Config{Now: c.now, Lease: 10 * time.Second}
	a, b := managerOn(t, st, cfg), managerOn(t, st, cfg)
	id := begin(t, a, "n", 0)
	s := open(t, a, id, core.Serialized)
	c.advance(11 * time.Second)
	thief := open(t, b, id, core.Serialized)
	ok(t, thief.Set("n", 10))
	ok(t, thief.End(t.Context()))
	ok(t, s.Set("n", 1))
	if err := s.Flush(t.Context()); !errors.Is(err, core.ErrLockLost) || s.Locked() {
		t.Errorf("Flush: %v, want ErrLockLost, and the lock let go", err)
	}
	ok(t, s.Unlock(t.Context(), core.Merge)) // there is nothing to let go of any more
	for name, write := range map[string]func() error{
		"Flush": func() error { return s.Flush(t.Context()) }, "Commit": func() error { return s.Commit(t.Context()) },
	} {
		if err := write(); !errors.Is(err, core.ErrLockLost) {
			t.Errorf("%s under Merge: %v, want ErrLockLost: the change was worked out under the lost lock", name, err)
		}
	}
	ok(t, s.Reload(t.Context()))
	if n, err := core.Get[int](s, "n"); n != 10 || err != nil {
		t.Errorf("n = %d after Reload (%v), want 10", n, err)
	}
	ok(t, s.Set("n", 11))
	ok(t, s.Flush(t.Context()))
	if n := peek(t, a, id, "n"); n != 11 {
		t.Errorf("n = %v, want 11", n)
	}
}

// Unlock tells of a lock that was lost before, also if nobody has noticed yet.
func TestUnlockOfALostLock(t *testing.T) {
	c, st := newClock(), newStore(t)
	cfg := core.Config{Now: c.now, Lease: 10 * time.Second}
	a, b := managerOn(t, st, cfg), managerOn(t, st, cfg)
	id := begin(t, a, "n", 0)
	s := open(t, a, id, core.Serialized)
	ok(t, s.Set("n", 1))
	c.advance(11 * time.Second)
	thief := open(t, b, id, core.Serialized)
	if err := s.Unlock(t.Context(), core.Merge); !errors.Is(err, core.ErrLockLost) {
		t.Errorf("Unlock: %v, want ErrLockLost", err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, core.ErrLockLost) {
		t.Errorf("Flush: %v, want ErrLockLost", err)
	}
	ok(t, thief.End(t.Context()))
	if n := peek(t, a, id, "n"); n != 0 {
		t.Errorf("n = %v, want 0", n)
	}
}

func TestRevertAndReload(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "list", []int{1})
	s := open(t, m, id)
	list, err := core.Get[[]int](s, "list")
	ok(t, err)
	list[0] = 2
	ok(t, s.Set("other", 1))
	ok(t, s.SetTimeout(time.Minute))
	st.reset()
	ok(t, s.Revert())
	if s.Dirty() || s.Has("other") || s.Timeout() == time.Minute || st.loads.Load() != 0 {
		t.Error("Revert left a change, or asked the store")
	}
	other := open(t, m, id)
	ok(t, other.Set("list", []int{3}))
	ok(t, other.Commit(t.Context()))
	ok(t, s.Set("other", 1))
	ok(t, s.Reload(t.Context()))
	if list, err := core.Get[[]int](s, "list"); err != nil || list[0] != 3 || s.Has("other") {
		t.Errorf("after Reload: %v, %v", list, err)
	}
	ok(t, other.Invalidate(t.Context()))
	if err := s.Reload(t.Context()); !errors.Is(err, core.ErrGone) {
		t.Errorf("Reload: %v, want ErrGone", err)
	}
	if err := errors.Join(s.Revert(), s.Flush(t.Context())); !errors.Is(err, core.ErrGone) {
		t.Errorf("of a session that is gone: %v, want ErrGone", err)
	}
	readOnly := open(t, m, begin(t, m, "n", 0), core.ReadOnly)
	if err := readOnly.Revert(); !errors.Is(err, core.ErrReadOnly) {
		t.Errorf("Revert: %v, want ErrReadOnly", err)
	}
	ok(t, readOnly.Reload(t.Context()))
	fresh, err := m.Create(t.Context())
	ok(t, err)
	ok(t, fresh.Set("n", 1))
	ok(t, fresh.Reload(t.Context()))
	if fresh.Has("n") {
		t.Error("Reload of a new session kept a change")
	}
	ok(t, fresh.Flush(t.Context()))
	if !fresh.Stored() {
		t.Error("Flush did not store a new session")
	}
}

// When a response begins its sessions end their use, and the request may go on: under SaveExplicit it commits later what it
// has changed before. Only Rollback, and the session's own End, drop that.
func TestScopeEndKeepsWhatIsNotSavedYet(t *testing.T) {
	m := newManager(t, core.Config{Save: core.SaveExplicit})
	id := begin(t, m, "n", 0)
	var sc core.Scope
	ctx := core.WithScope(t.Context(), &sc)
	s, err := m.Open(ctx, id)
	ok(t, err)
	ok(t, s.Set("n", 1))
	ok(t, sc.End(ctx))
	if n := peek(t, m, id, "n"); n != 0 {
		t.Errorf("n = %v: the end of the scope has saved", n)
	}
	ok(t, s.Commit(ctx))
	if n := peek(t, m, id, "n"); n != 1 {
		t.Errorf("n = %v, want 1", n)
	}
	ok(t, s.Set("n", 2))
	ok(t, s.End(ctx))
	ok(t, s.Commit(ctx))
	if n := peek(t, m, id, "n"); n != 1 {
		t.Errorf("n = %v: the session's own end has kept a change", n)
	}
}
