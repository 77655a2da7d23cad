package redisstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// rig is a store on a server of its own, with one shard, so that all sessions of a manager lie together.
type rig struct {
	*redistest.Server
	t  *testing.T
	st *redisstore.Store
}

func newRig(t *testing.T) *rig {
	srv := redistest.Start(t)
	return &rig{srv, t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 1})}
}

// do sends a command and returns its reply.
func (r *rig) do(args ...any) any {
	r.t.Helper()
	v, err := r.Do(args...)
	ok(r.t, err)
	return v
}

// anHour is a record that ends an hour after it was last used.
func anHour(items ...string) core.Record {
	rec := core.Record{Created: time.Now(), Accessed: time.Now(), Idle: time.Hour}
	for i := 0; i < len(items); i += 2 {
		rec.Values = append(rec.Values, core.Item{Name: items[i], Data: items[i+1]})
	}
	return rec
}

func (r *rig) create(id string, items ...string) core.Key {
	r.t.Helper()
	key := core.Key{Manager: "m", ID: id}
	ok(r.t, r.st.Create(r.t.Context(), key, anHour(items...)))
	return key
}

// holds checks that the session is there with these values.
func (r *rig) holds(key core.Key, items ...string) {
	r.t.Helper()
	rec, err := r.st.Load(r.t.Context(), key, core.LoadOptions{Touch: core.NoTouch})
	if want := anHour(items...).Values; err != nil || !slices.Equal(rec.Values, want) {
		r.t.Fatalf("%q: got %.100q, %v, want %.100q", key.ID, rec.Values, err, want)
	}
}

// ids returns the ids of a manager's sessions.
func (r *rig) ids(manager string) []string {
	r.t.Helper()
	var all []string
	for id, err := range r.st.IDs(r.t.Context(), manager, time.Now()) {
		ok(r.t, err)
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// TestHostileNames stores a session under each pair of odd names at once, and tells them apart.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	long := strings.Repeat("l", 64<<10-1)
	names := slices.Concat(hostile, []string{long + "1", long + "2"})
	for _, manager := range names {
		for _, id := range names {
			rec := anHour(id+"/1", manager, id+"/2", "")
			ok(t, r.st.Create(ctx, core.Key{Manager: manager, ID: id}, rec))
		}
	}
	for _, manager := range names {
		if got, want := r.ids(manager), slices.Sorted(slices.Values(names)); !slices.Equal(got, want) {
			t.Errorf("manager %.20q: IDs gives %.20q", manager, got)
		}
		for _, id := range names {
			key := core.Key{Manager: manager, ID: id}
			_, err := r.st.Save(ctx, key, &core.Change{Set: core.Values{{Name: id + "/3", Data: "\x00" + id}}, Delete: []string{id + "/2"}})
			ok(t, err)
			r.holds(key, id+"/1", manager, id+"/3", "\x00"+id)
			rec, there, err := r.st.Delete(ctx, key, time.Now())
			if err != nil || !there || len(rec.Values) != 2 {
				t.Fatalf("delete %.20q %.20q: %v, %v", manager, id, there, err)
			}
		}
	}
	for _, key := range r.Keys("*") {
		if key != "holdover:meta" {
			t.Errorf("the key %.100q is left over", key)
		}
	}
}

// TestHostileLocks takes, waits for and rotates sessions with odd names.
func TestHostileLocks(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	opt := core.LockOptions{Lease: time.Minute}
	for i, id := range append([]string{strings.Repeat("l", 64<<10)}, hostile...) {
		key, to := core.Key{Manager: "a}{b\x00", ID: id}, fmt.Sprint(i, id)
		ok(t, r.st.Create(ctx, key, anHour("n", "1")))
		_, fence, err := r.st.Lock(ctx, key, opt)
		ok(t, err)
		if _, _, err := r.st.Lock(ctx, key, opt); !errors.Is(err, core.ErrLocked) {
			t.Errorf("%.20q: locked twice: %v", id, err)
		}
		ok(t, r.st.WaitLock(ctx, key, time.Millisecond))
		ok(t, r.st.Rotate(ctx, key, core.Rotation{To: to, Grace: time.Minute, Fence: fence}))
		_, err = r.st.Load(ctx, key, core.LoadOptions{})
		if moved, is := errors.AsType[*core.MovedError](err); !is || moved.To != to {
			t.Errorf("%.20q: the forward says %v", id, err)
		}
		ok(t, r.st.Unlock(ctx, core.Key{Manager: key.Manager, ID: to}, fence))
	}
}

func TestHostileSizes(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	big := strings.Repeat("\r\n\x00*", 5<<18) // 5 MiB
	key := r.create("grows", "small", "1")

	for name, c := range map[string]core.Change{
		"merge":   {Set: core.Values{{Name: "big", Data: big}}, MaxSize: 1 << 20},
		"replace": {Set: core.Values{{Name: "big", Data: big}}, Replace: true, MaxSize: 1 << 20},
		"by one":  {Set: core.Values{{Name: "b", Data: "12345"}}, MaxSize: 11}, // small=1, b=12345: 12
	} {
		if _, err := r.st.Save(ctx, key, &c); !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", name, err)
		}
		r.holds(key, "small", "1")
	}
	_, err := r.st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "b", Data: "12345"}}, MaxSize: 12})
	ok(t, err)

	// Without a limit it is Redis that says what is too large.
	_, err = r.st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "big", Data: big}}})
	ok(t, err)
	r.holds(key, "b", "12345", "big", big, "small", "1")
	_, err = r.st.Save(ctx, key, &core.Change{Delete: []string{"b", "big"}})
	ok(t, err)
	r.holds(key, "small", "1")

	r.do("CONFIG", "SET", "proto-max-bulk-len", 2<<20)
	began := time.Now()
	_, err = r.st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "big", Data: big}}})
	if err == nil {
		t.Error("what Redis takes for too large was saved")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	r.holds(key, "small", "1")
}

// TestHostileMany stores names by the thousand in one session.
func TestHostileMany(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	values := make(map[string]string)
	for i := range 20000 {
		values[fmt.Sprint("name", i)] = fmt.Sprint(i)
	}
	change := core.Change{Delete: []string{"first"}}
	var want []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		change.Set = append(change.Set, core.Item{Name: name, Data: values[name]})
		want = append(want, name, values[name])
	}
	key := r.create("many", "first", "1")
	_, err := r.st.Save(ctx, key, &change)
	ok(t, err)
	r.holds(key, want...)
}

// secretFree checks that an error does not show a session's id.
func secretFree(t *testing.T, err error, id string) {
	t.Helper()
	if err != nil && bytes.Contains([]byte(err.Error()), []byte(id)) {
		t.Errorf("the error shows the session's id: %v", err)
	}
}
