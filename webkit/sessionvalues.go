package webkit

import (
	"maps"
	"reflect"

	"github.com/holdover-web/holdover/core"
)

// Value returns the value of name: value(name). Lists and maps may be changed in place; the session
// notices. To get a value with its type use core.Get on Core.
//
// Errors: ErrKey if there is none; *core.ValueError if what is stored can not be read.
func (s *Session) Value(name string) (any, error) {
	v, ok, err := s.lookup(name)
	if err == nil && !ok {
		err = keyError("session value", name)
	}
	return v, err
}

// ValueDefault returns the value of name, or otherwise if there is none: value(name, default). A value that
// is nil wins. The error is a *core.ValueError.
func (s *Session) ValueDefault(name string, otherwise any) (any, error) {
	v, ok, err := s.lookup(name)
	if err == nil && !ok {
		return otherwise, nil
	}
	return v, err
}

func (s *Session) lookup(name string) (v any, ok bool, err error) {
	if s.live.values != nil {
		v, ok = s.live.values[name]
		return v, ok, nil
	}
	if s.emptied {
		return nil, false, nil
	}
	return s.core.Value(name)
}

// HasValue reports whether there is a value of that name: hasValue(name).
func (s *Session) HasValue(name string) bool {
	if s.live.values != nil {
		_, ok := s.live.values[name]
		return ok
	}
	return !s.emptied && s.core.Has(name)
}

// SetValue gives name a value: setValue(name, value). The value is encoded now, so that what can not be
// stored is refused here; see core.Session.Set for the errors.
func (s *Session) SetValue(name string, value any) error {
	if err := s.revive(); err != nil {
		return err
	}
	s.changing()
	if err := s.core.Set(name, value); err != nil {
		return err
	}
	s.live.set(name, value)
	return nil
}

// DelValue removes name: delValue(name). Errors: ErrKey if there is none, which is no change; and those of
// core.Session.Delete.
func (s *Session) DelValue(name string) error {
	if !s.HasValue(name) {
		return keyError("session value", name)
	}
	s.changing()
	if err := s.core.Delete(name); err != nil {
		return err
	}
	s.live.remove(name)
	return nil
}

// changing ends what SetDirty(false) said.
func (s *Session) changing() {
	if s.marked == markedClean {
		s.marked = unmarked
	}
}

// Values returns all values: values(). It is the session's own map, as in Webware: what is put into it or
// deleted from it changes the session. Webware did not notice such changes; this session does, when it is
// saved. All values are decoded for it, so Value is cheaper.
//
// The error is a *core.ValueError for a value that can not be read.
func (s *Session) Values() (map[string]any, error) {
	if s.live.values == nil {
		if err := s.live.load(s); err != nil {
			return nil, err
		}
	}
	return s.live.values, nil
}

// live is the map that Values has given out, and what it held when the session last looked at it.
type live struct {
	values map[string]any
	seen   map[string]any
}

func (l *live) load(s *Session) error {
	values := make(map[string]any)
	if !s.emptied {
		for _, name := range s.core.Keys() {
			if name == countName && s.app.cfg.Quirks.CountTransactions {
				continue
			}
			v, ok, err := s.core.Value(name)
			if err != nil {
				return err
			}
			if ok {
				values[name] = v
			}
		}
	}
	l.values, l.seen = values, maps.Clone(values)
	if s.t != nil && !s.emptied {
		// The response may begin before the session sleeps, and what was changed by then is saved then.
		s.t.env.Response().BeforeCommit(func() error { return s.live.flush(s.core) })
	}
	return nil
}

func (l *live) set(name string, v any) {
	if l.values != nil {
		l.values[name], l.seen[name] = v, v
	}
}

func (l *live) remove(name string) {
	if l.values != nil {
		delete(l.values, name)
		delete(l.seen, name)
	}
}

// flush hands on what was changed in the map itself. What was changed inside of its lists and maps the
// core session sees for itself.
func (l *live) flush(c *core.Session) error {
	for name, v := range l.values {
		was, ok := l.seen[name]
		if ok && reflect.DeepEqual(was, v) {
			continue
		}
		if err := c.Set(name, v); err != nil {
			return err
		}
		l.seen[name] = v
	}
	for name := range l.seen {
		if _, ok := l.values[name]; ok {
			continue
		}
		if err := c.Delete(name); err != nil {
			return err
		}
		delete(l.seen, name)
	}
	return nil
}
