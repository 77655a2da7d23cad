package redisstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// IDs yields the id of each living session of the manager. Each shard is read as it is at one moment.
func (s *Store) IDs(ctx context.Context, manager string, _ time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stopped := errors.New("stopped")
		err := s.perShard(ctx, manager, "ids", func(reply any) error {
			ids, err := redis.Strings(reply, nil)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if !yield(id, nil) {
					return stopped
				}
			}
			return nil
		})
		if err != nil && err != stopped {
			yield("", fmt.Errorf("redisstore: list sessions: %w", s.explain(err)))
		}
	}
}

// Count returns how many living sessions the manager has.
func (s *Store) Count(ctx context.Context, manager string, _ time.Time) (int, error) {
	n := 0
	err := s.perShard(ctx, manager, "count", func(reply any) error {
		here, err := redis.Int(reply, nil)
		n += here
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("redisstore: count sessions: %w", s.explain(err))
	}
	return n, nil
}

// shardsAtOnce is how many shards are asked in one burst.
const shardsAtOnce = 32

// perShard asks the index of each shard and hands on the replies one after the other.
func (s *Store) perShard(ctx context.Context, manager, what string, each func(reply any) error) error {
	for first := uint32(0); first < s.names.shards; first += shardsAtOnce {
		n := min(shardsAtOnce, s.names.shards-first)
		replies, errs := make([]any, n), make([]error, n)
		var asking sync.WaitGroup
		for i := range n {
			asking.Go(func() {
				place := s.names.place(manager, first+i)
				replies[i], errs[i] = s.run(ctx, place.slot, request{script: listScript, args: func(bool) []any {
					return []any{nil, 1, place.index, what, place.data("")}
				}})
			})
		}
		asking.Wait()
		for i, reply := range replies {
			if errs[i] != nil {
				return errs[i]
			}
			if err := each(reply); err != nil {
				return err
			}
		}
	}
	return nil
}
