package main

import (
	"io"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/bench"
)

func TestSummarize(t *testing.T) {
	for _, tt := range []struct {
		name string
		ns   []float64
		want summary
	}{
		{"one", []float64{5}, summary{best: 5, median: 5}},
		{"odd", []float64{9, 1, 4}, summary{best: 1, median: 4}},
		{"even", []float64{9, 1, 4, 6}, summary{best: 1, median: 5}},
	} {
		var samples []sample
		for _, ns := range tt.ns {
			samples = append(samples, sample{ns: ns, bytes: 100, allocs: 3})
		}
		tt.want.bytes, tt.want.allocs = 100, 3
		if got := summarize(samples); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestGoal(t *testing.T) {
	var rs results
	put := func(peer string, ns float64, allocs int64) {
		rs.add(bench.Peer{Name: peer}, bench.Read, sample{ns: ns, allocs: allocs})
	}
	put("other", 1000, 10)
	put("ours", 100, 12)
	for _, tt := range []struct {
		name string
		goal goal
		best string
		met  bool
	}{
		{"a tenth", goal{against: "other", times: 0.1}, "1/10 x", true},
		{"a twelfth", goal{against: "other", times: 1.0 / 12}, "1/10 x", false},
		{"a little more", goal{against: "ours", times: 1, plus: 1}, "+0 ns", true},
		{"allocations", goal{allocs: 12}, "12", true},
		{"too many", goal{allocs: 11}, "12", false},
		{"two more", goal{against: "other", allocs: 2}, "12", true},
		{"more than one more", goal{against: "other", allocs: 1}, "12", false},
	} {
		tt.goal.peer, tt.goal.op = "ours", bench.Read
		got, measured := tt.goal.check(rs)
		if !measured || got.met != tt.met || got.best != tt.best {
			t.Errorf("%s: got %+v (measured: %v), want %q, met: %v", tt.name, got, measured, tt.best, tt.met)
		}
	}
	if _, measured := (goal{peer: "ours", op: bench.Write, allocs: 1}).check(rs); measured {
		t.Error("a goal was checked without a measurement")
	}
}

// Goals name peers that exist, or they would be left out without a word.
func TestGoalsNamePeers(t *testing.T) {
	names := map[string]bool{"": true}
	for _, p := range bench.Peers() {
		names[p.Name] = true
	}
	for _, g := range goals {
		if !names[g.peer] || !names[g.against] {
			t.Errorf("goal for %q against %q: no such peer", g.peer, g.against)
		}
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	err := run([]string{"-passes", "1", "-time", "1ms", "-peers", "^(echo|floor-memory)$", "-ops", "read"}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| peer ", "| echo ", "| floor-memory | memory"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	for _, args := range [][]string{{"-peers", "("}, {"-passes", "x"}} {
		if err := run(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
