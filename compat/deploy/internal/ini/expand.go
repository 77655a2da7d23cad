package ini

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds on interpolation: configparser's own depth, and a size that keeps a few lines from becoming gigabytes.
const (
	maxDepth    = 10
	maxExpanded = 64 << 10
)

// Expand puts the values of other names in the place of each %(name)s, as BasicInterpolation does: these values are
// expanded in turn, and %% stands for a percent sign. lookup returns the value of a name before interpolation. The errors
// name names, and never show values.
func Expand(text string, lookup func(name string) (string, bool)) (string, error) {
	e := expander{lookup: lookup}
	if err := e.expand(text, 1); err != nil {
		return "", err
	}
	return e.out.String(), nil
}

// Escape returns a text that Expand turns into the given one.
func Escape(text string) string { return strings.ReplaceAll(text, "%", "%%") }

type expander struct {
	lookup func(string) (string, bool)
	out    strings.Builder
	seen   int // bytes read and written, for values that expand to nothing take time too
}

func (e *expander) expand(text string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it refers to others more than %d deep, or to itself", maxDepth)
	}
	if e.seen += len(text); e.seen > 2*maxExpanded || e.out.Len() > maxExpanded {
		return fmt.Errorf("it becomes longer than %d bytes", maxExpanded)
	}
	for {
		before, after, found := strings.Cut(text, "%")
		e.out.WriteString(before)
		if !found {
			return nil
		}
		switch {
		case strings.HasPrefix(after, "%"):
			e.out.WriteByte('%')
			text = after[1:]
			continue
		case !strings.HasPrefix(after, "("):
			return errors.New("a % is followed by neither % nor (: write %% for a percent sign")
		}
		name, rest, _ := strings.Cut(after[1:], ")")
		rest, ok := strings.CutPrefix(rest, "s")
		if !ok || name == "" {
			return errors.New("a %( does not go on as in %(name)s: write %% for a percent sign")
		}
		value, ok := e.lookup(name)
		if !ok {
			return fmt.Errorf("there is no %q for %%(%s)s, neither in this section nor in [%s]", name, name, DefaultName)
		}
		if err := e.expand(value, depth+1); err != nil {
			return err
		}
		text = rest
	}
}
