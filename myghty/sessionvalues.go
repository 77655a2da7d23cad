package myghty

import (
	"iter"
	"maps"
	"slices"
)

// Value returns the value of name: session[name]. Lists and maps may be changed in place; the session notices when it is
// saved. Only this value is decoded. To get a value with its type use core.Get on Core.
//
// Errors: ErrKey if there is none; *core.ValueError if what is stored can not be read.
func (s *Session) Value(name string) (any, error) {
	v, ok, err := s.core.Value(name)
	if err == nil && !ok {
		err = keyError(name)
	}
	return v, err
}

// Get returns the value of name, or otherwise if there is none: get(name, default). A value that is nil wins. The error is a
// *core.ValueError.
func (s *Session) Get(name string, otherwise any) (any, error) {
	v, ok, err := s.core.Value(name)
	if err == nil && !ok {
		return otherwise, nil
	}
	return v, err
}

// HasKey reports whether there is a value of that name: has_key(name), name in session.
func (s *Session) HasKey(name string) bool { return s.core.Has(name) }

// Set gives name a value: session[name] = v. The value is encoded now, so that what can not be stored is refused here.
// Errors: those of core.Session.Set.
func (s *Session) Set(name string, v any) error { return s.core.Set(name, v) }

// SetDefault returns the value of name, and sets it to v if there is none: setdefault(name, v). Errors: those of Get and Set.
func (s *Session) SetDefault(name string, v any) (any, error) {
	if s.HasKey(name) {
		return s.Value(name)
	}
	return v, s.Set(name, v)
}

// Update sets several values: update(dict). It stops at the first that can not be set, in the order of the names.
func (s *Session) Update(values map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := s.Set(name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// Del removes name: del session[name]. Errors: ErrKey if there is none; those of core.Session.Delete.
func (s *Session) Del(name string) error {
	if !s.HasKey(name) {
		return keyError(name)
	}
	return s.core.Delete(name)
}

// Pop removes name and returns what it had: pop(name). Errors: those of Value and Del.
func (s *Session) Pop(name string) (any, error) {
	v, err := s.Value(name)
	if err != nil {
		return nil, err
	}
	return v, s.Del(name)
}

// Clear removes all names that the session has for this request: clear(). To end a session use Invalidate. Errors: those
// of core.Session.Clear.
func (s *Session) Clear() error { return s.core.Clear() }

// Keys returns the names, sorted: keys().
func (s *Session) Keys() []string { return s.core.Keys() }

// Len returns how many values there are: len(session).
func (s *Session) Len() int { return s.core.Len() }

// Items yields names and values in the order of the names: items(), values(), iteritems(). A value that can not be read is
// yielded as its *core.ValueError. The loop may change the session.
func (s *Session) Items() iter.Seq2[string, any] { return s.core.All() }

// values returns those that can be read.
func (s *Session) values() map[string]any {
	values := make(map[string]any)
	for name, v := range s.core.All() {
		if _, unreadable := v.(error); !unreadable {
			values[name] = v
		}
	}
	return values
}
