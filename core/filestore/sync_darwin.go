package filestore

import "golang.org/x/sys/unix"

// syncFile waits until the file or folder is on the disk; on this system fsync leaves it in the disk's
// own cache. Tests replace it.
var syncFile = func(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0)
	return err
}
