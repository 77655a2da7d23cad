package core_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestScopeGivesTheSameSession(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized, LockWait: time.Second})
	id := begin(t, m, "a", 1)
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	reader, err := m.Open(ctx, id, core.ReadOnly)
	ok(t, err)
	writer, err := m.Open(ctx, id)
	ok(t, err)
	again, err := m.Open(ctx, id)
	ok(t, err)
	if reader != writer || again != writer || writer.Mode() != core.ReadWrite {
		t.Fatal("a request has more than one view of its session")
	}
	ok(t, writer.Set("a", 2))
	ok(t, writer.Rotate(ctx, 0))
	if s, err := m.Open(ctx, id); s != writer || err != nil {
		t.Errorf("by the id before the rotation: %v", err)
	}
	ok(t, scope.End(ctx))
	if peek(t, m, writer.ID(), "a") != 2 {
		t.Error("the scope did not commit")
	}
}

func TestScopeUpgradesToALock(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "n", 1, "list", []any{1})
	ctx := core.WithScope(t.Context(), new(core.Scope))
	s, err := m.Open(ctx, id)
	ok(t, err)
	list, err := core.Get[[]any](s, "list")
	ok(t, err)
	list[0] = 2
	ok(t, m.Update(t.Context(), id, increment)) // another request
	locked, err := m.Open(ctx, id, core.Serialized)
	ok(t, err)
	if n, _ := core.Get[int](locked, "n"); n != 2 || locked != s {
		t.Errorf("n = %d, want what is stored under the lock", n)
	}
	ok(t, s.End(ctx))
	if got := peek(t, m, id, "list").([]any)[0]; got != 2 {
		t.Errorf("the change from before the lock is lost: %v", got)
	}
}

// A client may go on with the old id for a grace, and a request may be asked for its session by it more
// than once.
func TestScopeKnowsASessionByTheIDItWasOpenedWith(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Serialized} {
		t.Run(p.String(), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: p, LockWait: 300 * time.Millisecond})
			old := begin(t, m, "n", 0)
			rotated := open(t, m, old)
			ok(t, rotated.Rotate(t.Context(), time.Minute))
			ok(t, rotated.End(t.Context()))
			scope := new(core.Scope)
			ctx := core.WithScope(t.Context(), scope)
			first, err := m.Open(ctx, old)
			ok(t, err)
			for _, id := range []string{old, rotated.ID()} {
				if again, err := m.Open(ctx, id); again != first || err != nil {
					t.Errorf("opened again: the same session %v, error %v", again == first, err)
				}
			}
			ok(t, scope.End(ctx))
		})
	}
}

// Following a rotation is part of opening; it must not look like the request's own end of use.
func TestSaveAlwaysSavesASessionOpenedByItsOldID(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized, Save: core.SaveAlways})
	old := begin(t, m, "n", 0)
	rotated := open(t, m, old)
	ok(t, rotated.Rotate(t.Context(), time.Minute))
	ok(t, rotated.End(t.Context()))
	s := open(t, m, old)
	version := s.Version()
	ok(t, s.End(t.Context()))
	if s.Version() != version+1 {
		t.Errorf("version %d after %d: not saved", s.Version(), version)
	}
}

// An application that is included must not undo what the outer one decided for the request.
func TestReopeningKeepsTheSavePolicy(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "n", 0)
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	s, err := m.Open(ctx, id, core.Merge)
	ok(t, err)
	s.SetSave(core.SaveExplicit)
	_, err = m.Open(ctx, id)
	ok(t, err)
	if s.Locking() != core.Serialized {
		t.Fatalf("the session was not reopened: %v", s.Locking())
	}
	ok(t, s.Set("n", 9))
	ok(t, scope.End(ctx))
	if n := peek(t, m, id, "n"); n != 0 {
		t.Errorf("n = %v, want 0: SetSave was undone", n)
	}
}

// Being told of a timeout must not count as being given the lock.
func TestReopeningThatFailedTakesNoLock(t *testing.T) {
	for name, twoProcesses := range map[string]bool{"held in this process": false, "held in another": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStore(t)
				m := managerOn(t, st, core.Config{LockWait: time.Second})
				holders := m
				if twoProcesses {
					holders = managerOn(t, st, core.Config{})
				}
				id := begin(t, m, "n", 7)
				holder := open(t, holders, id, core.Serialized)
				ctx := core.WithScope(t.Context(), new(core.Scope))
				s, err := m.Open(ctx, id)
				ok(t, err)
				for try := range 3 {
					if again, err := m.Open(ctx, id, core.Serialized); again != nil || !errors.Is(err, core.ErrLockTimeout) {
						t.Errorf("try %d: session %v, error %v, want ErrLockTimeout alone", try, again != nil, err)
					}
				}
				if n, _ := core.Get[int](s, "n"); n != 7 || s.Locking() != core.Merge {
					t.Errorf("the request's session changed: n = %d, %v", n, s.Locking())
				}
				ok(t, holder.End(t.Context()))
				ok(t, s.End(ctx))
			})
		})
	}
}

func TestReopeningAfterACommitTakesTheLockAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{Locking: core.Serialized, LockWait: time.Second})
		id := begin(t, m, "n", 0)
		scope := new(core.Scope)
		ctx := core.WithScope(t.Context(), scope)
		s, err := m.Open(ctx, id)
		ok(t, err)
		ok(t, s.Commit(ctx))
		ok(t, m.Update(t.Context(), id, increment)) // the lock is free in between
		_, err = m.Open(ctx, id)
		ok(t, err)
		if n, _ := core.Get[int](s, "n"); n != 1 {
			t.Errorf("n = %d, want what another request stored meanwhile", n)
		}
		if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrLockTimeout) {
			t.Errorf("another request gets the lock as well: %v, want ErrLockTimeout", err)
		}
		ok(t, scope.End(ctx))
		ok(t, open(t, m, id).End(t.Context()))
	})
}

// meeting is a store in which loads wait a while for company, so that opening twice shows.
type meeting struct {
	*store
	inside atomic.Int64
}

func (s *meeting) Load(ctx context.Context, k core.Key, o core.LoadOptions) (core.Record, error) {
	s.inside.Add(1)
	defer s.inside.Add(-1)
	for range 1000 {
		if s.inside.Load() > 1 {
			break
		}
		runtime.Gosched()
	}
	return s.store.Load(ctx, k, o)
}

func TestScopeOpensOnceForManyGoroutines(t *testing.T) {
	m := managerOn(t, &meeting{store: newStore(t)}, core.Config{})
	id := begin(t, m, "n", 0)
	for range 50 {
		scope := new(core.Scope)
		ctx := core.WithScope(t.Context(), scope)
		a, b := openLater(ctx, m, id), openLater(ctx, m, id)
		first, second := <-a, <-b
		ok(t, errors.Join(first.err, second.err))
		if first.s != second.s {
			t.Fatal("one request has two views of its session")
		}
		ok(t, scope.End(ctx))
	}
}
