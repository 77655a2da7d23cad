package albatross

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestRunSequence(t *testing.T) {
	var events []string
	note := func(text string) func(*Context) error {
		return func(*Context) error { events = append(events, text); return nil }
	}
	first := fnPage{enter: note("enter 1"), leave: note("leave 1"), display: note("display 1"), process: func(c *Context) error {
		events = append(events, "process 1")
		if c.ReqEquals("go") {
			return c.SetPage("second", "x", 7)
		}
		return nil
	}}
	second := fnPage{enter: note("enter 2"), process: note("process 2"), display: note("display 2")}
	a := newApp(t, appConfig{}, map[string]Page{"start": first, "second": second})
	b := a.browser()
	check := func(want ...string) {
		t.Helper()
		if !slices.Equal(events, want) {
			t.Errorf("got %q, want %q", events, want)
		}
		events = nil
	}
	b.get("/app/").want(200)
	check("enter 1", "process 1", "display 1")
	b.get("/app/?go=1").want(200)
	check("enter 1", "process 1", "leave 1", "enter 2", "display 2")
	b.get("/app/").want(200)
	check("process 2", "display 2")
}

func TestPageEnterGetsArguments(t *testing.T) {
	got := make(chan []any, 1)
	a := newApp(t, appConfig{}, map[string]Page{
		"start":  fnPage{process: func(c *Context) error { return c.SetPage("second", "x", 7) }},
		"second": argPage{got},
	})
	a.browser().get("/app/").want(200)
	if args := <-got; len(args) != 2 || args[0] != "x" || args[1] != 7 {
		t.Errorf("args %v", args)
	}
}

type argPage struct{ got chan []any }

func (p argPage) PageEnter(_ *Context, args ...any) error { p.got <- args; return nil }
func (p argPage) PageDisplay(*Context) error              { return nil }

// An exception saves nothing, and shows a page.
func TestExceptions(t *testing.T) {
	boom := errors.New("boom with a secret")
	traceback := template.Must(template.New("traceback.html").Parse(`sorry {{.Status}} {{.Text}}`))
	for name, tt := range map[string]struct {
		fail func(*Context) error
		cfg  Config
		code int
		want string
	}{
		"error":      {func(*Context) error { return boom }, Config{}, 500, "Nothing was saved."},
		"panic":      {func(*Context) error { panic(boom) }, Config{}, 500, "Nothing was saved."},
		"template":   {func(*Context) error { return boom }, Config{Templates: traceback}, 500, "sorry 500 Something"},
		"status":     {func(*Context) error { return &StatusError{403, "not <you>"} }, Config{}, 403, "not &lt;you&gt;"},
		"wrong page": {func(c *Context) error { return c.SetPage("nowhere") }, Config{}, 500, ""},
		"unencodable": {func(c *Context) error {
			return errorsOf(c.Locals.Set("f", func() {}), c.AddSessionVars("f"))
		}, Config{}, 500, ""},
		"no such local":     {func(c *Context) error { return c.AddSessionVars("none") }, Config{}, 500, ""},
		"wrong type":        {func(c *Context) error { _, err := Get[string](c, "n"); return err }, Config{}, 500, ""},
		"no templates":      {func(c *Context) error { return c.RunTemplate("x", nil) }, Config{}, 500, ""},
		"no such status":    {func(c *Context) error { return c.SetStatus(99) }, Config{}, 500, ""},
		"header with break": {func(c *Context) error { return c.SetHeader("X-A", "a\r\nb: c") }, Config{}, 500, ""},
		"bad redirect":      {func(c *Context) error { return c.Redirect("/a\r\nb") }, Config{}, 500, ""},
		"handler": {func(*Context) error { return boom }, Config{HandleException: func(c *Context, err error) error {
			ok(t, c.Locals.Set("n", 99))
			ok(t, c.AddSessionVars("n"))
			_, e := fmt.Fprint(c, "handled ", errors.Is(err, boom), " on ", c.PageName())
			return e
		}}, 500, "handled true on start"},
		"broken handler": {func(*Context) error { return boom }, Config{HandleException: func(*Context, error) error { panic("again") }}, 500, "Nothing was saved."},
	} {
		t.Run(name, func(t *testing.T) {
			var fail atomic.Bool
			p := fnPage{display: func(c *Context) error {
				n, err := Get[int](c, "n")
				ok(t, err)
				ok(t, c.DefaultSessionVar("n", 0))
				ok(t, c.Locals.Set("n", n+1))
				fmt.Fprint(c, "n=", n+1)
				if fail.Load() {
					return tt.fail(c)
				}
				return nil
			}}
			a := newApp(t, appConfig{Config: tt.cfg}, map[string]Page{"start": p})
			b := a.browser()
			b.get("/app/").want(200, "n=1")
			fail.Store(true)
			got := b.get("/app/").want(tt.code, tt.want)
			if strings.Contains(got.text, "secret") || strings.Contains(got.text, "n=2") {
				t.Errorf("the page tells too much:\n%s", got.text)
			}
			fail.Store(false)
			b.get("/app/").want(200, "n=2") // the failed request saved nothing
			if tt.code == 500 && !strings.Contains(a.log.String(), "level=ERROR") {
				t.Errorf("nobody was told:\n%s", a.log)
			}
		})
	}
}

// A session variable that can not be stored is an error where it is set; one that became so in place, before the page
// leaves. Albatross left it away.
func TestUnencodableIsNeverDropped(t *testing.T) {
	var value *core.ValueError
	a := newApp(t, appConfig{}, map[string]Page{"start": PageFunc(func(c *Context) error {
		ok(t, c.Locals.Set("v", 1))
		ok(t, c.AddSessionVars("v"))
		if err := c.Locals.Set("v", make(chan int)); !errors.As(err, &value) || value.Name != "v" {
			t.Errorf("Set: %v", err)
		}
		if n, err := Get[int](c, "v"); n != 1 || err != nil {
			t.Errorf("after the error v is %d, %v", n, err)
		}
		m := map[string]any{}
		ok(t, c.Locals.Set("v", m))
		m["f"] = func() {}
		return nil
	})})
	a.browser().get("/app/").want(500)
	if !strings.Contains(a.log.String(), `session value \"v\"`) {
		t.Errorf("the log:\n%s", a.log)
	}
}

func TestSessionVars(t *testing.T) {
	for name, m := range map[string]SessionMixin{
		"server": SessionServerContextMixin{}, "file": SessionFileContextMixin{}, "branching": BranchingSessionMixin{}, "hidden": HiddenFieldSessionMixin{},
	} {
		t.Run(name, func(t *testing.T) {
			step := 0
			p := PageFunc(func(c *Context) error {
				step++
				switch step {
				case 1:
					ok(t, c.Locals.Set("list", []string{"a"}))
					ok(t, c.Locals.Set("plain", 1))
					ok(t, c.DefaultSessionVar("d", 5))
					ok(t, c.DefaultSessionVar("d", 6))
					ok(t, c.AddSessionVars("list", "d"))
				case 2:
					if has, _ := c.Locals.Has("plain"); has {
						t.Error("a plain local was kept")
					}
					list, err := Get[*[]string](c, "list")
					ok(t, err)
					*list = append(*list, "b") // in place
					ok(t, c.DelSessionVars("d", "never was"))
					if d, err := Get[int](c, "d"); d != 5 || err != nil {
						t.Errorf("d is %d, %v after DelSessionVars", d, err)
					}
				case 3:
					list, err := Get[[]string](c, "list")
					if !slices.Equal(list, []string{"a", "b"}) || err != nil {
						t.Errorf("list is %q, %v", list, err)
					}
					vars, err := c.SessionVars()
					if !slices.Equal(vars, []string{"list"}) || err != nil {
						t.Errorf("SessionVars = %q, %v", vars, err)
					}
					text, err := c.EncodeSession()
					ok(t, err)
					ok(t, c.Locals.Delete("list"))
					ok(t, c.DecodeSession(text))
					if list, err := Get[[]string](c, "list"); len(list) != 2 || err != nil {
						t.Errorf("decoded: %q, %v", list, err)
					}
					for _, bad := range []string{"!", "AAAAAAAA", text[1:]} {
						if err := c.DecodeSession(bad); !errors.Is(err, core.ErrCorrupt) {
							t.Errorf("DecodeSession(%q) = %v", bad, err)
						}
					}
				}
				v := &View{ctx: c}
				form, err := v.Form()
				ok(t, err)
				end, err := v.FormClose()
				ok(t, err)
				_, err = fmt.Fprint(c, form, end)
				return err
			})
			a := newApp(t, appConfig{Config: Config{Session: m}}, map[string]Page{"start": p})
			a.browser().get("/app/").submit().submit().want(200)
		})
	}
}

func TestServerSession(t *testing.T) {
	store := newSpy(t)
	a := counterApp(t, appConfig{store: store, Config: Config{AppID: "shop"}})
	b := a.browser()
	p := b.get("/app/").want(200)
	if n, _ := a.core.Count(t.Context()); n != 0 || cookieOf(b, "shop") != "" {
		t.Error("a visitor who did nothing has a session")
	}
	p.submit("add", "1", "who", "ada").want(200, "n=1")
	id := cookieOf(b, "shop")
	store.reset()
	p.submit("look", "1", "who", "ada").want(200, "n=1 who=ada")
	if got, want := store.counts(), [4]int64{1, 0, 0, 0}; got != want {
		t.Errorf("looking made %v store calls, want %v", got, want)
	}
	store.reset()
	p.submit("add", "1", "who", "ada").want(200, "n=2 who=ada")
	if got, want := store.counts(), [4]int64{1, 1, 0, 0}; got != want {
		t.Errorf("a change made %v store calls, want %v", got, want)
	}
	ok(t, a.core.Delete(t.Context(), id))
	p.submit("add", "1", "who", "ada").want(200, "n= who= lost=true")
	p.submit("add", "1", "who", "eve").want(200, "n=1 who=eve lost=false") // and the form works again
	if cookieOf(b, "shop") == id {
		t.Error("an id that names no session was adopted")
	}
}

func TestProcessLostForms(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{Quirks: Quirks{ProcessLostForms: true}}})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada")
	ok(t, a.core.Delete(t.Context(), cookieOf(p.b, "app")))
	p.submit("add", "1", "who", "ada").want(200, "n=1 who=ada lost=true")
}

func TestServerRemoveSession(t *testing.T) {
	p := fnPage{
		process: func(c *Context) error {
			if !c.ReqEquals("out") {
				return counter().(fnPage).process(c)
			}
			ok(t, c.Locals.Set("plain", 1))
			if err := c.RemoveSession(); err != nil {
				return err
			}
			if names, err := c.Locals.Names(); len(names) != 0 || err != nil {
				t.Errorf("locals %q are left, %v", names, err)
			}
			return nil
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	a := newApp(t, appConfig{Config: Config{Templates: counterTemplates, NewSession: func(c *Context) error {
		if c.Request().HasField("out") {
			t.Error("a session that was removed was begun anew")
		}
		return nil
	}}}, map[string]Page{"start": p})
	in := a.browser().get("/app/").submit("add", "1", "who", "ada")
	in.submit("out", "1").want(200, "n= who= lost=false")
	if n, err := a.core.Count(t.Context()); n != 0 || err != nil || cookieOf(in.b, "app") != "" {
		t.Errorf("%d sessions are left, %v, cookie %q", n, err, cookieOf(in.b, "app"))
	}
	in.submit("look", "1").want(200, "n= who= lost=false")
}

// A sign-out that the store did not take is told as what it is, with every mixin that has a store; one that somebody else
// was faster with is none's failure.
func TestRemoveSessionFails(t *testing.T) {
	for name, m := range map[string]SessionMixin{"server": SessionServerContextMixin{}, "branching": BranchingSessionMixin{}} {
		t.Run(name, func(t *testing.T) {
			store := &failing{spy: newSpy(t)}
			var a *testApp
			a = newApp(t, appConfig{store: store, Config: Config{Session: m, Templates: counterTemplates}}, map[string]Page{"start": fnPage{
				process: func(c *Context) error {
					if c.ReqEquals("late") { // this request has found out already
						s, err := a.HTTPSessions().Existing(c.Context())
						if err != nil {
							return err
						}
						ok(t, a.core.Delete(t.Context(), s.ID()))
						ok(t, s.Set("seen", true))
						if err := s.Commit(c.Context()); !errors.Is(err, core.ErrGone) {
							t.Errorf("Commit: %v, want ErrGone", err)
						}
					}
					if c.ReqEquals("out") {
						return c.RemoveSession()
					}
					return counter().(fnPage).process(c)
				},
				display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
			}})
			p := a.browser().get("/app/").submit("add", "1", "who", "ada")
			store.failDeletes.Store(true)
			p.submit("out", "1").want(503, "could not be saved just now")
			p.submit("add", "1", "who", "ada").want(200, "n=2")
			store.failDeletes.Store(false)
			p.submit("out", "1", "late", "1").want(200, "n= ")
		})
	}
}

func TestRedirectSavesFirst(t *testing.T) {
	p := fnPage{
		process: func(c *Context) error {
			if err := counter().(fnPage).process(c); err != nil || !c.ReqEquals("add") {
				return err
			}
			c.WriteString("half a page")
			return c.Redirect("/app/")
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	b := newApp(t, appConfig{Config: Config{Templates: counterTemplates}}, map[string]Page{"start": p}).browser()
	r := b.get("/app/").submit("add", "1", "who", "ada").want(303)
	if r.header.Get("Location") != "/app/" || r.text != "" {
		t.Errorf("Location %q, body %q", r.header.Get("Location"), r.text)
	}
	b.get("/app/").want(200, "n=1 who=ada")
}

func TestRandomPages(t *testing.T) {
	store := newSpy(t)
	a := newApp(t, appConfig{store: store, Config: Config{RandomPages: true}}, map[string]Page{
		"start": PageFunc(func(c *Context) error { _, err := c.WriteString("start"); return err }),
		"a/b":   PageFunc(func(c *Context) error { fmt.Fprint(c, "page ", c.PageName()); return nil }),
		"set":   PageFunc(func(c *Context) error { return c.SetPage("start") }),
	})
	b := a.browser()
	b.get("/app/").want(200, "start")
	b.get("/app/a/b").want(200, "page a/b")
	b.get("/app/nowhere").want(404, "There is no such page.")
	b.get("/app/set").want(500)
	b.get("/elsewhere").want(404)
	if store.counts() != [4]int64{} {
		t.Errorf("pages that touch no session made %v store calls", store.counts())
	}
}

func TestLongPageLeavesEarly(t *testing.T) {
	for name, m := range map[string]SessionMixin{"server": SessionServerContextMixin{}, "branching": BranchingSessionMixin{}} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appConfig{Config: Config{OutputBuffer: 100, Session: m}}, map[string]Page{"start": PageFunc(func(c *Context) error {
				ok(t, c.DefaultSessionVar("n", 7))
				list := []any{1}
				ok(t, c.Locals.Set("list", list))
				ok(t, c.AddSessionVars("list"))
				if _, err := c.WriteString(strings.Repeat("x", 90)); err != nil {
					return err
				}
				if _, err := c.WriteString(strings.Repeat("y", 90)); err != nil {
					return err
				}
				for name, err := range map[string]error{
					"Locals.Set": c.Locals.Set("n", 8), "SetHeader": c.SetHeader("X", "y"), "SetStatus": c.SetStatus(404), "AddHeader": c.AddHeader("X", "y"),
					"RemoveSession": c.RemoveSession(), "AddSessionVars": errorsOf(c.Locals.Set("m", 1), c.AddSessionVars("m")),
					"DelSessionVars": c.DelSessionVars("n"), "Locals.Delete": c.Locals.Delete("n"),
				} {
					if !errors.Is(err, ErrSent) {
						t.Errorf("%s = %v, want ErrSent", name, err)
					}
				}
				v := &View{ctx: c}
				form, err := v.Form()
				ok(t, err)
				end, err := v.FormClose()
				ok(t, err)
				_, err = fmt.Fprint(c, form, end)
				return err
			})})
			b := a.browser()
			p := b.get("/app/").want(200, strings.Repeat("x", 90)+strings.Repeat("y", 90))
			if name == "branching" && !validBranch(p.id()) {
				t.Errorf("a form after the flush has the id %q", p.id())
			}
			if cookieOf(b, "app") == "" {
				t.Error("the session was not saved before the page left")
			}
		})
	}
}

func TestChangesInPlaceAfterThePageLeftAreToldOf(t *testing.T) {
	a := newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}}}, map[string]Page{"start": PageFunc(func(c *Context) error {
		list := []any{1}
		ok(t, c.Locals.Set("list", list))
		ok(t, c.AddSessionVars("list"))
		ok(t, c.FlushContent())
		list[0] = 2
		return nil
	})})
	req, err := http.NewRequest(http.MethodGet, a.url+"/app/", nil)
	ok(t, err)
	if resp, err := a.browser().c.Do(req); err == nil {
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		resp.Body.Close()
		if err == nil {
			t.Error("the client was not told")
		}
	}
	if !strings.Contains(a.log.String(), "the change is lost") {
		t.Errorf("the log:\n%s", a.log)
	}
}

// A page that is not registered any more takes its users to the start page.
// The application keeps the rules of WSGI, wherever it is mounted.
// In a cascade and outside of any Sessions, what fails is an error and not an empty session.
