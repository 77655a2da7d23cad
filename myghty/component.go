package myghty

import (
	"fmt"
	"path"
	"strings"
)

// Component answers a request, or a part of it: what a template or a module component is in Myghty. One Component serves
// many requests at the same time.
type Component interface {
	Run(m *Request) error
}

// ComponentFunc is a function that is a Component.
type ComponentFunc func(m *Request) error

// Run calls f.
func (f ComponentFunc) Run(m *Request) error { return f(m) }

// The names under which components have a special place in a folder.
const (
	autohandler = "autohandler"
	dhandler    = "dhandler"
)

// components are those of an application by their paths. They are added before the application serves, and only
// read then.
type components map[string]Component

func (cs components) add(p string, c Component) error {
	switch {
	case c == nil:
		return fmt.Errorf("myghty: Add %q: the component is nil", p)
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("myghty: Add %q: the path must begin with a slash", p)
	case path.Clean(p) != p && path.Clean(p)+"/" != p:
		return fmt.Errorf("myghty: Add %q: a part of the path is empty, or a dot or two", p)
	case cs[p] != nil:
		return fmt.Errorf("myghty: Add %q: the path has a component already", p)
	}
	cs[p] = c
	return nil
}

// special reports whether a path is that of an autohandler or dhandler, which no request can ask for.
func special(p string) bool {
	return strings.HasSuffix(p, "/"+autohandler) || strings.HasSuffix(p, "/"+dhandler)
}

// above yields dir and the folders above it, from the inside out. They end with a slash.
func above(p string, yield func(dir string) bool) {
	for end := strings.LastIndexByte(p, '/'); end >= 0; end = strings.LastIndexByte(p[:end], '/') {
		if !yield(p[:end+1]) {
			return
		}
	}
}

// link is a component on its way to run, with its path.
type link struct {
	path      string
	component Component
}

// chain returns the component at p behind the autohandlers of its folders, the outermost first.
func (a *Application) chain(p string) []link {
	links := []link{{p, a.components[p]}}
	if a.handlers {
		above(p, func(dir string) bool {
			if c := a.components[dir+autohandler]; c != nil {
				links = append([]link{{dir + autohandler, c}}, links...)
			}
			return true
		})
	}
	return links
}
