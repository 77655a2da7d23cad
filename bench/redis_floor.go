package bench

import (
	"errors"
	"net/http"

	"github.com/gomodule/redigo/redis"
)

// floorRedis is what one would write by hand: the bytes without a codec under one key, fetched by GET
// and stored by SET. It has no locks, loses concurrent writes, and does not notice a session that ended.
func floorRedis(t Target) Peer {
	return Peer{
		Name:   "floor-redis",
		Medium: InRedis,
		Open: func(string) (http.Handler, func() error, error) {
			f := &redisFloor{pool: t.pool()}
			return serve(blobFloor{f}.handlers()), f.pool.Close, nil
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
