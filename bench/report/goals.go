package main

import (
	"fmt"
	"io"

	"github.com/holdover-web/holdover/bench"
)

// goal is one promise about speed: what the peer's request may cost at most. It holds if the best pass
// stays within times the best pass of the other peer plus plus, or the allocations within allocs.
type goal struct {
	peer    string
	op      bench.Op
	against string
	times   float64
	plus    float64 // ns
	allocs  int64   // if not 0, allocations are compared: with this, plus those of against if there is one
}

var goals = []goal{
	{peer: "holdover-compat", op: bench.Read, against: "scs-memory", times: 1.0 / 15},
	{peer: "holdover-compat", op: bench.Read, against: "floor-memory", times: 3},
	{peer: "holdover-compat", op: bench.Write, against: "scs-memory", times: 1.0 / 12},
	{peer: "holdover-compat", op: bench.Write, against: "floor-memory", times: 4},
	{peer: "holdover-compat", op: bench.New, against: "scs-memory", times: 1 / 1.5},
	{peer: "holdover-compat", op: bench.Untouched, against: "echo", times: 1, plus: 150},
	{peer: "holdover-compat", op: bench.Read, allocs: 8},
	{peer: "holdover-compat", op: bench.Write, allocs: 14},
	{peer: "holdover-compat", op: bench.Untouched, against: "echo", allocs: 2},
	{peer: "holdover-wsgi-tcp", op: bench.Untouched, against: "echo-tcp", times: 1.5},
	{peer: "holdover-wsgi-hello", op: bench.Untouched, against: "echo", allocs: 4},
	{peer: "holdover-webkit", op: bench.Read, against: "scs-memory", times: 1.0 / 6},
	{peer: "holdover-webkit", op: bench.Write, against: "scs-memory", times: 1.0 / 6},
	{peer: "holdover-myghty", op: bench.Read, against: "scs-memory", times: 1.0 / 5},
	{peer: "holdover-webstack", op: bench.Read, against: "scs-memory", times: 1.0 / 5},
	{peer: "holdover-albatross", op: bench.Read, against: "scs-memory", times: 1.0 / 5},
	{peer: "holdover-file-tmpfs", op: bench.Read, against: "gorilla-file-tmpfs", times: 1.0 / 3},
	{peer: "holdover-file-tmpfs", op: bench.Write, against: "gorilla-file-tmpfs", times: 1 / 1.5},
	{peer: "holdover-file-disk", op: bench.Write, against: "floor-file-disk", times: 1.25},
}

// outcome is a goal looked at with results in hand.
type outcome struct {
	limit, best, median string
	met                 bool
}

// check compares. measured is false if a number that it needs is missing.
func (g goal) check(rs results) (o outcome, measured bool) {
	have, measured := rs.get(g.peer, g.op)
	if !measured {
		return o, false
	}
	var other summary
	if g.against != "" {
		if other, measured = rs.get(g.against, g.op); !measured {
			return o, false
		}
	}
	if g.allocs > 0 {
		limit := g.allocs + other.allocs
		got := fmt.Sprint(have.allocs)
		return outcome{fmt.Sprint(limit, " allocations"), got, got, have.allocs <= limit}, true
	}
	if g.plus > 0 {
		return outcome{
			limit:  fmt.Sprintf("%s + %.0f ns", g.against, g.plus),
			best:   fmt.Sprintf("%+.0f ns", have.best-other.best),
			median: fmt.Sprintf("%+.0f ns", have.median-other.median),
			met:    have.best <= g.times*other.best+g.plus,
		}, true
	}
	return outcome{
		limit:  ratio(g.times) + " " + g.against,
		best:   ratio(have.best / other.best),
		median: ratio(have.median / other.median),
		met:    have.best <= g.times*other.best,
	}, true
}

// ratio writes small ratios as fractions, as the goals are worded.
func ratio(r float64) string {
	if r < 1 {
		return fmt.Sprintf("1/%.3g x", 1/r)
	}
	return fmt.Sprintf("%.3g x", r)
}

func printGoals(w io.Writer, rs results) {
	rows := [][]string{{"goal", "", "at most", "best", "median", "met"}}
	for _, g := range goals {
		o, measured := g.check(rs)
		if !measured {
			continue
		}
		met := "yes"
		if !o.met {
			met = "NO"
		}
		rows = append(rows, []string{g.peer, string(g.op), o.limit, o.best, o.median, met})
	}
	if len(rows) > 1 {
		fmt.Fprintln(w, "Goals:")
		printRows(w, rows, 3)
	}
}
