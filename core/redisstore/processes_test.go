package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/internal/history"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// The promises hold between processes. The test program starts itself again as the other processes, each
// of which does what it is asked for on standard input and answers on standard output.
const (
	processes = 4
	clients   = 8 // in each process
)

// childSetup is the first thing that a child is told.
type childSetup struct {
	Addrs    []string
	Mode     redisstore.Mode
	Locking  core.LockingPolicy
	Lease    time.Duration
	Handover int
	ID       string
}

// order asks a child for one request, which it makes while others are under way.
type order struct {
	Client int
	Task   string // of tasks
	Name   string // what it writes
	Value  int
}

// outcome is the answer.
type outcome struct {
	Client int
	N      int           // what it wrote
	Wait   time.Duration // until the session was open
	Err    string
}

// tasks are what children can be asked for. Each returns what it wrote.
var tasks = map[string]func(ctx context.Context, m *core.Manager, id string, o order, opened func()) (int, error){
	"increment": func(ctx context.Context, m *core.Manager, id string, o order, opened func()) (n int, err error) {
		s, err := m.Open(ctx, id)
		if err != nil {
			return 0, err
		}
		opened()
		n, err = core.Get[int](s, o.Name)
		return n + 1, errors.Join(err, s.Set(o.Name, n+1), s.End(ctx))
	},
	"update": func(ctx context.Context, m *core.Manager, id string, o order, opened func()) (n int, err error) {
		err = m.Update(ctx, id, func(s *core.Session) (err error) {
			opened()
			n, err = core.Get[int](s, o.Name)
			n++
			return errors.Join(err, s.Set(o.Name, n))
		})
		return n, err
	},
	"set": func(ctx context.Context, m *core.Manager, id string, o order, opened func()) (int, error) {
		s, err := m.Open(ctx, id)
		if err != nil {
			return 0, err
		}
		opened()
		return o.Value, errors.Join(s.Set(o.Name, o.Value), s.End(ctx))
	},
	"hold": func(ctx context.Context, m *core.Manager, id string, _ order, _ func()) (int, error) {
		_, err := m.Open(ctx, id) // and no End: until it is killed
		return 0, err
	},
}

// child is what a child process does.
func child(string) error {
	var setup childSetup
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&setup); err != nil {
		return err
	}
	ctx := context.Background()
	st, err := redisstore.Open(ctx, redisstore.Config{Addrs: setup.Addrs, Mode: setup.Mode, Timeout: 20 * time.Second})
	if err != nil {
		return err
	}
	m, err := core.New("app", st, core.Config{Locking: setup.Locking, Lease: setup.Lease, Handover: setup.Handover,
		MaxRetries: 1000, SweepInterval: -1})
	if err != nil {
		return err
	}
	var working sync.WaitGroup
	var mu sync.Mutex // protects standard output
	out := json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		working.Go(func() {
			began, wait := time.Now(), time.Duration(0)
			n, err := tasks[o.Task](ctx, m, setup.ID, o, func() { wait = time.Since(began) })
			answer := outcome{Client: o.Client, N: n, Wait: wait}
			if err != nil {
				answer.Err = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			_ = out.Encode(answer) // the parent notices when there is none
		})
	}
	working.Wait()
	return errors.Join(m.Close(ctx), st.Close())
}

// process is a child as its parent sees it.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	mu      sync.Mutex // guards orders
	orders  *json.Encoder
	answers []chan outcome // by client
	done    chan struct{}  // closed when nothing more is answered
}

func startProcess(t *testing.T, setup childSetup) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0]), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childTask+"=serve")
	p.cmd.Stderr = os.Stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	ok(t, err)
	out, err := p.cmd.StdoutPipe()
	ok(t, err)
	ok(t, p.cmd.Start())
	for range clients {
		p.answers = append(p.answers, make(chan outcome, 1))
	}
	go func() {
		defer close(p.done)
		for dec := json.NewDecoder(bufio.NewReader(out)); ; {
			var o outcome
			if dec.Decode(&o) != nil {
				return
			}
			p.answers[o.Client] <- o
		}
	}()
	t.Cleanup(func() {
		_ = p.in.Close()
		<-p.done
		_ = p.cmd.Wait() // how it ended is told by end
	})
	p.orders = json.NewEncoder(p.in)
	ok(t, p.orders.Encode(setup))
	return p
}

// order sends an order without waiting for its outcome.
func (p *process) order(o order) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orders.Encode(o)
}

// do has a request made, by a client that has no other under way.
func (p *process) do(o order) (outcome, error) {
	if err := p.order(o); err != nil {
		return outcome{}, err
	}
	select {
	case answer := <-p.answers[o.Client]:
		if answer.Err != "" {
			return answer, errors.New(answer.Err)
		}
		return answer, nil
	case <-p.done:
		return outcome{}, errors.New("the process has ended")
	}
}

// end has the process close its store, and fails the test if that fails.
func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	<-p.done
	ok(t, p.cmd.Wait())
}

// kill ends the process as kill -9 does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	ok(t, p.cmd.Process.Kill())
	<-p.done
}

// crowd is several processes that work on one session.
type crowd struct {
	m   *core.Manager // of the test's own
	id  string
	all []*process
}

func startCrowd(t *testing.T, cfg redisstore.Config, locking core.LockingPolicy, handover int) *crowd {
	t.Helper()
	c := &crowd{m: managerOn(t, open(t, cfg), core.Config{})}
	c.id = begin(t, c.m)
	for range processes {
		c.all = append(c.all, startProcess(t, childSetup{Addrs: cfg.Addrs, Mode: cfg.Mode, Locking: locking, Handover: handover, ID: c.id}))
	}
	return c
}

// each makes so many requests for each client of each process at once.
func (c *crowd) each(t *testing.T, times int, o func(client, round int) order) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, processes*clients)
	for client := range errs {
		wg.Go(func() {
			for round := range times {
				o := o(client, round)
				o.Client = client % clients
				if _, err := c.all[client/clients].do(o); err != nil {
					errs[client] = err
					return
				}
			}
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
}

// increments has all clients increment n so many times, checks the history, and returns how long each
// request waited for the session, the shortest wait first.
func (c *crowd) increments(t *testing.T, task string, times int) []time.Duration {
	t.Helper()
	before, began := counted(t, c.m, c.id), time.Now()
	var mu sync.Mutex
	var waits []time.Duration
	history.Increments(t, processes*clients, times, func(client int) (int, error) {
		got, err := c.all[client/clients].do(order{Client: client % clients, Task: task, Name: "n"})
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, got.Wait)
		return got.N - before, err
	})
	if n := counted(t, c.m, c.id) - before; n != processes*clients*times {
		t.Errorf("%d increments made of %d", n, processes*clients*times)
	}
	slices.Sort(waits)
	median, longest := waits[len(waits)/2], waits[len(waits)-1]
	t.Logf("%d requests in %v: they waited %v (median), %v (99%%), %v (longest, %.1f times the median)", len(waits),
		time.Since(began), median, waits[len(waits)*99/100], longest, float64(longest)/float64(median))
	return waits
}

// onPlainAndCluster runs a test with a plain Redis and with a Cluster.
func onPlainAndCluster(t *testing.T, test func(t *testing.T, cfg redisstore.Config, servers []*redistest.Server)) {
	t.Run("plain", func(t *testing.T) {
		srv := redistest.Start(t)
		test(t, redisstore.Config{Addrs: []string{srv.Addr()}}, []*redistest.Server{srv})
	})
	t.Run("cluster", func(t *testing.T) {
		c := redistest.StartCluster(t, 3, 0)
		var servers []*redistest.Server
		for _, n := range c.Nodes() {
			servers = append(servers, n.Server)
		}
		test(t, redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs()}, servers)
	})
}

// TestProcessesSerialized has processes stand in line for one session: nothing is lost, and nobody waits
// much longer than others. Locks are handed on as often as a process has clients, so that each client has
// one turn before the next process has its own. A busy machine makes single requests wait, so the best of a
// few runs counts; in a Cluster nodes pass messages on with delays of some 40 ms at times.
func TestProcessesSerialized(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, _ []*redistest.Server) {
		c := startCrowd(t, cfg, core.Serialized, clients)
		most := time.Duration(10) // times the median
		if cfg.Mode == redisstore.Cluster {
			most = 50
		}
		for run := 1; ; run++ {
			waits := c.increments(t, "increment", 125)
			median, longest := waits[len(waits)/2], waits[len(waits)-1]
			if longest < most*median || t.Failed() {
				break
			}
			if run == 5 {
				t.Errorf("a request waited %v, %d times the median %v or more, in each of %d runs", longest, most, median, run)
				break
			}
		}
		for _, p := range c.all {
			p.end(t)
		}
	})
}

func TestProcessesUpdate(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, _ []*redistest.Server) {
		c := startCrowd(t, cfg, core.Optimistic, 0)
		c.increments(t, "update", 125)
	})
}

func TestProcessesMerge(t *testing.T) {
	onPlainAndCluster(t, func(t *testing.T, cfg redisstore.Config, _ []*redistest.Server) {
		const times = 25
		c := startCrowd(t, cfg, core.Merge, 0)
		name := func(client int) string { return fmt.Sprintf("of client %d", client) }
		c.each(t, times, func(client, round int) order { return order{Task: "set", Name: name(client), Value: round} })
		s, err := c.m.Open(t.Context(), c.id, core.ReadOnly)
		ok(t, err)
		for client := range processes * clients {
			if v, there, err := core.Lookup[int](s, name(client)); v != times-1 || !there || err != nil {
				t.Errorf("%q is %d (%v, %v), want %d", name(client), v, there, err, times-1)
			}
		}
	})
}

// TestProcessesLossy shows what the other policies are for.
func TestProcessesLossy(t *testing.T) {
	c := startCrowd(t, redisstore.Config{Addrs: []string{redistest.Start(t).Addr()}}, core.Lossy, 0)
	const times = 25
	c.each(t, times, func(int, int) order { return order{Task: "increment", Name: "n"} })
	n := counted(t, c.m, c.id)
	t.Logf("%d of %d increments are there", n, processes*clients*times)
	if n < 1 || n >= processes*clients*times {
		t.Errorf("%d of %d increments are there, want that some are lost", n, processes*clients*times)
	}
}
