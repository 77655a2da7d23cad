package redisstore

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Create stores a new record and returns nil, or core.ErrExists.
//
// The script that does it reads Redis's clock. While this process has read that clock just before, it can
// work out what the script would store, and saves Redis most of the work: a transaction of plain commands
// stores it. They do nothing if the id is taken; then the script finds out why.
func (s *Store) Create(ctx context.Context, key core.Key, rec core.Record) error {
	it, id, asked := s.subject(key), nonce(), time.Now()
	done, failed := s.createPlainly(ctx, it, &rec, id)
	if done {
		s.known.noteWrite(it.data, 1, id, layoutOf(rec.Values))
		return nil
	}
	var ends int64
	if !rec.Ends.IsZero() {
		ends = max(rec.Ends.Sub(rec.Accessed).Microseconds(), 1)
	}
	age := rec.Accessed.Sub(rec.Created).Microseconds()
	items := encodeItems(rec.Values)
	reply, err := s.ask(ctx, it, request{script: createScript, began: asked, failed: failed, args: func(bool) []any {
		asked = time.Now()
		return []any{nil, 3, it.data, it.index, it.ended,
			key.ID, s.grace, id[:], age, idle(rec.Idle), ends, len(rec.Values), items}
	}}, nil)
	if err != nil {
		return err
	}
	s.known.noteWrite(it.data, 1, id, layoutOf(rec.Values))
	if parts, ok := reply.([]any); ok && len(parts) == 2 {
		now, _ := parts[0].(int64)
		left, _ := parts[1].(int64)
		at := micros(uint64(now))
		s.clocks.note(it.slot, at, asked)
		if left < 0 { // for good; but it may be another one the next time
			it.keptFor(time.Time{})
		} else {
			it.keptFor(at.Add(time.Duration(left) * time.Millisecond))
		}
	}
	return nil
}

// createPlainly reports whether it has stored the record. If not, nothing is known, and failed is what became
// of the connection, if that is why.
func (s *Store) createPlainly(ctx context.Context, it subject, rec *core.Record, id [8]byte) (done bool, failed error) {
	now, fresh := s.clocks.now(it.slot)
	if !fresh || s.closed.Load() || ctx.Err() != nil {
		return false, nil
	}
	begun := core.Record{Values: rec.Values, Version: 1, Created: now.Add(rec.Created.Sub(rec.Accessed)), Accessed: now,
		Idle: time.Duration(idle(rec.Idle))}
	if !rec.Ends.IsZero() {
		begun.Ends = now.Add(max(rec.Ends.Sub(rec.Accessed), time.Microsecond))
	}
	expires := begun.Expires()
	last := expires.Add(s.cfg.Grace + time.Millisecond)
	if expires.IsZero() || !it.isKept(last) {
		return false, nil
	}
	replies, err := s.plainly(ctx, it.slot, enough,
		command{name: "MULTI"},
		command{name: "SET", args: []any{it.data, encode(&begun, expires, id), "NX", "PXAT", last.UnixMilli()}},
		command{name: "ZADD", args: []any{it.index, "NX", expires.UnixMicro(), it.key.ID}},
		command{name: "PTTL", args: []any{it.index}},
		command{name: "EXEC"})
	if err != nil {
		return false, err
	}
	results, _ := replies[len(replies)-1].([]any)
	if len(results) != 3 || results[0] == nil || refused(results[0]) || refused(results[1]) {
		return false, nil
	}
	// An index that was gone has no time to live now, or that of others' sessions: the script sees to it.
	left, _ := results[2].(int64)
	return time.Duration(left)*time.Millisecond >= last.Sub(now), nil
}

// encode writes a new session.
func encode(rec *core.Record, expires time.Time, id [8]byte) []byte {
	size := rec.Values.Size() + itemHead*len(rec.Values)
	b := make([]byte, 0, headSize+size)
	b = append(b, kindHead...)
	var ends uint64
	if !rec.Ends.IsZero() {
		ends = uint64(rec.Ends.UnixMicro())
	}
	for _, field := range []uint64{rec.Version, uint64(rec.Created.UnixMicro()), uint64(rec.Accessed.UnixMicro()),
		uint64(rec.Idle), ends, 0, 0} { // the last two are the lock
		b = binary.BigEndian.AppendUint64(b, field)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(rec.Values)))
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint64(b, uint64(expires.UnixMicro()))
	b = append(b, id[:]...)
	b = append(b, make([]byte, headSize-len(b))...) // nonces of later writes
	return appendItems(b, rec.Values)
}
