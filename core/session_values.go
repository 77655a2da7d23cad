package core

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
)

// Source is what values are fetched from: a *Session, or a *Snapshot that an event carries.
type Source interface{ source() }

func (*Session) source()  {}
func (*Snapshot) source() {}

// Get fetches the value of name as a T. A name that is not there gives the zero T and no error; Lookup
// tells the difference. Only this one value is decoded.
//
// A list, map or pointer that is fetched from a session opened for writing may be changed in place:
// the session notices when it commits. To let a list grow in place, fetch a pointer to it:
//
//	cart, err := core.Get[*[]string](s, "cart")
//	*cart = append(*cart, "tea")
//
// The error is a *ValueError when the stored value is not a T, or can not be read.
func Get[T any](src Source, name string) (T, error) {
	v, _, err := Lookup[T](src, name)
	return v, err
}

// Lookup is Get that also reports whether there is such a value.
func Lookup[T any](src Source, name string) (v T, ok bool, err error) {
	switch src := src.(type) {
	case *Session:
		return lookup[T](src, name)
	case *Snapshot:
		data, ok := src.values.Get(name)
		if !ok {
			return v, false, nil
		}
		v, err = decodeAs[T](src.codec, data)
		return v, true, valueError(name, v, err)
	}
	return v, false, fmt.Errorf("core: Lookup: %T holds no session values", src)
}

func lookup[T any](s *Session, name string) (v T, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, touched := s.findEntry(name)
	var data string
	if touched {
		e := &s.entries[i]
		if e.state == deleted {
			return v, false, nil
		}
		if v, ok := viewAs[T](e.views); ok {
			return v, true, nil
		}
		if err := e.refresh(s.m.cfg.Codec); err != nil {
			return v, true, err
		}
		data = e.data
	} else if data, ok = s.rec.Values.Get(name); !ok {
		return v, false, nil
	}
	if v, err = decodeAs[T](s.m.cfg.Codec, data); err != nil {
		return v, true, valueError(name, v, err)
	}
	if s.cfg.mode == ReadWrite && isMutable(v) {
		if !touched {
			s.entries = slices.Insert(s.entries, i, entry{name: name, data: data, state: fetched})
		}
		s.entries[i].views = append(s.entries[i].views, view{v, data})
	}
	return v, true, nil
}

func valueError[T any](name string, v T, err error) error {
	if err == nil {
		return nil
	}
	return &ValueError{Name: name, Type: reflect.TypeFor[T]().String(), Err: err}
}

// entry is one name that the request has changed or holds by reference.
type entry struct {
	name  string
	data  string // the encoded value, as fetched, set, or last looked at
	state entryState
	views []view // what was given out or set and can be changed in place
}

// view is a reference to a value in the hands of the application.
type view struct {
	v    any
	data string // the encoded value that v was decoded from, or had when last looked at
}

type entryState uint8

const (
	fetched entryState = iota
	changed
	deleted
)

// refresh looks whether a value was changed in place. Bytes that differ are no proof: another
// language, or another Go type, may encode the same value in another way.
func (e *entry) refresh(c Codec) error {
	data, differing := e.data, 0
	for i := range e.views {
		view := &e.views[i]
		now, err := encode(c, view.v)
		if err != nil {
			return &ValueError{Name: e.name, Type: typeName(view.v), Err: err}
		}
		if now == view.data || now == reencode(c, view.data, reflect.TypeOf(view.v)) {
			continue
		}
		data, view.data = now, now
		differing++
	}
	if differing > 1 {
		return &ValueError{Name: e.name, Type: typeName(e.views[0].v),
			Err: errors.New("the value was fetched as two types and changed in place through both; fetch it as one")}
	}
	if differing == 1 {
		e.data, e.state = data, changed
	}
	return nil
}

// encode is for values that were changed in place: their own methods may panic on what they hold now,
// and a request must always be able to let go of its lock.
func encode(c Codec, v any) (data string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("encoding it panicked: %v", p)
		}
	}()
	return c.Encode(v)
}

// reencode tells how a value looks that is read as a type and written back unchanged.
func reencode(c Codec, data string, t reflect.Type) string {
	if t == nil {
		return ""
	}
	p := reflect.New(t)
	if c.Decode(data, p.Interface()) != nil {
		return ""
	}
	again, err := c.Encode(p.Elem().Interface())
	if err != nil {
		return ""
	}
	return again
}

// viewAs finds a reference of the asked type among those given out. Any of them serves an untyped fetch.
func viewAs[T any](views []view) (v T, ok bool) {
	if len(views) == 1 && reflect.TypeFor[T]() == anyType {
		rv := reflect.ValueOf(views[0].v)
		if rv.Kind() == reflect.Pointer && !rv.IsNil() {
			rv = rv.Elem()
		}
		v, ok = rv.Interface().(T)
		return v, ok
	}
	for _, view := range views {
		if v, ok := view.v.(T); ok && reflect.TypeOf(view.v) == reflect.TypeFor[T]() {
			return v, true
		}
	}
	return v, false
}

func (s *Session) findEntry(name string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, name, func(e entry, name string) int {
		return strings.Compare(e.name, name)
	})
}

// Value fetches the value of name with the type that it was set with. ok is false if there is none.
// It is Lookup for code that does not know the type.
func (s *Session) Value(name string) (v any, ok bool, err error) {
	return lookup[any](s, name)
}

// Set gives name a value. The value is encoded now, so that what can not be stored is refused where
// it is set: then the error is a *ValueError. Lists, maps and pointers may still be changed in place
// before the commit. A Raw is stored as it is.
//
// Other errors: ErrReadOnly, ErrGone, ErrTooLarge, and what Seal was given.
func (s *Session) Set(name string, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	raw, encoded := v.(Raw)
	data := string(raw)
	if !encoded {
		var err error
		if data, err = s.m.cfg.Codec.Encode(v); err != nil {
			return &ValueError{Name: name, Type: typeName(v), Err: err}
		}
	}
	if len(name)+len(data) > s.m.cfg.MaxSize {
		return fmt.Errorf("%w: %.64q has %d bytes, a session may have %d", ErrTooLarge, name, len(data), s.m.cfg.MaxSize)
	}
	e := entry{name: name, data: data, state: changed}
	if isMutable(v) {
		e.views = []view{{v, data}}
	}
	s.put(e)
	return nil
}

// Delete removes name. Removing what is not there is no change. Errors: those of Set.
func (s *Session) Delete(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	s.remove(name)
	return nil
}

// Clear removes every name that the session has for this request. Under Merge, names that another
// request adds meanwhile stay. Errors: those of Set.
func (s *Session) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	for _, name := range s.keys() {
		s.remove(name)
	}
	return nil
}

// remove forgets a name that this request has brought, and marks one that is stored.
func (s *Session) remove(name string) {
	if _, ok := s.rec.Values.Get(name); ok {
		s.put(entry{name: name, state: deleted})
		return
	}
	if i, ok := s.findEntry(name); ok {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
}

func (s *Session) put(e entry) {
	i, ok := s.findEntry(e.name)
	if ok {
		s.entries[i] = e
		return
	}
	switch {
	case s.entries != nil:
	case s.created:
		s.entries = make([]entry, 0, 8) // a new session is given several names
	case s.pending == nil:
		s.pending = new(commitWork)
		s.entries = s.pending.room[:0]
	}
	s.entries = append(s.entries, e)
	copy(s.entries[i+1:], s.entries[i:])
	s.entries[i] = e
}

// Has reports whether there is a value of that name.
func (s *Session) Has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(name)
}

func (s *Session) has(name string) bool {
	if i, ok := s.findEntry(name); ok {
		return s.entries[i].state != deleted
	}
	_, ok := s.rec.Values.Get(name)
	return ok
}

// Keys returns the names of all values, sorted.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys()
}

func (s *Session) keys() []string {
	keys := make([]string, 0, len(s.rec.Values)+len(s.entries))
	for _, it := range s.rec.Values {
		if _, ok := s.findEntry(it.Name); !ok {
			keys = append(keys, it.Name)
		}
	}
	for _, e := range s.entries {
		if e.state != deleted {
			keys = append(keys, e.name)
		}
	}
	slices.Sort(keys)
	return keys
}

// Len returns how many values there are.
func (s *Session) Len() int { return len(s.Keys()) }

// All yields names and values in the order of the names. It decodes each value as it comes to it; one
// that can not be read is yielded as its *ValueError, so that it is not mistaken for missing. The loop
// may change the session.
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, name := range s.Keys() {
			v, ok, err := s.Value(name)
			if err != nil {
				v = err
			}
			if (ok || err != nil) && !yield(name, v) {
				return
			}
		}
	}
}
