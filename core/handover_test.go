package core_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

// opened is how an Open ended.
type opened struct {
	s   *core.Session
	err error
}

// openLater opens a session on a goroutine of its own, for tests in which it has to wait.
func openLater(ctx context.Context, m *core.Manager, id string, opts ...core.OpenOption) <-chan opened {
	result := make(chan opened, 1)
	go func() {
		s, err := m.Open(ctx, id, opts...)
		result <- opened{s, err}
	}()
	return result
}

// After a save whose answer was lost nobody in this process knows what the store holds.
func TestRecordIsNotHandedOverAfterAnUnknownSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		m := managerOn(t, st, core.Config{Locking: core.Serialized})
		id := begin(t, m, "n", 0)
		first := open(t, m, id)
		next := openLater(t.Context(), m, id)
		synctest.Wait()
		ok(t, increment(first))
		st.failOnce("save", after)
		if err := first.End(t.Context()); !errors.Is(err, errConnection) {
			t.Errorf("End: %v, want the store's error", err)
		}
		second := <-next
		ok(t, second.err)
		n, err := core.Get[int](second.s, "n")
		ok(t, err)
		ok(t, second.s.End(t.Context()))
		if stored := peek(t, m, id, "n"); n != stored {
			t.Errorf("who got the lock was given n = %d, the store holds %v", n, stored)
		}
	})
}

// A holder that wrote nothing can not know that its record still exists: others may end the session
// without the lock.
func TestEndedSessionIsNotHandedOver(t *testing.T) {
	for name, end := range map[string]func(context.Context, *core.Manager, string) error{
		"deleted": func(ctx context.Context, m *core.Manager, id string) error { return m.Delete(ctx, id) },
		"rotated away": func(ctx context.Context, m *core.Manager, id string) error {
			s, err := m.Open(ctx, id, core.Merge)
			return errors.Join(err, s.Rotate(ctx, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{Locking: core.Serialized})
				id := begin(t, m, "user", "ada")
				holder := open(t, m, id)
				ok(t, end(t.Context(), m, id))
				next := openLater(t.Context(), m, id)
				synctest.Wait()
				ok(t, holder.End(t.Context()))
				if got := <-next; !errors.Is(got.err, core.ErrNotFound) {
					t.Errorf("a request that began after the session had ended: %v, want ErrNotFound", got.err)
				}
			})
		})
	}
}

func TestUncommittedIsNotHandedOver(t *testing.T) {
	for name, release := range map[string]func(context.Context, *core.Session) error{
		"rollback": func(ctx context.Context, s *core.Session) error { return s.Rollback(ctx) },
		"explicit": func(ctx context.Context, s *core.Session) error { s.SetSave(core.SaveExplicit); return s.End(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{Locking: core.Serialized})
				id := begin(t, m, "n", 0)
				first := open(t, m, id)
				next := openLater(t.Context(), m, id)
				synctest.Wait()
				ok(t, first.Set("n", 9))
				ok(t, first.SetTimeout(5*time.Second))
				ok(t, release(t.Context(), first))
				second := <-next
				ok(t, second.err)
				if n, _ := core.Get[int](second.s, "n"); n != 0 || second.s.Timeout() != time.Hour {
					t.Errorf("the next holder sees n = %d and a timeout of %v", n, second.s.Timeout())
				}
				ok(t, second.s.End(t.Context()))
			})
		})
	}
}

func TestWaiterThatGivesUpLosesOnlyItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{Locking: core.Serialized})
		id := begin(t, m, "n", 0)
		holder := open(t, m, id)
		var served []int
		var wg sync.WaitGroup
		giveUp := make(map[int]context.CancelFunc)
		for i := range 6 {
			ctx, cancel := context.WithCancel(t.Context())
			giveUp[i] = cancel
			wg.Go(func() {
				s, err := m.Open(ctx, id)
				if err != nil {
					return
				}
				served = append(served, i) // guarded by the session itself
				if err := s.End(ctx); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // i stands in line now
		}
		for _, i := range []int{0, 3, 5} { // the first, one in the middle, the last
			giveUp[i]()
		}
		synctest.Wait()
		ok(t, holder.End(t.Context()))
		wg.Wait()
		if !slices.Equal(served, []int{1, 2, 4}) {
			t.Errorf("served %v, want 1, 2 and 4", served)
		}
		if lines, leases := core.Lines(m), core.Leases(m); lines != 0 || leases != 0 {
			t.Errorf("%d lines and %d leases are left", lines, leases)
		}
		for _, cancel := range giveUp {
			cancel()
		}
	})
}

// A waiter that gives up at the moment when its turn comes must pass the turn on, and must not take
// what came with it for its own.
func TestTurnThatComesTooLateIsPassedOn(t *testing.T) {
	// With one processor the waiter, once cancelled, does not run before the turn has been given to it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, handover := range map[string]int{"with the lock": 16, "without": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{Handover: handover})
				id := begin(t, m, "n", 7)
				holder := open(t, m, id, core.Serialized)
				ctx, cancel := context.WithCancel(core.WithScope(t.Context(), new(core.Scope)))
				s, err := m.Open(ctx, id)
				ok(t, err)
				reopened := openLater(ctx, m, id, core.Serialized)
				synctest.Wait()
				behind := openLater(t.Context(), m, id, core.Serialized)
				synctest.Wait()
				cancel()
				ok(t, holder.End(t.Context()))
				if got := <-reopened; !errors.Is(got.err, context.Canceled) {
					t.Errorf("who gave up: %v, want context.Canceled", got.err)
				}
				if n, _ := core.Get[int](s, "n"); n != 7 {
					t.Errorf("a reopening that failed left the request with n = %d, want 7", n)
				}
				next := <-behind
				ok(t, next.err)
				ok(t, next.s.End(t.Context()))
				ok(t, s.End(t.Context()))
				if lines, leases := core.Lines(m), core.Leases(m); lines != 0 || leases != 0 {
					t.Errorf("%d lines and %d leases are left", lines, leases)
				}
			})
		})
	}
}
