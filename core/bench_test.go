package core_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// stored returns a manager on a memory store and the id of a session of ten names and one kilobyte.
func stored(t testing.TB, cfg core.Config) (*core.Manager, string) {
	t.Helper()
	m := newManager(t, cfg)
	values := []any{"count", 1, "user", 4711}
	for i := range 8 {
		values = append(values, fmt.Sprintf("field%d", i), strings.Repeat("x", 128))
	}
	return m, begin(t, m, values...)
}

func readOne(ctx context.Context, m *core.Manager, id string) error {
	s, err := m.Open(ctx, id)
	if err != nil {
		return err
	}
	if _, err := core.Get[string](s, "field3"); err != nil {
		return err
	}
	return s.End(ctx)
}

func writeOne(ctx context.Context, m *core.Manager, id string) error {
	s, err := m.Open(ctx, id)
	if err != nil {
		return err
	}
	n, err := core.Get[int](s, "count")
	if err != nil {
		return err
	}
	if err := s.Set("count", n+1); err != nil {
		return err
	}
	return s.End(ctx)
}

func TestAllocations(t *testing.T) {
	m, id := stored(t, core.Config{})
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		op   func(context.Context, *core.Manager, string) error
		most float64
	}{
		{"read", readOne, 2},
		{"write", writeOne, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := testing.AllocsPerRun(200, func() { ok(t, tt.op(ctx, m, id)) })
			if n > tt.most {
				t.Errorf("%v allocations, want at most %v", n, tt.most)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Serialized} {
		b.Run(p.String(), func(b *testing.B) {
			m, id := stored(b, core.Config{Locking: p})
			b.ReportAllocs()
			for b.Loop() {
				ok(b, readOne(b.Context(), m, id))
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Lossy, core.Optimistic, core.Serialized} {
		b.Run(p.String(), func(b *testing.B) {
			m, id := stored(b, core.Config{Locking: p})
			b.ReportAllocs()
			for b.Loop() {
				ok(b, writeOne(b.Context(), m, id))
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	m := newManager(b, core.Config{})
	b.ReportAllocs()
	for b.Loop() {
		s, err := m.Create(b.Context())
		ok(b, err)
		ok(b, s.Set("count", 1))
		ok(b, s.Set("user", 4711))
		for _, name := range [...]string{"field0", "field1", "field2", "field3", "field4", "field5", "field6", "field7"} {
			ok(b, s.Set(name, text))
		}
		ok(b, s.End(b.Context()))
	}
}

var text = strings.Repeat("x", 128)
