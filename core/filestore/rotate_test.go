//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// A rotation that is killed before its rename leaves the session under its old id, valid under both,
// and perhaps a forwarding record that does not count yet. cutShort makes that.
func cutShort(t *testing.T, s *Store, from, to string, grace time.Duration) {
	t.Helper()
	c, err := s.enter(t.Context(), testKey(from), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.leave()
	cur, err := c.living(time.Now(), core.ErrGone)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.prepareRotation(cur, core.Rotation{Now: time.Now(), To: to, Grace: grace}); err != nil {
		t.Fatal(err)
	}
}

func TestRotationCutShort(t *testing.T) {
	ctx, now := context.Background(), time.Now()
	for _, grace := range []time.Duration{0, time.Hour} {
		for name, tt := range map[string]struct {
			then  func(s *Store) error
			old   error  // what Load says of the old id then
			under string // the id the session is found under then
		}{
			"nothing":    {func(*Store) error { return nil }, nil, "a"},
			"Save":       {func(s *Store) error { _, err := s.Save(ctx, testKey("a"), &core.Change{Now: now}); return err }, nil, "a"},
			"Touch":      {func(s *Store) error { return s.Touch(ctx, testKey("a"), now) }, nil, "a"},
			"Sweep":      {func(s *Store) error { return s.Sweep(ctx, "app", now, nil) }, nil, "a"},
			"Sweep late": {func(s *Store) error { return s.Sweep(ctx, "app", now.Add(59*time.Minute), nil) }, nil, "a"},
			"Delete":     {func(s *Store) error { _, _, err := s.Delete(ctx, testKey("a"), now); return err }, core.ErrNotFound, ""},
			"expiry": {func(s *Store) error {
				return s.Sweep(ctx, "app", now.Add(time.Hour+time.Minute), func(string, core.Record) {})
			}, core.ErrNotFound, ""},
			"Create over the expired": {func(s *Store) error {
				late := now.Add(2 * time.Hour)
				if err := s.Create(ctx, testKey("a"), core.Record{Created: late, Accessed: late}); err != nil {
					return err
				}
				_, _, err := s.Delete(ctx, testKey("a"), late)
				return err
			}, core.ErrNotFound, ""},
			"Rotate elsewhere": {func(s *Store) error {
				return s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "c"})
			}, core.ErrNotFound, "c"},
			"Rotate to the same": {func(s *Store) error {
				return s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "b"})
			}, core.ErrNotFound, "b"},
			"Save and Delete": {func(s *Store) error {
				_, err := s.Save(ctx, testKey("a"), &core.Change{Now: now})
				_, _, err2 := s.Delete(ctx, testKey("a"), now)
				return errors.Join(err, err2)
			}, core.ErrNotFound, ""},
		} {
			t.Run(name+" "+grace.String(), func(t *testing.T) {
				s := open(t, t.TempDir())
				mustCreate(t, s, testKey("a"), value("n", "1"))
				cutShort(t, s, "a", "b", grace)
				if err := tt.then(s); err != nil {
					t.Fatal(err)
				}
				if _, err := load(s, testKey("a")); !errors.Is(err, tt.old) {
					t.Errorf("Load of the old id: %v, want %v", err, tt.old)
				}
				for _, id := range []string{"a", "b", "c"} {
					rec, err := load(s, testKey(id))
					if found := err == nil; found != (id == tt.under) {
						t.Errorf("Load of %s: %v; the session should be under %q", id, err, tt.under)
					}
					if data, _ := rec.Values.Get("n"); err == nil && data != "1" {
						t.Errorf("n is %q", data)
					}
				}
				for id, err := range s.IDs(ctx, "app", now) {
					if err != nil || id != tt.under {
						t.Errorf("IDs gives %q, %v; want %q", id, err, tt.under)
					}
				}
			})
		}
	}
}

// TestRotateTwoWays rotates between the same ids from both sides at once: neither waits for the other
// for ever.
func TestRotateTwoWays(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	mustCreate(t, s, testKey("a"), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan error, 2)
	for _, way := range []struct {
		s        *Store
		from, to string
	}{{s, "a", "b"}, {other, "b", "a"}} {
		go func() {
			var err error
			for range 200 {
				err = way.s.Rotate(ctx, testKey(way.from), core.Rotation{Now: time.Now(), To: way.to})
				if err != nil && !errors.Is(err, core.ErrGone) && !errors.Is(err, core.ErrExists) {
					break
				}
				err = nil
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n, err := s.Count(ctx, "app", time.Now()); n != 1 || err != nil {
		t.Errorf("%d sessions, %v; want one", n, err)
	}
}
