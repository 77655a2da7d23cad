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
	"go.uber.org/goleak"
)

func TestUpdateLosesNothing(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
		t.Run(p.String(), func(t *testing.T) {
			st := newStore(t)
			// Two managers on one store stand for two processes: they share no queue.
			managers := []*core.Manager{managerOn(t, st, core.Config{Locking: p}), managerOn(t, st, core.Config{Locking: p})}
			id := begin(t, managers[0], "n", 0)
			const workers, each = 8, 25
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for range each {
						if err := managers[w%2].Update(t.Context(), id, increment); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got := peek(t, managers[0], id, "n"); got != workers*each {
				t.Errorf("n = %v, want %d", got, workers*each)
			}
		})
	}
}

func increment(s *core.Session) error {
	n, err := core.Get[int](s, "n")
	if err != nil {
		return err
	}
	return s.Set("n", n+1)
}

func TestUpdateGivesUp(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{MaxRetries: 2})
	id := begin(t, m, "n", 0)
	runs := 0
	err := m.Update(t.Context(), id, func(s *core.Session) error {
		runs++
		other := open(t, m, id)
		ok(t, other.Set("x", runs))
		ok(t, other.Commit(t.Context()))
		return increment(s)
	})
	if !errors.Is(err, core.ErrConflict) || runs != 3 {
		t.Errorf("%v after %d runs, want ErrConflict after 3", err, runs)
	}
	failed := errors.New("own error")
	if err := m.Update(t.Context(), id, func(s *core.Session) error { _ = s.Set("n", 99); return failed }); err != failed {
		t.Errorf("Update = %v, want the function's own error", err)
	}
	if peek(t, m, id, "n") != 0 {
		t.Error("a failed update was written")
	}
}

func TestUpdateInsideARequest(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Optimistic, core.Serialized} {
		t.Run(p.String(), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: p, LockWait: time.Second})
			id := begin(t, m, "n", 0)
			ctx := core.WithScope(t.Context(), new(core.Scope))
			s, err := m.Open(ctx, id)
			ok(t, err)
			ok(t, m.Update(ctx, id, increment))
			if n, err := core.Get[int](s, "n"); n != 1 || err != nil {
				t.Errorf("the request sees n = %d, %v after its own update", n, err)
			}
			ok(t, s.Set("other", 1))
			ok(t, s.End(ctx))
			if peek(t, m, id, "n") != 1 || peek(t, m, id, "other") != 1 {
				t.Error("the update or the request's own change is lost")
			}
		})
	}
}

// Goroutines of one request update the session that the request has locked: one after the other too.
func TestUpdatesOfOneRequestLoseNothing(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "n", 0)
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	const rounds, workers = 20, 3
	for range rounds {
		_, err := m.Open(ctx, id)
		ok(t, err)
		var inside atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				err := m.Update(ctx, id, func(s *core.Session) error {
					inside.Add(1)
					defer inside.Add(-1)
					n, err := core.Get[int](s, "n")
					for range 1000 { // give another one the chance to read the same
						if inside.Load() > 1 {
							break
						}
						runtime.Gosched()
					}
					return errors.Join(err, s.Set("n", n+1))
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	ok(t, scope.End(ctx))
	if n := peek(t, m, id, "n"); n != rounds*workers {
		t.Errorf("n = %v, want %d", n, rounds*workers)
	}
}

// The function that failed worked on the request's own session, which has changes of its own.
func TestFailedUpdateLeavesTheRequestsChanges(t *testing.T) {
	failed := errors.New("own error")
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "n", 0, "list", []string{"a"})
	scope := new(core.Scope)
	ctx := core.WithScope(t.Context(), scope)
	s, err := m.Open(ctx, id)
	ok(t, err)
	ok(t, s.Set("mine", 1))
	list, err := core.Get[*[]string](s, "list")
	ok(t, err)
	(*list)[0] = "b"
	err = m.Update(ctx, id, func(u *core.Session) error {
		return errors.Join(u.Set("n", 9), u.Set("mine", 9), u.Delete("list"), failed)
	})
	if !errors.Is(err, failed) {
		t.Errorf("Update: %v, want the function's own error", err)
	}
	ok(t, scope.End(ctx))
	list, err = core.Get[*[]string](open(t, m, id), "list")
	ok(t, err)
	if peek(t, m, id, "mine") != 1 || peek(t, m, id, "n") != 0 || list == nil || (*list)[0] != "b" {
		t.Errorf("mine = %v, n = %v, list = %v, want 1, 0, [b]", peek(t, m, id, "mine"), peek(t, m, id, "n"), list)
	}
}

// A conflict that Update deals with is nobody's failure; one that it gives up on is told once.
func TestOnlyTheLastConflictOfAnUpdateIsTold(t *testing.T) {
	for name, tt := range map[string]struct{ conflicts, told int }{"succeeds": {2, 0}, "gives up": {3, 1}} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, core.Config{MaxRetries: 2})
			id := begin(t, m, "n", 0)
			var failures atomic.Int64
			m.Listen(func(_ context.Context, ev core.Event) {
				if ev.Kind == core.EventCommitFailed {
					failures.Add(1)
				}
			})
			run := 0
			err := m.Update(t.Context(), id, func(s *core.Session) error {
				if run++; run <= tt.conflicts {
					other := open(t, m, id)
					ok(t, other.Set("x", run))
					ok(t, other.Commit(t.Context()))
				}
				return increment(s)
			})
			if (err != nil) != (tt.told > 0) {
				t.Errorf("Update: %v", err)
			}
			ok(t, m.Close(t.Context())) // all events are delivered
			if n := failures.Load(); n != int64(tt.told) {
				t.Errorf("%d failed commits were told, want %d", n, tt.told)
			}
		})
	}
}

func TestUpdateMayEndTheSession(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Serialized} {
		for name, inRequest := range map[string]bool{"by itself": false, "inside a request": true} {
			t.Run(p.String()+" "+name, func(t *testing.T) {
				m := newManager(t, core.Config{Locking: p})
				id := begin(t, m, "n", 0)
				scope := new(core.Scope)
				ctx := core.WithScope(t.Context(), scope)
				if inRequest {
					_, err := m.Open(ctx, id)
					ok(t, err)
				}
				ok(t, m.Update(ctx, id, func(s *core.Session) error { return s.Invalidate(ctx) }))
				ok(t, scope.End(ctx))
				if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
					t.Errorf("the session is still there: %v", err)
				}
			})
		}
	}
}

// The caller asks whether its context ended, and may have given a reason of its own for that.
func TestCancelledWaitMatchesTheContextsError(t *testing.T) {
	hungUp := errors.New("client hung up")
	for name, wait := range map[string]func(context.Context, *core.Manager, string) error{
		"open": func(ctx context.Context, m *core.Manager, id string) error {
			_, err := m.Open(ctx, id, core.Serialized)
			return err
		},
		"update under the lock": func(ctx context.Context, m *core.Manager, id string) error {
			return m.Update(ctx, id, increment, core.Serialized)
		},
		"update in line": func(ctx context.Context, m *core.Manager, id string) error {
			return m.Update(ctx, id, increment)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{})
				id := begin(t, m, "n", 0)
				leave := make(chan struct{})
				done := make(chan error, 1)
				go func() { // holds both the lock and the turn for updates
					s, err := m.Open(context.Background(), id, core.Serialized)
					if err == nil {
						err = m.Update(context.Background(), id, func(*core.Session) error { <-leave; return nil })
						err = errors.Join(err, s.End(context.Background()))
					}
					done <- err
				}()
				synctest.Wait()
				ctx, cancel := context.WithCancelCause(t.Context())
				result := make(chan error, 1)
				go func() { result <- wait(ctx, m, id) }()
				synctest.Wait()
				cancel(hungUp)
				if err := <-result; !errors.Is(err, context.Canceled) {
					t.Errorf("%v does not match context.Canceled", err)
				}
				close(leave)
				ok(t, <-done)
				if lines := core.Lines(m); lines != 0 {
					t.Errorf("%d lines are left", lines)
				}
			})
		})
	}
}

// foreign is a context that is not made by package context, which watches it with a goroutine for each
// context that hangs on it.
type foreign struct {
	context.Context
	done chan struct{}
}

func (f foreign) Done() <-chan struct{} { return f.done }

func TestUpdateLeavesNothingOnALongLivedContext(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	id := begin(t, m, "n", 0)
	ctx := foreign{t.Context(), make(chan struct{})}
	defer close(ctx.done)
	running := goleak.IgnoreCurrent()
	for range 3 {
		ok(t, m.Update(ctx, id, increment))
	}
	if err := goleak.Find(running); err != nil {
		t.Error(err)
	}
}

// A failed update inside the request that holds the lock leaves what the request did before.
func TestFailedUpdateInsideALockedRequest(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("no") },
		"panic": func() error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, core.Config{Locking: core.Serialized})
			id := begin(t, m, "n", 0)
			scope := new(core.Scope)
			ctx := core.WithScope(t.Context(), scope)
			s, err := m.Open(ctx, id)
			ok(t, err)
			ok(t, s.Set("mine", 1))
			func() {
				defer func() { _ = recover() }()
				err := m.Update(ctx, id, func(s *core.Session) error {
					return errors.Join(s.Set("n", 9), s.Set("mine", 9), s.SetTimeout(time.Minute), fail())
				})
				if err == nil {
					t.Error("the update did not fail")
				}
			}()
			ok(t, scope.End(ctx))
			stored := open(t, m, id, core.ReadOnly)
			n, _ := core.Get[int](stored, "n")
			mine, _ := core.Get[int](stored, "mine")
			if n != 0 || mine != 1 || stored.Timeout() != time.Hour {
				t.Errorf("n = %d, mine = %d, timeout %v are stored, want 0, 1, 1h", n, mine, stored.Timeout())
			}
		})
	}
}

// After a commit under Merge the session may lack what others have saved, though it has the newest version: an update
// must not be worked out from that.
func TestUpdateAfterAMergedCommit(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{Locking: core.Merge})
	id := begin(t, m, "n", 0)
	s, other := open(t, m, id), open(t, m, id)
	ok(t, other.Set("n", 1))
	ok(t, other.Commit(t.Context()))
	ok(t, s.Set("mine", true))
	ok(t, s.Commit(t.Context()))
	st.reset()
	addOne := func(s *core.Session) error {
		n, err := core.Get[int](s, "n")
		if err != nil {
			return err
		}
		return s.Set("n", n+1)
	}
	ok(t, s.Update(t.Context(), addOne))
	ok(t, s.Update(t.Context(), addOne))
	if n := peek(t, m, id, "n"); n != 3 {
		t.Errorf("n = %v, want 3: the other request's 1, and two more", n)
	}
	if loads := st.loads.Load(); loads > 2 { // one is peek's
		t.Errorf("%d loads; only the first update has to read anew", loads-1)
	}
}

// An update tells of a conflict only when it gives up; what the request commits afterwards is told of as ever.
func TestConflictAfterAnUpdateIsTold(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Optimistic})
	failed := make(chan core.Event, 1)
	m.Listen(func(_ context.Context, ev core.Event) {
		if ev.Kind == core.EventCommitFailed {
			failed <- ev
		}
	})
	id := begin(t, m, "n", 0)
	s := open(t, m, id)
	ok(t, s.Update(t.Context(), func(s *core.Session) error { return s.Set("n", 1) }))
	other := open(t, m, id)
	ok(t, other.Set("n", 2))
	ok(t, other.Commit(t.Context()))
	ok(t, s.Set("n", 3))
	if err := s.Commit(t.Context()); !errors.Is(err, core.ErrConflict) {
		t.Fatalf("Commit: %v, want ErrConflict", err)
	}
	select {
	case ev := <-failed:
		if !errors.Is(ev.Err, core.ErrConflict) {
			t.Errorf("told of %v", ev.Err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told of the commit that failed")
	}
}
