package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

// subject is the session that a call is about.
type subject struct {
	*place
	key  core.Key
	data string // the key in Redis
}

func (s *Store) subject(key core.Key) subject {
	p := s.names.of(key)
	return subject{place: p, key: key, data: p.data(key.ID)}
}

// ask runs a script for a session and turns replies that say no into errors. absent is the error for a
// session that is not there.
func (s *Store) ask(ctx context.Context, it subject, r request, absent error) (any, error) {
	reply, err := s.run(ctx, it.slot, r)
	if e, ok := err.(redis.Error); ok && isWrongType(e) {
		if aside := s.setAside(ctx, it, "it is no string"); errors.Is(aside, core.ErrCorrupt) {
			return nil, aside
		}
		return nil, s.explain(err) // it is another key, or was one
	}
	if err != nil {
		return nil, s.explain(err)
	}
	said := reply
	if two, ok := reply.(both); ok {
		said = two.script
	}
	err = asError(said, it.key, absent)
	if errors.Is(err, errBad) {
		return nil, s.setAside(ctx, it, "it is not put together as a session is")
	}
	return reply, err
}

// explain adds who speaks to what Redis says.
func (s *Store) explain(err error) error {
	if isReply(err) {
		return fmt.Errorf("redisstore: Redis refuses: %w", err)
	}
	if s.closed.Load() {
		return fmt.Errorf("%w: %w", core.ErrClosed, err)
	}
	return err
}

// nonce names a write, or a holder of a lock. It is never zero.
func nonce() [8]byte {
	var n [8]byte
	for n == ([8]byte{}) {
		rand.Read(n[:]) // never fails
	}
	return n
}

// fenceBytes is a fence as it is stored. That of no lock is empty.
func fenceBytes(fence uint64) []byte {
	if fence == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, fence)
}

// idle is what is stored of an idle timeout: scripts count in floating point, which has no nanoseconds
// beyond 104 days.
func idle(d time.Duration) int64 {
	if d > 1<<53 {
		d = d.Round(time.Second)
	}
	return max(int64(d), 0)
}

// Touch moves the last access to now.
func (s *Store) Touch(ctx context.Context, key core.Key, _ time.Time) error {
	it := s.subject(key)
	_, err := s.ask(ctx, it, s.loading(it, 0), core.ErrGone)
	return err
}

// Rotate gives the record a new id, which must be at the same place (see SamePlace).
func (s *Store) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	if s.closed.Load() {
		return core.ErrClosed
	}
	if !s.SamePlace(key.Manager, key.ID, r.To) {
		return fmt.Errorf("redisstore: rotate session %s: %w: the new id belongs to another shard", key.Hash(), core.ErrUnsupported)
	}
	it, id := s.subject(key), nonce()
	_, err := s.ask(ctx, it, request{script: rotateScript, args: func(bool) []any {
		return []any{nil, 5, it.data, it.index, it.ended, it.queue(key.ID), it.place.data(r.To),
			key.ID, r.To, r.Grace.Microseconds(), fenceBytes(r.Fence), id[:]}
	}}, core.ErrGone)
	return err
}

// SamePlace reports whether two ids of a manager belong to one shard.
func (s *Store) SamePlace(_, id, other string) bool { return s.names.shard(id) == s.names.shard(other) }

// Delete removes the record and returns it as it last was. If the reply is lost and the call repeated,
// ok is false although the session was there.
func (s *Store) Delete(ctx context.Context, key core.Key, _ time.Time) (core.Record, bool, error) {
	it := s.subject(key)
	reply, err := s.ask(ctx, it, request{script: deleteScript, args: func(bool) []any {
		return []any{nil, 3, it.data, it.index, it.queue(key.ID), key.ID}
	}}, core.ErrNotFound)
	if errors.Is(err, core.ErrNotFound) {
		return core.Record{}, false, nil
	}
	if err != nil {
		return core.Record{}, false, err
	}
	stored, _ := reply.([]byte)
	rec, reason := decode(stored)
	if reason != "" {
		return core.Record{}, false, &core.CorruptError{Key: key, Place: "no place, since it was deleted", Reason: reason}
	}
	return rec, true, nil
}
