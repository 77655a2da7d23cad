package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// slowFault is a time in which Redis does not answer, and what requests make of it.
type slowFault struct {
	name    string
	timeout time.Duration // Config.Timeout
	stalls  time.Duration
	fails   bool
}

var slowFaults = []slowFault{
	{"longer than the timeout", 200 * time.Millisecond, 300 * time.Millisecond, true},
	{"shorter than the timeout", 5 * time.Second, 300 * time.Millisecond, false},
}

// check holds what a request got against what it should have got, and returns how long it waited.
func (f *slowFault) check(t *testing.T, what string, began time.Time, err error) {
	t.Helper()
	took := time.Since(began)
	t.Logf("%s: %v after %v", what, err, took.Round(time.Millisecond))
	switch {
	case f.fails && !errors.Is(err, redisstore.ErrTimeout):
		t.Errorf("%s: %v, want ErrTimeout", what, err)
	case f.fails && errors.Is(err, core.ErrNotFound):
		t.Errorf("%s: %v would make the user begin anew", what, err)
	case f.fails && took < f.timeout:
		t.Errorf("%s: given up after %v", what, took)
	case !f.fails && err != nil:
		t.Errorf("%s: %v", what, err)
	}
}

// slowRequests are what requests do while Redis is slow. Each gets a session that has n = 1.
var slowRequests = []struct {
	name    string
	request func(ctx context.Context, m *core.Manager, id string, stall func()) error
	counts  []int // what n may be afterwards, if the request failed
}{
	{"open", func(ctx context.Context, m *core.Manager, id string, stall func()) error {
		stall()
		_, err := m.Open(ctx, id)
		return err
	}, []int{1}},
	{"open under lock", func(ctx context.Context, m *core.Manager, id string, stall func()) error {
		stall()
		s, err := m.Open(ctx, id, core.Serialized)
		if err == nil {
			err = s.Rollback(ctx)
		}
		return err
	}, []int{1}},
	{"commit", slowCommit(core.Merge), []int{1, 2}},
	{"optimistic commit", slowCommit(core.Optimistic), []int{1, 2}},
	{"commit under lock", slowCommit(core.Serialized), []int{1, 2}},
	{"create", func(ctx context.Context, m *core.Manager, _ string, stall func()) error {
		s, err := m.Create(ctx)
		if err != nil {
			return err
		}
		stall()
		return s.Commit(ctx)
	}, []int{1}},
}

func slowCommit(policy core.LockingPolicy) func(context.Context, *core.Manager, string, func()) error {
	return func(ctx context.Context, m *core.Manager, id string, stall func()) error {
		s, err := m.Open(ctx, id, policy)
		if err != nil {
			return err
		}
		if err := s.Set("n", 2); err != nil {
			return err
		}
		stall()
		return s.Commit(ctx)
	}
}

// TestFaultStalled has the network, or Redis itself, stand still for a while.
func TestFaultStalled(t *testing.T) {
	for _, network := range []bool{true, false} {
		for _, f := range slowFaults {
			t.Run(map[bool]string{true: "network, ", false: "CLIENT PAUSE, "}[network]+f.name, func(t *testing.T) {
				t.Parallel()
				srv, proxy, st, direct := twoWays(t, redisstore.Config{Timeout: f.timeout})
				m, sure := faultManager(t, st, core.Config{Lease: time.Second}), faultManager(t, direct, core.Config{})
				for _, r := range slowRequests {
					id := newSession(t, sure)
					if err := sure.Update(t.Context(), id, setN(1)); err != nil {
						t.Fatal(err)
					}
					var began time.Time
					var over <-chan struct{}
					request := func() error {
						return r.request(t.Context(), m, id, func() {
							began = time.Now()
							if network {
								over = stallNetwork(proxy, f.stalls)
							} else {
								over = pauseRedis(t, srv, f.stalls)
							}
						})
					}
					var err error
					poll(t, 10*time.Second, "the request gets as far as the stall", func() bool {
						if _, e := m.Has(t.Context(), id); e == nil { // there are connections
							err = request()
						}
						return over != nil // else the machine is too busy for a short timeout
					})
					f.check(t, r.name, began, err)
					<-over
					afterStall(t, m, id, r.counts, err != nil)
				}
			})
		}
	}
}

// stallNetwork has the proxy stand still. The channel is closed when it goes on.
func stallNetwork(proxy *redistest.Proxy, d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	proxy.Stall()
	time.AfterFunc(d, func() { proxy.Unstall(); close(over) })
	return over
}

// pauseRedis has Redis stand still. The channel is closed at once.
func pauseRedis(t *testing.T, srv *redistest.Server, d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	close(over)
	if _, err := srv.Do("CLIENT", "PAUSE", d.Milliseconds(), "ALL"); err != nil {
		t.Error(err)
	}
	return over
}

// afterStall checks that the session is unharmed, and that no lock is left when its lease is over: the
// request for it may reach Redis after the one that gives it back.
func afterStall(t *testing.T, m *core.Manager, id string, counts []int, failed bool) {
	t.Helper()
	var s *core.Session
	began := time.Now()
	poll(t, 5*time.Second, "the session can be locked", func() (done bool) {
		var err error
		s, err = m.Open(t.Context(), id, core.Serialized)
		if err != nil && !errors.Is(err, redisstore.ErrTimeout) {
			t.Fatalf("after the stall: %v", err)
		}
		return err == nil
	})
	t.Logf("the session could be locked %v after the stall", time.Since(began).Round(time.Millisecond))
	n, err := core.Get[int](s, "n")
	if !failed {
		counts = counts[len(counts)-1:]
	}
	if err != nil || n != counts[0] && n != counts[len(counts)-1] {
		t.Errorf("n is %d, %v; want one of %v", n, err, counts)
	}
	if int(s.Version()) != n+1 {
		t.Errorf("n is %d and the version %d", n, s.Version())
	}
	if err := s.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFaultWalkedAway has a caller hang up while Redis does not answer. The lock that Redis gives it when
// it answers again must not stay.
func TestFaultWalkedAway(t *testing.T) {
	t.Parallel()
	srv, proxy, st, direct := twoWays(t, redisstore.Config{})
	r := newReplyRun(t, direct)
	if err := st.Unlock(r.ctx, r.key, r.fence); err != nil {
		t.Fatal(err)
	}
	proxy.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, _, err := st.Lock(ctx, r.key, lockFor)
	t.Logf("the caller had its answer after %v: %v", time.Since(began).Round(time.Millisecond), err)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, redisstore.ErrTimeout) {
		t.Errorf("lock: %v", err)
	}
	before := srv.CommandStats()["evalsha"].Calls
	proxy.Unstall()
	began = time.Now()
	poll(t, 5*time.Second, "the lock is asked for", func() bool { return srv.CommandStats()["evalsha"].Calls > before })
	poll(t, 5*time.Second, "the lock is free", func() bool {
		_, _, err := direct.Lock(r.ctx, r.key, lockFor)
		return err == nil
	})
	t.Logf("the lock was free %v after the stall", time.Since(began).Round(time.Millisecond))
}
