package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/gomodule/redigo/redis"
)

// format is the version of what is stored and of how keys are named.
const format = 1

// checkFormat makes sure that all who use the prefix agree on what can not be changed later.
func (s *Store) checkFormat(ctx context.Context) error {
	key := s.cfg.Prefix + "meta"
	reply, err := redis.Ints(s.run(ctx, slotOf(key), request{script: metaScript, args: func(bool) []any {
		return []any{nil, 1, key, format, s.cfg.Shards, s.cfg.Prefix + "wake:"}
	}}))
	if isReply(err) {
		switch text := err.Error(); {
		case strings.Contains(text, "unknown command"):
			return fmt.Errorf("redisstore: Redis 6.2 or later with scripts is needed: %w", err)
		case strings.Contains(text, "channel"):
			return fmt.Errorf("redisstore: open: the user needs the channels &%swake:* on which processes wake each other: %w", s.cfg.Prefix, err)
		}
		return fmt.Errorf("redisstore: open: the key %s: %w", key, err)
	}
	if err != nil {
		return fmt.Errorf("redisstore: open: %w", err)
	}
	switch {
	case len(reply) != 2 || reply[0] < 1:
		return fmt.Errorf("redisstore: open: the key %s makes no sense", key)
	case reply[0] > format:
		return fmt.Errorf("redisstore: open: %w: format %d, this program knows %d; upgrade it", ErrNewer, reply[0], format)
	case reply[1] != s.cfg.Shards:
		return fmt.Errorf("redisstore: Config.Shards: %d, but the sessions under the prefix %q are stored with %d; they would not be found",
			s.cfg.Shards, s.cfg.Prefix, reply[1])
	}
	return nil
}
