package core_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// placed is a memory store that keeps its sessions in 8 places and rotates within one only.
type placed struct {
	*store
	never   bool         // no id has the place of another
	asked   atomic.Int64 // SamePlace
	rotated atomic.Int64 // Rotate to the same place
	taken   atomic.Int64 // how many of the next ids that Rotate gets are in use
}

var _ core.Placer = (*placed)(nil)

func newPlaced(t *testing.T) *placed {
	t.Helper()
	return &placed{store: newStore(t)}
}

func (p *placed) SamePlace(manager, id, other string) bool {
	p.asked.Add(1)
	return manager == "app" && !p.never && place(id) == place(other)
}

func place(id string) uint32 { return crc32.ChecksumIEEE([]byte(id)) % 8 }

func (p *placed) Rotate(ctx context.Context, k core.Key, r core.Rotation) error {
	if place(k.ID) != place(r.To) {
		return fmt.Errorf("%w: rotate to another place", core.ErrUnsupported)
	}
	p.rotated.Add(1)
	if p.taken.Add(-1) >= 0 {
		return core.ErrExists
	}
	return p.store.Rotate(ctx, k, r)
}

func TestRotateStaysInItsPlace(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
		for _, grace := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%v, grace %v", p, grace), func(t *testing.T) {
				m := managerOn(t, newPlaced(t), core.Config{Locking: p})
				id := begin(t, m, "n", 1)
				s := open(t, m, id)
				ok(t, s.Set("user", "ada"))
				for range 20 { // one of them would hit the place by luck
					before := s.ID()
					ok(t, s.Rotate(t.Context(), grace))
					if s.ID() == before || place(s.ID()) != place(id) || !m.ValidID(s.ID()) {
						t.Fatalf("Rotate from place %d to place %d, id valid: %v", place(before), place(s.ID()), m.ValidID(s.ID()))
					}
				}
				ok(t, s.End(t.Context()))
				if peek(t, m, s.ID(), "n") != 1 || peek(t, m, s.ID(), "user") != "ada" {
					t.Error("values did not come along")
				}
				if _, err := m.Open(t.Context(), id, core.ReadOnly); grace == 0 && !errors.Is(err, core.ErrNotFound) {
					t.Errorf("the old id: %v, want ErrNotFound", err)
				}
			})
		}
	}
}

func TestRotateTriesAgainInItsPlace(t *testing.T) {
	for name, tt := range map[string]struct {
		taken int64
		want  error
	}{
		"some ids are taken": {3, nil},
		"all ids are taken":  {1 << 20, core.ErrExists},
	} {
		t.Run(name, func(t *testing.T) {
			st := newPlaced(t)
			m := managerOn(t, st, core.Config{})
			id := begin(t, m, "n", 1)
			s := open(t, m, id)
			st.taken.Store(tt.taken)
			err := s.Rotate(t.Context(), 0)
			if !errors.Is(err, tt.want) || st.rotated.Load() != 4 {
				t.Errorf("Rotate: %v after %d tries, want %v after 4", err, st.rotated.Load(), tt.want)
			}
			if (s.ID() == id) != (tt.want != nil) || peek(t, m, s.ID(), "n") != 1 {
				t.Errorf("new id %v, n = %v", s.ID() != id, peek(t, m, s.ID(), "n"))
			}
		})
	}
}

// A request in flight that rotates too finds the session where the first one put it: at the same place.
func TestRotateFollowsInItsPlace(t *testing.T) {
	m := managerOn(t, newPlaced(t), core.Config{})
	id := begin(t, m, "n", 1)
	first, second := open(t, m, id), open(t, m, id)
	ok(t, first.Rotate(t.Context(), time.Minute))
	ok(t, second.Rotate(t.Context(), time.Minute))
	if second.ID() == first.ID() || place(second.ID()) != place(id) || peek(t, m, id, "n") != 1 {
		t.Errorf("new id %v at place %d of %d, n = %v", second.ID() != first.ID(), place(second.ID()), place(id), peek(t, m, id, "n"))
	}
}

// Only a session that is stored has a place.
func TestNewSessionsMayHaveAnyPlace(t *testing.T) {
	st := newPlaced(t)
	m := managerOn(t, st, core.Config{})
	parent := open(t, m, begin(t, m, "n", 1))
	child, err := parent.Fork(t.Context())
	ok(t, err)
	ok(t, child.Rotate(t.Context(), 0))
	ok(t, child.End(t.Context()))
	ok(t, parent.End(t.Context()))
	if peek(t, m, child.ID(), "n") != 1 || st.asked.Load() != 0 {
		t.Errorf("n = %v, the store was asked %d times for the place of a new session", peek(t, m, child.ID(), "n"), st.asked.Load())
	}
}

// crowd is a memory store with as many places as redisstore may have.
type crowd struct{ *store }

func (crowd) SamePlace(_, id, other string) bool {
	return uint16(crc32.ChecksumIEEE([]byte(id))) == uint16(crc32.ChecksumIEEE([]byte(other)))
}

func TestRotateAmongManyPlaces(t *testing.T) {
	st := crowd{newStore(t)}
	m := managerOn(t, st, core.Config{})
	s := open(t, m, begin(t, m, "n", 1))
	for range 8 {
		before := s.ID()
		if err := s.Rotate(t.Context(), 0); err != nil || s.ID() == before || !st.SamePlace("app", before, s.ID()) {
			t.Fatalf("Rotate: %v; new id %v", err, s.ID() != before)
		}
	}
	ok(t, s.End(t.Context()))
}

func TestRotateWhereNoPlaceFits(t *testing.T) {
	st := newPlaced(t)
	st.never = true
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "n", 1)
	s := open(t, m, id)
	ok(t, s.Set("user", "ada"))
	err := s.Rotate(t.Context(), 0)
	if !errors.Is(err, core.ErrUnsupported) || !strings.Contains(err.Error(), s.Hash()) || strings.Contains(err.Error(), id) {
		t.Errorf("Rotate: %v, want ErrUnsupported with the hash of the session", err)
	}
	if s.ID() != id || st.rotated.Load() != 0 {
		t.Errorf("new id %v, the store rotated %d times", s.ID() != id, st.rotated.Load())
	}
	ok(t, s.End(t.Context()))
	if peek(t, m, id, "user") != "ada" {
		t.Error("the refused rotation cost the session's changes")
	}
}
