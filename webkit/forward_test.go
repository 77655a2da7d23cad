package webkit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// write is a servlet part that writes text.
func write(text string) func(*Transaction) error {
	return func(t *Transaction) error {
		_, err := t.Response().WriteString(text)
		return err
	}
}

// menu has a method for CallMethodOfServlet.
type menu struct {
	HTTPServlet
	slept *int
}

func (m *menu) Entry(name string) (string, error) {
	if name == "" {
		return "", errWork
	}
	return "[" + name + " of " + m.Transaction().Request().URLPath() + "]", nil
}

func (m *menu) Sleep(t *Transaction) error {
	*m.slept++
	return m.HTTPServlet.Sleep(t)
}

func TestNesting(t *testing.T) {
	slept := 0
	callMenu := func(name string) func(*Transaction) error {
		return func(t *Transaction) error {
			var text string
			err := t.Application().CallMethodOfServlet(t, "/folder/menu", func(s Servlet) (err error) {
				text, err = s.(*menu).Entry(name)
				return err
			})
			if err != nil {
				return err
			}
			return write(text)(t)
		}
	}
	chain := func(fns ...func(*Transaction) error) Factory {
		return respond(func(t *Transaction) error {
			for _, fn := range fns {
				if err := fn(t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	include := func(url string) func(*Transaction) error {
		return func(t *Transaction) error { return t.Application().IncludeURL(t, url) }
	}
	forward := func(url string) func(*Transaction) error {
		return func(t *Transaction) error { return t.Application().Forward(t, url) }
	}
	where := func(t *Transaction) error {
		r := t.Request()
		return write(fmt.Sprintf("{%s extra %q from %q, originally %s, stack %v, root %q %q}", r.URLPath(), r.ExtraURLPath(), r.PreviousURLPath(),
			r.OriginalURLPath(), r.PreviousURLPaths(), r.SiteRoot(), r.SiteRootFromCurrentServlet()))(t)
	}
	cookie := func(t *Transaction) error { return t.Response().AddCookie(&Cookie{Name: "outer", Value: "1"}) }

	a := newTestApp(t, testConfig{}, map[string]Factory{
		"/where":        chain(where),
		"/folder/where": chain(where),
		"/folder/":      chain(write("index")),
		"/folder/menu":  func() Servlet { return &menu{slept: &slept} },
		"/include":      chain(write("a"), include("folder/where/x"), write("b"), where),
		"/folder/up":    chain(include("../where")),
		"/twice":        chain(include("include")),
		"/forward":      chain(cookie, write("dropped"), forward("folder/where")),
		"/inforward":    chain(write("dropped too"), include("forward"), write("after")),
		"/call":         chain(callMenu("tea"), where),
		"/callfails":    chain(callMenu("")),
		"/missing":      chain(include("nowhere")),
		"/query":        chain(include("where?a=1")),
		"/endless":      chain(include("endless")),
		"/failing":      chain(func(*Transaction) error { return errWork }),
		"/catches": chain(write("a"), func(t *Transaction) error {
			if err := t.Application().IncludeURL(t, "failing"); !errors.Is(err, errWork) {
				return fmt.Errorf("the include returned %w", err)
			}
			return nil
		}, write("b"), where),
	})
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/include", 200, `a{/folder/where/x extra "/x" from "/include", originally /include, stack [/include], root "" "../"}b{/include extra "" from "", originally /include, stack [], root "" ""}`},
		{"/folder/up", 200, `{/where extra "" from "/folder/up", originally /folder/up, stack [/folder/up], root "../" ""}`},
		{"/twice", 200, `stack [/twice /include]`},
		{"/forward", 200, `{/folder/where extra "" from "/forward", originally /forward, stack [/forward], root "" ""}`},
		{"/inforward", 200, `stack [/inforward /forward], root "" ""}after`},
		{"/call", 200, `[tea of /folder/menu]{/call extra ""`},
		{"/callfails", 500, ""},
		{"/missing", 404, "no such page"},
		{"/query", 404, "query"},
		{"/endless", 500, ""},
		{"/catches", 200, `ab{/catches extra "" from "", originally /catches, stack [], root "" ""}`},
	}
	for _, test := range tests {
		t.Run(test.path[1:], func(t *testing.T) {
			r := a.browser().want(test.path, test.status, test.body)
			if strings.Contains(r.body, "dropped") {
				t.Errorf("a forward kept earlier output: %q", r.body)
			}
			if test.path == "/forward" && len(r.Cookies()) > 0 {
				t.Error("a forward kept an earlier cookie")
			}
		})
	}
	if slept != 2 {
		t.Errorf("the servlet whose method was called slept %d times, want 2: after the call and after the failed one", slept)
	}
}

// TestForwardAfterFlush proves that a forward which comes too late says so.
func TestForwardAfterFlush(t *testing.T) {
	var late error
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		if err := errors.Join(write("out")(t), t.Response().Flush()); err != nil {
			return err
		}
		late = t.Application().Forward(t, "/elsewhere")
		return nil
	})})
	a.browser().want("/", 200, "out")
	if !errors.Is(late, ErrCommitted) {
		t.Errorf("a forward after a flush: %v, want ErrCommitted", late)
	}
}

// TestIncludeNeedsToWrite proves that a session which was opened for reading becomes writable for an included
// servlet.
func TestIncludeNeedsToWrite(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"), "/change": setting("a", "2"),
		"/reader": func() Servlet {
			return &servlet{options: []core.OpenOption{core.ReadOnly}, respond: func(t *Transaction) error {
				s, err := t.Session()
				if err != nil {
					return err
				}
				if err := s.SetValue("a", "no"); !errors.Is(err, core.ErrReadOnly) {
					return fmt.Errorf("a read-only session could be changed: %w", err)
				}
				return t.Application().IncludeURL(t, "change")
			}}
		},
	})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/reader", 200, "")
	b.want("/get", 200, "2")
}

// TestRunTransactionOverridden proves that a servlet can catch what goes wrong in it.
func TestRunTransactionOverridden(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": func() Servlet {
		return &catcher{servlet{respond: func(*Transaction) error { return errWork }}}
	}})
	a.browser().want("/", 200, "caught")
}

type catcher struct{ servlet }

func (c *catcher) RunTransaction(t *Transaction) error {
	if err := t.Run(); !errors.Is(err, errWork) {
		return err
	}
	return write("caught")(t)
}
