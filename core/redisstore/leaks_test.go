package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
	"go.uber.org/goleak"
)

// usage is a heavy use of a few sessions by several users of two stores.
type usage struct {
	managers []*core.Manager

	mu      sync.Mutex // protects the following fields
	ids     []string
	outcome map[string]int // of what was done, how often
}

func (u *usage) some() (*core.Manager, string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.managers[rand.IntN(len(u.managers))], u.ids[rand.IntN(len(u.ids))]
}

// note counts what was done and remembers the id of a session that may be used from now on.
func (u *usage) note(what, id string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		what += " in vain"
	} else if id != "" {
		u.ids[rand.IntN(len(u.ids))] = id
	}
	u.outcome[what]++
}

// step makes one request. That sessions end while others use them is part of it.
func (u *usage) step(ctx context.Context) {
	m, id := u.some()
	switch what := rand.IntN(20); what {
	case 0, 1:
		s, err := m.Create(ctx)
		if err == nil {
			err = write1(ctx, s)
		}
		u.note("create", s.ID(), err)
	case 2:
		u.note("delete", "", m.Delete(ctx, id))
	case 3, 4: // within the grace all who hold the session's lock let go of it
		s, err := m.Open(ctx, id)
		if err == nil {
			if err = s.Rotate(ctx, time.Second); err == nil {
				id, err = s.ID(), s.End(ctx)
			}
		}
		u.note("rotate", id, err)
	case 5:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
		defer cancel()
		u.note("hurried write", "", write(ctx, m, id, core.Serialized))
	case 6:
		u.note("update", "", m.Update(ctx, id, increment))
	case 7, 8, 9:
		u.note("read", "", read(ctx, m, id))
	default:
		policy := everyPolicy[rand.IntN(len(everyPolicy))]
		u.note("write under "+policy.String(), "", write(ctx, m, id, policy))
	}
}

func write1(ctx context.Context, s *core.Session) error {
	if err := s.Set("n", 0); err != nil {
		return err
	}
	return s.Commit(ctx)
}

// run has so many users at once make so many requests each.
func (u *usage) run(t *testing.T, users, requests int) {
	t.Helper()
	u.outcome = make(map[string]int)
	for range 6 {
		u.ids = append(u.ids, begin(t, u.managers[0]))
	}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range requests {
				u.step(t.Context())
			}
		})
	}
	wg.Wait()
	t.Log(u.outcome)
}

// TestNothingIsLeft uses sessions in all ways, and then looks for what was forgotten: goroutines,
// connections, keys.
func TestNothingIsLeft(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, servers []*redistest.Server) {
		for _, srv := range servers {
			srv.Keys("*") // so that its own connection is there
		}
		running := goleak.IgnoreCurrent()
		stores := []*redisstore.Store{open(t, cfg), open(t, cfg)}
		u := new(usage)
		for _, st := range stores {
			m, err := core.New("app", st, core.Config{IdleTimeout: 2 * time.Second, SweepInterval: 50 * time.Millisecond, LockWait: 5 * time.Second})
			ok(t, err)
			u.managers = append(u.managers, m)
		}
		u.run(t, 12, 200)
		checkConnections(t, servers, len(stores)*3)
		if kept := withoutTTL(t, servers); len(kept) > 0 {
			t.Errorf("these keys have no time to live: %q", kept)
		}
		checkAllSwept(t, u.managers[0], servers)
		for i, m := range u.managers {
			ok(t, m.Close(context.Background()))
			ok(t, stores[i].Close())
		}
		if err := goleak.Find(running); err != nil {
			t.Error(err)
		}
		checkConnections(t, servers, 0)
	})
}

// checkConnections waits until each server has at most so many connections besides the test's own, and
// exactly none if none are allowed.
func checkConnections(t *testing.T, servers []*redistest.Server, most int) {
	t.Helper()
	for _, srv := range servers {
		open := func() int {
			n, err := strconv.Atoi(srv.Info("clients")["connected_clients"])
			ok(t, err)
			return n - 1
		}
		poll(t, 5*time.Second, fmt.Sprintf("%s has at most %d connections", srv.Addr(), most), func() bool { return open() <= most })
	}
}

// withoutTTL returns the keys that Redis would keep for ever, except those that it has to.
func withoutTTL(t *testing.T, servers []*redistest.Server) (kept []string) {
	t.Helper()
	for _, srv := range servers {
		for _, key := range srv.Keys("*") {
			left, err := srv.Do("PTTL", key)
			ok(t, err)
			if left == int64(-1) && key != "holdover:meta" {
				kept = append(kept, key)
			}
		}
	}
	return kept
}

// checkAllSwept waits until all sessions have expired and been swept, and sees to it that nothing is left of them.
func checkAllSwept(t *testing.T, m *core.Manager, servers []*redistest.Server) {
	t.Helper()
	living := func() int {
		n, err := m.Count(t.Context())
		ok(t, err)
		return n
	}
	poll(t, 10*time.Second, "all sessions expire", func() bool { return living() == 0 })
	left := func() (keys []string) {
		for _, srv := range servers {
			keys = append(keys, srv.Keys("*")...)
		}
		return slices.DeleteFunc(keys, func(key string) bool { return key == "holdover:meta" })
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := m.Sweep(t.Context())
		ok(t, err)
		keys := left()
		if len(keys) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("these keys are left: %q", keys)
			return
		}
	}
}

// TestEndless has sessions that never expire. Their keys are kept for ever, and gone when they are deleted.
func TestEndless(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, servers []*redistest.Server) {
		m := managerOn(t, open(t, cfg), core.Config{IdleTimeout: -1})
		var ids []string
		for range 50 {
			ids = append(ids, begin(t, m))
			ok(t, write(t.Context(), m, ids[0]))
			ok(t, write(t.Context(), m, ids[0], core.Serialized))
		}
		sessions := 0
		for _, key := range withoutTTL(t, servers) {
			switch {
			case strings.Contains(key, "}:s:"):
				sessions++
			case !strings.HasSuffix(key, "}:i"):
				t.Errorf("the key %s has no time to live", key)
			}
		}
		if sessions != len(ids) {
			t.Errorf("%d sessions have no time to live, want %d", sessions, len(ids))
		}
		for _, id := range ids {
			ok(t, m.Delete(t.Context(), id))
		}
		for _, srv := range servers {
			for _, key := range srv.Keys("*") {
				if key != "holdover:meta" {
					t.Errorf("the key %s is left", key)
				}
			}
		}
	})
}

// TestIndexMadeAnew has the index of a shard end with its last session, and begin again with the next.
func TestIndexMadeAnew(t *testing.T) {
	srv := redistest.Start(t)
	m := managerOn(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 1}), core.Config{})
	for range 3 {
		id := begin(t, m)
		if kept := withoutTTL(t, []*redistest.Server{srv}); len(kept) > 0 {
			t.Errorf("these keys have no time to live: %q", kept)
		}
		ok(t, m.Delete(t.Context(), id))
	}
}
