//go:build unix && !aix && (!linux || holdover_flock)

package filestore

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// slots excludes other processes, and other stores in this process, from numbered slots. Exclusion
// within the store is the caller's. The kernel frees the slots of a process that ends.
//
// Here a slot is a file that is locked as a whole. Only who has it locked removes it, and who has
// locked a file that was removed in the meantime tries again with the new one.
type slots struct {
	dir *folder

	mu    sync.Mutex
	files map[uint64]int // the descriptors of the slots that are taken
}

func openSlots(d *folder) (*slots, error) {
	return &slots{dir: d, files: make(map[uint64]int)}, nil
}

// slotName has a prefix that no session's file has.
func slotName(slot uint64) string { return fmt.Sprintf("lock-%016x", slot) }

// try takes a slot, if nobody has it.
func (s *slots) try(slot uint64) (bool, error) {
	name := slotName(slot)
	for {
		fd, err := s.dir.open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
		if err != nil {
			return false, err
		}
		err = retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		if err == nil {
			var current bool
			if current, err = s.isCurrent(fd, name); current {
				s.mu.Lock()
				s.files[slot] = fd
				s.mu.Unlock()
				return true, nil
			}
		}
		_ = unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			return false, nil
		}
		if err != nil {
			return false, pathError("flock", name, err)
		}
	}
}

// isCurrent reports whether fd is the file that has the name now.
func (s *slots) isCurrent(fd int, name string) (bool, error) {
	var mine, named unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &mine) }); err != nil {
		return false, err
	}
	err := retry(func() error { return unix.Fstatat(s.dir.fd, name, &named, unix.AT_SYMLINK_NOFOLLOW) })
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil && mine.Dev == named.Dev && mine.Ino == named.Ino, err
}

// release frees a slot that try took.
func (s *slots) release(slot uint64) {
	s.mu.Lock()
	fd, ok := s.files[slot]
	delete(s.files, slot)
	s.mu.Unlock()
	if ok {
		_ = s.dir.remove(slotName(slot)) // a file that stays is used again
		_ = unix.Close(fd)
	}
}

// tidy removes a file that a killed process left, if that is what the name says. Who tries to take the
// slot at this very moment finds it taken, and has to try again as at any other time.
func (s *slots) tidy(name string) {
	var slot uint64
	if _, err := fmt.Sscanf(name, "lock-%x", &slot); err != nil || slotName(slot) != name {
		return
	}
	if ok, err := s.try(slot); ok && err == nil {
		s.release(slot)
	}
}

// close frees all slots.
func (s *slots) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, fd := range s.files {
		_ = s.dir.remove(slotName(slot))
		_ = unix.Close(fd)
	}
	s.files = nil
	return nil
}
