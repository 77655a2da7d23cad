//go:build unix && !aix

package filestore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// tree lists what is below dir, as paths relative to it.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		paths = append(paths, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// fileOf is the path of a session's file.
func fileOf(s *Store, k core.Key) string {
	name := hashOf(k.Manager, k.ID).name()
	return filepath.Join(folderOf(s), managersFolder, managerName(k.Manager), name[:1], name)
}

func TestNames(t *testing.T) {
	for _, k := range []core.Key{
		{Manager: "app", ID: "secret"}, {}, {Manager: "a/b", ID: "../../etc/passwd"}, {Manager: "\x00", ID: strings.Repeat("x", 500)},
	} {
		h := hashOf(k.Manager, k.ID)
		if !strings.HasPrefix(h.name(), k.Hash()) || len(h.name()) != nameSize {
			t.Errorf("the file of %q is %s, want %d characters that begin with %s", k, h.name(), nameSize, k.Hash())
		}
		if h.name()[:1] != shardPath("", h.shard()) {
			t.Errorf("%s is in folder %s", h.name(), shardPath("", h.shard()))
		}
		got, suffix, ok := parseName(h.name() + tempSuffix)
		if got != h || suffix != tempSuffix || !ok {
			t.Errorf("parseName gives %v, %q, %v", got, suffix, ok)
		}
		if birth := newBirth(h.shard()); birthShard(birth) != h.shard() || birth >= birthLimit {
			t.Errorf("birth %x of shard %d", birth, h.shard())
		}
		if h.slot() >= 1<<63 || h.slot()%2 != 0 || birthSlot(birthLimit-1) >= 1<<63 {
			t.Error("slots are not where locks can be")
		}
	}
	for _, name := range []string{"", "lock", "lock-0000000000000001", strings.Repeat("a", nameSize-1), strings.Repeat("1", nameSize),
		strings.Repeat("b", nameSize) /* has bits that no hash has */} {
		if _, _, ok := parseName(name); ok {
			t.Errorf("%q is taken for a session's file", name)
		}
	}
}

// TestHostileKeys stores keys that look like paths, and finds nothing outside hashed names.
func TestHostileKeys(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store"))
	hostile := []string{"../../../escaped", "/tmp/escaped", "a/b", "..", ".", "", "\x00", "lock", "holdover.json", strings.Repeat("../", 1000)}
	for _, manager := range hostile {
		for _, id := range hostile {
			mustCreate(t, s, core.Key{Manager: manager, ID: id}, value("n", manager+id))
		}
	}
	for _, path := range tree(t, dir) {
		path = strings.TrimPrefix(path, "store/")
		for part := range strings.SplitSeq(path, "/") {
			if h, _, ok := parseName(part); ok && h.name() == part {
				continue
			}
			known := []string{".", "store", manifestName, managersFolder, "lock"}
			if !slices.Contains(known, part) && !(len(part) == 1 && strings.Contains(alphabet, part)) {
				t.Errorf("%q is in the folder", path)
			}
		}
	}
	long := core.Key{Manager: "app", ID: strings.Repeat("x", maxKeySize+1)}
	if err := s.Create(t.Context(), long, core.Record{Accessed: time.Now()}); err == nil {
		t.Error("an id that no file can hold was stored")
	}
}

func TestPermissions(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "new", "store")
	s := open(t, dir)
	ctx, now := context.Background(), time.Now()
	mustCreate(t, s, testKey("a"), value("n", "1"))
	mustCreate(t, s, testKey("bad"), nil)
	if err := s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "b", Grace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, testKey("b"), &core.Change{Now: now}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fileOf(s, testKey("bad")), []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(s, testKey("bad")); !errors.Is(err, core.ErrCorrupt) {
		t.Fatal(err)
	}
	for _, path := range tree(t, dir) {
		st, err := os.Lstat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if st.IsDir() {
			want = 0o700
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, st.Mode().Perm(), want)
		}
	}
}

// TestNothingForNobody uses a store without storing anything: nothing comes into being.
func TestNothingForNobody(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	before := tree(t, dir)
	ctx, k, now := context.Background(), testKey("a"), time.Now()
	load(s, k)
	s.Load(ctx, k, core.LoadOptions{Now: now})
	s.Save(ctx, k, &core.Change{Now: now, Set: value("n", "1")})
	s.Touch(ctx, k, now)
	s.Rotate(ctx, k, core.Rotation{Now: now, To: "b", Grace: time.Hour})
	s.Lock(ctx, k, lockOptions())
	s.Delete(ctx, k, now)
	s.Count(ctx, "app", now)
	s.Sweep(ctx, "app", now, func(string, core.Record) {})
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("there is %q, before there was %q", after, before)
	}
}

// TestTouchRewritesNothing compares the file before and after.
func TestTouchRewritesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	k := testKey("a")
	mustCreate(t, s, k, value("n", "1"))
	stat := func() (*syscall.Stat_t, []byte, time.Time) {
		t.Helper()
		st, err := os.Stat(fileOf(s, k))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(fileOf(s, k))
		if err != nil {
			t.Fatal(err)
		}
		return st.Sys().(*syscall.Stat_t), data, st.ModTime()
	}
	now := time.Now().Add(time.Minute)
	for name, touch := range map[string]func() error{
		"Touch": func() error { return s.Touch(t.Context(), k, now) },
		"Load": func() error {
			_, err := s.Load(t.Context(), k, core.LoadOptions{Now: now, Touch: time.Second})
			return err
		},
		"Lock": func() error {
			_, fence, err := s.Lock(t.Context(), k, core.LockOptions{LoadOptions: core.LoadOptions{Now: now}, Lease: time.Minute})
			return errors.Join(err, s.Unlock(t.Context(), k, fence))
		},
	} {
		now = now.Add(time.Minute + time.Nanosecond)
		before, data, _ := stat()
		if err := touch(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, same, at := stat()
		if after.Ino != before.Ino || !bytes.Equal(same, data) {
			t.Errorf("%s wrote the file", name)
		}
		if !at.Equal(now) {
			t.Errorf("%s: the file's time is %v, want %v", name, at, now)
		}
	}
}

// TestLinks puts symbolic links where files of the store belong. None is followed.
func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(path string) {
		t.Helper()
		os.RemoveAll(path)
		if err := os.Symlink(outside, path); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, t.TempDir())
	mustCreate(t, s, testKey("a"), value("n", "1"))
	link(fileOf(s, testKey("a")) + tempSuffix)
	if _, err := s.Save(t.Context(), testKey("a"), &core.Change{Now: time.Now(), Set: value("n", "2")}); err == nil {
		t.Error("a save went through a link")
	}
	if rec, err := load(s, testKey("a")); err != nil || rec.Version != 1 {
		t.Errorf("after the refused save: version %d, %v", rec.Version, err)
	}
	if _, err := s.Save(t.Context(), testKey("a"), &core.Change{Now: time.Now(), Set: value("n", "2")}); err != nil {
		t.Errorf("the next save: %v", err)
	}
	mustCreate(t, s, testKey("b"), nil)
	link(fileOf(s, testKey("b")))
	if _, err := load(s, testKey("b")); err == nil {
		t.Error("a session was read through a link")
	}
	if err := s.Touch(t.Context(), testKey("b"), time.Now()); err == nil {
		t.Error("a link was touched")
	}

	dir := t.TempDir()
	open(t, dir)
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, managersFolder)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Create(t.Context(), testKey("a"), core.Record{Accessed: time.Now()}); err == nil {
		t.Error("a session was created in a folder outside")
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "precious" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
	if paths := tree(t, filepath.Dir(outside)); len(paths) != 2 {
		t.Errorf("outside there is %q", paths)
	}
}
