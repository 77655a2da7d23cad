package redisstore_test

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestKilledHolder kills a process that holds a session's lock while others wait for it.
func TestKilledHolder(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, _ []*redistest.Server) {
		const lease = time.Second
		m := managerOn(t, open(t, cfg), core.Config{})
		id := begin(t, m)
		setup := childSetup{Addrs: cfg.Addrs, Mode: cfg.Mode, Locking: core.Serialized, Lease: lease, ID: id}
		holder := startProcess(t, setup)
		var waiting []*process
		for range processes - 1 {
			waiting = append(waiting, startProcess(t, setup))
		}
		_, err := holder.do(order{Task: "hold"})
		ok(t, err)
		for _, p := range waiting {
			for client := range clients {
				ok(t, p.order(order{Client: client, Task: "increment", Name: "n"}))
			}
		}
		poll(t, 10*time.Second, "processes in line", func() bool { return lineOf(t, m, id) == len(waiting) })
		holder.kill(t)
		killed := time.Now()
		goOn(t, waiting, killed, lease+time.Second)
		if n := counted(t, m, id); n != len(waiting)*clients {
			t.Errorf("n = %d, want %d", n, len(waiting)*clients)
		}
	})
}

// TestKilledWaiter kills a process that waits for a session's lock and is the next to have it.
func TestKilledWaiter(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, _ []*redistest.Server) {
		m := managerOn(t, open(t, cfg), core.Config{})
		id := begin(t, m)
		setup := childSetup{Addrs: cfg.Addrs, Mode: cfg.Mode, Locking: core.Serialized, ID: id}
		dying, next := startProcess(t, setup), startProcess(t, setup)
		holder, err := m.Open(t.Context(), id, core.Serialized)
		ok(t, err)
		for i, p := range []*process{dying, next} {
			ok(t, p.order(order{Task: "increment", Name: "n"}))
			poll(t, 10*time.Second, "process in line", func() bool { return lineOf(t, m, id) == i+1 })
		}
		dying.kill(t)
		released := time.Now()
		ok(t, holder.End(t.Context()))
		answer := <-next.answers[0]
		t.Logf("the next process went on after %v", time.Since(released))
		if answer.Err != "" || time.Since(released) > 2*time.Second {
			t.Errorf("the next process went on after %v: %q", time.Since(released), answer.Err)
		}
	})
}

// goOn waits until each client of each process has had its turn, the first within limit.
func goOn(t *testing.T, waiting []*process, since time.Time, limit time.Duration) {
	t.Helper()
	first, last := time.Duration(0), time.Duration(0)
	turns := make(chan outcome)
	for _, p := range waiting {
		for client := range clients {
			go func() { turns <- <-p.answers[client] }()
		}
	}
	for range len(waiting) * clients {
		answer := <-turns
		if answer.Err != "" {
			t.Errorf("a waiting client: %s", answer.Err)
		}
		if last = time.Since(since); first == 0 {
			first = last
		}
	}
	t.Logf("the first goes on %v after the kill, the last %v", first, last)
	if last > limit {
		t.Errorf("it takes %v until all went on, want at most %v", last, limit)
	}
}

// lineOf returns how many processes wait for the session's lock.
func lineOf(t *testing.T, m *core.Manager, id string) int {
	t.Helper()
	n, err := redisstore.InLine(t.Context(), m.Store().(*redisstore.Store), core.Key{Manager: m.ID(), ID: id})
	ok(t, err)
	return n
}
