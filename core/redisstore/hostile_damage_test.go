package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// answered reports whether an error is one that a store may return for a session whose bytes were
// damaged: it can be read, or it is corrupt, or what is damaged is its version, end or lock.
func answered(err error) bool {
	for _, is := range []error{nil, core.ErrCorrupt, core.ErrNotFound, core.ErrGone, core.ErrExists, core.ErrConflict, core.ErrLocked,
		core.ErrLockLost, redisstore.ErrNewer} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// TestDamage flips each byte of a stored session, in three ways, and makes every call on it.
func TestDamage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	neighbour := r.create("neighbour", "a", "1")
	key := r.create("damaged", "a", "one", "b", "two", "c", "three")
	_, err := r.st.Save(t.Context(), key, &core.Change{Set: core.Values{{Name: "a0", Data: "four"}}}) // at the end, out of order
	ok(t, err)
	good := r.do("GET", redisstore.DataKey(r.st, key)).(string)
	for i := range good {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bad := []byte(good)
			bad[i] ^= flip
			r.damaged(key, string(bad), fmt.Sprintf("byte %d ^ %#x", i, flip))
		}
	}
	r.holds(neighbour, "a", "1")
}

// TestTruncated cuts a stored session short, at each length.
func TestTruncated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.create("damaged", "a", "one", "b", "two", "c", "three")
	good := r.do("GET", redisstore.DataKey(r.st, key)).(string)
	for n := 1; n < len(good); n++ {
		r.damaged(key, good[:n], fmt.Sprintf("the first %d bytes", n))
	}
	r.damaged(key, good+"x", "a byte too many")
	r.damaged(key, good+good, "twice")
}

// damaged makes every call on a session that is stored as these bytes.
func (r *rig) damaged(key core.Key, bytes, what string) {
	t, data := r.t, redisstore.DataKey(r.st, key)
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // no call hangs
	defer cancel()
	plant := func(score any) {
		r.do("SET", data, bytes, "PX", 3600000)
		r.do("ZADD", redisstore.IndexKey(r.st, key), score, key.ID)
	}
	for _, op := range operations {
		plant(time.Now().Add(time.Hour).UnixMicro())
		_, reason := redisstore.Decode([]byte(bytes))
		err := op.do(ctx, r.st, key)
		if !answered(err) {
			t.Errorf("%s: %s: got %v", what, op.name, err)
		}
		if errors.Is(err, core.ErrCorrupt) && reason == "" {
			t.Errorf("%s: %s: can be read and is called corrupt: %v", what, op.name, err)
		}
		_, then := r.st.Load(ctx, key, core.LoadOptions{Touch: core.NoTouch})
		switch {
		case errors.Is(err, core.ErrCorrupt) && !errors.Is(then, core.ErrNotFound):
			t.Errorf("%s: %s: was set aside, but then Load gives %v", what, op.name, then)
		case err == nil && writes[op.name] && !strings.Contains(reason, "twice") && errors.Is(then, core.ErrCorrupt):
			t.Errorf("%s: %s: was told to have saved what can not be read: %v", what, op.name, then)
		case op.name == "Rotate" && err == nil:
			if _, moved := errors.AsType[*core.MovedError](then); !moved {
				t.Errorf("%s: %s: then Load gives %v", what, op.name, then)
			}
		case !answered(then):
			t.Errorf("%s: %s: then Load gives %v", what, op.name, then)
		}
	}
	plant(1) // due
	for _, err := range r.st.IDs(ctx, key.Manager, time.Now()) {
		ok(t, err)
	}
	ok(t, r.st.Sweep(ctx, key.Manager, time.Now(), func(id string, _ core.Record) {
		if id != key.ID {
			t.Errorf("%s: Sweep tells of %s", what, id)
		}
	}))
	r.do("DEL", data, redisstore.DataKey(r.st, core.Key{Manager: key.Manager, ID: key.ID + "'"}))
}

// writes are the operations that write values.
var writes = map[string]bool{"merge": true, "replace": true, "save of a version": true}

// TestDamagedLease has a lock whose lease was damaged to end in ages. Nobody can have it, but the
// session can still be read, and deleted.
func TestDamagedLease(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	key := r.create("session", "a", "1")
	lock := binary.BigEndian.AppendUint64([]byte("somebody"), 1<<63)
	r.do("SETRANGE", redisstore.DataKey(r.st, key), 44, lock)
	_, _, err := r.st.Lock(ctx, key, core.LockOptions{Lease: time.Minute})
	if !errors.Is(err, core.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	began := time.Now()
	ok(t, r.st.WaitLock(ctx, key, 50*time.Millisecond))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("WaitLock took %v", took)
	}
	r.holds(key, "a", "1")
	_, there, err := r.st.Delete(ctx, key, time.Now())
	if !there || err != nil {
		t.Errorf("Delete: %v, %v", there, err)
	}
}

// TestEndedAndDamaged sweeps sessions that can not be read any more: their end is told, and no other is
// held up.
func TestEndedAndDamaged(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	for _, id := range []string{"good", "cut", "garbage"} {
		rec := anHour("a", "1")
		rec.Idle = time.Millisecond
		ok(t, r.st.Create(ctx, core.Key{Manager: "m", ID: id}, rec))
	}
	cut := redisstore.DataKey(r.st, core.Key{Manager: "m", ID: "cut"})
	whole := r.do("GET", cut).(string)
	r.do("SET", cut, whole[:len(whole)-1])
	r.do("SET", redisstore.DataKey(r.st, core.Key{Manager: "m", ID: "garbage"}), strings.Repeat("g", 200))
	told := make(map[string]string)
	for deadline := time.Now().Add(10 * time.Second); len(told) < 2 && time.Now().Before(deadline); {
		ok(t, r.st.Sweep(ctx, "m", time.Now(), func(id string, rec core.Record) { told[id] += fmt.Sprint(len(rec.Values)) }))
	}
	if told["good"] != "1" || told["cut"] != "0" || len(told) != 2 {
		t.Errorf("told: %v, want the good one with its value and the cut one without", told)
	}
}
