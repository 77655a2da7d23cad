//go:build unix && !aix

package filestore

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	manifestName = "holdover.json"
	manifestTemp = manifestName + tempSuffix
	manifestKind = "holdover session store"

	// layout is the version of the tree of folders and files. It counts up when older programs could
	// not work with what newer ones write.
	layout = 1
)

// manifest says what a folder is.
type manifest struct {
	Kind   string `json:"kind"`
	Format int    `json:"format"`
	ID     string `json:"id"` // tells stores apart that were copied or mixed up
}

// openRoot opens the store's folder after making sure that it is one.
func openRoot(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, errors.New("filestore: no folder is named")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	err = checkManifest(root)
	if errors.Is(err, fs.ErrNotExist) {
		err = initialise(root)
	}
	if err == nil {
		err = checkAccess(root)
	}
	if err == nil {
		err = checkTimes(root)
	}
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("filestore: folder %s: %w", dir, err)
	}
	return root, nil
}

// checkManifest returns fs.ErrNotExist if the folder has no manifest.
func checkManifest(root *os.Root) error {
	f, err := root.Open(manifestName)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("its %s can not be read (%w); use another folder, or restore that file", manifestName, err)
	}
	if m.Kind != manifestKind || m.Format < 1 {
		return fmt.Errorf("its %s is not that of a session store; use another folder", manifestName)
	}
	if m.Format > layout {
		return fmt.Errorf("it was written by a newer version of this program (format %d, this one knows %d); use that one, or another folder",
			m.Format, layout)
	}
	return nil
}

// initialise makes an empty folder a store. Of several processes that want to, one does it.
func initialise(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // and with it the lock
	if err := lockFolder(dir); err != nil {
		return err
	}
	if err := checkManifest(root); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != manifestTemp { // left by someone who was killed here
			return fmt.Errorf("it holds %q and no %s, so it is not a session store; use an empty folder or one that does not exist",
				name, manifestName)
		}
	}
	if err := dir.Chmod(0o700); err != nil {
		return fmt.Errorf("%w; the folder must belong to the user that runs this program", err)
	}
	return writeManifest(root, dir)
}

func writeManifest(root *os.Root, dir *os.File) error {
	data, err := json.MarshalIndent(manifest{Kind: manifestKind, Format: layout, ID: rand.Text()}, "", "\t")
	if err != nil {
		return err
	}
	f, err := root.OpenFile(manifestTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Rename(manifestTemp, manifestName); err != nil {
		return err
	}
	return dir.Sync()
}

// lockFolder waits, within sectionWait, for the right to initialise the folder. The lock ends when dir
// is closed.
func lockFolder(dir *os.File) error {
	for deadline := time.Now().Add(sectionWait); ; time.Sleep(maxPause) {
		err := retry(func() error { return unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
		if err != unix.EWOULDBLOCK {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another process has been initialising it for %v; is it stopped?", sectionWait)
		}
	}
}

// checkAccess refuses a folder that others than its owner can get at: whoever reads the files can take
// over the sessions.
func checkAccess(root *os.Root) error {
	st, err := root.Stat(".")
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others than its owner can get at it (mode %04o), and it holds secrets; run chmod 700 on it", st.Mode().Perm())
	}
	return nil
}

// checkTimes finds out whether the file system keeps times to the nanosecond, on the manifest, whose
// own time is of no use. All processes set the same time, so they do not disturb each other.
func checkTimes(root *os.Root) error {
	want := time.Date(2001, 2, 3, 4, 5, 6, 123456789, time.UTC)
	if err := root.Chtimes(manifestName, want, want); err != nil {
		return err
	}
	st, err := root.Stat(manifestName)
	if err != nil {
		return err
	}
	if got := st.ModTime(); !got.Equal(want) {
		return fmt.Errorf("its file system keeps times only to %v, too coarse for last accesses; use a folder on another one",
			want.Sub(got).Abs())
	}
	return nil
}
