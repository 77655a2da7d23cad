package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/holdover-web/holdover/bench"
)

func (rs *redisResults) print(w io.Writer, ops []bench.Op) {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op bench.Op) bool { return op == bench.Untouched })
	fmt.Fprintln(w, "Sessions in Redis, ns a request, best / median:")
	rs.printRequests(w, ops, func(at request, costs []bench.Cost) string {
		ns := series(costs, wall)
		return thousands(slices.Min(ns)) + " / " + thousands(median(ns))
	})
	fmt.Fprintln(w, "ns of CPU a request, best passes, Redis / the web server:")
	rs.printRequests(w, ops, func(at request, costs []bench.Cost) string {
		return thousands(slices.Min(series(costs, func(c bench.Cost) float64 { return c.Redis }))) + " / " +
			thousands(slices.Min(series(costs, func(c bench.Cost) float64 { return c.Client })))
	})
	fmt.Fprintln(w, "Bytes / allocations a request:")
	rs.printRequests(w, ops, func(at request, costs []bench.Cost) string {
		return thousands(median(series(costs, func(c bench.Cost) float64 { return c.Bytes }))) + " / " +
			thousands(median(series(costs, func(c bench.Cost) float64 { return c.Allocs })))
	})
	fmt.Fprintln(w, "Commands that Redis executes for a request, those in scripts and transactions too / trips to Redis:")
	rs.printRequests(w, ops, func(at request, costs []bench.Cost) string {
		return fmt.Sprintf("%.3g / %.3g", median(series(costs, func(c bench.Cost) float64 { return c.Commands })), rs.trips[at])
	})
	for _, s := range scenes {
		rs.printRace(w, s)
	}
	rs.printSizes(w)
	if len(rs.ids) > 0 {
		fmt.Fprintf(w, "Listing %s sessions, best / median: %.0f / %.0f ms; SCAN of as many plain keys: %.0f / %.0f ms.\n\n",
			thousands(float64(rs.listed)), slices.Min(rs.ids)/1e6, median(rs.ids)/1e6, slices.Min(rs.scan)/1e6, median(rs.scan)/1e6)
	}
}

// printRequests writes a table of one row a peer and one column an operation.
func (rs *redisResults) printRequests(w io.Writer, ops []bench.Op, cell func(at request, costs []bench.Cost) string) {
	rows := [][]string{{"peer"}}
	for _, op := range ops {
		rows[0] = append(rows[0], string(op))
	}
	for _, name := range rs.peers {
		row := []string{name}
		for _, op := range ops {
			text := ""
			if at := (request{name, op}); len(rs.costs[at]) > 0 {
				text = cell(at, rs.costs[at])
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	printRows(w, rows, 1)
}

func (rs *redisResults) printRace(w io.Writer, s bench.Scene) {
	rows := [][]string{{"way", "increments/s, best / median", "longest wait ms, median / worst", "Redis CPU ns", "Go CPU ns", "allocations", "commands", "lost"}}
	for _, name := range rs.ways {
		outs := rs.races[race{s.Name, name}]
		if len(outs) == 0 {
			continue
		}
		rates, waits := series(outs, rate), series(outs, longest)
		lost := 0
		for _, o := range outs {
			lost += o.Lost
		}
		rows = append(rows, []string{
			name,
			thousands(slices.Max(rates)) + " / " + thousands(median(rates)),
			fmt.Sprintf("%.1f / %.1f", median(waits)/1e6, slices.Max(waits)/1e6),
			thousands(median(series(outs, func(o bench.Outcome) float64 { return o.Redis }))),
			thousands(median(series(outs, func(o bench.Outcome) float64 { return o.Client }))),
			thousands(median(series(outs, func(o bench.Outcome) float64 { return o.Allocs }))),
			fmt.Sprintf("%.3g", median(series(outs, func(o bench.Outcome) float64 { return o.Commands }))),
			fmt.Sprint(lost),
		})
	}
	if len(rows) > 1 {
		fmt.Fprintf(w, "Adding to a counter, %d times each: %s:\n", s.Times, s.Name)
		printRows(w, rows, 1)
	}
}

func (rs *redisResults) printSizes(w io.Writer) {
	rows := [][]string{{"peer", "bytes"}}
	for _, name := range rs.peers {
		if size, measured := rs.sizes[name]; measured {
			rows = append(rows, []string{name, thousands(size)})
		}
	}
	if len(rows) > 1 {
		fmt.Fprintf(w, "Redis's memory for one session, by the %s stored:\n", thousands(float64(rs.sized)))
		printRows(w, rows, 1)
	}
}
