package webstack

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/holdover-web/holdover/core"
)

// Item is a key with its value.
type Item struct {
	Key   string
	Value any
}

// Value returns the value of a key as a T. Only this one value is decoded. With T a pointer, such as *[]string, what it
// points to may be changed in place, and the session notices; of a session that has expired, and is answered by a quirk,
// it points to a copy.
//
// Errors: ErrKey if there is none; *core.ValueError if what is stored is no T.
func Value[T any](s *Session, key string) (v T, err error) {
	var ok bool
	if s.past != nil {
		var held any
		if held, ok = s.past[key]; ok {
			v, err = heldAs[T](key, held)
		}
	} else {
		v, ok, err = core.Lookup[T](s.core, key)
	}
	if err == nil && !ok && !s.missingIsNil() {
		err = keyError(key)
	}
	return v, err
}

// heldAs returns a value as a T, or a pointer to a copy of it.
func heldAs[T any](key string, held any) (v T, err error) {
	if v, ok := held.(T); ok {
		return v, nil
	}
	if held != nil {
		p := reflect.New(reflect.TypeOf(held))
		p.Elem().Set(reflect.ValueOf(held))
		if v, ok := p.Interface().(T); ok {
			return v, nil
		}
	}
	return v, &core.ValueError{Name: key, Type: reflect.TypeFor[T]().String(), Err: fmt.Errorf("it is a %T", held)}
}

func (s *Session) missingIsNil() bool { return s.t.app.cfg.Quirks.MissingIsNil }

// lookup returns the value of a key, and whether there is one.
func (s *Session) lookup(key string) (v any, ok bool, err error) {
	if s.past != nil {
		v, ok = s.past[key]
		return v, ok, nil
	}
	return s.core.Value(key)
}

// Get returns the value of a key: session[key]. Errors: ErrKey if there is none, unless Quirks.MissingIsNil is on;
// *core.ValueError if what is stored can not be read.
func (s *Session) Get(key string) (any, error) {
	v, ok, err := s.lookup(key)
	if err == nil && !ok && !s.missingIsNil() {
		err = keyError(key)
	}
	return v, err
}

// GetDefault returns the value of a key, or otherwise if there is none: get(key, default). A value that is nil wins. The
// error is a *core.ValueError.
func (s *Session) GetDefault(key string, otherwise any) (any, error) {
	v, ok, err := s.lookup(key)
	if err == nil && !ok {
		return otherwise, nil
	}
	return v, err
}

// HasKey reports whether there is a value under the key: has_key(key), and key in session.
func (s *Session) HasKey(key string) bool {
	if s.past != nil {
		_, ok := s.past[key]
		return ok
	}
	return s.core.Has(key)
}

// Set gives a key a value: session[key] = value. The value is encoded now, so that what can not be stored is refused
// here. A list, map or pointer may still be changed in place before the transaction ends.
//
// Errors: *core.ValueError for what can not be stored; core.ErrTooLarge; core.ErrReadOnly if the session was asked for
// with that option; core.ErrGone if it has expired; compat.ErrSent if the response has begun without the cookie that a
// new session needs.
func (s *Session) Set(key string, value any) error {
	writable, err := s.goesOn()
	if err != nil {
		return err
	}
	if writable {
		if err := s.core.Set(key, value); err != nil {
			return err
		}
	}
	if s.past != nil {
		s.past[key] = value
	}
	return nil
}

// Delete removes a key: del session[key]. Errors: ErrKey if there is none, which is no change; and those of Set.
func (s *Session) Delete(key string) error {
	if !s.HasKey(key) {
		return keyError(key)
	}
	return s.remove(key)
}

func (s *Session) remove(key string) error {
	if s.past != nil {
		delete(s.past, key)
		if s.core.Ended() {
			return nil
		}
	}
	return s.core.Delete(key)
}

// Keys returns the keys in their order: keys(), and iteration over the session.
func (s *Session) Keys() []string {
	if s.past != nil {
		return slices.Sorted(maps.Keys(s.past))
	}
	return s.core.Keys()
}

// Len returns how many keys there are: len(session).
func (s *Session) Len() int { return len(s.Keys()) }

// Items returns all keys with their values, in the order of the keys: items(). The error is a *core.ValueError for the
// first value that can not be read.
func (s *Session) Items() ([]Item, error) {
	keys := s.Keys()
	items := make([]Item, 0, len(keys))
	for _, key := range keys {
		v, ok, err := s.lookup(key)
		if err != nil {
			return nil, err
		}
		if ok {
			items = append(items, Item{key, v})
		}
	}
	return items, nil
}

// Values returns all values, in the order of their keys: values(). The error is that of Items.
func (s *Session) Values() ([]any, error) {
	items, err := s.Items()
	if err != nil {
		return nil, err
	}
	values := make([]any, len(items))
	for i, item := range items {
		values[i] = item.Value
	}
	return values, nil
}

// All yields all keys with their values, in the order of the keys: iteritems(). Each value is decoded when the loop comes
// to it; one that can not be read is yielded as its *core.ValueError. The loop may change the session.
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, key := range s.Keys() {
			v, ok, err := s.lookup(key)
			if err != nil {
				v = err
			}
			if (ok || err != nil) && !yield(key, v) {
				return
			}
		}
	}
}

// SetDefault returns the value of a key, and sets it to value first if there is none: setdefault(key, default). Errors are
// those of GetDefault and Set.
func (s *Session) SetDefault(key string, value any) (any, error) {
	v, ok, err := s.lookup(key)
	if err != nil || ok {
		return v, err
	}
	if err := s.Set(key, value); err != nil {
		return nil, err
	}
	return value, nil
}

// Update sets all keys of a map: update(dictionary). Errors are those of Set; keys that come before the one with the
// error, in their order, are set then.
func (s *Session) Update(values map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := s.Set(key, values[key]); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes all keys: clear(). The session itself stays; ExpireSession ends it. Errors are those of Set.
func (s *Session) Clear() error {
	if s.past != nil {
		clear(s.past)
		if s.core.Ended() {
			return nil
		}
	}
	return s.core.Clear()
}

// Pop removes a key and returns its value: pop(key). Errors: ErrKey if there is none; and those of GetDefault and Set.
func (s *Session) Pop(key string) (any, error) {
	v, ok, err := s.lookup(key)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, keyError(key)
	}
	return v, s.remove(key)
}

// PopDefault removes a key and returns its value, or otherwise if there is none: pop(key, default). Errors are those of
// GetDefault and Set.
func (s *Session) PopDefault(key string, otherwise any) (any, error) {
	if !s.HasKey(key) {
		return otherwise, nil
	}
	return s.Pop(key)
}

// PopItem removes one key, the first in their order, and returns it with its value: popitem(). Errors: ErrKey if the
// session is empty; and those of GetDefault and Set.
func (s *Session) PopItem() (Item, error) {
	keys := s.Keys()
	if len(keys) == 0 {
		return Item{}, fmt.Errorf("%w: the session is empty", ErrKey)
	}
	v, err := s.Pop(keys[0])
	return Item{keys[0], v}, err
}
