package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestSavepoint(t *testing.T) {
	for name, tt := range map[string]struct {
		before  func(*testing.T, *core.Session)
		after   func(*testing.T, *core.Session)
		again   func(*testing.T, *core.Session) // after the rollback
		a, b    any
		timeout time.Duration
	}{
		"nothing before": {after: func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 9)) }, a: 1},
		"a change before stays": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 2)) },
			after:  func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 9)); ok(t, s.Set("b", 9)) },
			a:      2,
		},
		"a deletion": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Delete("a")) },
			after:  func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 9)) },
		},
		"the application rolls back itself": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Set("b", 2)) },
			after:  func(t *testing.T, s *core.Session) { ok(t, s.Rollback(t.Context())) },
			a:      1, b: 2,
		},
		"a commit writes both": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 2)) },
			after: func(t *testing.T, s *core.Session) {
				ok(t, s.Set("b", 3))
				ok(t, s.Commit(t.Context()))
				ok(t, s.Set("a", 9))
			},
			a: 2, b: 3,
		},
		"a timeout": {
			before:  func(t *testing.T, s *core.Session) { ok(t, s.SetTimeout(2*time.Hour)) },
			after:   func(t *testing.T, s *core.Session) { ok(t, s.SetTimeout(time.Minute)) },
			timeout: 2 * time.Hour, a: 1,
		},
		"a timeout since": {
			after: func(t *testing.T, s *core.Session) { ok(t, s.SetTimeout(time.Minute)) }, a: 1},
		"a save policy": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 2)) },
			after:  func(t *testing.T, s *core.Session) { s.SetSave(core.SaveExplicit) },
			a:      2,
		},
		"what goes on": {
			before: func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 2)) },
			after:  func(t *testing.T, s *core.Session) { ok(t, s.Set("a", 9)) },
			again:  func(t *testing.T, s *core.Session) { ok(t, s.Set("b", 5)) },
			a:      2, b: 5,
		},
	} {
		for _, p := range []core.LockingPolicy{core.Merge, core.Optimistic, core.Serialized} {
			t.Run(name+"/"+p.String(), func(t *testing.T) {
				m := newManager(t, core.Config{Locking: p})
				id := begin(t, m, "a", 1)
				scope := new(core.Scope)
				ctx := core.WithScope(t.Context(), scope)
				s, err := m.Open(ctx, id)
				ok(t, err)
				do := func(f func(*testing.T, *core.Session)) {
					if f != nil {
						f(t, s)
					}
				}
				do(tt.before)
				point, err := scope.Savepoint()
				ok(t, err)
				do(tt.after)
				ok(t, point.Rollback(ctx))
				ok(t, point.Rollback(ctx))
				do(tt.again)
				ok(t, scope.End(ctx))
				if a, b := peek(t, m, id, "a"), peek(t, m, id, "b"); a != tt.a || b != tt.b {
					t.Errorf("stored a = %v, b = %v; want %v, %v", a, b, tt.a, tt.b)
				}
				want := tt.timeout
				if want == 0 {
					want = time.Hour
				}
				if got := open(t, m, id, core.ReadOnly).Timeout(); got != want {
					t.Errorf("timeout %v, want %v", got, want)
				}
			})
		}
	}
}

func TestSavepointKeepsReferencesThatWereNotUsed(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "used", map[string]any{"x": 1}, "mine", map[string]any{"x": 1})
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	s, err := m.Open(ctx, id)
	ok(t, err)
	used, err := core.Get[map[string]any](s, "used")
	ok(t, err)
	mine, err := core.Get[map[string]any](s, "mine")
	ok(t, err)
	mine["x"] = 2
	point, err := scope.Savepoint()
	ok(t, err)
	used["x"] = 9
	ok(t, point.Rollback(ctx))
	mine["x"] = 3
	ok(t, scope.End(ctx))
	if x := peek(t, m, id, "used").(map[string]any)["x"]; x != 1 {
		t.Errorf("used[x] = %v, want what was there at the savepoint", x)
	}
	if x := peek(t, m, id, "mine").(map[string]any)["x"]; x != 3 {
		t.Errorf("mine[x] = %v: the reference is lost", x)
	}
}

func TestSavepointLocks(t *testing.T) {
	m := newManager(t, core.Config{LockWait: time.Millisecond})
	for name, first := range map[string]core.LockingPolicy{"held before": core.Serialized, "taken since": core.Merge} {
		t.Run(name, func(t *testing.T) {
			id := begin(t, m, "a", 1)
			scope := new(core.Scope)
			ctx := core.WithScope(t.Context(), scope)
			s, err := m.Open(ctx, id, first)
			ok(t, err)
			point, err := scope.Savepoint()
			ok(t, err)
			_, err = m.Open(ctx, id, core.Serialized)
			ok(t, err)
			ok(t, point.Rollback(ctx))
			if s.Locked() != (first == core.Serialized) || s.Locking() != first {
				t.Errorf("locked %v under %v", s.Locked(), s.Locking())
			}
			ok(t, scope.End(ctx))
		})
	}
}

func TestSavepointRollsBackWhatWasOpenedSince(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized, LockWait: time.Millisecond})
	id := begin(t, m, "a", 1)
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	point, err := scope.Savepoint()
	ok(t, err)
	s, err := m.Open(ctx, id)
	ok(t, err)
	ok(t, s.Set("a", 9))
	fresh, err := m.Create(ctx)
	ok(t, err)
	ok(t, fresh.Set("a", 9))
	ok(t, point.Rollback(ctx))
	ok(t, open(t, m, id).End(t.Context())) // the lock is free
	ok(t, scope.End(ctx))
	if a := peek(t, m, id, "a"); a != 1 || fresh.Stored() {
		t.Errorf("a = %v, new session stored %v", a, fresh.Stored())
	}
}

func TestSavepointTellsOfBrokenValues(t *testing.T) {
	m := newManager(t, core.Config{})
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	s, err := m.Create(ctx)
	ok(t, err)
	v := map[string]any{}
	ok(t, s.Set("v", v))
	point, err := scope.Savepoint()
	ok(t, err)
	v["bad"] = make(chan int)
	if _, err := scope.Savepoint(); !isValueError(err) {
		t.Errorf("error %v, want a *ValueError", err)
	}
	ok(t, point.Rollback(ctx))
	if v, _, _ := s.Value("v"); len(v.(map[string]any)) != 0 {
		t.Errorf("v = %v after the rollback", v)
	}
}

func isValueError(err error) bool {
	_, is := errors.AsType[*core.ValueError](err)
	return is
}

func TestWritten(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(context.Context, *core.Session) error
		want bool
	}{
		"nothing":  {func(context.Context, *core.Session) error { return nil }, false},
		"a change": {func(_ context.Context, s *core.Session) error { return s.Set("a", 2) }, false},
		"a commit of nothing": {
			func(ctx context.Context, s *core.Session) error { return s.Commit(ctx) }, false},
		"a commit": {
			func(ctx context.Context, s *core.Session) error { return errors.Join(s.Set("a", 2), s.Commit(ctx)) }, true},
		"a rotation": {
			func(ctx context.Context, s *core.Session) error { return s.Rotate(ctx, 0) }, true},
		"an end": {
			func(ctx context.Context, s *core.Session) error { return s.Invalidate(ctx) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, core.Config{})
			scope := new(core.Scope)
			ctx := core.WithScope(t.Context(), scope)
			s, err := m.Open(ctx, begin(t, m, "a", 1))
			ok(t, err)
			ok(t, tt.do(ctx, s))
			if got := scope.Written(); got != tt.want {
				t.Errorf("Written is %v", got)
			}
		})
	}
}

func TestHold(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "a", 1)
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	s, err := m.Open(ctx, id)
	ok(t, err)
	release := scope.Hold()
	inner := scope.Hold()
	ok(t, s.Set("a", 2))
	ok(t, s.End(ctx))
	inner()
	ok(t, s.End(ctx))
	if a := peek(t, m, id, "a"); a != 1 || !s.Locked() || !s.Dirty() {
		t.Errorf("while held: a = %v, locked %v", a, s.Locked())
	}
	release()
	ok(t, s.End(ctx))
	if a := peek(t, m, id, "a"); a != 2 || s.Locked() {
		t.Errorf("after it: a = %v, locked %v", a, s.Locked())
	}
	ok(t, s.Set("a", 3))
	defer scope.Hold()()
	ok(t, scope.End(ctx))
	if a := peek(t, m, id, "a"); a != 3 {
		t.Errorf("the scope's own end: a = %v", a)
	}
}
