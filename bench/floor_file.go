package bench

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/labstack/echo/v4"
)

// floorFile is what one would write by hand with one file a session: the bytes without a codec, read
// whole, written to a temporary file, synced on a disk, and renamed. It has no locks and no expiry.
func floorFile(m Medium) Peer {
	return Peer{
		Name:   "floor-file-" + string(m),
		Medium: m,
		Open: func(dir string) (http.Handler, func() error, error) {
			f := &fileFloor{dir: dir, sync: m == Disk}
			return serve(handlers{read: f.read, write: f.write, create: f.create, count: f.count}), closeNothing, nil
		},
	}
}

type fileFloor struct {
	dir  string
	sync bool
}

// A file holds the two integers in eight bytes each, then the strings.
const (
	textsAt  = 16
	fileSize = textsAt + textCount*textSize
)

// load returns the request's session and its id, or nil when it has none.
func (f *fileFloor) load(c echo.Context) (id string, blob []byte, err error) {
	cookie, err := c.Request().Cookie(floorCookie)
	if err != nil || strings.ContainsAny(cookie.Value, "/.") {
		return "", nil, nil
	}
	blob, err = os.ReadFile(filepath.Join(f.dir, cookie.Value))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	return cookie.Value, blob, err
}

func (f *fileFloor) save(id string, blob []byte) error {
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

func (f *fileFloor) read(c echo.Context) error {
	_, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil || string(blob[textsAt+3*textSize:][:textSize]) != wantText {
		return missing(c)
	}
	return ok(c)
}

func (f *fileFloor) write(c echo.Context) error {
	id, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil {
		return missing(c)
	}
	addToBlob(blob)
	if err := f.save(id, blob); err != nil {
		return err
	}
	return ok(c)
}

func (f *fileFloor) create(c echo.Context) error {
	id := rand.Text()
	if err := f.save(id, newBlob()); err != nil {
		return err
	}
	setFloorCookie(c, id)
	return ok(c)
}

func (f *fileFloor) count(c echo.Context) error {
	_, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil {
		return missing(c)
	}
	return number(c, blobCount(blob))
}
