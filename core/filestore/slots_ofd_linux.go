//go:build !holdover_flock

package filestore

import (
	"os"

	"golang.org/x/sys/unix"
)

// slots excludes other processes, and other stores in this process, from numbered slots. Exclusion
// within the store is the caller's. The kernel frees the slots of a process that ends.
//
// Here a slot is one byte of the folder's lock file, locked for the open file description. The file
// stays empty: bytes can be locked that are not there.
type slots struct{ file *os.File }

func openSlots(d *folder) (*slots, error) {
	fd, err := d.open("lock", unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	return &slots{file: os.NewFile(uintptr(fd), "lock")}, nil
}

// try takes a slot, if nobody has it.
func (s *slots) try(slot uint64) (bool, error) {
	err := s.set(slot, unix.F_WRLCK)
	if err == unix.EAGAIN || err == unix.EACCES {
		return false, nil
	}
	return err == nil, pathError("lock", s.file.Name(), err)
}

// release frees a slot that try took. There is no way to go on if it can not be freed, other than by
// ending the process, and no reason known why it should fail.
func (s *slots) release(slot uint64) { _ = s.set(slot, unix.F_UNLCK) }

func (s *slots) set(slot uint64, how int16) error {
	lock := unix.Flock_t{Type: how, Start: int64(slot), Len: 1}
	return retry(func() error { return unix.FcntlFlock(s.file.Fd(), unix.F_OFD_SETLK, &lock) })
}

// tidy is told of files of unknown names. Locks on bytes leave none behind.
func (s *slots) tidy(string) {}

// close frees all slots.
func (s *slots) close() error { return s.file.Close() }
