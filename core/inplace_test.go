package core_test

import (
	"context"
	"slices"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// Only one of two views was changed: looking again must not take the other, unchanged one for the
// newer.
func TestInPlaceChangeSurvivesLookingTwice(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "list", []string{"a"})
	s := open(t, m, id)
	_, err := core.Get[[]string](s, "list")
	ok(t, err)
	list, err := core.Get[*[]string](s, "list")
	ok(t, err)
	*list = append(*list, "b")
	for range 3 {
		if !s.Dirty() {
			t.Fatal("not dirty")
		}
	}
	ok(t, s.Commit(t.Context()))
	stored, err := core.Get[[]string](open(t, m, id, core.ReadOnly), "list")
	ok(t, err)
	if !slices.Equal(stored, []string{"a", "b"}) {
		t.Errorf("list = %v", stored)
	}
}

// What a request has fetched by reference stays its own when an Update writes something else.
func TestReferencesOutliveAnUpdate(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
		t.Run(p.String(), func(t *testing.T) {
			m := newManager(t, core.Config{Locking: p})
			id := begin(t, m, "cart", []string{"tea"}, "n", 0)
			scope := new(core.Scope)
			ctx := core.WithScope(t.Context(), scope)
			s, err := m.Open(ctx, id)
			ok(t, err)
			cart, err := core.Get[*[]string](s, "cart")
			ok(t, err)
			ok(t, m.Update(ctx, id, increment))
			*cart = append(*cart, "milk")
			ok(t, scope.End(ctx))
			stored, err := core.Get[[]string](open(t, m, id, core.ReadOnly), "cart")
			ok(t, err)
			if !slices.Equal(stored, []string{"tea", "milk"}) || peek(t, m, id, "n") != 1 {
				t.Errorf("cart = %v, n = %v", stored, peek(t, m, id, "n"))
			}
		})
	}
}

// fuse encodes itself until it is lit.
type fuse struct{ lit bool }

func (f *fuse) MarshalBinary() ([]byte, error) {
	if f.lit {
		panic("boom")
	}
	return []byte("x"), nil
}

func (f *fuse) UnmarshalBinary([]byte) error { return nil }

// A value's own method may panic on what the value has become. The request must be able to let go of
// its lock even so, by whichever way it ends.
func TestPanickingValueKeepsNoLock(t *testing.T) {
	for _, tt := range []struct {
		name    string
		end     func(context.Context, *core.Session) error
		refused bool
	}{
		{"commit", func(ctx context.Context, s *core.Session) error { return s.Commit(ctx) }, true},
		{"end", func(ctx context.Context, s *core.Session) error { return s.End(ctx) }, true},
		{"rollback", func(ctx context.Context, s *core.Session) error { return s.Rollback(ctx) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newManager(t, core.Config{Locking: core.Serialized})
			listen(t, m) // so that a rollback looks for what it drops
			id := begin(t, m, "n", 0)
			s := open(t, m, id)
			f := new(fuse)
			ok(t, s.Set("fuse", f))
			f.lit = true
			if err := tt.end(t.Context(), s); (err != nil) != tt.refused {
				t.Errorf("%s: %v", tt.name, err)
			}
			if lines, leases := core.Lines(m), core.Leases(m); lines != 0 || leases != 0 {
				t.Errorf("%d lines and %d leases are left", lines, leases)
			}
		})
	}
}
