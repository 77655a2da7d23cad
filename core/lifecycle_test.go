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

func TestTouchIsCoalesced(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, TouchInterval: time.Minute, SweepInterval: -1})
	id := begin(t, m, "a", 1)
	born := c.now()
	c.advance(59 * time.Second)
	open(t, m, id)
	if at := open(t, m, id).LastAccessed(); !at.Equal(born) {
		t.Errorf("moved before the interval passed: %v", at.Sub(born))
	}
	c.advance(time.Second)
	if at := open(t, m, id).LastAccessed(); !at.Equal(born) {
		t.Errorf("LastAccessed = %v after birth, want the access before this one", at.Sub(born))
	}
	s := open(t, m, id)
	if at := s.LastAccessed(); at.Sub(born) != time.Minute {
		t.Errorf("LastAccessed = %v after birth, want a minute", at.Sub(born))
	}
	if s.Version() != 1 {
		t.Error("touching is a save")
	}
	c.advance(time.Second)
	ok(t, s.Touch(t.Context()))
	if at := open(t, m, id).LastAccessed(); at.Sub(born) != 61*time.Second {
		t.Errorf("after Touch: %v", at.Sub(born))
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

// Ids are ours: promise 8.
func TestStrangersIDs(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	valid := begin(t, m)
	st.reset()
	for _, id := range []string{"", "x", "../../etc/passwd", strings.Repeat("A", 27), strings.Repeat("A", 1<<20), "AAAAAAAAAAAAAAAAAAAAAAAAA\x00",
		strings.ToLower(valid), valid + "A", valid[1:], "'; DROP TABLE", "AAAAAAAAAAAAAAAAAAAAAAAAA1"} {
		if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrBadID) || !errors.Is(err, core.ErrNotFound) {
			t.Errorf("Open(%.30q): %v", id, err)
		}
		if err := m.Delete(t.Context(), id); !errors.Is(err, core.ErrBadID) {
			t.Errorf("Delete(%.30q): %v", id, err)
		}
		if err := m.Update(t.Context(), id, increment); !errors.Is(err, core.ErrBadID) {
			t.Errorf("Update(%.30q): %v", id, err)
		}
	}
	if n := st.loads.Load() + st.locks.Load() + st.deletes.Load(); n != 0 {
		t.Errorf("the store saw %d of them", n)
	}
	if _, err := m.Open(t.Context(), strings.Repeat("A", 26)); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestIDFormats(t *testing.T) {
	good := core.RandomIDs()
	for _, tt := range []struct {
		name   string
		format core.IDFormat
		err    string
	}{
		{"default", good, ""},
		{"uuids", core.UUIDs(), ""},
		{"prefixed", core.PrefixedIDs("web1-", core.UUIDs()), ""},
		{"half", core.IDFormat{New: good.New}, "both be set"},
		{"constant", core.IDFormat{New: func() string { return strings.Repeat("A", 26) }, Valid: good.Valid}, "same id twice"},
		{"short", core.IDFormat{New: func() string { return good.New()[:10] }, Valid: good.Valid}, "characters"},
		{"mostly constant", core.PrefixedIDs(strings.Repeat("A", 20), core.IDFormat{New: func() string { return good.New()[:10] },
			Valid: func(id string) bool { return len(id) == 10 && good.Valid(id+strings.Repeat("A", 16)) }}), "random bits"},
		{"bad characters", core.IDFormat{New: func() string { return "a b" + good.New() }, Valid: func(string) bool { return true }}, "character"},
		{"80 bits", core.IDFormat{New: func() string { return core.UUIDs().New()[:20] }, Valid: func(id string) bool { return len(id) == 20 }}, "random bits"},
		{"refuses its own", core.IDFormat{New: good.New, Valid: core.UUIDs().Valid}, "refuses"},
		{"accepts anything", core.IDFormat{New: good.New, Valid: func(string) bool { return true }}, "accepts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := core.New("app", newStore(t), core.Config{IDs: tt.format})
			if err == nil {
				ok(t, m.Close(t.Context()))
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("New: %v, want %q", err, tt.err)
			}
		})
	}
}

func TestConfigMistakesAreReportedTogether(t *testing.T) {
	_, err := core.New("app", struct{ core.Store }{newStore(t)}, core.Config{
		Locking: core.Serialized, Save: 9, Lease: time.Millisecond, LockWait: -1, MaxWaiters: -1, MaxSize: -1, CommitTimeout: -1,
		ListenerQueue: -1, Corrupt: 7, IdleTimeout: time.Minute, TouchInterval: time.Hour,
	})
	for _, field := range []string{"Locking", "Save", "Lease", "LockWait", "MaxWaiters", "MaxSize", "CommitTimeout", "ListenerQueue", "Corrupt", "TouchInterval"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
	if !errors.Is(err, core.ErrUnsupported) {
		t.Error("a policy that the store can not honour does not match ErrUnsupported")
	}
	for _, id := range []string{"", "a b", strings.Repeat("x", 129), "ä"} {
		if _, err := core.New(id, newStore(t), core.Config{}); err == nil {
			t.Errorf("manager id %.20q is accepted", id)
		}
	}
	if _, err := core.New("app", nil, core.Config{}); err == nil {
		t.Error("a nil store is accepted")
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
