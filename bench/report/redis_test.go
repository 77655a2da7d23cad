package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/bench"
	"github.com/holdover-web/holdover/internal/testenv"
)

func TestMain(m *testing.M) {
	if bench.Race() {
		return
	}
	os.Exit(m.Run())
}

// Goals name peers and ways that exist, or they would be left out without a word.
func TestRedisGoalsNamePeers(t *testing.T) {
	names := map[string]bool{}
	for _, p := range bench.RedisPeers(bench.Target{}) {
		names[p.Name] = true
	}
	for _, g := range requestGoals {
		if !names[g.peer] {
			t.Errorf("goal for %q: no such peer", g.peer)
		}
	}
	for _, w := range bench.Ways() {
		names[w.Name] = true
	}
	for _, name := range append([]string{floorPeer, floorWay, serialized, optimistic}, otherPeers...) {
		if !names[name] {
			t.Errorf("no peer or way has the name %q", name)
		}
	}
}

func TestRedisVerdicts(t *testing.T) {
	rs := redisResults{costs: map[request][]bench.Cost{}, races: map[race][]bench.Outcome{}, sizes: map[string]float64{}}
	cost := func(peer string, op bench.Op, ns ...float64) {
		for _, n := range ns {
			at := request{peer, op}
			rs.costs[at] = append(rs.costs[at], bench.Cost{Wall: n})
		}
	}
	outcome := func(s bench.Scene, way string, rate float64, longest time.Duration) {
		at := race{s.Name, way}
		rs.ways = append(rs.ways, way)
		rs.races[at] = append(rs.races[at], bench.Outcome{Rate: rate, Longest: longest})
	}
	cost(floorPeer, bench.Read, 10, 20, 30)
	cost("holdover-merge", bench.Read, 12, 26, 28)
	cost("scs-goredis", bench.Read, 24, 25, 26)
	cost("boj-redistore", bench.Read, 18, 60, 61)
	outcome(bench.OneSession, serialized, 1000, 10*time.Millisecond)
	outcome(bench.OneSession, "redislock 10ms", 500, 90*time.Millisecond)
	outcome(bench.OneSession, "redsync", 300, time.Second)
	outcome(bench.OwnProcesses, serialized, 900, 20*time.Millisecond)
	rs.races[race{bench.OwnProcesses.Name, serialized}][0].Lost = 2
	outcome(bench.OwnProcesses, "redsync", 500, time.Second)
	outcome(bench.OwnSessions, serialized, 1300, 0)
	outcome(bench.OwnSessions, "redsync 10ms", 1000, 0)
	rs.ids, rs.scan = []float64{210, 200}, []float64{100, 90}

	want := []verdict{
		{"holdover-merge", "read", "at most 1.25 x floor-redis", "1.2 x", "1.3 x", true},
		{"holdover-merge", "read", "at most 1/1.6 x boj-redistore", "1/1.5 x", "1/2.31 x", false},
		{serialized, "one session", "at least 2.50 x the rate of redislock 10ms", "2.00 x", "2.00 x", false},
		{serialized, "one session", "0 increments lost", "0", "0", true},
		{serialized, "one session", "at most 1/10 x the longest wait of redislock 10ms", "", "1/9 x", false},
		{serialized, "4 processes", "at least 1.70 x the rate of redsync", "1.80 x", "1.80 x", true},
		{serialized, "4 processes", "0 increments lost", "2", "2", false},
		{serialized, "4 processes", "at most 25 ms longest wait", "", "20.0 ms", true},
		{serialized, "32 sessions", "at least 1.30 x the rate of redsync 10ms", "1.30 x", "1.30 x", true},
		{"holdover", "list", "at most 2 x SCAN", "2.22 x", "2.16 x", false},
	}
	got := rs.verdicts()
	if len(got) != len(want) {
		t.Fatalf("got %d verdicts: %+v", len(got), got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestRedisReport(t *testing.T) {
	s, err := parse([]string{"-redis", "-passes", "1", "-time", "1ms"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !s.redis {
		t.Error("-redis was not understood")
	}
	var out strings.Builder
	err = runRedis(s, amounts{listed: 1000, sized: 320, times: 3}, &out, io.Discard)
	if errors.Is(err, bench.ErrNoRedis) {
		testenv.Missing(t, "redis-server: apt-get install redis-server")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{", Redis ", "| peer ", "| holdover-merge ", "4 processes", "| redislock 10ms ", "Redis's memory", "Listing 1 000", "Goals:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
