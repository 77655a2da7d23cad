package core_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestDraft(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	from := open(t, m, begin(t, m, "a", 1, "b", "two", "list", []any{1}))
	values, err := from.Values()
	ok(t, err)
	st.reset()

	d := m.Draft(t.Context(), values)
	if n, err := core.Get[int](d, "a"); n != 1 || err != nil {
		t.Errorf("a = %d, %v", n, err)
	}
	if d.Dirty() {
		t.Error("a draft that nobody touched has changes")
	}
	ok(t, d.Set("a", 2))
	ok(t, d.Rollback(t.Context()))
	if n, err := core.Get[int](d, "a"); n != 1 || err != nil || d.Dirty() {
		t.Errorf("after Rollback a = %d, %v", n, err)
	}
	list, err := core.Get[[]any](d, "list")
	ok(t, err)
	list[0] = 2
	ok(t, d.Set("c", true))
	ok(t, d.Delete("b"))
	set, deleted, err := d.Changes()
	ok(t, err)
	names := make([]string, 0, len(set))
	for _, it := range set {
		names = append(names, it.Name)
	}
	if !slices.Equal(names, []string{"c", "list"}) || !slices.Equal(deleted, []string{"b"}) {
		t.Errorf("Changes = %v, %v", names, deleted)
	}
	if err := d.Commit(t.Context()); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("Commit = %v, want ErrUnsupported", err)
	}
	ok(t, d.End(t.Context()))
	if n := st.creates.Load() + st.saves.Load() + st.loads.Load(); n != 0 {
		t.Errorf("a draft made %d store calls", n)
	}
	if err := d.Set("x", make(chan int)); !errors.As(err, new(*core.ValueError)) {
		t.Errorf("Set of a channel = %v, want a *ValueError", err)
	}
}

func TestRawMovesValues(t *testing.T) {
	m := newManager(t, core.Config{})
	values, err := open(t, m, begin(t, m, "list", []any{1, "two"})).Values()
	ok(t, err)
	data, _ := values.Get("list")
	id := begin(t, m, "copy", core.Raw(data))
	if got := peek(t, m, id, "copy").([]any); got[0] != 1 || got[1] != "two" {
		t.Errorf("the copy is %v", got)
	}
}

// A request that has the session open updates it with one save, and a conflict costs one more.
func TestSessionUpdate(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "n", 0, "other", 0)
	s := open(t, m, id)
	st.reset()
	ok(t, s.Update(t.Context(), increment))
	if st.loads.Load() != 0 || st.saves.Load() != 1 {
		t.Errorf("%d loads, %d saves", st.loads.Load(), st.saves.Load())
	}
	late := open(t, m, id)
	ok(t, m.Update(t.Context(), id, increment))
	st.reset()
	ok(t, late.Update(t.Context(), increment))
	if st.loads.Load() != 0 || st.saves.Load() != 2 {
		t.Errorf("after a conflict: %d loads, %d saves", st.loads.Load(), st.saves.Load())
	}
	if n := peek(t, m, id, "n"); n != 3 {
		t.Errorf("n = %v, want 3", n)
	}
	if late.Locking() != core.Merge {
		t.Error("the policy is another one after Update")
	}
	st.reset()
	ok(t, late.Update(t.Context(), func(*core.Session) error { return nil }))
	if st.saves.Load() != 0 {
		t.Error("an update that changed nothing was saved")
	}
}

func TestSessionUpdateOfNewSession(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	s, err := m.Create(t.Context())
	ok(t, err)
	ok(t, s.Update(t.Context(), func(*core.Session) error { return nil }))
	if s.Stored() {
		t.Error("a new session was stored with nothing in it")
	}
	ok(t, s.Update(t.Context(), increment))
	if n := peek(t, m, s.ID(), "n"); n != 1 {
		t.Errorf("n = %v, want 1", n)
	}
}

func TestSessionUpdateRefuses(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "n", 0)
	s := open(t, m, id)
	ok(t, s.Set("n", 7))
	if err := s.Update(t.Context(), increment); err == nil {
		t.Error("an update swallowed uncommitted changes")
	}
	ok(t, s.Rollback(t.Context()))
	failed := errors.New("own error")
	if err := s.Update(t.Context(), func(s *core.Session) error { _ = s.Set("n", 99); return failed }); !errors.Is(err, failed) || s.Dirty() {
		t.Errorf("Update = %v, dirty %v", err, s.Dirty())
	}
	ok(t, m.Delete(t.Context(), id))
	if err := s.Update(t.Context(), increment); !errors.Is(err, core.ErrGone) {
		t.Errorf("Update of a deleted session = %v, want ErrGone", err)
	}
	if has, err := m.Has(t.Context(), id); has || err != nil {
		t.Error("an update brought a deleted session back")
	}
}

func TestSessionUpdatesLoseNothing(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Serialized} {
		st := newStore(t)
		managers := []*core.Manager{managerOn(t, st, core.Config{}), managerOn(t, st, core.Config{})}
		id := begin(t, managers[0], "n", 0)
		const workers = 30
		var loaded, done sync.WaitGroup
		loaded.Add(workers)
		for w := range workers {
			done.Go(func() {
				if p == core.Merge {
					s := open(t, managers[w%2], id, p)
					loaded.Done()
					loaded.Wait() // all have loaded the same version
					if err := s.Update(t.Context(), increment); err != nil {
						t.Error(err)
					}
					return
				}
				loaded.Done()
				s := open(t, managers[w%2], id, p)
				if err := s.Update(t.Context(), increment); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if n := peek(t, managers[0], id, "n"); n != workers {
			t.Errorf("%v: n = %v, want %d", p, n, workers)
		}
	}
}
