package core_test

import (
	"errors"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestFork(t *testing.T) {
	m := newManager(t, core.Config{})
	parent := open(t, m, begin(t, m, "a", 1, "list", []any{1}))
	list, err := core.Get[[]any](parent, "list")
	ok(t, err)
	list[0] = 2
	child, err := parent.Fork(t.Context())
	ok(t, err)
	list[0] = 3
	ok(t, child.Set("a", "child"))
	ok(t, child.End(t.Context()))
	ok(t, parent.End(t.Context()))
	if child.ID() == parent.ID() || !child.IsNew() {
		t.Error("the fork is not a session of its own")
	}
	for _, want := range []struct {
		s    *core.Session
		a    any
		list any
	}{{parent, 1, 3}, {child, "child", 2}} {
		got := peek(t, m, want.s.ID(), "list").([]any)
		if peek(t, m, want.s.ID(), "a") != want.a || got[0] != want.list {
			t.Errorf("stored: %v, %v, want %v, %v", peek(t, m, want.s.ID(), "a"), got, want.a, want.list)
		}
	}
}

func TestForkOfUnchangedIsStored(t *testing.T) {
	m := newManager(t, core.Config{})
	child, err := open(t, m, begin(t, m, "a", 1)).Fork(t.Context())
	ok(t, err)
	ok(t, child.End(t.Context()))
	if peek(t, m, child.ID(), "a") != 1 {
		t.Error("the fork was not stored")
	}
}

func TestRolledBackForkIsNotStored(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	child, err := open(t, m, begin(t, m, "n", 0)).Fork(t.Context())
	ok(t, err)
	st.reset()
	ok(t, child.Rollback(t.Context()))
	ok(t, child.End(t.Context()))
	if child.Stored() || st.creates.Load() != 0 {
		t.Error("End stored a fork that was rolled back")
	}
}

func TestEndedSessionHasNoFork(t *testing.T) {
	m := newManager(t, core.Config{})
	s := open(t, m, begin(t, m, "n", 0))
	ok(t, s.Invalidate(t.Context()))
	if _, err := s.Fork(t.Context()); !errors.Is(err, core.ErrGone) {
		t.Errorf("Fork: %v, want ErrGone", err)
	}
}
