package core_test

import (
	"errors"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestSeal(t *testing.T) {
	m := newManager(t, core.Config{})
	sent := errors.New("headers are gone")
	s, err := m.Create(t.Context())
	ok(t, err)
	s.Seal(sent)
	if err := s.Set("a", 1); err != sent {
		t.Errorf("Set on a sealed new session: %v", err)
	}
	if err := s.Commit(t.Context()); !errors.Is(err, sent) {
		t.Errorf("Commit of a sealed new session: %v", err)
	}
	old := open(t, m, begin(t, m, "a", 1))
	old.Seal(sent)
	ok(t, old.Set("a", 2))
	ok(t, old.Commit(t.Context()))
}

// A client that can not be told the new id would be locked out.
func TestSealedSessionIsNotRotated(t *testing.T) {
	m := newManager(t, core.Config{})
	sent := errors.New("headers are gone")
	for name, s := range map[string]*core.Session{"stored": open(t, m, begin(t, m, "n", 0)), "new": created(t, m)} {
		id := s.ID()
		s.Seal(sent)
		if err := s.Rotate(t.Context(), 0); err != sent || s.ID() != id {
			t.Errorf("%s: Rotate: %v, new id %v, want what Seal was given", name, err, s.ID() != id)
		}
		s.Seal(nil)
		ok(t, s.Rotate(t.Context(), 0))
	}
}

func created(t *testing.T, m *core.Manager) *core.Session {
	t.Helper()
	s, err := m.Create(t.Context())
	ok(t, err)
	return s
}
