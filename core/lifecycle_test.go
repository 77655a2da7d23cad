package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// The clock decides on load, never the sweeper: promise 9.
func TestExpiry(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cfg     core.Config
		opens   []time.Duration // since creation; all but the last find the session
		expired bool
	}{
		{"idle, a nanosecond before", core.Config{IdleTimeout: time.Hour}, []time.Duration{time.Hour - 1}, false},
		{"idle, exactly", core.Config{IdleTimeout: time.Hour}, []time.Duration{time.Hour}, true},
		{"idle, after an access", core.Config{IdleTimeout: time.Hour}, []time.Duration{30 * time.Minute, 89 * time.Minute}, false},
		{"idle, after an access, exactly", core.Config{IdleTimeout: time.Hour}, []time.Duration{30 * time.Minute, 90 * time.Minute}, true},
		{"absolute", core.Config{IdleTimeout: -1, AbsoluteTimeout: time.Hour}, []time.Duration{59 * time.Minute, time.Hour}, true},
		{"absolute ends a busy session", core.Config{IdleTimeout: time.Hour, AbsoluteTimeout: 2 * time.Hour},
			[]time.Duration{50 * time.Minute, 100 * time.Minute, 2 * time.Hour}, true},
		{"never", core.Config{IdleTimeout: -1}, []time.Duration{1000 * time.Hour}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			tt.cfg.Now, tt.cfg.SweepInterval = c.now, -1
			m := newManager(t, tt.cfg)
			id := begin(t, m, "a", 1)
			begun := c.now()
			for i, at := range tt.opens {
				c.advance(begun.Add(at).Sub(c.now()))
				s, err := m.Open(t.Context(), id)
				if last := i == len(tt.opens)-1; last && tt.expired {
					if !errors.Is(err, core.ErrNotFound) {
						t.Errorf("after %v: %v, want ErrNotFound", at, err)
					}
					return
				}
				ok(t, err)
				ok(t, s.End(t.Context()))
			}
		})
	}
}

// No resurrection: promise 3, on every path and under every policy.
func TestNoResurrection(t *testing.T) {
	ends := map[string]func(*testing.T, *core.Manager, string, *clock){
		"delete": func(t *testing.T, m *core.Manager, id string, _ *clock) { ok(t, m.Delete(t.Context(), id)) },
		"invalidate": func(t *testing.T, m *core.Manager, id string, _ *clock) {
			ok(t, open(t, m, id, core.Merge).Invalidate(t.Context()))
		},
		"rotate": func(t *testing.T, m *core.Manager, id string, _ *clock) {
			ok(t, open(t, m, id, core.Merge).Rotate(t.Context(), 0))
		},
		"expire": func(_ *testing.T, _ *core.Manager, _ string, c *clock) { c.advance(2 * time.Hour) },
		"sweep": func(t *testing.T, m *core.Manager, _ string, c *clock) {
			c.advance(2 * time.Hour)
			_, err := m.Sweep(t.Context())
			ok(t, err)
		},
	}
	uses := map[string]func(context.Context, *core.Session) error{
		"commit": func(ctx context.Context, s *core.Session) error { return errors.Join(s.Set("a", 2), s.Commit(ctx)) },
		"end":    func(ctx context.Context, s *core.Session) error { return errors.Join(s.Set("a", 2), s.End(ctx)) },
		"clear":  func(ctx context.Context, s *core.Session) error { return errors.Join(s.Clear(), s.Commit(ctx)) },
		"touch":  func(ctx context.Context, s *core.Session) error { return s.Touch(ctx) },
		"rotate": func(ctx context.Context, s *core.Session) error { return s.Rotate(ctx, time.Minute) },
	}
	for end, endSession := range ends {
		for use, useSession := range uses {
			for _, p := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
				t.Run(fmt.Sprintf("%s then %s, %v", end, use, p), func(t *testing.T) {
					c := newClock()
					m := newManager(t, core.Config{Locking: p, Save: core.SaveAlways, Now: c.now, SweepInterval: -1})
					id := begin(t, m, "a", 1)
					s := open(t, m, id)
					endSession(t, m, id, c)
					if err := useSession(t.Context(), s); !errors.Is(err, core.ErrGone) {
						t.Errorf("%s after %s: %v, want ErrGone", use, end, err)
					}
					ok(t, s.End(t.Context()))
					if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
						t.Errorf("the session is back: %v", err)
					}
					if err := s.Set("a", 3); !errors.Is(err, core.ErrGone) {
						t.Errorf("Set on a session that is known to be gone: %v", err)
					}
				})
			}
		}
	}
}

func TestInvalidate(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "a", 1)
	ctx := core.WithScope(t.Context(), new(core.Scope))
	s, err := m.Open(ctx, id)
	ok(t, err)
	ok(t, s.Invalidate(ctx))
	if !s.Ended() || s.Stored() || s.Len() != 0 {
		t.Errorf("ended %v, stored %v, %d values", s.Ended(), s.Stored(), s.Len())
	}
	if _, err := m.Open(ctx, id); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("opened again in the same request: %v", err)
	}
	fresh, err := m.Create(ctx)
	ok(t, err)
	ok(t, fresh.Set("flash", "bye"))
	ok(t, fresh.End(ctx))
	ok(t, s.End(ctx))
	if fresh.ID() == id || peek(t, m, fresh.ID(), "flash") != "bye" {
		t.Error("no new session after Invalidate")
	}
	unsaved, err := m.Create(ctx)
	ok(t, err)
	ok(t, unsaved.Set("a", 1))
	ok(t, unsaved.Invalidate(ctx))
	ok(t, unsaved.End(ctx))
	if unsaved.Stored() {
		t.Error("an invalidated new session was stored")
	}
}

func TestRotate(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
		for _, grace := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%v, grace %v", p, grace), func(t *testing.T) {
				c := newClock()
				m := newManager(t, core.Config{Locking: p, Now: c.now})
				id := begin(t, m, "a", 1)
				inFlight := open(t, m, id, core.Merge)
				s := open(t, m, id)
				ok(t, s.Set("user", "ada"))
				ok(t, s.Rotate(t.Context(), grace))
				if s.ID() == id || !m.ValidID(s.ID()) {
					t.Fatalf("no new id")
				}
				ok(t, s.End(t.Context()))
				if peek(t, m, s.ID(), "user") != "ada" || peek(t, m, s.ID(), "a") != 1 {
					t.Error("values did not come along")
				}
				old, err := m.Open(t.Context(), id, core.ReadOnly)
				if grace == 0 {
					if !errors.Is(err, core.ErrNotFound) {
						t.Errorf("the old id: %v, want ErrNotFound", err)
					}
					return
				}
				ok(t, err)
				if old.ID() != s.ID() {
					t.Error("the old id does not lead to the new one")
				}
				ok(t, inFlight.Set("late", 1))
				ok(t, inFlight.End(t.Context()))
				if inFlight.ID() != s.ID() || peek(t, m, s.ID(), "late") != 1 {
					t.Error("a request in flight lost its change within the grace")
				}
				c.advance(grace)
				if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
					t.Errorf("after the grace: %v, want ErrNotFound", err)
				}
			})
		}
	}
}

func TestRotateNewSession(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	s, err := m.Create(t.Context())
	ok(t, err)
	before := s.ID()
	ok(t, s.Rotate(t.Context(), 0))
	if s.ID() == before || s.Stored() {
		t.Error("a new session is rotated without being stored")
	}
}

func TestDeleteFollowsARotation(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "a", 1)
	s := open(t, m, id)
	ok(t, s.Rotate(t.Context(), time.Minute))
	ok(t, m.Delete(t.Context(), id)) // a logout by a request that knows the old id
	if _, err := m.Open(t.Context(), s.ID()); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("the session survived: %v", err)
	}
}

func TestRotateWhileOthersWait(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(grace.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{Locking: core.Serialized})
				id := begin(t, m, "n", 0)
				s := open(t, m, id)
				result := make(chan error)
				go func() {
					waiter, err := m.Open(t.Context(), id)
					if err == nil {
						err = errors.Join(increment(waiter), waiter.End(t.Context()))
					}
					result <- err
				}()
				synctest.Wait()
				ok(t, s.Rotate(t.Context(), grace))
				ok(t, increment(s))
				ok(t, s.End(t.Context()))
				err := <-result
				n := peek(t, m, s.ID(), "n")
				if grace == 0 && (!errors.Is(err, core.ErrNotFound) || n != 1) {
					t.Errorf("waiter for the dead id: %v, n = %v", err, n)
				}
				if grace > 0 && (err != nil || n != 2) {
					t.Errorf("waiter for the forwarding id: %v, n = %v", err, n)
				}
			})
		})
	}
}

// Isolation: promise 1.
func TestManagersShareAStoreButNoSessions(t *testing.T) {
	st := newStore(t)
	a, err := core.New("a", st, core.Config{})
	ok(t, err)
	b, err := core.New("b", st, core.Config{})
	ok(t, err)
	defer func() { ok(t, errors.Join(a.Close(t.Context()), b.Close(t.Context()))) }()
	id := begin(t, a, "x", 1)
	if _, err := b.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("b opens a's session: %v", err)
	}
	ok(t, b.Delete(t.Context(), id))
	if n, err := b.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("b counts %d, %v", n, err)
	}
	for id, err := range b.IDs(t.Context()) {
		t.Errorf("b lists %v, %v", id, err)
	}
	var ids []string
	for id, err := range a.IDs(t.Context()) {
		ok(t, err)
		ids = append(ids, id)
	}
	if !slices.Equal(ids, []string{id}) {
		t.Errorf("a lists %v", ids)
	}
}

func TestStoreWithoutOptionalPowers(t *testing.T) {
	m := managerOn(t, struct{ core.Store }{newStore(t)}, core.Config{})
	if _, err := m.Count(t.Context()); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("Count: %v", err)
	}
	for _, err := range m.IDs(t.Context()) {
		if !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("IDs: %v", err)
		}
	}
	if n, err := m.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	id := begin(t, m, "a", 1)
	if _, err := m.Open(t.Context(), id, core.Serialized); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("Serialized by option: %v", err)
	}
}

// Broken data breaks one session only: promise 13.
func TestCorruptRecord(t *testing.T) {
	for _, policy := range []core.CorruptPolicy{core.CorruptStartAnew, core.CorruptFail} {
		st := newStore(t)
		m := managerOn(t, st, core.Config{Corrupt: policy})
		id := begin(t, m, "a", 1)
		events := listen(t, m)
		st.fail(&core.CorruptError{Key: core.Key{Manager: "app", ID: id}, Place: "corrupt/1", Reason: "checksum"})
		_, err := m.Open(t.Context(), id)
		if errors.Is(err, core.ErrNotFound) != (policy == core.CorruptStartAnew) || !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("policy %d: %v", policy, err)
		}
		st.fail(nil)
		if ev := <-events; ev.Kind != core.EventEnded || ev.Reason != core.EndLost || !errors.Is(ev.Err, core.ErrCorrupt) {
			t.Errorf("event %+v", ev)
		}
	}
}

func TestOpenStore(t *testing.T) {
	for _, url := range []string{"", "memory", "nosuch:x"} {
		if _, err := core.OpenStore(t.Context(), url); err == nil {
			t.Errorf("OpenStore(%q) succeeds", url)
		}
	}
	st, err := core.OpenStore(t.Context(), "memory:")
	ok(t, err)
	if _, is := st.(*memstore.Store); !is {
		t.Errorf("memory: is a %T", st)
	}
	ok(t, st.Close())
}

func TestHas(t *testing.T) {
	c := newClock()
	st := newStore(t)
	m := managerOn(t, st, core.Config{Now: c.now, SweepInterval: -1})
	id := begin(t, m, "a", 1)
	has := func(id string, want bool) {
		t.Helper()
		if got, err := m.Has(t.Context(), id); got != want || err != nil {
			t.Errorf("Has = %v, %v, want %v", got, err, want)
		}
	}
	c.advance(59 * time.Minute)
	has(id, true)
	has("nonsense", false)
	has(strings.Repeat("A", 30), false)
	s := open(t, m, id, core.Merge)
	ok(t, s.Rotate(t.Context(), time.Minute))
	has(id, true)
	has(s.ID(), true)
	c.advance(time.Hour)
	has(s.ID(), false)
	down := errors.New("down")
	st.fail(down)
	if _, err := m.Has(t.Context(), id); !errors.Is(err, down) {
		t.Errorf("Has on a store that is down: %v", err)
	}
	st.fail(&core.CorruptError{Key: core.Key{Manager: "app", ID: id}})
	has(id, false)
}

func TestHasIsNoAccess(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, SweepInterval: -1})
	id := begin(t, m, "a", 1)
	for range 3 {
		c.advance(20 * time.Minute)
		if _, err := m.Has(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := m.Has(t.Context(), id); ok || err != nil {
		t.Errorf("a session that was only looked for is kept alive: %v, %v", ok, err)
	}
}
