//go:build unix && !aix

package filestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/internal/history"
	"github.com/holdover-web/holdover/core/storetest"
	"github.com/holdover-web/holdover/internal/testenv"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Config{Durability: None})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func folderOf(st core.Store) string { return filepath.Clean(st.(*Store).root.Name()) }

// TestStore has two stores on one folder for the suite's second run, as two processes would. A lock
// belongs to the process that took it, and no other can take it over while that one lives.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) core.Store { return open(t, t.TempDir()) }, storetest.Options{
		Reopen:    func(t *testing.T, st core.Store) core.Store { return open(t, folderOf(st)) },
		Second:    func(t *testing.T, st core.Store) core.Store { return open(t, folderOf(st)) },
		LocksStay: true,
	})
}

func TestHistorySoak(t *testing.T) {
	end := time.Now().Add(testenv.Soak(t, 0))
	for first := true; first || time.Now().Before(end); first = false {
		history.Run(t, func(t *testing.T) []core.Store { return []core.Store{open(t, t.TempDir())} })
	}
}

// process is a store without its locks, for histories in which lapsed locks are taken over: no process
// can do that to another. TestLockBetweenStores and TestProcessesLoseNothing have what holds instead.
type process struct {
	core.Store
	core.Lister
	core.Sweeper
}

// TestHistoryBetweenStores has two stores on one folder, as two processes would.
func TestHistoryBetweenStores(t *testing.T) {
	history.Run(t, func(t *testing.T) []core.Store {
		dir := t.TempDir()
		a, b := open(t, dir), open(t, dir)
		return []core.Store{process{a, a, a}, process{b, b, b}}
	})
}
