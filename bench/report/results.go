package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/bench"
)

// sample is one measurement: what one request cost.
type sample struct {
	ns            float64
	bytes, allocs int64
}

// results are the samples of each peer, in the order of the tables.
type results []*peerResult

type peerResult struct {
	name   string
	medium bench.Medium
	ops    map[bench.Op][]sample
}

func (rs *results) add(p bench.Peer, op bench.Op, s sample) {
	i := slices.IndexFunc(*rs, func(r *peerResult) bool { return r.name == p.Name })
	if i < 0 {
		i = len(*rs)
		*rs = append(*rs, &peerResult{p.Name, p.Medium, map[bench.Op][]sample{}})
	}
	r := (*rs)[i]
	r.ops[op] = append(r.ops[op], s)
}

// summary is what several samples come to.
type summary struct {
	best, median  float64 // ns
	bytes, allocs int64
}

// get returns the summary of a peer's operation, and whether it was measured.
func (rs results) get(peer string, op bench.Op) (summary, bool) {
	for _, r := range rs {
		if r.name == peer && len(r.ops[op]) > 0 {
			return summarize(r.ops[op]), true
		}
	}
	return summary{}, false
}

func summarize(samples []sample) summary {
	ns := make([]float64, 0, len(samples))
	s := summary{bytes: samples[0].bytes, allocs: samples[0].allocs}
	for _, x := range samples {
		ns = append(ns, x.ns)
		s.bytes = min(s.bytes, x.bytes)
		s.allocs = min(s.allocs, x.allocs)
	}
	slices.Sort(ns)
	half := len(ns) / 2
	s.best, s.median = ns[0], ns[half]
	if len(ns)%2 == 0 {
		s.median = (ns[half-1] + ns[half]) / 2
	}
	return s
}

func printTimes(w io.Writer, rs results, ops []bench.Op) {
	fmt.Fprintln(w, "ns a request, best / median:")
	printTable(w, rs, ops, func(s summary) string { return thousands(s.best) + " / " + thousands(s.median) })
}

func printMemory(w io.Writer, rs results, ops []bench.Op) {
	fmt.Fprintln(w, "Bytes / allocations a request:")
	printTable(w, rs, ops, func(s summary) string {
		return fmt.Sprintf("%s / %d", thousands(float64(s.bytes)), s.allocs)
	})
}

// printTable writes a Markdown table of one row a peer and one column an operation.
func printTable(w io.Writer, rs results, ops []bench.Op, cell func(summary) string) {
	rows := [][]string{{"peer", "kept in"}}
	for _, op := range ops {
		rows[0] = append(rows[0], string(op))
	}
	for _, r := range rs {
		row := []string{r.name, string(r.medium)}
		for _, op := range ops {
			text := ""
			if s, measured := rs.get(r.name, op); measured {
				text = cell(s)
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	printRows(w, rows, 2)
}

// printRows aligns the rows as a Markdown table: the first columns to the left, the others to the right.
func printRows(w io.Writer, rows [][]string, left int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], len(text))
		}
	}
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	for n, row := range rows {
		cells := make([]string, len(row))
		rule := make([]string, len(row))
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-len(text))
			dashes := strings.Repeat("-", max(widths[i]-1, 1))
			if i < left {
				cells[i], rule[i] = text+pad, dashes+"-"
			} else {
				cells[i], rule[i] = pad+text, dashes+":"
			}
		}
		line(cells)
		if n == 0 {
			line(rule)
		}
	}
	fmt.Fprintln(w)
}

// thousands writes a number without fraction, with a space between groups of three digits.
func thousands(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
