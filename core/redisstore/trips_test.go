package redisstore_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// watched is a Redis whose clients all come through proxies, which count.
type watched struct {
	cfg     redisstore.Config
	proxies []*redistest.Proxy
	direct  redisstore.Config // for who is not to be counted
}

// ways are the kinds of Redis whose trips are counted. Behind Sentinels trips are those of a plain one.
var ways = map[string]func(t *testing.T) *watched{
	"plain": func(t *testing.T) *watched {
		srv := redistest.Start(t)
		p := redistest.NewProxy(t, srv.Addr())
		return &watched{
			cfg:     redisstore.Config{Addrs: []string{p.Addr()}},
			proxies: []*redistest.Proxy{p},
			direct:  redisstore.Config{Addrs: []string{srv.Addr()}},
		}
	},
	"cluster": func(t *testing.T) *watched {
		c := redistest.StartProxiedCluster(t, 3, 0)
		cfg := redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs()}
		return &watched{cfg: cfg, proxies: c.Proxies(), direct: cfg}
	},
}

func (w *watched) reset() {
	for _, p := range w.proxies {
		p.Reset()
	}
}

func (w *watched) sum(of func(p *redistest.Proxy) int) (n int) {
	for _, p := range w.proxies {
		n += of(p)
	}
	return n
}

func (w *watched) trips() int    { return w.sum((*redistest.Proxy).Trips) }
func (w *watched) commands() int { return w.sum((*redistest.Proxy).Commands) }

// names returns how often each command came, those for connections' sake too.
func (w *watched) names() map[string]int {
	all := make(map[string]int)
	for _, p := range w.proxies {
		for _, names := range []map[string]int{p.Names(), p.SetupNames()} {
			for name, n := range names {
				all[name] += n
			}
		}
	}
	return all
}

// manager returns a manager that only does what it is told.
func (w *watched) manager(t *testing.T, cfg core.Config) *core.Manager {
	t.Helper()
	return managerOn(t, open(t, w.cfg), cfg)
}

// managerOn returns a manager whose sessions are swept only by Manager.Sweep.
func managerOn(t *testing.T, st core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	cfg.SweepInterval = -1
	m, err := core.New("app", st, cfg)
	ok(t, err)
	t.Cleanup(func() { ok(t, m.Close(context.Background())) })
	return m
}

// begin stores a session in which n is 0, and returns its id.
func begin(t *testing.T, m *core.Manager) string {
	t.Helper()
	s, err := m.Create(t.Context())
	ok(t, err)
	ok(t, s.Set("n", 0))
	ok(t, s.Commit(t.Context()))
	return s.ID()
}

func increment(s *core.Session) error {
	n, err := core.Get[int](s, "n")
	return errors.Join(err, s.Set("n", n+1))
}

// counted returns n of a session.
func counted(t *testing.T, m *core.Manager, id string) int {
	t.Helper()
	s, err := m.Open(t.Context(), id, core.ReadOnly)
	ok(t, err)
	n, err := core.Get[int](s, "n")
	ok(t, err)
	return n
}

func read(ctx context.Context, m *core.Manager, id string, opts ...core.OpenOption) error {
	s, err := m.Open(ctx, id, opts...)
	if err != nil {
		return err
	}
	_, err = core.Get[int](s, "n")
	return errors.Join(err, s.End(ctx))
}

func write(ctx context.Context, m *core.Manager, id string, opts ...core.OpenOption) error {
	s, err := m.Open(ctx, id, opts...)
	if err != nil {
		return err
	}
	return errors.Join(increment(s), s.End(ctx))
}

// untouched is a request that has a new session at hand and puts nothing in it.
func untouched(ctx context.Context, m *core.Manager, _ string, opts ...core.OpenOption) error {
	s, err := m.Create(ctx, opts...)
	if err != nil {
		return err
	}
	return s.End(ctx)
}

func create(ctx context.Context, m *core.Manager, _ string, opts ...core.OpenOption) error {
	s, err := m.Create(ctx, opts...)
	if err != nil {
		return err
	}
	return errors.Join(s.Set("n", 0), s.End(ctx))
}

// request is what one request does, with the most trips that it may take.
type request struct {
	name           string
	do             func(ctx context.Context, m *core.Manager, id string, opts ...core.OpenOption) error
	opts           []core.OpenOption
	plain, cluster int
}

func requests() []request {
	all := []request{
		{"untouched", untouched, nil, 0, 0},
		{"create", create, nil, 1, 2},
		{"read under merge", read, []core.OpenOption{core.Merge}, 1, 1},
		{"read under lossy", read, []core.OpenOption{core.Lossy}, 1, 1},
		{"read under optimistic", read, []core.OpenOption{core.Optimistic}, 1, 1},
	}
	for _, policy := range everyPolicy {
		all = append(all,
			request{"read only under " + policy.String(), read, []core.OpenOption{policy, core.ReadOnly}, 1, 1},
			request{"write under " + policy.String(), write, []core.OpenOption{policy}, 2, 2})
	}
	return all
}

func (r *request) most(way string) int {
	if way == "cluster" {
		return r.cluster
	}
	return r.plain
}

// TestTrips counts what requests cost. The store of each was used before, for other sessions or the same, or
// not at all, and in all cases the last access may have to be moved.
func TestTrips(t *testing.T) {
	for way, start := range ways {
		t.Run(way, func(t *testing.T) {
			w := start(t)
			others := managerOn(t, open(t, w.direct), core.Config{})
			for _, touch := range []time.Duration{time.Minute, -1} {
				used := w.manager(t, core.Config{TouchInterval: touch})
				known := begin(t, used)
				for _, r := range requests() {
					name := r.name
					if touch < 0 {
						name += ", touching"
					}
					t.Run(name, func(t *testing.T) {
						unused := w.manager(t, core.Config{TouchInterval: touch})
						w.check(t, "at first", r, r.most(way), unused, begin(t, others))
						w.check(t, "of another session", r, r.most(way), used, begin(t, others))
						w.check(t, "again", r, r.most(way), used, known)
					})
				}
			}
		})
	}
}

func (w *watched) check(t *testing.T, when string, r request, most int, m *core.Manager, id string) {
	t.Helper()
	w.reset()
	ok(t, r.do(t.Context(), m, id, r.opts...))
	got := w.trips()
	if r.name == "create" && got <= most {
		return
	}
	if got != most {
		t.Errorf("%s: %d trips, want %d: %v", when, got, most, w.names())
	}
}

// TestTripWhenTouchIsDue reads a session of which this process knows until when it need not be touched.
func TestTripWhenTouchIsDue(t *testing.T) {
	w := ways["plain"](t)
	m := w.manager(t, core.Config{TouchInterval: 20 * time.Millisecond})
	id := begin(t, m)
	var last time.Time
	moved := 0
	for range 5 {
		for _, due := range []bool{true, false} {
			if due {
				begun := time.Now()
				poll(t, 10*time.Second, "touch", func() bool { return time.Since(begun) > 25*time.Millisecond })
			}
			w.reset()
			s, err := m.Open(t.Context(), id)
			ok(t, err)
			ok(t, s.End(t.Context()))
			if got := w.trips(); got != 1 {
				t.Errorf("%d trips, want 1: %v", got, w.names())
			}
			rec, err := m.Store().Load(t.Context(), core.Key{Manager: "app", ID: id}, core.LoadOptions{Touch: core.NoTouch})
			ok(t, err)
			if rec.Accessed.After(last) {
				last, moved = rec.Accessed, moved+1
			}
		}
	}
	if moved < 5 {
		t.Errorf("the last access moved %d times, want 5 at least", moved)
	}
}

// TestTripsOfConflict has another program save in the middle of an update.
func TestTripsOfConflict(t *testing.T) {
	w := ways["plain"](t)
	m, other := w.manager(t, core.Config{}), managerOn(t, open(t, w.direct), core.Config{})
	for _, conflicts := range []int{0, 1, 2} {
		id := begin(t, other)
		w.reset()
		runs := 0
		ok(t, m.Update(t.Context(), id, func(s *core.Session) error {
			if runs++; runs <= conflicts {
				ok(t, write(t.Context(), other, id))
			}
			return increment(s)
		}))
		if got := w.trips(); got != 2+conflicts || runs != 1+conflicts {
			t.Errorf("%d conflicts: %d trips and %d runs, want %d and %d", conflicts, got, runs, 2+conflicts, 1+conflicts)
		}
		if n := counted(t, other, id); n != 1+conflicts {
			t.Errorf("n = %d, want %d", n, 1+conflicts)
		}
	}
}

// TestTripsOfHandOver has requests of one process stand in line for one session.
func TestTripsOfHandOver(t *testing.T) {
	const clients, rounds = 8, 25
	for way, start := range ways {
		t.Run(way, func(t *testing.T) {
			w := start(t)
			m := w.manager(t, core.Config{Locking: core.Serialized})
			id := begin(t, m)
			w.reset()
			var wg sync.WaitGroup
			errs := make([]error, clients)
			for i := range clients {
				wg.Go(func() {
					for range rounds {
						errs[i] = errors.Join(errs[i], write(t.Context(), m, id))
					}
				})
			}
			wg.Wait()
			ok(t, errors.Join(errs...))
			trips, commands := float64(w.trips())/(clients*rounds), float64(w.commands())/(clients*rounds)
			t.Logf("%.3f trips and %.3f commands a request", trips, commands)
			if trips > 1.2 {
				t.Errorf("%.3f trips a request, want at most 1.2: %v", trips, w.names())
			}
			if n := counted(t, m, id); n != clients*rounds {
				t.Errorf("n = %d, want %d", n, clients*rounds)
			}
		})
	}
}

// TestCommandsOfRequests sees to it that nothing but the work itself is sent: no PING when a connection is
// taken, no further connections.
func TestCommandsOfRequests(t *testing.T) {
	for way, start := range ways {
		t.Run(way, func(t *testing.T) {
			w := start(t)
			m := w.manager(t, core.Config{})
			var ids []string
			for range 30 { // so that each node has been asked
				ids = append(ids, begin(t, m))
				ok(t, read(t.Context(), m, ids[0]))
			}
			for _, id := range ids {
				ok(t, read(t.Context(), m, id))
			}
			w.reset()
			for range 5 {
				for _, id := range ids {
					ok(t, read(t.Context(), m, id))
					ok(t, write(t.Context(), m, id))
					ok(t, write(t.Context(), m, id, core.Serialized))
				}
			}
			names := w.names()
			got := slices.Sorted(maps.Keys(names))
			if want := []string{"EVALSHA", "GET", "TIME"}; !slices.Equal(got, want) {
				t.Errorf("commands: %v, want only %s", names, strings.Join(want, ", "))
			}
			if n := w.sum((*redistest.Proxy).Accepted); n != 0 {
				t.Errorf("%d further connections", n)
			}
			if n, most := w.sum((*redistest.Proxy).Open), 2*len(w.proxies); n > most {
				t.Errorf("%d connections, want at most %d", n, most)
			}
		})
	}
}
