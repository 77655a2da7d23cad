package bench

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/labstack/echo/v4"
)

// blobs is where a hand-written floor keeps sessions, each as bytes without a codec.
type blobs interface {
	get(id string) ([]byte, error) // nil when there is none
	set(id string, blob []byte) error
}

// blobFloor are the handlers of a floor over blobs.
type blobFloor struct{ blobs }

func (f blobFloor) handlers() handlers {
	return handlers{read: f.read, write: f.write, create: f.create, count: f.count}
}

// A blob holds the two integers in eight bytes each, then the strings.
const (
	textsAt  = 16
	fileSize = textsAt + textCount*textSize
)

// load returns the request's session and its id, or nil when it has none.
func (f blobFloor) load(c echo.Context) (id string, blob []byte, err error) {
	cookie, err := c.Request().Cookie(floorCookie)
	if err != nil {
		return "", nil, nil
	}
	blob, err = f.get(cookie.Value)
	return cookie.Value, blob, err
}

func (f blobFloor) read(c echo.Context) error {
	_, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil || string(blob[textsAt+3*textSize:][:textSize]) != wantText {
		return missing(c)
	}
	return ok(c)
}

func (f blobFloor) write(c echo.Context) error {
	id, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil {
		return missing(c)
	}
	addToBlob(blob)
	if err := f.set(id, blob); err != nil {
		return err
	}
	return ok(c)
}

func (f blobFloor) create(c echo.Context) error {
	id := rand.Text()
	if err := f.set(id, newBlob()); err != nil {
		return err
	}
	setFloorCookie(c, id)
	return ok(c)
}

func (f blobFloor) count(c echo.Context) error {
	_, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil {
		return missing(c)
	}
	return number(c, blobCount(blob))
}

// newBlob returns the session's bytes without a codec: the two integers in eight bytes each, then the strings.
func newBlob() []byte {
	blob := make([]byte, 0, fileSize)
	for _, v := range values {
		switch v := v.of.(type) {
		case int:
			blob = binary.BigEndian.AppendUint64(blob, uint64(v))
		case string:
			blob = append(blob, v...)
		}
	}
	return blob
}

func blobCount(blob []byte) int { return int(binary.BigEndian.Uint64(blob)) }

func addToBlob(blob []byte) { binary.BigEndian.PutUint64(blob, binary.BigEndian.Uint64(blob)+1) }
