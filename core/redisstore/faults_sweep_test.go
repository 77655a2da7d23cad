package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

const sweptManager = "swept"

// expire stores n sessions that have a value, and waits until all have expired.
func expire(t *testing.T, st *redisstore.Store, n int) {
	t.Helper()
	ctx := t.Context()
	for i := range n {
		rec := core.Record{Values: core.Values{{Name: "v", Data: fmt.Sprint(i)}}, Idle: time.Millisecond}
		if err := st.Create(ctx, core.Key{Manager: sweptManager, ID: fmt.Sprint("s", i)}, rec); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, 5*time.Second, "all sessions have expired", func() bool {
		n, err := st.Count(ctx, sweptManager, time.Now())
		return err == nil && n == 0
	})
}

// told counts the ends that sweeps tell.
type told struct {
	mu    sync.Mutex
	times map[string]int
	bad   []string
}

func (o *told) ended(id string, rec core.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.times == nil {
		o.times = map[string]int{}
	}
	o.times[id]++
	if v, _ := rec.Values.Get("v"); "s"+v != id {
		o.bad = append(o.bad, id)
	}
}

// check makes sure that n ends were told once, with their data.
func (o *told) check(t *testing.T, n int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.times) != n || len(o.bad) > 0 {
		t.Errorf("the ends of %d sessions were told, of %d; without their data: %q", len(o.times), n, o.bad)
	}
	for id, times := range o.times {
		if times != 1 {
			t.Errorf("the end of %s was told %d times", id, times)
		}
	}
}

// sweepUntil sweeps until so many ends are told, and returns how long that took.
func (o *told) sweepUntil(t *testing.T, st *redisstore.Store, n int) time.Duration {
	t.Helper()
	began := time.Now()
	poll(t, 10*time.Second, fmt.Sprintf("%d ends are told", n), func() bool {
		if err := st.Sweep(t.Context(), sweptManager, time.Now(), o.ended); err != nil {
			t.Fatal(err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.times) >= n
	})
	return time.Since(began)
}

// TestFaultSweepersAtOnce has several sweep at the same time.
func TestFaultSweepersAtOnce(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	cfg := redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 4}
	stores := []*redisstore.Store{open(t, cfg), open(t, cfg), open(t, cfg)}
	const sessions = 1000
	expire(t, stores[0], sessions)
	var o told
	var sweeping sync.WaitGroup
	for _, st := range stores {
		for range 2 {
			sweeping.Go(func() {
				if err := st.Sweep(t.Context(), sweptManager, time.Now(), o.ended); err != nil {
					t.Error(err)
				}
			})
		}
	}
	sweeping.Wait()
	o.check(t, sessions)
	if keys := srv.Keys("*{*"); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

// deadSweepers die when they have taken sessions out and told none of their ends.
var deadSweepers = []struct {
	name string
	die  func(t *testing.T, srv *redistest.Server, cfg redisstore.Config)
}{
	{"panics", func(t *testing.T, _ *redistest.Server, cfg redisstore.Config) {
		st := open(t, cfg)
		redisstore.SetClaim(st, claimForTests)
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = st.Sweep(t.Context(), sweptManager, time.Now(), func(string, core.Record) { panic("a listener") })
	}},
	{"store is closed", func(t *testing.T, _ *redistest.Server, cfg redisstore.Config) {
		st := open(t, cfg)
		redisstore.SetClaim(st, claimForTests)
		inside, closed, swept := make(chan bool, 1), make(chan bool), make(chan error)
		go func() {
			swept <- st.Sweep(context.Background(), sweptManager, time.Now(), func(string, core.Record) {
				select {
				case inside <- true:
				default:
				}
				<-closed
			})
		}()
		<-inside
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		close(closed)
		if err := <-swept; err == nil {
			t.Error("the sweep of a closed store did not fail")
		}
	}},
	{"killed", func(t *testing.T, srv *redistest.Server, _ redisstore.Config) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFaultSweeperChild$")
		cmd.Env = append(os.Environ(), sweeperChild+"="+srv.Addr())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.Contains(lines.Text(), insideCallback) {
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Errorf("the child ended by itself: %v", err)
		}
	}},
}

const (
	claimForTests  = 400 * time.Millisecond
	sweeperChild   = "REDISSTORE_TEST_SWEEPER" // in the environment, with the address of Redis
	insideCallback = "inside the callback"
)

// TestFaultSweeperChild is the process that dies in TestFaultSweeperDies.
func TestFaultSweeperChild(t *testing.T) {
	addr := os.Getenv(sweeperChild)
	if addr == "" {
		return // this is not the child
	}
	st := open(t, redisstore.Config{Addrs: []string{addr}, Shards: 1})
	redisstore.SetClaim(st, claimForTests)
	_ = st.Sweep(t.Context(), sweptManager, time.Now(), func(string, core.Record) {
		fmt.Println(insideCallback)
		select {} // until it is killed
	})
}

// TestFaultSweeperDies makes sure that another sweeper tells the ends that a dead one has not told.
func TestFaultSweeperDies(t *testing.T) {
	for _, tt := range deadSweepers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t)
			cfg := redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 1}
			st := open(t, cfg)
			redisstore.SetClaim(st, claimForTests)
			const sessions = 10
			expire(t, st, sessions)
			tt.die(t, srv, cfg)
			var o told
			t.Logf("told %v after the other's death, with a claim of %v", o.sweepUntil(t, st, sessions).Round(time.Millisecond), claimForTests)
			o.check(t, sessions)
			if keys := srv.Keys("*{*"); len(keys) > 0 {
				t.Errorf("left: %q", keys)
			}
		})
	}
}

// TestFaultSweepReplyLost loses what Redis says to sweeps. Each end is told once, if late.
func TestFaultSweepReplyLost(t *testing.T) {
	for _, script := range []string{"sweep", "told"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			_, proxy, st, direct := twoWays(t, redisstore.Config{Shards: 1})
			redisstore.SetClaim(st, claimForTests)
			const sessions = 10
			expire(t, direct, sessions)
			for range 3 {
				proxy.CutReply(runs(script), 0)
			}
			var o told
			t.Logf("told after %v, with a claim of %v", o.sweepUntil(t, st, sessions).Round(time.Millisecond), claimForTests)
			o.check(t, sessions)
		})
	}
}
