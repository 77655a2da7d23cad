package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

const (
	// sweepBatch is how many sessions of a shard are swept in one step.
	sweepBatch = 64

	// claimTime is for how long the sessions that one sweeper has taken out are its to tell. Should it die, they are
	// told by another afterwards.
	claimTime = time.Minute
)

// Sweep removes the manager's expired sessions and calls ended for each. The data is kept until ended
// has returned: if the process dies before, another sweep tells the end, so that it is told at least
// once. Sessions that Redis itself has evicted have no data any more; they are told to those who registered with OnEvict.
//
// A shard that Redis refuses to sweep does not keep the others from being swept.
func (s *Store) Sweep(ctx context.Context, manager string, _ time.Time, ended func(id string, rec core.Record)) error {
	var refused error
	for shard := range s.names.shards {
		for next := 1; next > 0; {
			var err error
			next, err = s.sweepShard(ctx, manager, shard, next-1, ended)
			if err != nil && !isReply(err) {
				return fmt.Errorf("redisstore: sweep: %w", s.explain(err))
			}
			if err != nil {
				refused = fmt.Errorf("redisstore: sweep: %w", s.explain(err))
				break
			}
		}
	}
	return refused
}

// sweepShard sweeps some sessions of a shard, after passing over so many that are due. next is 0 when there
// are no more, else one more than how many are to be passed over next.
func (s *Store) sweepShard(ctx context.Context, manager string, shard uint32, pass int, ended func(id string, rec core.Record)) (next int, err error) {
	place := s.names.place(manager, shard)
	reply, err := s.run(ctx, place.slot, request{script: sweepScript, args: func(bool) []any {
		return []any{nil, 2, place.index, place.ended, place.data(""), sweepBatch, s.claim.Microseconds(), s.grace, pass}
	}})
	if err != nil {
		return 0, err
	}
	b, err := parseBatch(reply)
	if err != nil {
		return 0, err
	}
	for _, id := range b.lost {
		s.evicted.tell(manager, id)
	}
	told, err := s.tell(ctx, manager, place, b.members, ended)
	if e := s.told(place, told, b.members[len(told):]); err == nil {
		err = e
	}
	return b.next, err
}

// batch is the reply of the sweep script.
type batch struct {
	next    int
	lost    []string
	members []member
}

// member is a session that has ended: eight bytes that make it unlike every other, and its id.
type member struct {
	name string
	data []byte // nil if Redis has removed it
}

func (m member) id() string { return m.name[8:] }

func parseBatch(reply any) (batch, error) {
	var b batch
	parts, err := redis.Values(reply, nil)
	if err != nil || len(parts) < 2 || len(parts)%2 != 0 {
		return b, fmt.Errorf("reply of %d parts: %w", len(parts), err)
	}
	if b.next, err = redis.Int(parts[0], nil); err != nil {
		return b, err
	}
	if b.lost, err = redis.Strings(parts[1], nil); err != nil {
		return b, err
	}
	for parts = parts[2:]; len(parts) > 0; parts = parts[2:] {
		name, _ := parts[0].([]byte)
		if len(name) < 8 {
			return b, errors.New("a member that is too short")
		}
		data, _ := parts[1].([]byte)
		b.members = append(b.members, member{string(name), data})
	}
	return b, nil
}

// tell tells the ends of sessions until ctx ends, and returns those that it told.
func (s *Store) tell(ctx context.Context, manager string, place *place, members []member, ended func(id string, rec core.Record)) ([]member, error) {
	claimed := time.Now()
	for i, m := range members {
		if err := ctx.Err(); err != nil {
			return members[:i], err
		}
		if time.Since(claimed) > s.claim/3 { // a listener is slow
			if err := s.settle(ctx, place, s.claim, members[:i], members[i:]); err != nil {
				return members[:i], err
			}
			claimed = time.Now()
		}
		if m.data == nil {
			s.evicted.tell(manager, m.id())
			continue
		}
		rec, reason := decode(m.data)
		if reason != "" {
			s.cfg.Logger.Error("the data of a session that ended can not be read", "manager", manager,
				"session", core.Key{Manager: manager, ID: m.id()}.Hash(), "reason", reason)
		}
		ended(m.id(), rec)
	}
	return members, nil
}

// told removes the data of sessions whose end was told, and lets others tell the rest at once. It goes
// on when the sweep is cancelled.
func (s *Store) told(place *place, done, rest []member) error {
	if len(done)+len(rest) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ending, s.cfg.Timeout)
	defer cancel()
	return s.settle(ctx, place, 0, done, rest)
}

func (s *Store) settle(ctx context.Context, place *place, claim time.Duration, done, rest []member) error {
	_, err := s.run(ctx, place.slot, request{script: toldScript, args: func(bool) []any {
		args := []any{nil, 1, place.ended, claim.Microseconds(), len(done)}
		for _, m := range done {
			args = append(args, m.name)
		}
		for _, m := range rest {
			args = append(args, m.name)
		}
		return args
	}})
	return err
}

// evictions are those who want to hear of sessions that Redis has removed of its own accord.
type evictions struct {
	mu    sync.Mutex // protects the following fields
	next  int
	ended map[string]map[int]func(id string, rec core.Record)
}

// OnEvict registers ended to be called for each session of the manager that Redis has evicted for want
// of memory. That is found out by Sweep when the session would have expired, and its data is lost: the
// record is empty.
func (s *Store) OnEvict(manager string, ended func(id string, rec core.Record)) (stop func()) {
	e := &s.evicted
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended == nil {
		e.ended = make(map[string]map[int]func(string, core.Record))
	}
	if e.ended[manager] == nil {
		e.ended[manager] = make(map[int]func(string, core.Record))
	}
	n := e.next
	e.next++
	e.ended[manager][n] = ended
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.ended[manager], n)
	}
}

func (e *evictions) tell(manager, id string) {
	e.mu.Lock()
	var all []func(string, core.Record)
	for _, ended := range e.ended[manager] {
		all = append(all, ended)
	}
	e.mu.Unlock()
	for _, ended := range all {
		ended(id, core.Record{})
	}
}
