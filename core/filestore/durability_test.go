//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdover-web/holdover/core"
)

// replaceSync replaces what waits for the disk. It gets told whether a folder or a file is synced.
func replaceSync(t *testing.T, sync func(folder bool) error) {
	original := syncFile
	t.Cleanup(func() { syncFile = original })
	syncFile = func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		return sync(st.Mode&unix.S_IFMT == unix.S_IFDIR)
	}
}

// TestDurability counts what each operation waits for.
func TestDurability(t *testing.T) {
	files, folders := 0, 0
	replaceSync(t, func(folder bool) error {
		if folder {
			folders++
		} else {
			files++
		}
		return nil
	})
	ctx, now := context.Background(), time.Now()
	type counts struct{ files, folders int }
	for _, op := range []struct {
		name string
		do   func(s *Store) error
		want map[Durability]counts
	}{
		{"Save", func(s *Store) error { _, err := s.Save(ctx, testKey("a"), &core.Change{Now: now}); return err },
			map[Durability]counts{Full: {1, 1}, FileOnly: {1, 0}, None: {}}},
		{"Create", func(s *Store) error { return s.Create(ctx, testKey("a2"), core.Record{Accessed: now}) },
			map[Durability]counts{Full: {1, 1}, FileOnly: {1, 0}, None: {}}},
		{"Touch", func(s *Store) error { return s.Touch(ctx, testKey("a"), now.Add(time.Minute)) },
			map[Durability]counts{Full: {}, FileOnly: {}, None: {}}},
		{"Load", func(s *Store) error { _, err := load(s, testKey("a")); return err },
			map[Durability]counts{Full: {}, FileOnly: {}, None: {}}},
		{"Rotate", func(s *Store) error {
			return s.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "b", Grace: time.Hour})
		}, map[Durability]counts{Full: {2, 4}, FileOnly: {2, 0}, None: {}}},
		{"Delete", func(s *Store) error { _, _, err := s.Delete(ctx, testKey("b"), now); return err },
			map[Durability]counts{Full: {0, 1}, FileOnly: {}, None: {}}},
	} {
		for how, want := range op.want {
			t.Run(op.name+"/"+how.String(), func(t *testing.T) {
				s := open(t, t.TempDir())
				mustCreate(t, s, testKey("a"), nil)
				for _, id := range []string{"a2", "b"} { // so that their folders are there
					if _, err := s.shard("app", hashOf("app", id).shard(), true); err != nil {
						t.Fatal(err)
					}
				}
				if op.name == "Delete" {
					mustCreate(t, s, testKey("b"), nil)
				}
				s.cfg.Durability = how
				files, folders = 0, 0
				if err := op.do(s); err != nil {
					t.Fatal(err)
				}
				if got := (counts{files, folders}); got != want {
					t.Errorf("synced %d files and %d folders, want %d and %d", got.files, got.folders, want.files, want.folders)
				}
			})
		}
	}
}

func TestDurabilityNames(t *testing.T) {
	for _, d := range []Durability{Full, FileOnly, None} {
		if got, err := ParseDurability(d.String()); got != d || err != nil {
			t.Errorf("%v read back is %v, %v", d, got, err)
		}
	}
	if _, err := ParseDurability("most"); err == nil {
		t.Error(`"most" is taken for a durability`)
	}
	if s := Durability(7).String(); s != "Durability(7)" {
		t.Error(s)
	}
}

// checkRefused changes a session in every way that writes, on a store that can not, and then checks
// that nothing is changed.
func checkRefused(s *Store) error {
	ctx, now, k := context.Background(), time.Now(), testKey("a")
	before, err := load(s, k)
	if err != nil {
		return err
	}
	big := value("big", strings.Repeat("x", 100<<10))
	for name, do := range map[string]func() error{
		"Save":   func() error { _, err := s.Save(ctx, k, &core.Change{Now: now, Set: big}); return err },
		"Create": func() error { return s.Create(ctx, testKey("b"), core.Record{Values: big, Accessed: now}) },
		"Rotate": func() error {
			return s.Rotate(ctx, testKey("large"), core.Rotation{Now: now, To: "b", Grace: time.Hour})
		},
	} {
		if err := do(); err == nil {
			return fmt.Errorf("%s: no error", name)
		}
		if _, err := load(s, testKey("b")); !errors.Is(err, core.ErrNotFound) {
			return fmt.Errorf("after %s: Load of the new id: %v", name, err)
		}
	}
	after, err := load(s, k)
	if err != nil || after.Version != before.Version || !slices.Equal(after.Values, before.Values) {
		return fmt.Errorf("the session is %+v now, %v; it was %+v", after, err, before)
	}
	if rec, err := load(s, testKey("large")); err != nil || rec.Version != 1 {
		return fmt.Errorf("the large session is %+v now, %v", rec, err)
	}
	return fs.WalkDir(s.root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, tempSuffix) {
			return fmt.Errorf("%s is left", path)
		}
		return err
	})
}

func makeRefusable(t *testing.T, s *Store) {
	t.Helper()
	mustCreate(t, s, testKey("a"), value("n", "1"))
	mustCreate(t, s, testKey("large"), value("big", strings.Repeat("x", 100<<10)))
}

// limitFileSize is a process that may not write large files, as on a full disk.
func limitFileSize(_ io.Reader, s *Store) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 20 << 10, Max: 20 << 10}); err != nil {
		return err
	}
	return checkRefused(s)
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	makeRefusable(t, open(t, dir))
	if err := startChild(t, "limit", dir, "").cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// giveUpRights is a process that may read the store's folders and not write into them.
func giveUpRights(_ io.Reader, s *Store) error {
	const nobody = 65534
	err := filepath.WalkDir(folderOf(s), func(path string, d os.DirEntry, err error) error {
		if os.Geteuid() == 0 {
			err = errors.Join(err, os.Lchown(path, nobody, nobody))
		}
		if d.IsDir() {
			err = errors.Join(err, os.Chmod(path, 0o500))
		}
		return err
	})
	if os.Geteuid() == 0 {
		err = errors.Join(err, syscall.Setgid(nobody), syscall.Setuid(nobody))
	}
	if err != nil {
		return err
	}
	return checkRefused(s)
}

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	makeRefusable(t, s)
	for i := range shardCount { // the process opens them before it gives up its rights
		if _, err := s.shard("app", i, true); err != nil {
			t.Fatal(err)
		}
	}
	c := startChild(t, "unwritable", dir, "")
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error { return os.Chmod(path, 0o700) })
	})
	if err := c.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSyncFails has a disk that can not be written to any more.
func TestSyncFails(t *testing.T) {
	s := open(t, t.TempDir())
	makeRefusable(t, s)
	s.cfg.Durability = Full
	if _, err := s.shard("app", hashOf("app", "b").shard(), true); err != nil {
		t.Fatal(err)
	}
	replaceSync(t, func(folder bool) error {
		if folder {
			return nil
		}
		return unix.EIO
	})
	if err := checkRefused(s); err != nil {
		t.Error(err)
	}
	_, err := s.Save(t.Context(), testKey("a"), &core.Change{Now: time.Now()})
	if !errors.Is(err, unix.EIO) {
		t.Errorf("Save: %v, want the disk's error", err)
	}
}
