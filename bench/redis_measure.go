package bench

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// InFlight is how many requests are under way at once in a measurement on Redis. Each is of a client
// with a session of its own.
const InFlight = 32

// Cost is what one request cost on average.
type Cost struct {
	Wall, Client, Redis float64 // ns: of time, of this process's CPUs, of Redis's
	Bytes, Allocs       float64 // of this process
	Commands            float64 // that Redis executed, those of scripts and transactions too
}

// odometer reads all that a Cost is made of.
type odometer struct {
	at     time.Time
	client time.Duration
	mem    runtime.MemStats
	redis  usage
}

func readOdometer(r *Redis) (*odometer, error) {
	o := new(odometer)
	var err error
	if o.redis, err = r.usage(); err != nil {
		return nil, err
	}
	runtime.ReadMemStats(&o.mem)
	o.client = cpuUsed()
	o.at = time.Now()
	return o, nil
}

// since returns what each of n requests cost since o was read.
func (o *odometer) since(r *Redis, n int) (Cost, error) {
	wall, client := time.Since(o.at), cpuUsed()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	redis, err := r.usage()
	if err != nil {
		return Cost{}, err
	}
	each := func(total float64) float64 { return total / float64(n) }
	return Cost{
		Wall:     each(float64(wall)),
		Client:   each(float64(client - o.client)),
		Redis:    each(float64(redis.cpu - o.redis.cpu)),
		Bytes:    each(float64(mem.TotalAlloc - o.mem.TotalAlloc)),
		Allocs:   each(float64(mem.Mallocs - o.mem.Mallocs)),
		Commands: each(float64(redis.commands - o.redis.commands)),
	}, nil
}

// requests starts a peer afresh on an empty server and returns a function for each client that sends one
// request. Each was called a few times, so that connections are made.
func requests(r *Redis, p Peer, op Op, clients int) (send []func() error, closer func() error, err error) {
	if err := r.Flush(); err != nil {
		return nil, nil, err
	}
	h, closer, err := p.Open("")
	if err != nil {
		return nil, nil, err
	}
	for range clients {
		c := NewClient(h)
		if op != New {
			if status, body := c.Get(New); status != http.StatusOK {
				return nil, closer, fmt.Errorf("%s: /new: status %d: %s", p.Name, status, body)
			}
		}
		request := c.Repeat(op)
		send = append(send, func() error {
			if status := request(); status != http.StatusOK {
				return fmt.Errorf("%s: /%s: status %d", p.Name, op, status)
			}
			return nil
		})
	}
	for range 3 {
		if _, err := together(send, func(done int) bool { return done > 0 }); err != nil {
			return nil, closer, err
		}
	}
	return send, closer, nil
}

// together has each function called by a goroutine of its own until enough, which is told how often it has
// been called already. It returns how many calls there were in all, and the first error.
func together(do []func() error, enough func(done int) bool) (calls int, err error) {
	var total atomic.Int64
	var first sync.Once
	var wg sync.WaitGroup
	for _, f := range do {
		wg.Go(func() {
			done := 0
			for ; !enough(done); done++ {
				if e := f(); e != nil {
					first.Do(func() { err = e })
					break
				}
			}
			total.Add(int64(done))
		})
	}
	wg.Wait()
	return int(total.Load()), err
}

// Measure returns what a request costs while InFlight of them are under way, for so long.
func Measure(r *Redis, p Peer, op Op, length time.Duration) (cost Cost, err error) {
	send, closer, err := requests(r, p, op, InFlight)
	if closer != nil {
		defer closeAfter(closer, &err)
	}
	if err != nil {
		return Cost{}, err
	}
	runtime.GC()
	before, err := readOdometer(r)
	if err != nil {
		return Cost{}, err
	}
	var over atomic.Bool
	timer := time.AfterFunc(length, func() { over.Store(true) })
	defer timer.Stop()
	n, err := together(send, func(int) bool { return over.Load() })
	if err != nil {
		return Cost{}, err
	}
	return before.since(r, n)
}

// Trips returns how often a request waits for Redis, on average. peer returns the peer on a target.
func Trips(r *Redis, peer func(Target) Peer, op Op) (n float64, err error) {
	const times = 50
	var count trips
	t := r.Target()
	t.Dial = count.dial
	send, closer, err := requests(r, peer(t), op, 1)
	if closer != nil {
		defer closeAfter(closer, &err)
	}
	if err != nil {
		return 0, err
	}
	before := count.total()
	if _, err := together(send, func(done int) bool { return done == times }); err != nil {
		return 0, err
	}
	return float64(count.total()-before) / times, nil
}

// SessionSize returns how many bytes of Redis's memory a session takes, with its share of all indexes.
func SessionSize(r *Redis, p Peer, sessions int) (bytes float64, err error) {
	send, closer, err := requests(r, p, New, InFlight)
	if closer != nil {
		defer closeAfter(closer, &err)
	}
	if err != nil {
		return 0, err
	}
	before, err := r.used()
	if err != nil {
		return 0, err
	}
	n, err := together(send, func(done int) bool { return done == sessions/InFlight })
	if err != nil {
		return 0, err
	}
	after, err := r.used()
	return float64(after-before) / float64(n), err
}

// closeAfter is for defer: it closes, and reports an error unless there was one before.
func closeAfter(closer func() error, err *error) {
	if e := closer(); *err == nil {
		*err = e
	}
}
