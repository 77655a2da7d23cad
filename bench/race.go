package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Scene is who works on which sessions in a race: every worker adds one to a session's counter, as often as
// Times says, and waits for its turn where the way has locks.
type Scene struct {
	Name      string
	Processes int // 1 for this process, more for others that are started
	Workers   int // in each process
	Sessions  int // worker n uses the session with number n modulo Sessions
	Times     int
}

// The races of the report.
var (
	OneSession   = Scene{Name: "one session, 32 goroutines", Processes: 1, Workers: 32, Sessions: 1, Times: 200}
	OwnProcesses = Scene{Name: "one session, 4 processes with 8 goroutines each", Processes: 4, Workers: 8, Sessions: 1, Times: 200}
	OwnSessions  = Scene{Name: "32 sessions, 32 goroutines", Processes: 1, Workers: 32, Sessions: 32, Times: 500}
)

// Outcome is how a race went.
type Outcome struct {
	Cost            // of one increment; Client, Bytes and Allocs are those of all processes
	Rate    float64 // increments a second
	Longest time.Duration
	Lost    int // increments that are not in the counters
}

// Run has the race run on an empty server.
func (s Scene) Run(r *Redis, w Way) (out Outcome, err error) {
	if err := r.Flush(); err != nil {
		return out, err
	}
	a, err := w.open(r.Target())
	if err != nil {
		return out, err
	}
	defer closeAfter(a.Close, &err)
	ctx := context.Background()
	c := crew{Way: w.Name, Addr: r.addr, Workers: s.Workers, Times: s.Times}
	for range s.Sessions {
		id, err := a.create(ctx)
		if err != nil {
			return out, fmt.Errorf("%s: %w", w.Name, err)
		}
		c.IDs = append(c.IDs, id)
	}
	if out, err = s.run(r, c); err != nil {
		return out, fmt.Errorf("%s: %s: %w", s.Name, w.Name, err)
	}
	out.Lost = s.Processes * s.Workers * s.Times
	for _, id := range c.IDs {
		n, err := a.count(ctx, id)
		if err != nil {
			return out, err
		}
		out.Lost -= n
	}
	return out, nil
}

// run has one crew a process do the work.
func (s Scene) run(r *Redis, c crew) (out Outcome, err error) {
	crews := make([]team, s.Processes)
	for i := range crews {
		if s.Processes == 1 {
			crews[i] = c.here()
		} else if crews[i], err = c.elsewhere(); err != nil {
			return out, err
		}
		defer crews[i].dismiss()
	}
	for _, t := range crews {
		if err := t.ready(); err != nil {
			return out, err
		}
	}
	runtime.GC()
	before, err := readOdometer(r)
	if err != nil {
		return out, err
	}
	for _, t := range crews {
		t.begin()
	}
	var sum effort
	for _, t := range crews {
		e, err := t.wait()
		if err != nil {
			return out, err
		}
		sum.Longest = max(sum.Longest, e.Longest)
		sum.CPU += e.CPU
		sum.Bytes += e.Bytes
		sum.Mallocs += e.Mallocs
	}
	n := s.Processes * s.Workers * s.Times
	if out.Cost, err = before.since(r, n); err != nil {
		return out, err
	}
	out.Client, out.Bytes, out.Allocs = float64(sum.CPU)/float64(n), float64(sum.Bytes)/float64(n), float64(sum.Mallocs)/float64(n)
	out.Rate = float64(time.Second) / out.Wall
	out.Longest = sum.Longest
	return out, nil
}

// crew is the work of one process.
type crew struct {
	Way, Addr      string
	IDs            []string
	Workers, Times int
}

// effort is what a crew's work cost it.
type effort struct {
	Longest        time.Duration // that one of its workers waited for its turn
	CPU            time.Duration
	Bytes, Mallocs uint64
}

// work does it. ready is called when all connections are made, and returns when to begin.
func (c crew) work(ready func() error) (e effort, err error) {
	w, err := wayNamed(c.Way)
	if err != nil {
		return e, err
	}
	a, err := w.open(Target{Addr: c.Addr})
	if err != nil {
		return e, err
	}
	defer closeAfter(a.Close, &err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	var warm, add []func() error
	longest := make([]time.Duration, c.Workers)
	for n := range c.Workers {
		own, err := a.create(ctx)
		if err != nil {
			return e, err
		}
		warm = append(warm, func() error {
			_, err := a.add(ctx, own)
			return err
		})
		add = append(add, func() error {
			waited, err := a.add(ctx, c.IDs[n%len(c.IDs)])
			longest[n] = max(longest[n], waited)
			return err
		})
	}
	if _, err := together(warm, func(done int) bool { return done == 3 }); err != nil {
		return e, err
	}
	if err := ready(); err != nil {
		return e, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuUsed()
	if _, err := together(add, func(done int) bool { return done == c.Times }); err != nil {
		return e, err
	}
	e.CPU = cpuUsed() - cpu
	runtime.ReadMemStats(&after)
	e.Bytes, e.Mallocs = after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
	for _, l := range longest {
		e.Longest = max(e.Longest, l)
	}
	return e, nil
}

var errDismissed = errors.New("the race was called off")
