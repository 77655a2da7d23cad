package core_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestClosedManager(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{Locking: core.Serialized})
	id := begin(t, m, "n", 0)
	s := open(t, m, id)
	ok(t, m.Close(t.Context()))
	ok(t, m.Close(t.Context()))
	if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Open: %v", err)
	}
	if _, err := m.Create(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Create: %v", err)
	}
	if err := m.Delete(t.Context(), id); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Delete: %v", err)
	}
	ok(t, increment(s))
	ok(t, s.End(t.Context())) // what is under way is finished
}

// Who stood in line when the manager closed is not let in afterwards, when nothing would renew its
// lock.
func TestWaiterIsNotLetIntoAClosedManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{Locking: core.Serialized})
		id := begin(t, m, "n", 0)
		holder := open(t, m, id)
		first, second := openLater(t.Context(), m, id), openLater(t.Context(), m, id)
		synctest.Wait()
		ok(t, m.Close(t.Context()))
		ok(t, holder.End(t.Context()))
		for _, waiter := range []<-chan opened{first, second} {
			if got := <-waiter; !errors.Is(got.err, core.ErrClosed) {
				t.Errorf("a waiter gets %v, want ErrClosed", got.err)
			}
		}
		if lines, leases := core.Lines(m), core.Leases(m); lines != 0 || leases != 0 {
			t.Errorf("%d lines and %d leases are left", lines, leases)
		}
	})
}

// A listener that saves to a database needs its context for the events that are still in the queue.
func TestQueuedEventsAreToldUnderALivingContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{})
		gate := make(chan struct{})
		told := make(chan error, 10)
		m.Listen(func(ctx context.Context, _ core.Event) { <-gate; told <- ctx.Err() })
		for range 3 {
			begin(t, m, "n", 0)
		}
		closed := make(chan error, 1)
		go func() { closed <- m.Close(t.Context()) }()
		synctest.Wait()
		close(gate)
		ok(t, <-closed)
		close(told)
		n := 0
		for err := range told {
			if n++; err != nil {
				t.Errorf("event %d came under a context that was over: %v", n, err)
			}
		}
		if n != 3 {
			t.Errorf("%d events were told, want 3", n)
		}
	})
}

// sweepAgainstAStuckListener has expired sessions swept while a listener with room for one event is
// stuck in its first, and so gets in the way of the sweep.
func sweepAgainstAStuckListener(ctx context.Context, t *testing.T, m *core.Manager, c *clock) (told *atomic.Int64, release func(), swept <-chan int) {
	t.Helper()
	for range 20 {
		begin(t, m, "n", 0)
	}
	told = new(atomic.Int64)
	stuck, gate := make(chan struct{}, 20), make(chan struct{})
	m.Listen(func(context.Context, core.Event) {
		stuck <- struct{}{}
		<-gate
		told.Add(1)
	})
	c.advance(2 * time.Hour)
	done := make(chan int, 1)
	go func() {
		n, _ := m.Sweep(ctx)
		done <- n
	}()
	<-stuck
	return told, func() { close(gate) }, done
}

// What a sweep has removed is told, and the sweep ends, although the manager closes meanwhile.
func TestSweepIsToldAndEndsAtClose(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, ListenerQueue: 1, SweepInterval: -1})
	told, release, swept := sweepAgainstAStuckListener(t.Context(), t, m, c)
	closed := make(chan error, 1)
	go func() { closed <- m.Close(t.Context()) }()
	for !isClosed(t, m) {
		runtime.Gosched()
	}
	release()
	ok(t, <-closed)
	if n := within(t, swept); int64(n) != told.Load() || n == 0 {
		t.Errorf("%d sessions were removed, %d were told", n, told.Load())
	}
	if _, err := m.Sweep(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Sweep on a closed manager: %v, want ErrClosed", err)
	}
}

// When Close can not wait any longer, a sweep must not wait for a listener that is stuck either.
func TestSweepEndsWithACloseThatGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		m := newManager(t, core.Config{Now: c.now, ListenerQueue: 1, SweepInterval: -1})
		_, release, swept := sweepAgainstAStuckListener(t.Context(), t, m, c)
		defer release()
		synctest.Wait() // the sweep waits for the listener
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want the context's error", err)
		}
		within(t, swept)
	})
}

func isClosed(t *testing.T, m *core.Manager) bool {
	t.Helper()
	_, err := m.Create(t.Context())
	return errors.Is(err, core.ErrClosed)
}

// within receives from a channel on which something is due.
func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10s")
	}
	return v
}

// An event for which a sweep could not wait is offered to the listener that is full, not once more to
// those who have it.
func TestSweepTellsNobodyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		m := newManager(t, core.Config{Now: c.now, ListenerQueue: 1, SweepInterval: -1})
		var mu sync.Mutex
		seen := make(map[string]int)
		m.Listen(func(_ context.Context, ev core.Event) {
			if ev.Kind == core.EventEnded {
				mu.Lock()
				defer mu.Unlock()
				seen[ev.Session]++
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, release, swept := sweepAgainstAStuckListener(ctx, t, m, c)
		synctest.Wait() // the sweep waits for the listener
		cancel()
		<-swept
		release()
		ok(t, m.Close(t.Context()))
		for session, n := range seen {
			if n > 1 {
				t.Errorf("the end of %s was told %d times", session, n)
			}
		}
		if len(seen) == 0 {
			t.Error("nothing was told")
		}
	})
}
