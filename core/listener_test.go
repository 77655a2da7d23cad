package core_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// listen returns a channel of all events of a manager.
func listen(t testing.TB, m *core.Manager) <-chan core.Event {
	t.Helper()
	events := make(chan core.Event, 100)
	t.Cleanup(m.Listen(func(_ context.Context, ev core.Event) { events <- ev }))
	return events
}

func TestEvents(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, SweepInterval: -1})
	events := listen(t, m)
	expect := func(kind core.EventKind, reason core.EndReason, hash string, a any) core.Event {
		t.Helper()
		ev := <-events
		if ev.Kind != kind || ev.Reason != reason || ev.Session != hash || ev.Manager != "app" {
			t.Fatalf("event %v %v of %s, want %v %v of %s", ev.Kind, ev.Reason, ev.Session, kind, reason, hash)
		}
		if ev.Data != nil {
			if got, err := core.Get[any](ev.Data, "a"); got != a || err != nil {
				t.Errorf("%v: a = %v, %v, want %v", kind, got, err, a)
			}
		}
		return ev
	}
	id := begin(t, m, "a", 1)
	s := open(t, m, id)
	hash := s.Hash()
	if strings.Contains(hash, id) || strings.Contains(id, hash) {
		t.Errorf("hash %s of %s", hash, id)
	}
	expect(core.EventCreated, 0, hash, 1)
	ok(t, s.Set("a", 2))
	ok(t, s.Rollback(t.Context()))
	expect(core.EventRolledBack, 0, hash, 1)
	ok(t, s.Set("a", 3))
	ok(t, s.Commit(t.Context()))
	expect(core.EventSaved, 0, hash, 3)
	stale := open(t, m, id, core.Optimistic)
	ok(t, stale.Set("a", 9))
	ok(t, s.Set("a", 4))
	ok(t, s.Commit(t.Context()))
	expect(core.EventSaved, 0, hash, 4)
	if err := stale.Commit(t.Context()); err == nil {
		t.Error("no conflict")
	}
	if ev := expect(core.EventCommitFailed, 0, hash, nil); !errors.Is(ev.Err, core.ErrConflict) {
		t.Errorf("Err = %v", ev.Err)
	}
	ok(t, s.Rotate(t.Context(), 0))
	if ev := expect(core.EventRotated, 0, hash, 4); ev.NewSession != s.Hash() {
		t.Errorf("NewSession = %s, want %s", ev.NewSession, s.Hash())
	}
	ok(t, s.Invalidate(t.Context()))
	expect(core.EventEnded, core.EndInvalidated, s.Hash(), 4)

	old := begin(t, m, "a", 5)
	expect(core.EventCreated, 0, open(t, m, old).Hash(), 5)
	c.advance(2 * time.Hour)
	n, err := m.Sweep(t.Context())
	ok(t, err)
	if n != 1 {
		t.Errorf("Sweep = %d", n)
	}
	ev := <-events
	if keys := ev.Data.Keys(); ev.Reason != core.EndExpired || !slices.Equal(keys, []string{"a"}) {
		t.Errorf("event %v %v with %v", ev.Kind, ev.Reason, keys)
	}
	if n, err := m.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("a second sweep: %d, %v", n, err)
	}
}

func TestEvictionIsTold(t *testing.T) {
	st, err := core.OpenStore(t.Context(), "memory:?max_sessions=1")
	ok(t, err)
	m := managerOn(t, st, core.Config{})
	events := listen(t, m)
	begin(t, m, "a", 1)
	begin(t, m, "a", 2)
	for ev := range events {
		if ev.Kind == core.EventEnded {
			if a, err := core.Get[int](ev.Data, "a"); ev.Reason != core.EndEvicted || a != 1 || err != nil {
				t.Errorf("event %v with a = %v, %v", ev.Reason, a, err)
			}
			break
		}
	}
}

func TestSlowAndPanickingListenersHurtNobody(t *testing.T) {
	var log lockedBuffer
	m := newManager(t, core.Config{ListenerQueue: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	m.Listen(func(context.Context, core.Event) {
		entered <- struct{}{}
		<-hold
	})
	m.Listen(func(context.Context, core.Event) { panic("boom") })
	id := begin(t, m, "n", 0)
	<-entered
	for range 5 { // one event fits the queue of the listener that is stuck
		ok(t, m.Update(t.Context(), id, increment))
	}
	if peek(t, m, id, "n") != 5 {
		t.Error("updates were lost")
	}
	close(hold)
	ok(t, m.Close(t.Context()))
	for _, want := range []string{"too slow", "panicked", "boom"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), id) {
		t.Error("the log contains a session id")
	}
}

func TestListenersMayUseTheManager(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	result := make(chan error, 1)
	m.Listen(func(ctx context.Context, ev core.Event) {
		if ev.Kind == core.EventEnded {
			_, err := m.Count(ctx)
			result <- err
		}
	})
	s := open(t, m, begin(t, m, "a", 1))
	ok(t, s.Invalidate(t.Context()))
	ok(t, <-result)
}

func TestStopListening(t *testing.T) {
	m := newManager(t, core.Config{})
	called := make(chan struct{}, 10)
	stop := m.Listen(func(context.Context, core.Event) { called <- struct{}{} })
	begin(t, m)
	<-called
	stop()
	stop()
	begin(t, m)
	ok(t, m.Close(t.Context()))
	if len(called) != 0 {
		t.Error("called after stop")
	}
	m.Listen(func(context.Context, core.Event) { t.Error("called on a closed manager") })()
}

func TestCloseDoesNotWaitForeverForAListener(t *testing.T) {
	m := newManager(t, core.Config{})
	hold, entered := make(chan struct{}), make(chan struct{})
	defer close(hold)
	m.Listen(func(context.Context, core.Event) { close(entered); <-hold })
	begin(t, m)
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
