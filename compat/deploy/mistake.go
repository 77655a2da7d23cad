package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mistake is something wrong with a configuration. It shows no value of a store's URL, which may hold a password.
type Mistake struct {
	File string // or what an Override names in its place, such as "-store"
	Line int    // from 1, or 0 if there is none to point at
	Text string
}

// String returns "FILE:LINE: TEXT" on one line.
func (m Mistake) String() string { return m.at() + ": " + strings.ReplaceAll(m.Text, "\n", "; ") }

func (m Mistake) at() string {
	if m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s:%d", m.File, m.Line)
}

// Mistakes is the error for a configuration that is not used: all that is wrong with it, in the order of its lines.
type Mistakes []Mistake

// Error returns one mistake a line.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// ErrReported is returned by methods of a Section that can not give what they were asked for, because of mistakes that
// the Section knows already. A factory returns it as its own error.
var ErrReported = errors.New("deploy: the mistake is reported already")

// mistakes collects while a configuration is read. It is for one goroutine.
type mistakes struct{ all Mistakes }

func (m *mistakes) add(at position, format string, args ...any) {
	m.all = append(m.all, Mistake{at.file, at.line, fmt.Sprintf(format, args...)})
}

// err returns the Mistakes, sorted and each of them once, or nil.
func (m *mistakes) err() error {
	if len(m.all) == 0 {
		return nil
	}
	all := slices.Clone(m.all)
	slices.SortStableFunc(all, func(a, b Mistake) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return Mistakes(slices.Compact(all))
}

// position is where something stands.
type position struct {
	file string
	line int
}

func (p position) String() string { return Mistake{File: p.file, Line: p.line}.at() }

// nearest returns the name that was probably meant by a misspelt one, or "".
func nearest(name string, names []string) string {
	best, found := 3, "" // at most two letters are wrong
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < best && d < max(len(name), 2) {
			best, found = d, n
		}
	}
	return found
}

// distance is how many letters have to be changed, added or removed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// meant returns a hint for a misspelt name, or "".
func meant(name string, names []string) string {
	if n := nearest(name, names); n != "" {
		return "; did you mean " + n + "?"
	}
	return ""
}
