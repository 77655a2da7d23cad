package bench

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// floorFile is what one would write by hand with one file a session: the bytes without a codec, read
// whole, written to a temporary file, synced on a disk, and renamed. It has no locks and no expiry.
func floorFile(m Medium) Peer {
	return Peer{
		Name:   "floor-file-" + string(m),
		Medium: m,
		Open: func(dir string) (http.Handler, func() error, error) {
			f := &fileFloor{dir: dir, sync: m == Disk}
			return serve(blobFloor{f}.handlers()), closeNothing, nil
		},
	}
}

type fileFloor struct {
	dir  string
	sync bool
}

// get returns a session's bytes, or nil when there is none.
func (f *fileFloor) get(id string) ([]byte, error) {
	if strings.ContainsAny(id, "/.") {
		return nil, nil
	}
	blob, err := os.ReadFile(filepath.Join(f.dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return blob, err
}

func (f *fileFloor) set(id string, blob []byte) error {
	name := filepath.Join(f.dir, id)
	file, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(blob)
	if err == nil && f.sync {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
