package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/bench"
)

// verdict is one line of the table of goals.
type verdict struct {
	who, what, limit, best, median string
	met                            bool
}

// Names in the goals of what they are about.
const (
	floorPeer  = "floor-redis"
	floorWay   = "get+set"
	serialized = "holdover-serialized"
	optimistic = "holdover-optimistic"
)

var otherPeers = []string{"scs-goredis", "boj-redistore"}

// requestGoal limits what one of our requests takes, as a multiple of the floor's.
type requestGoal struct {
	peer  string
	op    bench.Op
	times float64
}

var requestGoals = []requestGoal{
	{"holdover-lossy", bench.Read, 1.25},
	{"holdover-merge", bench.Read, 1.25},
	{optimistic, bench.Read, 1.25},
	{"holdover-serialized-readonly", bench.Read, 1.25},
	{"holdover-lossy", bench.Write, 1.25},
	{"holdover-merge", bench.Write, 1.25},
	{optimistic, bench.Write, 1.35},
	{serialized, bench.Write, 1.35},
	{"holdover-lossy", bench.New, 1.25},
	{"holdover-merge", bench.New, 1.25},
	{optimistic, bench.New, 1.25},
	{serialized, bench.New, 1.25},
}

// againstPeers is how much less than the fastest peer's a read and a write of ours take.
const againstPeers = 1.6

// verdicts compares all that was measured with the goals.
func (rs *redisResults) verdicts() []verdict {
	var vs []verdict
	for _, g := range requestGoals {
		have, floor := rs.costs[request{g.peer, g.op}], rs.costs[request{floorPeer, g.op}]
		if len(have) == 0 || len(floor) == 0 {
			continue
		}
		a, b := series(have, wall), series(floor, wall)
		vs = append(vs, atMost(g.peer, string(g.op), g.times, floorPeer, slices.Min(a)/slices.Min(b), median(a)/median(b)))
	}
	for _, g := range requestGoals {
		have := rs.costs[request{g.peer, g.op}]
		name, best, middle := rs.fastestPeer(g.op)
		if g.op == bench.New || len(have) == 0 || name == "" {
			continue
		}
		ns := series(have, wall)
		vs = append(vs, atMost(g.peer, string(g.op), 1/againstPeers, name, slices.Min(ns)/best, median(ns)/middle))
	}
	vs = append(vs, rs.raceVerdicts()...)
	if len(rs.ids) > 0 {
		vs = append(vs, atMost("holdover", "list", 2, "SCAN", slices.Min(rs.ids)/slices.Min(rs.scan), median(rs.ids)/median(rs.scan)))
	}
	if size, plain := rs.sizes["holdover-merge"], rs.sizes[floorPeer]; size > 0 && plain > 0 {
		vs = append(vs, atMost("holdover-merge", "memory", 1.6, "a plain key", size/plain, size/plain))
	}
	return vs
}

// fastestPeer returns the peer with the fastest best pass.
func (rs *redisResults) fastestPeer(op bench.Op) (name string, best, middle float64) {
	for _, peer := range otherPeers {
		ns := series(rs.costs[request{peer, op}], wall)
		if len(ns) > 0 && (name == "" || slices.Min(ns) < best) {
			name, best, middle = peer, slices.Min(ns), median(ns)
		}
	}
	return name, best, middle
}

func (rs *redisResults) raceVerdicts() []verdict {
	var vs []verdict
	for _, s := range []struct {
		scene bench.Scene
		what  string
		times float64
	}{{bench.OneSession, "one session", 2.5}, {bench.OwnProcesses, "4 processes", 1.7}} {
		have, peer := rs.races[race{s.scene.Name, serialized}], rs.fastestLock(s.scene)
		if len(have) == 0 || peer == "" {
			continue
		}
		theirs := rs.races[race{s.scene.Name, peer}]
		vs = append(vs, atLeast(serialized, s.what, s.times, peer, series(have, rate), series(theirs, rate)))
		lost := 0
		for _, o := range have {
			lost += o.Lost
		}
		vs = append(vs, verdict{serialized, s.what, "0 increments lost", fmt.Sprint(lost), fmt.Sprint(lost), lost == 0})
		mine, other := median(series(have, longest)), median(series(theirs, longest))
		if s.scene.Processes > 1 {
			wait := fmt.Sprintf("%.1f ms", mine/1e6)
			vs = append(vs, verdict{serialized, s.what, "at most 25 ms longest wait", "", wait, mine <= 25e6})
		} else {
			vs = append(vs, verdict{serialized, s.what, "at most 1/10 x the longest wait of " + peer, "", ratio(mine / other), mine <= other/10})
		}
	}
	apart := func(way, other string, times float64) {
		have, theirs := rs.races[race{bench.OwnSessions.Name, way}], rs.races[race{bench.OwnSessions.Name, other}]
		if len(have) > 0 && len(theirs) > 0 {
			vs = append(vs, atLeast(way, "32 sessions", times, other, series(have, rate), series(theirs, rate)))
		}
	}
	redsync := ""
	for _, name := range rs.ways { // the faster of its settings
		if strings.HasPrefix(name, "redsync") && (redsync == "" || rs.bestRate(bench.OwnSessions, name) > rs.bestRate(bench.OwnSessions, redsync)) {
			redsync = name
		}
	}
	apart(serialized, redsync, 1.3)
	apart(optimistic, floorWay, 0.88)
	return vs
}

// fastestLock returns the other way with the highest rate.
func (rs *redisResults) fastestLock(s bench.Scene) string {
	best := ""
	for _, w := range bench.Ways() {
		if !w.Ours && len(rs.races[race{s.Name, w.Name}]) > 0 && (best == "" || rs.bestRate(s, w.Name) > rs.bestRate(s, best)) {
			best = w.Name
		}
	}
	return best
}

func (rs *redisResults) bestRate(s bench.Scene, way string) float64 {
	rates := series(rs.races[race{s.Name, way}], rate)
	if len(rates) == 0 {
		return 0
	}
	return slices.Max(rates)
}

func atMost(who, what string, times float64, other string, best, middle float64) verdict {
	return verdict{who, what, "at most " + ratio(times) + " " + other, ratio(best), ratio(middle), best <= times}
}

func atLeast(who, what string, times float64, other string, have, theirs []float64) verdict {
	best, middle := slices.Max(have)/slices.Max(theirs), median(have)/median(theirs)
	decimal := func(r float64) string { return fmt.Sprintf("%.2f x", math.Round(r*100)/100) }
	return verdict{who, what, "at least " + decimal(times) + " the rate of " + other, decimal(best), decimal(middle), best >= times}
}

func (rs *redisResults) printGoals(w io.Writer) {
	rows := [][]string{{"goal", "", "limit", "best", "median", "met"}}
	for _, v := range rs.verdicts() {
		met := "yes"
		if !v.met {
			met = "NO"
		}
		rows = append(rows, []string{v.who, v.what, v.limit, v.best, v.median, met})
	}
	if len(rows) > 1 {
		fmt.Fprintln(w, "Goals:")
		printRows(w, rows, 3)
	}
}
