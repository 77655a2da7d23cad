//go:build unix && !aix && !darwin

package filestore

import "golang.org/x/sys/unix"

// syncFile waits until the file or folder is on the disk. Tests replace it.
var syncFile = unix.Fsync
