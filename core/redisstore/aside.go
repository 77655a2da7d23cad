package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

// asideTime is how long what was set aside is kept for a person to look at.
const asideTime = 30 * 24 * time.Hour

// isWrongType looks anywhere, for Redis 6.2 puts the place in a script first.
func isWrongType(e redis.Error) bool { return strings.Contains(string(e), "WRONGTYPE ") }

// setAside renames what is stored under a session's key if it can not be read, and returns a
// *core.CorruptError. If it can be read after all, somebody has replaced it meanwhile.
func (s *Store) setAside(ctx context.Context, it subject, reason string) error {
	key := it.key
	id := nonce()
	place := fmt.Sprintf("%sx:%s-%x", it.start, key.Hash(), id)
	reply, err := s.run(ctx, it.slot, request{script: asideScript, args: func(bool) []any {
		return []any{nil, 3, it.data, it.index, place, key.ID, asideTime.Milliseconds()}
	}})
	if err != nil {
		return fmt.Errorf("redisstore: session %s can not be read (%s) nor set aside: %w", key.Hash(), reason, s.explain(err))
	}
	if n, _ := reply.(int64); n == 0 {
		return errors.New("redisstore: session " + key.Hash() + " was replaced while it was read; try again")
	}
	return &core.CorruptError{Key: key, Place: "the Redis key " + place, Reason: reason}
}
