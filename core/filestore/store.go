//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"github.com/holdover-web/holdover/core"
)

var (
	_ core.Store   = (*Store)(nil)
	_ core.Locker  = (*Store)(nil)
	_ core.Lister  = (*Store)(nil)
	_ core.Sweeper = (*Store)(nil)
)

// The folders of a store.
const (
	managersFolder = "managers"
	corruptFolder  = "corrupt"
)

// Store is a core.Store in a folder. All methods may be called from any number of goroutines, and any
// number of processes may have the folder open.
//
// Reading a session takes no lock. Changing one excludes others who change the same one, for the
// length of the call, and nobody else. The store has no clock: it goes by the times that calls carry.
// It keeps at most 64 files open for each manager.
type Store struct {
	cfg   Config
	root  *os.Root
	locks locks
	done  chan struct{} // closed by Close, to end waiting

	use    sync.RWMutex // held for reading by each call, so that Close can wait for them
	closed bool         // guarded by use

	mu       sync.RWMutex
	managers map[string]*manager // those whose folders are open, by id
}

// manager has the folders of one manager's sessions, once they were opened.
type manager struct {
	path   string
	shards [shardCount]atomic.Pointer[shard]
}

// Open opens the store in the folder dir, which it creates if it is missing or empty. It returns an
// error that says what to do if the folder holds something else or was written by a newer program, if
// others than its owner can get at it, or if its file system does not keep times to the nanosecond.
// The caller closes the store.
func Open(dir string, cfg Config) (*Store, error) {
	if int(cfg.Durability) >= len(durabilityNames) {
		return nil, fmt.Errorf("filestore: no %v: use Full, FileOnly or None", cfg.Durability)
	}
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, root: root, done: make(chan struct{}), managers: make(map[string]*manager)}
	s.locks.init()
	return s, nil
}

// Close implements core.Store. It waits for the calls under way and frees all locks.
func (s *Store) Close() error {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()

	s.use.Lock()
	defer s.use.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	errs := []error{s.root.Close()}
	for _, m := range s.managers {
		for i := range m.shards {
			if sh := m.shards[i].Load(); sh != nil {
				errs = append(errs, sh.slots.close(), sh.dir.close())
			}
		}
	}
	return errors.Join(errs...)
}

// begin starts a call; if it returns nil, end must follow.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.use.RLock()
	if s.closed {
		s.use.RUnlock()
		return core.ErrClosed
	}
	return nil
}

func (s *Store) end() { s.use.RUnlock() }

// shard returns a folder of the manager. If the folder is not there, and not to be created, the error
// is fs.ErrNotExist.
func (s *Store) shard(managerID string, i int, create bool) (*shard, error) {
	s.mu.RLock()
	m := s.managers[managerID]
	s.mu.RUnlock()
	if m == nil {
		m = &manager{path: path.Join(managersFolder, managerName(managerID))}
	} else if sh := m.shards[i].Load(); sh != nil {
		return sh, nil
	}
	sh, err := s.openShard(managerID, m, i)
	if create && err == fs.ErrNotExist {
		if err := s.createShard(m.path, i); err != nil {
			return nil, err
		}
		return s.openShard(managerID, m, i)
	}
	return sh, err
}

func shardPath(managerPath string, i int) string { return path.Join(managerPath, alphabet[i:i+1]) }

func (s *Store) createShard(managerPath string, i int) error {
	if err := s.root.MkdirAll(shardPath(managerPath, i), 0o700); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	for _, p := range []string{".", managersFolder, managerPath} {
		d, err := openFolder(s.root, p)
		if err != nil {
			return fmt.Errorf("filestore: %w", err)
		}
		err = d.sync(s.cfg.Durability)
		_ = d.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) openShard(managerID string, m *manager, i int) (*shard, error) {
	dir, err := openFolder(s.root, shardPath(m.path, i))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	slots, err := openSlots(dir)
	if err != nil {
		_ = dir.close()
		return nil, err
	}
	sh := &shard{dir: dir, slots: slots, busy: make(map[uint64][]chan struct{})}
	if kept := s.keepShard(managerID, m, i, sh); kept != sh {
		return kept, errors.Join(slots.close(), dir.close())
	}
	return sh, nil
}

// keepShard remembers an open folder, unless another goroutine was faster. It returns the one that is
// kept: there must be only one, because its sections exclude the goroutines of this process.
func (s *Store) keepShard(managerID string, m *manager, i int, sh *shard) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.managers[managerID]; known != nil {
		m = known
	} else {
		s.managers[managerID] = m
	}
	if m.shards[i].CompareAndSwap(nil, sh) {
		return sh
	}
	return m.shards[i].Load()
}
