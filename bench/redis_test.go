package bench

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/holdover-web/holdover/internal/testenv"
)

func TestMain(m *testing.M) {
	if Race() {
		return
	}
	os.Exit(m.Run())
}

// startRedis starts a server for the length of the test.
func startRedis(t testing.TB) *Redis {
	t.Helper()
	r, err := StartRedis()
	if errors.Is(err, ErrNoRedis) {
		testenv.Missing(t, "redis-server: apt-get install redis-server")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRedisPeersKeepSessions(t *testing.T) {
	r := startRedis(t)
	for _, p := range RedisPeers(r.Target()) {
		t.Run(p.Name, func(t *testing.T) { keepsSessions(t, open(t, p)) })
	}
}

// What a request waits for is exact, so it is kept by a test: Holdover makes as few trips to Redis as code
// without locks, and a write under a lock makes no more.
func TestTrips(t *testing.T) {
	r := startRedis(t)
	for i, p := range RedisPeers(r.Target()) {
		want := map[Op]float64{Read: 1, Write: 2, Untouched: 0, New: 1}
		switch p.Name {
		case "scs-goredis":
			want[Untouched] = 1 // it loads every session
		case "holdover-serialized":
			want[Read] = 2 // it has not said that it only reads
		}
		for _, op := range Ops {
			if !p.Measures(op) {
				continue
			}
			got, err := Trips(r, func(t Target) Peer { return RedisPeers(t)[i] }, op)
			if err != nil {
				t.Fatal(err)
			}
			if got != want[op] {
				t.Errorf("%s: /%s: %v trips, want %v", p.Name, op, got, want[op])
			}
		}
	}
}

func TestMeasure(t *testing.T) {
	r := startRedis(t)
	p := floorRedis(r.Target())
	cost, err := Measure(r, p, Write, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if cost.Commands < 1.9 || cost.Commands > 2.1 {
		t.Errorf("%v commands a write, want 2", cost.Commands)
	}
	if cost.Wall <= 0 || cost.Allocs < 1 || cost.Bytes < textSize {
		t.Errorf("got %+v", cost)
	}
	size, err := SessionSize(r, p, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if size < fileSize || size > 3*fileSize {
		t.Errorf("a session of %d bytes takes %v", fileSize, size)
	}
	if _, err := Measure(r, p, "nowhere", time.Millisecond); err == nil {
		t.Error("a request that fails was measured")
	}
}

// Every way that has locks loses nothing, in one process and across several.
func TestRaces(t *testing.T) {
	r := startRedis(t)
	for _, w := range Ways() {
		for _, s := range []Scene{
			{Name: "one", Processes: 1, Workers: 4, Sessions: 1, Times: 10},
			{Name: "two processes", Processes: 2, Workers: 2, Sessions: 1, Times: 10},
			{Name: "apart", Processes: 1, Workers: 4, Sessions: 4, Times: 10},
		} {
			if !w.Safe && s.Sessions == 1 {
				continue
			}
			out, err := s.Run(r, w)
			if err != nil {
				t.Fatal(err)
			}
			if out.Lost != 0 || out.Rate <= 0 || out.Commands < 2 {
				t.Errorf("%s: %s: %+v", s.Name, w.Name, out)
			}
		}
	}
}

func TestRaceReportsFailure(t *testing.T) {
	r := startRedis(t)
	for _, processes := range []int{1, 2} {
		s := Scene{Name: "of nothing", Processes: processes, Workers: 2, Times: 1}
		c := crew{Way: "get+set", Addr: r.addr, IDs: []string{"none"}, Workers: 2, Times: 1}
		if _, err := s.run(r, c); err == nil {
			t.Errorf("%d processes: no error for a session that is not there", processes)
		}
		c.Way = "none"
		if _, err := s.run(r, c); err == nil {
			t.Errorf("%d processes: no error for a way that is not there", processes)
		}
	}
}

func TestListing(t *testing.T) {
	l, err := NewListing(startRedis(t), 1500)
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]func() (time.Duration, error){"Sessions": l.Sessions, "Scan": l.Scan} {
		if took, err := list(); err != nil || took <= 0 {
			t.Errorf("%s: %v, %v", name, took, err)
		}
	}
	l.n++
	if _, err := l.Scan(); err == nil {
		t.Error("a list that lacks one passed for complete")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkRedis(b *testing.B) {
	r := startRedis(b)
	for _, p := range RedisPeers(r.Target()) {
		for _, op := range Ops {
			if !p.Measures(op) {
				continue
			}
			b.Run(p.Name+"/"+string(op), func(b *testing.B) {
				send, closer, err := requests(r, p, op, InFlight)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				if _, err := together(send, func(done int) bool { return done*InFlight >= b.N }); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := closer(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
