package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// operation is a call about one session.
type operation struct {
	name string
	do   func(ctx context.Context, st *redisstore.Store, key core.Key) error
}

// operations are all calls about one session that exists.
var operations = []operation{
	{"Load", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Load(ctx, key, core.LoadOptions{})
		return err
	}},
	{"Load without touch", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Load(ctx, key, core.LoadOptions{Touch: core.NoTouch})
		return err
	}},
	{"Lock", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, _, err := st.Lock(ctx, key, core.LockOptions{Lease: time.Minute})
		return err
	}},
	{"merge", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "b", Data: "2"}, {Name: "new", Data: "3"}}, Delete: []string{"c"}})
		return err
	}},
	{"replace", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "b", Data: "2"}}, Replace: true})
		return err
	}},
	{"save of a version", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "b", Data: "2"}}, Base: 1, Version: 1})
		return err
	}},
	{"save with a fence", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, err := st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "b", Data: "2"}}, Fence: 7, Unlock: true})
		return err
	}},
	{"Touch", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		return st.Touch(ctx, key, time.Now())
	}},
	{"Rotate", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		return st.Rotate(ctx, key, core.Rotation{To: key.ID + "'", Grace: time.Minute})
	}},
	{"Renew", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		return st.Renew(ctx, key, 7, time.Now(), time.Minute)
	}},
	{"Unlock", func(ctx context.Context, st *redisstore.Store, key core.Key) error { return st.Unlock(ctx, key, 7) }},
	{"Delete", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		_, _, err := st.Delete(ctx, key, time.Now())
		return err
	}},
	{"Create", func(ctx context.Context, st *redisstore.Store, key core.Key) error {
		return st.Create(ctx, key, anHour("a", "1"))
	}},
}

// planted are commands that put something else where a session should be, and what is then found where
// it was set aside.
var planted = []struct {
	name  string
	plant []any // KEY stands for the session's key
	kind  string
}{
	{"hash", []any{"HSET", "KEY", "f", "v"}, "hash"},
	{"list", []any{"RPUSH", "KEY", "v"}, "list"},
	{"set", []any{"SADD", "KEY", "v"}, "set"},
	{"sorted set", []any{"ZADD", "KEY", 1, "v"}, "zset"},
	{"stream", []any{"XADD", "KEY", "*", "f", "v"}, "stream"},
	{"garbage", []any{"SET", "KEY", "garbage"}, "string"},
	{"long garbage", []any{"SET", "KEY", strings.Repeat("garbage ", 100)}, "string"},
	{"number", []any{"SET", "KEY", "17"}, "string"},
	{"half a head", []any{"SET", "KEY", "HSS1" + strings.Repeat("\x00", 60)}, "string"},
	{"half a forward", []any{"SET", "KEY", "HSF1" + strings.Repeat("\x00", 60)}, "string"},
	{"bits", []any{"SETBIT", "KEY", 4000, 1}, "string"},
}

// TestPlanted puts what is no session at a session's place. Whichever call meets it says so and sets it
// aside; the session is gone, and nobody else's.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			r := newRig(t)
			neighbour := r.create("neighbour", "a", "1")
			for i, op := range operations {
				key := r.create(fmt.Sprint("planted-session-", i), "a", "1")
				data := redisstore.DataKey(r.st, key)
				r.do("DEL", data)
				plant := slices.Clone(p.plant)
				plant[1] = data
				r.do(plant...)
				r.setAside(op, key, p.kind)
				r.holds(neighbour, "a", "1")
			}
			if got := r.ids("m"); !slices.Equal(got, []string{"neighbour"}) {
				t.Errorf("IDs gives %q, want only the neighbour", got)
			}
			ok(t, r.st.Sweep(t.Context(), "m", time.Now(), func(id string, _ core.Record) { t.Errorf("%s was told to have ended", id) }))
		})
	}
}

// setAside checks what an operation does with a session that can not be read.
func (r *rig) setAside(op operation, key core.Key, kind string) {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	err := op.do(ctx, r.st, key)
	corrupt, is := errors.AsType[*core.CorruptError](err)
	if !is || !errors.Is(err, core.ErrCorrupt) || corrupt.Key != key || corrupt.Reason == "" {
		t.Fatalf("%s: got %v, want a CorruptError", op.name, err)
	}
	secretFree(t, err, key.ID)
	place, named := strings.CutPrefix(corrupt.Place, "the Redis key ")
	if !named || !strings.Contains(place, "}:x:") {
		t.Fatalf("%s: it is said to be kept at %q", op.name, corrupt.Place)
	}
	if got := r.do("TYPE", place); got != kind {
		t.Errorf("%s: a %v is kept, want the %s", op.name, got, kind)
	}
	if days := r.do("TTL", place).(int64) / 86400; days < 29 || days > 30 {
		t.Errorf("%s: it is kept for %d days, want 30", op.name, days)
	}
	if _, err := r.st.Load(ctx, key, core.LoadOptions{}); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("%s: then Load gives %v, want ErrNotFound", op.name, err)
	}
}

// TestPlantedNewer meets sessions of a later version of this package, which are none of its business.
func TestPlantedNewer(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	for _, kind := range []string{"HSS2", "HSF2", "HSS9"} {
		for _, newer := range []string{kind + strings.Repeat("x", 200), kind} {
			key := r.create("later-session", "a", "1")
			data, index := redisstore.DataKey(r.st, key), redisstore.IndexKey(r.st, key)
			r.do("SET", data, newer)                                              // without a time to live, so that one that is set shows
			r.do("ZADD", index, time.Now().Add(-time.Second).UnixMicro(), key.ID) // due to be swept
			dump := fmt.Sprint(r.do("DUMP", data), r.do("DUMP", index), r.do("PTTL", data))
			for _, op := range operations {
				err := op.do(ctx, r.st, key)
				if !errors.Is(err, redisstore.ErrNewer) || errors.Is(err, core.ErrCorrupt) {
					t.Errorf("%s of %d bytes, %s: got %v, want ErrNewer", kind, len(newer), op.name, err)
				}
				secretFree(t, err, key.ID)
			}
			ok(t, r.st.Sweep(ctx, "m", time.Now(), func(id string, _ core.Record) { t.Errorf("%s was told to have ended", id) }))
			if now := fmt.Sprint(r.do("DUMP", data), r.do("DUMP", index), r.do("PTTL", data)); now != dump {
				t.Errorf("%s of %d bytes: something has changed", kind, len(newer))
			}
			r.do("DEL", data, index)
		}
	}
}

// TestPlantedNewerAmongMany checks that sessions of a later version do not keep others from being swept.
func TestPlantedNewerAmongMany(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 200 {
		key := core.Key{Manager: "m", ID: fmt.Sprintf("%03d", i)}
		rec := anHour("a", "1")
		rec.Idle = time.Millisecond
		ok(t, r.st.Create(t.Context(), key, rec))
		if i%4 != 0 {
			r.do("SETRANGE", redisstore.DataKey(r.st, key), 0, "HSS2")
		}
	}
	told := 0
	deadline := time.Now().Add(10 * time.Second)
	for told < 50 && time.Now().Before(deadline) {
		ok(t, r.st.Sweep(t.Context(), "m", time.Now(), func(string, core.Record) { told++ }))
	}
	if told != 50 {
		t.Errorf("%d ends were told, want those of the 50 sessions that can be read", told)
	}
}

// TestIndexOfNothing has index entries without sessions, and the other way round.
func TestIndexOfNothing(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	kept, lost := r.create("kept", "a", "1"), r.create("lost", "a", "1")
	index := redisstore.IndexKey(r.st, kept)

	r.do("ZREM", index, "kept")
	r.holds(kept, "a", "1")
	_, err := r.st.Save(ctx, kept, &core.Change{SetIdle: true, Idle: 2 * time.Hour})
	ok(t, err)
	r.do("DEL", redisstore.DataKey(r.st, lost))
	r.do("ZADD", index, 1, "never was")
	for _, op := range operations[:len(operations)-1] { // without Create
		if err := op.do(ctx, r.st, lost); err != nil && !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrGone) {
			t.Errorf("%s: got %v", op.name, err)
		}
	}
	if got := r.ids("m"); !slices.Equal(got, []string{"kept", "lost"}) {
		t.Errorf("IDs gives %q: a changed timeout has to mend the index", got)
	}
	var evicted []string
	defer r.st.OnEvict("m", func(id string, rec core.Record) { evicted = append(evicted, id) })()
	r.do("ZADD", index, 1, "lost")
	for range 2 {
		ok(t, r.st.Sweep(ctx, "m", time.Now(), func(id string, _ core.Record) { t.Errorf("%s was told to have ended", id) }))
	}
	slices.Sort(evicted)
	if !slices.Equal(evicted, []string{"lost", "never was"}) {
		t.Errorf("told as evicted: %q", evicted)
	}
	if got := r.ids("m"); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("IDs gives %q, want what there is", got)
	}
}

// TestIndexOfAnotherKind has something else where the index should be: a clear error, and no data lost.
func TestIndexOfAnotherKind(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	key := r.create("session", "a", "1")
	index := redisstore.IndexKey(r.st, key)
	r.do("DEL", index)
	r.do("SET", index, "a string")
	r.holds(key, "a", "1")
	err := r.st.Sweep(ctx, "m", time.Now(), func(string, core.Record) {})
	if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || errors.Is(err, core.ErrCorrupt) {
		t.Errorf("got %v, want what Redis says", err)
	}
	r.holds(key, "a", "1")
}
