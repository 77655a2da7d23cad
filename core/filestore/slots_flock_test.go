//go:build unix && !aix && (!linux || holdover_flock)

package filestore

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLockFiles finds the lock files gone after use, and after a sweep also those of killed processes.
func TestLockFiles(t *testing.T) {
	s := open(t, t.TempDir())
	mustCreate(t, s, testKey("a"), nil)
	left := filepath.Join(filepath.Dir(fileOf(s, testKey("a"))), slotName(12))
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, fence, err := s.Lock(t.Context(), testKey("a"), lockOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), "app", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	lockFiles := func() int {
		paths, _ := filepath.Glob(filepath.Join(filepath.Dir(left), "lock-*"))
		return len(paths)
	}
	if n := lockFiles(); n != 1 {
		t.Errorf("%d lock files while one lock is held", n)
	}
	if err := s.Unlock(t.Context(), testKey("a"), fence); err != nil {
		t.Error(err)
	}
	if n := lockFiles(); n != 0 {
		t.Errorf("%d lock files when none is held", n)
	}
}
