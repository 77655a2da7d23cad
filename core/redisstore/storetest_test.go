package redisstore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/core/storetest"
	"github.com/holdover-web/holdover/internal/redistest"
)

// open opens a store and closes it with the test.
func open(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	st, err := redisstore.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// suite runs storetest on stores that share one Redis and one clock, each under a prefix of its own.
func suite(t *testing.T, cfg redisstore.Config, clock *clock) {
	t.Parallel()   // the clock is the test's own
	cfg.Shards = 4 // listing asks each
	var n atomic.Int64
	prefixes := make(map[core.Store]string)
	newStore := func(t *testing.T) core.Store {
		cfg := cfg
		cfg.Prefix = "t" + time.Duration(n.Add(1)).String() + ":"
		st := clock.open(t, cfg)
		prefixes[st] = cfg.Prefix
		return st
	}
	again := func(t *testing.T, st core.Store) core.Store {
		cfg := cfg
		cfg.Prefix = prefixes[st]
		other := clock.open(t, cfg)
		prefixes[other] = cfg.Prefix
		return other
	}
	storetest.Run(t, newStore, storetest.Options{
		Reopen: again,
		Second: again,
		OwnClock: &storetest.OwnClock{
			Now:     clock.now,
			Advance: clock.advance,
			Unit:    time.Minute,
			Slack:   10 * time.Second,
		},
	})
}

func TestStore(t *testing.T) {
	srv := redistest.Start(t)
	suite(t, redisstore.Config{Addrs: []string{srv.Addr()}}, newClock(t, srv))
}

func TestStoreOnCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 1)
	var servers []*redistest.Server
	for _, n := range c.Nodes() {
		servers = append(servers, n.Server)
	}
	suite(t, redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs()}, newClock(t, servers...))
}

func TestStoreBehindSentinel(t *testing.T) {
	s := redistest.StartSentinel(t)
	cfg := redisstore.Config{Mode: redisstore.Sentinel, Addrs: s.Addrs(), MasterName: s.MasterName()}
	suite(t, cfg, newClock(t, s.Servers()...))
}
