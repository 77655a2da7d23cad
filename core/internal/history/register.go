package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdover-web/holdover/core"
)

// session is all that the contract lets a store remember of a session that never expires. The zero
// value is no session.
type session struct {
	version uint64
	values  core.Values
	fence   uint64    // of who holds the lock, 0 if nobody does
	lease   time.Time // when the lock may be taken over
}

// sessions is the model of a store, one session at a time: sessions do not affect each other.
var sessions = porcupine.Model{
	Partition: bySession,
	Init:      func() any { return session{} },
	Step: func(state, input, output any) (bool, any) {
		ok, next := step(state.(session), input.(call), output.(answer))
		return ok, next
	},
	Equal: func(a, b any) bool {
		x, y := a.(session), b.(session)
		return x.version == y.version && x.fence == y.fence && x.lease.Equal(y.lease) && slices.Equal(x.values, y.values)
	},
	DescribeOperation: func(input, output any) string { return describe(input.(call), output.(answer)) },
	DescribeState: func(state any) string {
		s := state.(session)
		return fmt.Sprintf("version %d, %s, fence %d", s.version, describeValues(s.values), s.fence)
	},
}

func bySession(ops []porcupine.Operation) [][]porcupine.Operation {
	byKey := make(map[core.Key][]porcupine.Operation)
	for _, op := range ops {
		key := op.Input.(call).key
		byKey[key] = append(byKey[key], op)
	}
	var parts [][]porcupine.Operation
	for _, part := range byKey {
		parts = append(parts, part)
	}
	return parts
}

// step reports whether a store in state s may give that answer, and its state afterwards.
func step(s session, in call, out answer) (ok bool, next session) {
	there := s.version > 0
	switch in.method {
	case "Create":
		if there {
			return errors.Is(out.err, core.ErrExists), s
		}
		return out.err == nil, session{version: 1, values: in.rec.Values}
	case "Load":
		if !there {
			return errors.Is(out.err, core.ErrNotFound), s
		}
		return out.err == nil && s.is(out.rec), s
	case "Save":
		return s.save(in.change, out)
	case "Delete":
		if !there {
			return !out.ok && out.err == nil, s
		}
		return out.ok && out.err == nil && s.is(out.rec), session{}
	case "Lock":
		return s.lock(in, out)
	case "Unlock":
		if !there {
			return errors.Is(out.err, core.ErrGone) || errors.Is(out.err, core.ErrLockLost), s
		}
		if in.fence != s.fence {
			return errors.Is(out.err, core.ErrLockLost), s
		}
		s.fence = 0
		return out.err == nil, s
	}
	panic("history: no model of " + in.method)
}

// is reports whether rec shows the session.
func (s session) is(rec core.Record) bool {
	return rec.Version == s.version && slices.Equal(rec.Values, s.values)
}

func (s session) save(c core.Change, out answer) (bool, session) {
	if s.version == 0 {
		return errors.Is(out.err, core.ErrGone), s
	}
	lost := c.Fence != 0 && c.Fence != s.fence
	conflict := c.Version != 0 && c.Version != s.version
	if lost || conflict {
		var current *core.ConflictError
		if errors.As(out.err, &current) {
			return conflict && current.Have == c.Version && s.is(current.Current), s
		}
		return lost && errors.Is(out.err, core.ErrLockLost), s
	}
	values, err := c.Apply(s.values)
	if err != nil {
		return errors.Is(out.err, err), s
	}
	s.version, s.values = s.version+1, values
	if c.Fence != 0 && c.Unlock {
		s.fence = 0
	}
	return out.err == nil && out.version == s.version, s
}

func (s session) lock(in call, out answer) (bool, session) {
	switch {
	case s.version == 0:
		return errors.Is(out.err, core.ErrNotFound), s
	case s.fence != 0 && in.now.Before(s.lease):
		return errors.Is(out.err, core.ErrLocked), s
	}
	s.fence, s.lease = out.fence, in.now.Add(in.lease)
	return out.err == nil && out.fence != 0 && s.is(out.rec), s
}

// repeatedFence returns a fence that was given out twice for one key, or 0.
func (r *Recorder) repeatedFence() uint64 {
	type taken struct {
		key   core.Key
		fence uint64
	}
	seen := make(map[taken]bool)
	for _, op := range r.ops {
		in, out := op.Input.(call), op.Output.(answer)
		if in.method != "Lock" || out.err != nil {
			continue
		}
		if seen[taken{in.key, out.fence}] {
			return out.fence
		}
		seen[taken{in.key, out.fence}] = true
	}
	return 0
}

func describe(in call, out answer) string {
	var b strings.Builder
	b.WriteString(in.method)
	switch in.method {
	case "Create":
		fmt.Fprintf(&b, " %s", describeValues(in.rec.Values))
	case "Save":
		fmt.Fprintf(&b, " %s", describeValues(in.change.Set))
		if in.change.Replace {
			b.WriteString(" replacing")
		}
		if len(in.change.Delete) > 0 {
			fmt.Fprintf(&b, " deleting %v", in.change.Delete)
		}
		if in.change.Version != 0 {
			fmt.Fprintf(&b, " if version %d", in.change.Version)
		}
		if in.change.Fence != 0 {
			fmt.Fprintf(&b, " if fence %d", in.change.Fence)
		}
	case "Unlock":
		fmt.Fprintf(&b, " fence %d", in.fence)
	}
	b.WriteString(": ")
	switch {
	case out.err != nil:
		b.WriteString(out.err.Error())
	case in.method == "Save":
		fmt.Fprintf(&b, "version %d", out.version)
	case in.method == "Lock":
		fmt.Fprintf(&b, "fence %d, version %d, %s", out.fence, out.rec.Version, describeValues(out.rec.Values))
	case in.method == "Load", out.ok:
		fmt.Fprintf(&b, "version %d, %s", out.rec.Version, describeValues(out.rec.Values))
	case in.method == "Delete":
		b.WriteString("nothing there")
	default:
		b.WriteString("done")
	}
	return b.String()
}

func describeValues(v core.Values) string {
	var parts []string
	for _, it := range v {
		parts = append(parts, it.Name+"="+it.Data)
	}
	return "{" + strings.Join(parts, " ") + "}"
}
