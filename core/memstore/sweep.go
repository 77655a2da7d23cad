package memstore

import (
	"context"
	"iter"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Sweep implements core.Sweeper. Its cost grows with the number of expired sessions and forwarding
// records, not with the number stored.
func (s *Store) Sweep(ctx context.Context, manager string, now time.Time, ended func(id string, rec core.Record)) error {
	for i := range s.shards {
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			// One at a time, so that requests get in between and a panic in ended leaves no end untold.
			e, err := s.takeExpired(&s.shards[i], manager, now)
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
			if !e.forwards() {
				ended(e.key.ID, e.rec)
			}
		}
	}
	return nil
}

// takeExpired removes and returns one expired entry of the manager, or returns nil.
func (s *Store) takeExpired(sh *shard, manager string, now time.Time) (*entry, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries == nil {
		return nil, core.ErrClosed
	}
	e := sh.managers[manager].first(now)
	if e == nil {
		return nil, nil
	}
	sh.remove(e)
	if !e.forwards() {
		s.shrank(sh, e)
		e.wake()
	}
	return e, nil
}

// IDs implements core.Lister. No lock is held while an id is yielded.
func (s *Store) IDs(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range s.shards {
			ids, err := s.shards[i].living(manager, now)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range ids {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(id, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield("", err)
		}
	}
}

// living returns the ids of the manager's living sessions.
func (sh *shard) living(manager string, now time.Time) ([]string, error) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sh.entries == nil {
		return nil, core.ErrClosed
	}
	x := sh.managers[manager]
	if x == nil {
		return nil, nil
	}
	ids := make([]string, 0, len(x.entries))
	for _, e := range x.entries {
		if !e.forwards() && !e.expired(now) {
			ids = append(ids, e.key.ID)
		}
	}
	return ids, nil
}

// Count implements core.Lister. Its cost grows with the number of expired sessions, not with the
// number stored.
func (s *Store) Count(ctx context.Context, manager string, now time.Time) (int, error) {
	n := 0
	for i := range s.shards {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		living, err := s.shards[i].count(manager, now)
		if err != nil {
			return 0, err
		}
		n += living
	}
	return n, nil
}

func (sh *shard) count(manager string, now time.Time) (int, error) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sh.entries == nil {
		return 0, core.ErrClosed
	}
	x := sh.managers[manager]
	if x == nil {
		return 0, nil
	}
	return x.living(now), nil
}
