package bench

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/gomodule/redigo/redis"
	"github.com/labstack/echo/v4"
)

// floorRedis is what one would write by hand: the bytes without a codec under one key, fetched by GET
// and stored by SET. It has no locks, loses concurrent writes, and does not notice a session that ended.
func floorRedis(t Target) Peer {
	return Peer{
		Name:   "floor-redis",
		Medium: InRedis,
		Open: func(string) (http.Handler, func() error, error) {
			f := &redisFloor{pool: t.pool()}
			return serve(handlers{read: f.read, write: f.write, create: f.create, count: f.count}), f.pool.Close, nil
		},
	}
}

type redisFloor struct{ pool *redis.Pool }

const (
	floorPrefix = "floor:"
	floorTTL    = 3600 // seconds
)

// get returns a session's bytes, or nil when there is none.
func (f *redisFloor) get(id string) ([]byte, error) {
	conn := f.pool.Get()
	defer conn.Close()
	blob, err := redis.Bytes(conn.Do("GET", floorPrefix+id))
	if errors.Is(err, redis.ErrNil) {
		return nil, nil
	}
	return blob, err
}

func (f *redisFloor) set(id string, blob []byte) error {
	conn := f.pool.Get()
	defer conn.Close()
	_, err := conn.Do("SET", floorPrefix+id, blob, "EX", floorTTL)
	return err
}

// load returns the request's session and its id, or nil when it has none.
func (f *redisFloor) load(c echo.Context) (id string, blob []byte, err error) {
	cookie, err := c.Request().Cookie(floorCookie)
	if err != nil {
		return "", nil, nil
	}
	blob, err = f.get(cookie.Value)
	return cookie.Value, blob, err
}

func (f *redisFloor) read(c echo.Context) error {
	_, blob, err := f.load(c)
	if err != nil {
		return err
	}
	if blob == nil || string(blob[textsAt+3*textSize:][:textSize]) != wantText {
		return missing(c)
	}
	return ok(c)
}

func (f *redisFloor) write(c echo.Context) error {
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

func (f *redisFloor) create(c echo.Context) error {
	id := rand.Text()
	if err := f.set(id, newBlob()); err != nil {
		return err
	}
	setFloorCookie(c, id)
	return ok(c)
}

func (f *redisFloor) count(c echo.Context) error {
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
