package redisstore_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestMinimalUser gives the store the Redis user of docs/operations.md, and lets it do all that a store does: nothing is
// refused, and each command that the user may run is run.
func TestMinimalUser(t *testing.T) {
	rule := userRule(t)
	cfg := redisstore.Config{Username: "holdover", Password: "SECRET", Shards: 2, Grace: time.Second}
	t.Run("plain", func(t *testing.T) {
		srv := redistest.Start(t)
		cfg := cfg
		cfg.Addrs, cfg.DB = []string{srv.Addr()}, 1
		conn, err := srv.Dial()
		ok(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Do("SELECT", 1)
		ok(t, err)
		u := &minimalUser{t: t, servers: []*redistest.Server{srv}, keys: func(pattern string) (keys []string) {
			reply, err := conn.Do("SCAN", 0, "MATCH", pattern, "COUNT", 1000)
			ok(t, err)
			for _, key := range reply.([]any)[1].([]any) {
				keys = append(keys, key.(string))
			}
			return keys
		}, spoil: spoiler(t, conn.Do)}
		u.make(append(rule, "+select"))
		doEverything(t, u, open(t, cfg), open(t, cfg))
		u.check(append(rule, "+select"))
	})
	t.Run("Sentinel", func(t *testing.T) {
		s := redistest.StartSentinel(t)
		cfg := cfg
		cfg.Mode, cfg.Addrs, cfg.MasterName = redisstore.Sentinel, s.Addrs(), s.MasterName()
		u := &minimalUser{t: t, servers: s.Servers(), keys: s.Master().Keys, spoil: spoiler(t, s.Master().Do)}
		u.make(append(rule, "+role"))
		doEverything(t, u, open(t, cfg), open(t, cfg))
		u.check(append(rule, "+role"))
	})
	t.Run("Cluster", func(t *testing.T) {
		c := redistest.StartCluster(t, 2, 0)
		cfg := cfg
		cfg.Mode, cfg.Addrs = redisstore.Cluster, c.Addrs()
		u := &minimalUser{t: t, keys: c.Keys, spoil: func(key string) {
			spoiler(t, c.MasterOf(int(redisstore.SlotOf(key))).Do)(key)
		}}
		for _, n := range c.Nodes() {
			u.servers = append(u.servers, n.Server)
		}
		rule := append(rule, "+cluster|slots", "+asking")
		u.make(rule)
		st := open(t, cfg)
		doEverything(t, u, st, open(t, cfg))
		_, slot := redisstore.PlaceOf("holdover:", "other", 0, 2)
		from := c.MasterOf(int(slot))
		to := c.Nodes()[0]
		if to.ID == from.ID {
			to = c.Nodes()[1]
		}
		c.MoveSlot(int(slot), from, to, func() {
			_, err := st.Count(t.Context(), "other", time.Now())
			ok(t, err)
		})
		u.check(rule)
	})
}

// minimalUser is the user on some servers.
type minimalUser struct {
	t       *testing.T
	servers []*redistest.Server
	keys    func(pattern string) []string
	spoil   func(key string) // writes nonsense
}

// make gives the servers the user.
func (u *minimalUser) make(rule []any) {
	u.t.Helper()
	for _, srv := range u.servers {
		_, err := srv.Do(rule...)
		ok(u.t, err)
		_, err = srv.Do("CONFIG", "RESETSTAT")
		ok(u.t, err)
	}
}

// check compares what was run with what is allowed.
func (u *minimalUser) check(rule []any) {
	u.t.Helper()
	allowed, run := make(map[string]bool), make(map[string]bool)
	for _, word := range rule {
		if command, isCommand := strings.CutPrefix(word.(string), "+"); isCommand {
			allowed[command] = true
		}
	}
	for _, srv := range u.servers {
		for command := range srv.CommandStats() {
			run[command] = true
		}
		log, err := srv.Do("ACL", "LOG")
		ok(u.t, err)
		if refused := log.([]any); len(refused) > 0 {
			u.t.Errorf("Redis refused: %v", refused)
		}
	}
	run["ping"] = true // a subscription that is five seconds old
	// What is not the store's: this test's own commands, and what Sentinels and nodes do.
	for command := range run {
		if !allowed[command] && foreign.MatchString(command) {
			delete(run, command)
		}
	}
	if diff := cmp.Diff(run, allowed); diff != "" {
		u.t.Errorf("commands (-that the store runs +that the page allows):\n%s", diff)
	}
}

var foreign = regexp.MustCompile(`^(acl|auth|config|info|scan|select|client|hello|replconf|psync|replicaof|slaveof|cluster|migrate|restore|role|script\|flush)\b`)

// spoiler returns a function that writes nonsense over a key.
func spoiler(t *testing.T, do func(args ...any) (any, error)) func(key string) {
	return func(key string) {
		t.Helper()
		_, err := do("SET", key, "nonsense")
		ok(t, err)
	}
}

// userRule returns the command of docs/operations.md that makes the user.
func userRule(t *testing.T) (rule []any) {
	text := readPage(t, "operations.md").block(t, "acl")
	for _, word := range strings.Fields(strings.ReplaceAll(text, "\\\n", " ")) {
		rule = append(rule, word)
	}
	if len(rule) < 10 {
		t.Fatalf("the page's rule is %q", text)
	}
	return slices.Clip(rule)
}

// doEverything has two stores do all that a store does.
func doEverything(t *testing.T, u *minimalUser, a, b *redisstore.Store) {
	t.Helper()
	ctx := t.Context()
	key := func(id string) core.Key { return core.Key{Manager: "shop", ID: id} }
	values := core.Values{{Name: "user", Data: "ada"}}
	create := func(id string, idle time.Duration) core.Key {
		t.Helper()
		now := time.Now()
		ok(t, a.Create(ctx, key(id), core.Record{Values: values, Created: now, Accessed: now, Idle: idle}))
		return key(id)
	}
	ids := sameShard(a, 3)
	k := create(ids[0], time.Hour)
	forGood := "an empty index that is kept for good"
	for a.SamePlace("shop", k.ID, forGood) {
		forGood += "!"
	}
	create(forGood, 0)
	create(ids[1], time.Hour) // plainly
	for _, touch := range []time.Duration{0, core.NoTouch} {
		_, err := a.Load(ctx, k, core.LoadOptions{Now: time.Now(), Touch: touch})
		ok(t, err)
	}
	_, err := a.Save(ctx, k, &core.Change{Set: core.Values{{Name: "user", Data: "grace"}, {Name: "x", Data: "1"}}, Delete: []string{"y"}})
	ok(t, err)
	_, err = a.Save(ctx, k, &core.Change{Set: core.Values{{Name: "x", Data: "2"}}})
	ok(t, err)

	lock := core.LockOptions{LoadOptions: core.LoadOptions{Now: time.Now()}, Lease: 10 * time.Second}
	_, fence, err := a.Lock(ctx, k, lock)
	ok(t, err)
	ok(t, a.Renew(ctx, k, fence, time.Now(), 10*time.Second))
	waited := make(chan error, 1)
	go func() {
		_, _, err := b.Lock(ctx, k, lock)
		if errors.As(err, new(*core.LockedError)) {
			err = b.WaitLock(ctx, k, 10*time.Second)
		}
		waited <- err
	}()
	poll(t, 10*time.Second, "b stands in line", func() bool { return len(u.keys("*:q:"+k.ID)) == 1 })
	for _, srv := range u.servers {
		_, err := srv.Do("SCRIPT", "FLUSH")
		ok(t, err)
	}
	ok(t, a.Unlock(ctx, k, fence))
	ok(t, <-waited)
	_, fence, err = b.Lock(ctx, k, lock)
	ok(t, err)
	ok(t, b.Unlock(ctx, k, fence))
	ok(t, a.Rotate(ctx, k, core.Rotation{To: ids[2], Grace: time.Minute}))
	if _, gone, err := a.Delete(ctx, key(ids[2]), time.Now()); !gone {
		t.Errorf("delete: %v", err)
	}

	soon := create("ends soon", time.Millisecond)
	poll(t, 10*time.Second, "it has expired", func() bool {
		_, err := a.Load(ctx, soon, core.LoadOptions{Touch: core.NoTouch})
		return errors.Is(err, core.ErrNotFound)
	})
	n := 0
	ok(t, a.Sweep(ctx, "shop", time.Now(), func(string, core.Record) { n++ }))
	if n != 1 {
		t.Errorf("%d sessions ended, want 1", n)
	}
	_, err = a.Count(ctx, "shop", time.Now())
	ok(t, err)
	for _, err := range a.IDs(ctx, "shop", time.Now()) {
		ok(t, err)
	}
	broken := create("broken", time.Hour)
	u.spoil(redisstore.DataKey(a, broken))
	if _, err := a.Load(ctx, broken, core.LoadOptions{}); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("load what is broken: %v", err)
	}
}

// sameShard returns ids that can be rotated to one another.
func sameShard(st *redisstore.Store, n int) []string {
	var ids []string
	for len(ids) < n {
		if id := core.RandomIDs().New(); len(ids) == 0 || st.SamePlace("shop", ids[0], id) {
			ids = append(ids, id)
		}
	}
	return ids
}
