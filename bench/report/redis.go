package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/holdover-web/holdover/bench"
)

// amounts are how much the comparison on Redis does besides the requests.
type amounts struct {
	listed int // sessions to list
	sized  int // sessions to see the size of
	times  int // that each goroutine of a race adds to its counter; 0 for what the race says
}

var usualAmounts = amounts{listed: 100_000, sized: 20_000}

// redisResults are the samples of the comparison on Redis.
type redisResults struct {
	peers []string
	costs map[request][]bench.Cost
	trips map[request]float64
	sizes map[string]float64
	ways  []string
	races map[race][]bench.Outcome
	ids   []float64 // ns to list all sessions
	scan  []float64 // ns to list as many plain keys
	amounts
}

type request struct {
	peer string
	op   bench.Op
}

type race struct{ scene, way string }

var scenes = []bench.Scene{bench.OneSession, bench.OwnProcesses, bench.OwnSessions}

// runRedis measures and prints all that needs a Redis server, which it starts.
func runRedis(s settings, a amounts, out, progress io.Writer) (err error) {
	r, err := bench.StartRedis()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	defer closeOnSignal(r)()
	rs := redisResults{amounts: a, costs: map[request][]bench.Cost{}, trips: map[request]float64{}, sizes: map[string]float64{}, races: map[race][]bench.Outcome{}}
	for pass := range s.passes {
		fmt.Fprintf(progress, "\rRedis: pass %d of %d", pass+1, s.passes)
		if err := rs.measureRequests(r, s); err != nil {
			return err
		}
		if err := rs.measureRaces(r, s); err != nil {
			return err
		}
	}
	fmt.Fprintf(progress, "\rRedis: trips, sizes and lists\n")
	if err := rs.countTrips(r, s); err != nil {
		return err
	}
	if s.peers.String() == "" {
		if err := rs.measureLists(r, s); err != nil {
			return err
		}
	}
	version, err := r.Version()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s/%s, %d CPUs, Redis %s, %d passes of %v, %d requests in flight\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), version, s.passes, s.time, bench.InFlight)
	rs.print(out, s.ops)
	rs.printGoals(out)
	return nil
}

// closeOnSignal ends the server too when this program is told to end, until forget is called.
func closeOnSignal(r *bench.Redis) (forget func()) {
	told, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-told:
			_ = r.Close()
			os.Exit(1)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(told)
		close(done)
	}
}

// measureRequests gives every peer its turn at every operation.
func (rs *redisResults) measureRequests(r *bench.Redis, s settings) error {
	for _, op := range s.ops {
		if op == bench.Untouched {
			continue // Redis has no part in it
		}
		for _, p := range bench.RedisPeers(r.Target()) {
			if !p.Measures(op) || !s.peers.MatchString(p.Name) {
				continue
			}
			if !slices.Contains(rs.peers, p.Name) {
				rs.peers = append(rs.peers, p.Name)
			}
			cost, err := bench.Measure(r, p, op, s.time)
			if err != nil {
				return err
			}
			at := request{p.Name, op}
			rs.costs[at] = append(rs.costs[at], cost)
		}
	}
	return nil
}

// measureRaces gives every way its turn in every scene that it is fit for.
func (rs *redisResults) measureRaces(r *bench.Redis, s settings) error {
	for _, scene := range scenes {
		if rs.times > 0 {
			scene.Times = rs.times
		}
		for _, w := range bench.Ways() {
			if scene.Sessions == 1 && !w.Safe || !s.peers.MatchString(w.Name) {
				continue
			}
			if !slices.Contains(rs.ways, w.Name) {
				rs.ways = append(rs.ways, w.Name)
			}
			out, err := scene.Run(r, w)
			if err != nil {
				return err
			}
			at := race{scene.Name, w.Name}
			rs.races[at] = append(rs.races[at], out)
		}
	}
	return nil
}

// countTrips counts for all requests what they wait for, and how much room a session takes.
func (rs *redisResults) countTrips(r *bench.Redis, s settings) error {
	for i, p := range bench.RedisPeers(r.Target()) {
		if !s.peers.MatchString(p.Name) {
			continue
		}
		for _, op := range s.ops {
			if !p.Measures(op) {
				continue
			}
			n, err := bench.Trips(r, func(t bench.Target) bench.Peer { return bench.RedisPeers(t)[i] }, op)
			if err != nil {
				return err
			}
			rs.trips[request{p.Name, op}] = n
		}
		if p.Measures(bench.New) {
			size, err := bench.SessionSize(r, p, rs.sized)
			if err != nil {
				return err
			}
			rs.sizes[p.Name] = size
		}
	}
	return nil
}

func (rs *redisResults) measureLists(r *bench.Redis, s settings) error {
	l, err := bench.NewListing(r, rs.listed)
	if err != nil {
		return err
	}
	for range s.passes {
		for _, list := range []struct {
			took *[]float64
			run  func() (time.Duration, error)
		}{{&rs.scan, l.Scan}, {&rs.ids, l.Sessions}} {
			took, err := list.run()
			if err != nil {
				return errors.Join(err, l.Close())
			}
			*list.took = append(*list.took, float64(took))
		}
	}
	return l.Close()
}

// series returns one number of each sample.
func series[T any](samples []T, of func(T) float64) []float64 {
	ns := make([]float64, 0, len(samples))
	for _, s := range samples {
		ns = append(ns, of(s))
	}
	return ns
}

// median returns the middle one, or what lies between the two in the middle.
func median(ns []float64) float64 {
	ns = slices.Sorted(slices.Values(ns))
	half := len(ns) / 2
	if len(ns)%2 == 0 {
		return (ns[half-1] + ns[half]) / 2
	}
	return ns[half]
}

func wall(c bench.Cost) float64 { return c.Wall }

func rate(o bench.Outcome) float64 { return o.Rate }

func longest(o bench.Outcome) float64 { return float64(o.Longest) }
