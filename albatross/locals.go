package albatross

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/holdover-web/holdover/core"
)

// pageName is the session variable that says which page the user is on.
const pageName = "__page__"

// Locals are the names that pages and templates work with: ctx.locals. Those that are registered as session variables
// are kept for the next request, the others live as long as their request. A request's locals are for one goroutine at a
// time.
//
// Variables of the session are encoded when they are set and decoded when they are fetched; a list, map or pointer that
// was fetched may be changed in place, and is saved so. Errors are those of loading the session, ErrGone among them.
type Locals struct {
	ctx   *Context
	plain map[string]any
}

// Set gives a name a value: ctx.locals.name = value. If the name is a session variable and the value can not be stored,
// the error is a *core.ValueError, and nothing has changed.
func (l *Locals) Set(name string, value any) error {
	s, err := l.ctx.vars()
	if err != nil {
		return err
	}
	if s.Has(name) {
		return l.ctx.setVar(s, name, value)
	}
	if l.plain == nil {
		l.plain = make(map[string]any)
	}
	l.plain[name] = value
	return nil
}

// Value returns the value of a name, and whether there is one. For a value of a certain type use Get.
func (l *Locals) Value(name string) (value any, ok bool, err error) { return Lookup[any](l.ctx, name) }

// Has reports whether there is such a name.
func (l *Locals) Has(name string) (bool, error) {
	s, err := l.ctx.vars()
	if err != nil {
		return false, err
	}
	_, ok := l.plain[name]
	return ok || s.Has(name), nil
}

// Delete removes a name: del ctx.locals.name. A session variable is no session variable any more.
func (l *Locals) Delete(name string) error {
	delete(l.plain, name)
	s, err := l.ctx.vars()
	if err != nil || !s.Has(name) {
		return err
	}
	return l.ctx.deleteVar(s, name)
}

// Names returns all names, sorted, session variables included.
func (l *Locals) Names() ([]string, error) {
	s, err := l.ctx.vars()
	if err != nil {
		return nil, err
	}
	names := slices.Concat(s.Keys(), slices.Collect(maps.Keys(l.plain)))
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Get returns the value of a name as a T, or the zero T if there is no such name: ctx.locals.name. To change a list in
// place, fetch a pointer to it, as with core.Get. The error is a *core.ValueError when the value is not a T, and
// otherwise that of loading the session.
func Get[T any](ctx *Context, name string) (T, error) {
	v, _, err := Lookup[T](ctx, name)
	return v, err
}

// Lookup is Get that also reports whether there is such a name.
func Lookup[T any](ctx *Context, name string) (v T, ok bool, err error) {
	if plain, ok := ctx.Locals.plain[name]; ok {
		if v, ok = plain.(T); !ok && plain != nil {
			err = &core.ValueError{Name: name, Type: reflect.TypeFor[T]().String(), Err: fmt.Errorf("the local is a %T", plain)}
		}
		return v, true, err
	}
	s, err := ctx.vars()
	if err != nil {
		return v, false, err
	}
	return core.Lookup[T](s, name)
}

// AddSessionVars makes names session variables, so that their values are kept for the next request:
// add_session_vars(names). Each must be among the locals already. Errors: one that matches ErrSession and tells which is
// not; a *core.ValueError for a value that can not be stored, where Albatross left the value away with a note to
// stderr; core.ErrTooLarge. Names before the one that failed are session variables then.
func (c *Context) AddSessionVars(names ...string) error {
	s, err := c.vars()
	if err != nil {
		return err
	}
	for _, name := range names {
		if s.Has(name) {
			continue
		}
		value, ok := c.Locals.plain[name]
		if !ok {
			return fmt.Errorf("%w: %.64q is no local; give it a value first, or use DefaultSessionVar", ErrSession, name)
		}
		if err := c.setVar(s, name, value); err != nil {
			return err
		}
		delete(c.Locals.plain, name)
	}
	return nil
}

// DefaultSessionVar makes a name a session variable, with this value if it has none: default_session_var(name, value).
// Errors are those of AddSessionVars.
func (c *Context) DefaultSessionVar(name string, value any) error {
	has, err := c.Locals.Has(name)
	if err == nil && !has {
		err = c.Locals.Set(name, value)
	}
	if err != nil {
		return err
	}
	return c.AddSessionVars(name)
}

// DelSessionVars makes names plain locals again; their values stay for the rest of the request:
// del_session_vars(names). A name that is no session variable is left alone, also if it is no local.
func (c *Context) DelSessionVars(names ...string) error {
	s, err := c.vars()
	if err != nil {
		return err
	}
	for _, name := range names {
		value, ok, err := s.Value(name)
		if err != nil {
			return err
		}
		if !ok || name == pageName {
			continue
		}
		if err := c.deleteVar(s, name); err != nil {
			return err
		}
		if err := c.Locals.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// SessionVars returns the names of the session variables, sorted: session_vars(). The page is not among them.
func (c *Context) SessionVars() ([]string, error) {
	s, err := c.vars()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.Keys(), func(name string) bool { return name == pageName }), nil
}

// setVar sets a session variable, if that can still be kept. A simple value that it holds already is no change: forms send
// again and again what they were filled with.
func (c *Context) setVar(s *core.Session, name string, value any) error {
	if c.out.settled {
		return ErrSent
	}
	switch value.(type) {
	case string, int, bool:
		if was, ok, err := s.Value(name); ok && err == nil && was == value {
			return nil
		}
	}
	return s.Set(name, value)
}

func (c *Context) deleteVar(s *core.Session, name string) error {
	if c.out.settled {
		return ErrSent
	}
	return s.Delete(name)
}

// clear forgets all locals that are no session variables: clear_locals().
func (l *Locals) clear() { clear(l.plain) }
