//go:build unix && !aix

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open folder. Its entries are named by fixed strings and hashes only, and never followed
// if they are symbolic links, so each is reached by one system call relative to the folder.
type folder struct {
	file *os.File // keeps fd open
	fd   int
}

// openFolder opens the folder at path below root.
func openFolder(root *os.Root, path string) (*folder, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &folder{file: f, fd: int(f.Fd())}, nil
}

func (d *folder) close() error { return d.file.Close() }

// buffers holds *[]byte for reading and writing files.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled keeps the buffer of an unusually large session from staying.
const maxPooled = 64 << 10

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		buffers.Put(b)
	}
}

// read reads the first limit bytes of a file into buf, which grows as needed, and returns its full size
// and its modification time.
func (d *folder) read(name string, buf *[]byte, limit int64) (size int64, mtime time.Time, err error) {
	fd, err := d.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return 0, time.Time{}, pathError("fstat", name, err)
	}
	n := min(st.Size, limit)
	if int64(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	*buf = (*buf)[:n]
	for done := 0; done < len(*buf); {
		var k int
		err := retry(func() (err error) { k, err = unix.Read(fd, (*buf)[done:]); return err })
		if err != nil {
			return 0, time.Time{}, pathError("read", name, err)
		}
		if k == 0 {
			*buf = (*buf)[:done] // someone cut it: the checksum tells
			break
		}
		done += k
	}
	return st.Size, time.Unix(st.Mtim.Unix()).UTC(), nil
}

// replace writes a file called tmp and renames it to name. The file gets mtime as its modification
// time before it can be seen. After an error the folder is as it was, except that the new file may be
// there, unsynced, when syncing the folder failed.
func (d *folder) replace(tmp, name string, data []byte, mtime time.Time, how Durability) error {
	if err := d.write(tmp, data, mtime, how); err != nil {
		_ = d.remove(tmp) // what stays is overwritten by the next save
		return err
	}
	if err := renameFile(d, tmp, d, name); err != nil {
		_ = d.remove(tmp)
		return err
	}
	return d.sync(how)
}

func (d *folder) write(name string, data []byte, mtime time.Time, how Durability) error {
	fd, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for len(data) > 0 {
		var n int
		if err := retry(func() (err error) { n, err = unix.Write(fd, data); return err }); err != nil {
			return pathError("write", name, err)
		}
		data = data[n:]
	}
	if err := d.setTime(name, mtime); err != nil {
		return err
	}
	if how == None {
		return nil
	}
	if err := retry(func() error { return syncFile(fd) }); err != nil {
		return pathError("fsync", name, err)
	}
	return nil
}

// The times that every file system with nanoseconds can keep; ext4 is the narrowest.
const (
	minMtime = math.MinInt32
	maxMtime = math.MaxInt32 + 3<<32
)

// setTime sets the file's modification time.
func (d *folder) setTime(name string, t time.Time) error {
	if sec := t.Unix(); sec < minMtime || sec > maxMtime {
		return fmt.Errorf("filestore: a last access in the year %d can not be kept as a file's time", t.Year())
	}
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return pathError("utimensat", name, err)
	}
	times := [2]unix.Timespec{ts, ts} // the first is the access time, which nobody looks at
	err = retry(func() error { return unix.UtimesNanoAt(d.fd, name, times[:], unix.AT_SYMLINK_NOFOLLOW) })
	return pathError("utimensat", name, err)
}

// remove removes a file. It is no error if there is none.
func (d *folder) remove(name string) error {
	err := retry(func() error { return unix.Unlinkat(d.fd, name, 0) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return pathError("unlinkat", name, err)
}

// exists reports whether the folder has an entry of that name.
func (d *folder) exists(name string) (bool, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, pathError("fstatat", name, err)
}

// names lists the folder, in no order.
func (d *folder) names() ([]string, error) {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0) // an own position to read from
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), d.file.Name())
	defer f.Close()
	return f.Readdirnames(-1)
}

// sync makes renames and removals in the folder durable.
func (d *folder) sync(how Durability) error {
	if how != Full {
		return nil
	}
	if err := retry(func() error { return syncFile(d.fd) }); err != nil {
		return pathError("fsync", d.file.Name(), err)
	}
	return nil
}

func (d *folder) open(name string, flags int, perm uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		return err
	})
	return fd, pathError("openat", name, err)
}

// renameFile moves a file, over another if there is one.
func renameFile(from *folder, old string, to *folder, name string) error {
	err := retry(func() error { return unix.Renameat(from.fd, old, to.fd, name) })
	return pathError("renameat", name, err)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("filestore: %w", &fs.PathError{Op: op, Path: name, Err: err})
}
