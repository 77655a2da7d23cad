package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Load returns the record, and moves its last access if that is due, in the same step.
//
// Moving the last access takes a script, which costs Redis several times what a plain read does. So a session whose last
// access this process knows to be recent is read plainly. Should that turn out to be wrong, it is loaded
// again by the script.
func (s *Store) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	it, asked := s.subject(key), time.Now()
	var failed error
	if opt.Touch == core.NoTouch || opt.Touch > 0 && s.known.touched(it.data, asked.Sub(s.born)) {
		rec, err, known := s.read(ctx, it, opt)
		if known {
			return rec, err
		}
		failed = err
	}
	r := s.loading(it, opt.Touch)
	r.began, r.failed = asked, failed
	reply, err := s.ask(ctx, it, r, core.ErrNotFound)
	if err != nil {
		return core.Record{}, err
	}
	rec, err := s.record(ctx, it, reply)
	if err == nil {
		s.notice(it, &rec, opt, time.Now())
	}
	return rec, err
}

// loading is the request that loads a session and touches it if that is due.
func (s *Store) loading(it subject, touch time.Duration) request {
	every := int64(-1)
	if touch >= 0 {
		every = touch.Microseconds()
	}
	return request{script: loadScript, args: func(bool) []any {
		return []any{nil, 2, it.data, it.index, it.key.ID, s.grace, every}
	}}
}

// read loads a session that need not be touched. known is false if there is anything about it that is for
// the script to say; err is then what became of the connection, if that is why.
func (s *Store) read(ctx context.Context, it subject, opt core.LoadOptions) (rec core.Record, err error, known bool) {
	if s.closed.Load() || ctx.Err() != nil {
		return rec, nil, false
	}
	asked := time.Now()
	p := newPacked()
	defer p.free()
	p.get(it.data)
	replies, err := s.plainly(ctx, it.slot, 0, command{raw: p.b}, askTime)
	if err != nil {
		return rec, err, false
	}
	if replies[0] == nil {
		return rec, core.ErrNotFound, true
	}
	stored, _ := replies[0].([]byte)
	opt.Now, known = parseTime(replies[1])
	rec, sorted, reason := decodeSorted(stored)
	if !known || reason != "" || rec.Expired(opt.Now) || opt.TouchDue(&rec) {
		return rec, nil, false
	}
	s.clocks.note(it.slot, opt.Now, asked)
	s.known.noteWrite(it.data, rec.Version, lastNonce(stored), layoutIf(sorted, rec.Values))
	s.notice(it, &rec, opt, opt.Now)
	return rec, nil, true
}

// parseTime reads the reply of TIME: seconds and microseconds.
func parseTime(reply any) (time.Time, bool) {
	parts, ok := reply.([]any)
	if !ok || len(parts) != 2 {
		return time.Time{}, false
	}
	seconds, _ := parts[0].([]byte)
	micros, _ := parts[1].([]byte)
	sec, err1 := strconv.ParseInt(string(seconds), 10, 64)
	usec, err2 := strconv.ParseInt(string(micros), 10, 64)
	return time.Unix(sec, usec*1000).UTC(), err1 == nil && err2 == nil
}

// notice remembers until when the session need not be touched, given the time at which it was loaded. If
// it was touched then, its record does not say so yet.
func (s *Store) notice(it subject, rec *core.Record, opt core.LoadOptions, now time.Time) {
	every := opt.Touch
	if rec.Idle > 0 {
		every = min(every, rec.Idle/10)
	}
	if since := now.Sub(rec.Accessed); since > 0 && since < every {
		every -= since
	}
	s.known.noteTouch(it.data, time.Since(s.born)+every)
}

// record decodes a stored session, or sets it aside.
func (s *Store) record(ctx context.Context, it subject, reply any) (core.Record, error) {
	stored, ok := reply.([]byte)
	if !ok {
		return core.Record{}, fmt.Errorf("redisstore: session %s: a script replied with a %T", it.key.Hash(), reply)
	}
	rec, sorted, reason := decodeSorted(stored)
	if reason != "" {
		return core.Record{}, s.setAside(ctx, it, reason)
	}
	s.known.noteWrite(it.data, rec.Version, lastNonce(stored), layoutIf(sorted, rec.Values))
	return rec, nil
}
