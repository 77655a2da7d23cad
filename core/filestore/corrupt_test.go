//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// corruptions of a session's file; other is the file of another session.
var corruptions = map[string]func(data, other []byte) []byte{
	"empty":             func(_, _ []byte) []byte { return nil },
	"cut in the head":   func(data, _ []byte) []byte { return data[:50] },
	"cut in the values": func(data, _ []byte) []byte { return data[:len(data)-1] },
	"text":              func(_, _ []byte) []byte { return []byte(strings.Repeat("hello ", 100)) },
	"a bit in the head": func(data, _ []byte) []byte { data[40] ^= 1; return data },
	"a bit in a value":  func(data, _ []byte) []byte { data[len(data)-1] ^= 1; return data },
	"zeros":             func(data, _ []byte) []byte { clear(data); return data },
	"another session's": func(_, other []byte) []byte { return other },
}

// damage stores two sessions, a and b, and damages the file of a. It returns the bytes it left.
func damage(t *testing.T, s *Store, how func(data, other []byte) []byte) []byte {
	t.Helper()
	mustCreate(t, s, testKey("a"), value("n", "secret a"))
	mustCreate(t, s, testKey("b"), value("n", "b"))
	data, err := os.ReadFile(fileOf(s, testKey("a")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(fileOf(s, testKey("b")))
	if err != nil {
		t.Fatal(err)
	}
	data = how(data, other)
	if err := os.WriteFile(fileOf(s, testKey("a")), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCorrupt(t *testing.T) {
	ctx, now := context.Background(), time.Now()
	uses := map[string]struct {
		use  func(s *Store) error
		next error
	}{
		"Load": {func(s *Store) error { _, err := load(s, testKey("a")); return err }, core.ErrNotFound},
		"Load and touch": {func(s *Store) error {
			_, err := s.Load(ctx, testKey("a"), core.LoadOptions{Now: now})
			return err
		}, core.ErrNotFound},
		"Save": {func(s *Store) error {
			_, err := s.Save(ctx, testKey("a"), &core.Change{Now: now, Set: value("n", "2"), Replace: true})
			return err
		}, core.ErrGone},
		"Touch":  {func(s *Store) error { return s.Touch(ctx, testKey("a"), now) }, core.ErrGone},
		"Rotate": {func(s *Store) error { return s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "c"}) }, core.ErrGone},
		"Lock":   {func(s *Store) error { _, _, err := s.Lock(ctx, testKey("a"), lockOptions()); return err }, core.ErrNotFound},
		"Delete": {func(s *Store) error { _, _, err := s.Delete(ctx, testKey("a"), now); return err }, nil},
		"Create": {func(s *Store) error { return s.Create(ctx, testKey("a"), core.Record{Accessed: now}) }, nil},
	}
	for how, corrupt := range corruptions {
		for name, tt := range uses {
			t.Run(how+"/"+name, func(t *testing.T) {
				s := open(t, t.TempDir())
				left := damage(t, s, corrupt)
				for id, err := range s.IDs(ctx, "app", now) {
					if (how != "a bit in a value" && id != "b") || err != nil {
						t.Errorf("IDs gives %q, %v", id, err)
					}
				}
				err := tt.use(s)
				bad, ok := errors.AsType[*core.CorruptError](err)
				if !ok {
					t.Fatalf("error %v, want a *core.CorruptError", err)
				}
				if bad.Key != testKey("a") || bad.Reason == "" || strings.Contains(bad.Error(), "secret") {
					t.Errorf("the error is %+v", bad)
				}
				kept, err := os.ReadFile(filepath.Join(folderOf(s), bad.Place))
				if err != nil || !slices.Equal(kept, left) || !strings.HasPrefix(bad.Place, corruptFolder+"/") {
					t.Errorf("at %s there are %d bytes, %v; want the %d bytes of the file", bad.Place, len(kept), err, len(left))
				}
				if err := tt.use(s); !errors.Is(err, tt.next) {
					t.Errorf("the next time: %v, want %v", err, tt.next)
				}
				if _, err := load(s, testKey("b")); err != nil {
					t.Errorf("the other session: %v", err)
				}
			})
		}
	}
}

func TestSweepSetsAside(t *testing.T) {
	for how, corrupt := range corruptions {
		t.Run(how, func(t *testing.T) {
			s := open(t, t.TempDir())
			damage(t, s, corrupt)
			mustCreate(t, s, testKey("c"), nil)
			late := time.Now().Add(2 * time.Hour)
			var told []string
			err := s.Sweep(t.Context(), "app", late, func(id string, _ core.Record) { told = append(told, id) })
			if !errors.Is(err, core.ErrCorrupt) || !strings.Contains(err.Error(), corruptFolder+"/") {
				t.Errorf("Sweep: %v, want an error that matches core.ErrCorrupt and says where the bytes are", err)
			}
			if slices.Sort(told); !slices.Equal(told, []string{"b", "c"}) {
				t.Errorf("Sweep tells the ends of %q, want those of the others", told)
			}
			if err := s.Sweep(t.Context(), "app", late, nil); err != nil {
				t.Errorf("the next Sweep: %v", err)
			}
		})
	}
}

// TestCorruptTwice sets two files of one session aside: both are kept.
func TestCorruptTwice(t *testing.T) {
	s := open(t, t.TempDir())
	places := make(map[string]bool)
	for range 3 {
		mustCreate(t, s, testKey("a"), nil)
		if err := os.Truncate(fileOf(s, testKey("a")), 7); err != nil {
			t.Fatal(err)
		}
		_, err := load(s, testKey("a"))
		bad, ok := errors.AsType[*core.CorruptError](err)
		if !ok {
			t.Fatal(err)
		}
		places[bad.Place] = true
	}
	for place := range places {
		if _, err := os.Stat(filepath.Join(folderOf(s), place)); err != nil {
			t.Error(err)
		}
	}
	if len(places) != 3 {
		t.Errorf("the bytes are kept at %v", places)
	}
}

// TestCorruptForward damages a forwarding record: the old id is not found any more.
func TestCorruptForward(t *testing.T) {
	s := open(t, t.TempDir())
	mustCreate(t, s, testKey("a"), nil)
	if err := s.Rotate(t.Context(), testKey("a"), core.Rotation{Now: time.Now(), To: "b", Grace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(fileOf(s, testKey("a"))+forwardSuffix, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := load(s, testKey("a")); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("Load of the old id: %v, want a *core.CorruptError", err)
	}
	if _, err := load(s, testKey("a")); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("the next Load of the old id: %v, want ErrNotFound", err)
	}
	if _, err := load(s, testKey("b")); err != nil {
		t.Errorf("Load of the new id: %v", err)
	}
}
