//go:build unix && !aix

package filestore

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// TestEndOfReusedID gives the id of an expired session to a new one before the sweep: the sweep tells
// the end of the old one all the same, with its data.
func TestEndOfReusedID(t *testing.T) {
	ctx := context.Background()
	for name, reuse := range map[string]func(s *Store, late time.Time) error{
		"Create": func(s *Store, late time.Time) error {
			return s.Create(ctx, testKey("a"), core.Record{Values: value("n", "new"), Accessed: late})
		},
		"Rotate": func(s *Store, late time.Time) error {
			err := s.Create(ctx, testKey("b"), core.Record{Values: value("n", "new"), Accessed: late})
			if err != nil {
				return err
			}
			return s.Rotate(ctx, testKey("b"), core.Rotation{Now: late, To: "a"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			mustCreate(t, s, testKey("a"), value("n", "old"))
			late := time.Now().Add(2 * time.Hour)
			if err := reuse(s, late); err != nil {
				t.Fatal(err)
			}
			var told []string
			for range 2 {
				err := s.Sweep(ctx, "app", late, func(id string, rec core.Record) {
					data, _ := rec.Values.Get("n")
					told = append(told, id+" "+data)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(told, []string{"a old"}) {
				t.Errorf("Sweep tells the ends of %q, want that of the old session, once", told)
			}
			if rec, err := s.Load(ctx, testKey("a"), core.LoadOptions{Now: late, Touch: core.NoTouch}); err != nil || rec.Values[0].Data != "new" {
				t.Errorf("the new session: %v, %v", rec, err)
			}
		})
	}
}

// TestLocksEnd ends sessions whose locks nobody lets go: nothing is kept of them.
func TestLocksEnd(t *testing.T) {
	ctx, now, late := context.Background(), time.Now(), time.Now().Add(2*time.Hour)
	for name, end := range map[string]func(s *Store) error{
		"Delete": func(s *Store) error { _, _, err := s.Delete(ctx, testKey("a"), now); return err },
		"Sweep":  func(s *Store) error { return s.Sweep(ctx, "app", late, func(string, core.Record) {}) },
		"Create": func(s *Store) error { return s.Create(ctx, testKey("a"), core.Record{Accessed: late}) },
		"Rotate and Delete": func(s *Store) error {
			if err := s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "b"}); err != nil {
				return err
			}
			_, _, err := s.Delete(ctx, testKey("b"), now)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			mustCreate(t, s, testKey("a"), nil)
			if _, _, err := s.Lock(ctx, testKey("a"), lockOptions()); err != nil {
				t.Fatal(err)
			}
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			if len(s.locks.byFence) != 0 || len(s.locks.byBirth) != 0 {
				t.Error("the lock is kept")
			}
		})
	}
}

// TestSweepCleans leaves what killed processes leave, and finds it gone after a sweep, but for what
// someone is at work on.
func TestSweepCleans(t *testing.T) {
	ctx, now := context.Background(), time.Now()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	for _, id := range []string{"a", "forwards", "busy"} {
		mustCreate(t, s, testKey(id), nil)
	}
	if err := s.Rotate(ctx, testKey("forwards"), core.Rotation{Now: now, To: "b", Grace: time.Minute}); err != nil {
		t.Fatal(err)
	}
	temp, busy := fileOf(s, testKey("a"))+tempSuffix, fileOf(s, testKey("busy"))+tempSuffix
	foreign := strings.TrimSuffix(temp, tempSuffix) + ".bak" // not ours, not our business
	for _, path := range []string{temp, busy, foreign} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := other.enter(ctx, testKey("busy"), false)
	if err != nil {
		t.Fatal(err)
	}
	swept := make(chan error)
	go func() { swept <- s.Sweep(ctx, "app", now.Add(time.Minute), nil) }()
	waitFor(t, func() bool {
		sh, err := s.shard("app", c.hash.shard(), false)
		if err != nil {
			return false
		}
		sh.mu.Lock()
		defer sh.mu.Unlock()
		_, waits := sh.busy[c.hash.slot()]
		return waits
	})
	if _, err := os.Stat(busy); err != nil {
		t.Errorf("the file someone is writing: %v", err)
	}
	c.leave()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{temp, busy, fileOf(s, testKey("forwards")) + forwardSuffix} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(ctx, "app", now); n != 3 || err != nil {
		t.Errorf("%d sessions, %v; want 3", n, err)
	}
}
