package webkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func readGuide(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "porting-webkit.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// methods answers each request method by its name.
type methods struct{ HTTPServlet }

func (*methods) RespondToGet(t *Transaction) error     { return write("get")(t) }
func (*methods) RespondToPost(t *Transaction) error    { return write("post")(t) }
func (*methods) RespondToPut(t *Transaction) error     { return write("put")(t) }
func (*methods) RespondToDelete(t *Transaction) error  { return write("delete")(t) }
func (*methods) RespondToPatch(t *Transaction) error   { return write("patch")(t) }
func (*methods) RespondToOptions(t *Transaction) error { return write("options")(t) }
func (*methods) RespondToHead(t *Transaction) error    { return t.Response().SetHeader("X-Head", "1") }

type onlyPut struct{ HTTPServlet }

func (*onlyPut) RespondToPut(t *Transaction) error { return write("put")(t) }

type anyMethod struct{ HTTPServlet }

func (*anyMethod) NotImplemented(t *Transaction) error {
	return t.Response().SetStatus(http.StatusNotImplemented, "")
}

func TestHTTPServlet(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{
		"/methods": func() Servlet { return new(methods) },
		"/put":     func() Servlet { return new(onlyPut) },
		"/any":     func() Servlet { return new(anyMethod) },
		"/get":     respond(write("got")),
	})
	tests := []struct {
		method, path string
		status       int
		body         string
		allow        string
	}{
		{"GET", "/methods", 200, "get", ""},
		{"POST", "/methods", 200, "post", ""},
		{"PUT", "/methods", 200, "put", ""},
		{"DELETE", "/methods", 200, "delete", ""},
		{"PATCH", "/methods", 200, "patch", ""},
		{"OPTIONS", "/methods", 200, "options", ""},
		{"HEAD", "/methods", 200, "", ""},
		{"HEAD", "/get", 200, "", ""},
		{"get", "/methods", 200, "get", ""},
		{"BREW", "/methods", 405, "405", "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"},
		{"GET", "/put", 405, "405", "PUT"},
		{"DELETE", "/get", 405, "405", "GET, HEAD, POST"},
		{"BREW", "/any", 501, "", ""},
	}
	for _, test := range tests {
		t.Run(test.method+test.path, func(t *testing.T) {
			r := a.browser().do(test.method, test.path, "")
			if r.StatusCode != test.status || !strings.Contains(r.body, test.body) || r.Header.Get("Allow") != test.allow {
				t.Errorf("status %d, body %q, Allow %q; want %d, %q, %q",
					r.StatusCode, r.body, r.Header.Get("Allow"), test.status, test.body, test.allow)
			}
			if test.method == "HEAD" && test.path == "/methods" && r.Header.Get("X-Head") != "1" {
				t.Error("HEAD was not answered by RespondToHead")
			}
		})
	}
}

// dated was last modified at a known time.
type dated struct{ servlet }

var modified = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)

func (*dated) LastModified(*Transaction) time.Time { return modified }

func TestLastModified(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": func() Servlet { return &dated{servlet{respond: write("content")}} }})
	for since, want := range map[string]int{
		"":                               200,
		modified.Format(http.TimeFormat): 304,
		modified.AddDate(0, 0, 1).Format(http.TimeFormat):  304,
		modified.AddDate(0, 0, -1).Format(http.TimeFormat): 200,
		"yesterday": 200,
	} {
		req, err := http.NewRequest(http.MethodGet, a.server.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if since != "" {
			req.Header.Set("If-Modified-Since", since)
		}
		r := a.browser().send(req)
		if r.StatusCode != want || r.Header.Get("Last-Modified") != modified.Format(http.TimeFormat) || (r.body == "content") != (want == 200) {
			t.Errorf("If-Modified-Since %q: status %d, Last-Modified %q, body %q; want %d", since, r.StatusCode,
				r.Header.Get("Last-Modified"), r.body, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	show := func(name string) Factory {
		return respond(func(t *Transaction) error {
			r := t.Request()
			return write(fmt.Sprintf("%s, context %q, extra %q, uri %s", name, r.ContextName(), r.ExtraURLPath(), r.ServletURI()))(t)
		})
	}
	servlets := map[string]Factory{
		"/": show("front"), "/page": show("page"), "/admin/": show("admin"), "/admin/users": show("users"), "/a/b/c": show("deep"),
	}
	tests := []struct {
		name     string
		settings Settings
		quirks   Quirks
		path     string
		status   int
		body     string // or the Location
	}{
		{"front page", nil, Quirks{}, "/app/", 200, `front, context "", extra "", uri `},
		{"without the slash", nil, Quirks{}, "/app?a=1", 301, "/app/?a=1"},
		{"page", nil, Quirks{}, "/app/page", 200, `page, context "", extra "", uri /page`},
		{"extra path", nil, Quirks{}, "/app/page/x/y", 200, `page, context "", extra "/x/y", uri /page`},
		{"a slash is an extra path", nil, Quirks{}, "/app/page/", 200, `page, context "", extra "/", uri /page`},
		{"no extra paths", Settings{"ExtraPathInfo": false}, Quirks{}, "/app/page/x", 404, "no such page"},
		{"folder", nil, Quirks{}, "/app/admin/", 200, `admin, context "admin", extra "", uri /admin`},
		{"folder without the slash", nil, Quirks{}, "/app/admin?x", 301, "/app/admin/?x"},
		{"page in a folder", nil, Quirks{}, "/app/admin/users/7", 200, `users, context "admin", extra "/7", uri /admin/users`},
		{"missing in a folder", nil, Quirks{}, "/app/admin/typo", 404, "no such page"},
		{"missing", nil, Quirks{}, "/app/typo", 404, "no such page"},
		{"part of a path", nil, Quirks{}, "/app/a/b", 404, "no such page"},
		{"deep", nil, Quirks{}, "/app/a/b/c/d", 200, `deep, context "a/b", extra "/d", uri /a/b/c`},
		{"the name's beginning is not enough", nil, Quirks{}, "/app/pages", 404, "no such page"},
		{"index with extra path", nil, Quirks{IndexTakesExtraPath: true}, "/app/admin/typo", 200, `admin, context "admin", extra "/typo", uri /admin`},
		{"front page with extra path", nil, Quirks{IndexTakesExtraPath: true}, "/app/x/y", 200, `front, context "", extra "/x/y"`},
		{"outside", nil, Quirks{}, "/elsewhere", 404, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newTestApp(t, testConfig{Config: Config{Prefix: "/app", Settings: test.settings, Quirks: test.quirks}}, servlets)
			r := a.browser().get(test.path)
			got := r.body
			if r.StatusCode == 301 {
				got = r.Header.Get("Location")
			}
			if r.StatusCode != test.status || !strings.Contains(got, test.body) {
				t.Errorf("status %d, %q; want %d, %q", r.StatusCode, got, test.status, test.body)
			}
		})
	}
}

func TestAddRefused(t *testing.T) {
	app, err := NewApplication(newTestManager(t, nil, core.Config{}), Config{})
	if err != nil {
		t.Fatal(err)
	}
	page := respond(nil)
	if err := errors.Join(app.Add("", page), app.Add("/page", page)); err != nil {
		t.Fatal(err)
	}
	for path, f := range map[string]Factory{"/": page, "/page": page, "relative": page, "/a//b": page, "/../x": page, "/./x": page, "//": page, "/nil": nil} {
		if err := app.Add(path, f); err == nil {
			t.Errorf("%s was accepted", path)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "/", "a", "../..", "/a/../../b", "./.", "//x", "a/./b/../c"} {
		f.Add("/folder/page", s)
	}
	f.Fuzz(func(t *testing.T, from, url string) {
		if !strings.HasPrefix(from, "/") {
			t.Skip()
		}
		r := &HTTPRequest{}
		r.place.url = from
		got := r.resolve(url)
		if !strings.HasPrefix(got, "/") && got != "" {
			t.Errorf("%q from %q is %q, want a path that begins with a slash", url, from, got)
		}
		for part := range strings.SplitSeq(got, "/") {
			if part == ".." || part == "." {
				t.Errorf("%q from %q is %q, which still has dots", url, from, got)
			}
		}
		routes{}.find(got, true, true)
	})
}

// TestServletsAreSeparate proves that requests which run at the same time share no servlet and no session,
// and that one that fails hurts no other.
func TestServletsAreSeparate(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		name := t.Request().FieldDefault("name", "")
		switch t.Request().FieldDefault("do", "") {
		case "panic":
			panic("one request")
		case "set":
			return s.SetValue("name", name)
		}
		v, err := s.Value("name")
		if err != nil {
			return err
		}
		return write(v.(string))(t)
	})})
	var wg sync.WaitGroup
	for user := range 8 {
		wg.Go(func() {
			b := a.browser()
			name := fmt.Sprint("user", user)
			b.want("/?do=set&name="+name, 200, "")
			for range 5 {
				b.want("/?do=panic", 500, "")
				b.want("/", 200, name)
			}
		})
	}
	wg.Wait()
	if n := a.sessions(); n != 8 {
		t.Errorf("%d sessions, want 8", n)
	}
}

// TestTwoApplications proves that applications with managers of their own share nothing on one store, and
// that their cookies do not meet.
func TestTwoApplications(t *testing.T) {
	one := newTestManager(t, nil, core.Config{})
	two, err := core.New("two", one.Store(), core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = two.Close(context.Background()) })
	mux := http.NewServeMux()
	for prefix, m := range map[string]*core.Manager{"/one": one, "/two": two} {
		app, err := NewApplication(m, Config{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(app.Add("/set", setting("a", prefix)), app.Add("/get", getting("a"))); err != nil {
			t.Fatal(err)
		}
		mux.Handle(prefix+"/", app.Handler())
	}
	a := newTestApp(t, testConfig{}, nil)
	a.server.Config.Handler = mux
	b := a.browser()
	b.want("/one/set", 200, "")
	b.want("/two/get", 200, "none")
	b.want("/two/set", 200, "")
	b.want("/one/get", 200, "/one")
	b.want("/two/get", 200, "/two")
}

// TestTransaction proves what is left of the transaction's methods.
func TestTransaction(t *testing.T) {
	inTransaction(t, testConfig{}, func(t *testing.T, trans *Transaction) {
		s, err := trans.Session()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := trans.Session(); again != s || err != nil {
			t.Errorf("the second call of Session gave another one, %v", err)
		}
		if viaRequest, err := trans.Request().Session(); viaRequest != s || err != nil {
			t.Errorf("the request's session is another one, %v", err)
		}
		if trans.Request().Transaction() != trans || trans.Response().Transaction() != trans || trans.Application() == nil ||
			trans.Request().Servlet() != trans.Servlet() || trans.Environ().Context() != trans.Context() {
			t.Error("the transaction's parts do not know each other")
		}
		if trans.ErrorOccurred() || trans.Error() != nil || trans.Duration() <= 0 {
			t.Errorf("error %v, duration %v", trans.Error(), trans.Duration())
		}
		trans.SetError(errWork)
		if !trans.ErrorOccurred() || trans.Error() != errWork {
			t.Errorf("error %v, want %v", trans.Error(), errWork)
		}
		var dump strings.Builder
		if err := trans.Dump(&dump); err != nil || !strings.Contains(dump.String(), s.Core().Hash()) || strings.Contains(dump.String(), s.Identifier()) {
			t.Errorf("Dump: %v, %s", err, dump.String())
		}
	})
}

// TestSetSaveSession proves that the nearest rule decides whether a request saves.
func TestSetSaveSession(t *testing.T) {
	change := func(before, after func(*Transaction), options ...core.OpenOption) Factory {
		return func() Servlet {
			return &servlet{options: options, respond: func(t *Transaction) error {
				if before != nil {
					before(t)
				}
				s, err := t.Session()
				if err != nil {
					return err
				}
				if err := s.SetValue("a", "2"); err != nil {
					return err
				}
				if after != nil {
					after(t)
				}
				return nil
			}}
		}
	}
	save := func(on bool) func(*Transaction) { return func(t *Transaction) { t.SetSaveSession(on) } }
	session := func(fn func(*Session)) func(*Transaction) { return func(t *Transaction) { fn(t.session) } }
	tests := []struct {
		name string
		f    Factory
		want string
	}{
		{"default", change(nil, nil), "2"},
		{"off before", change(save(false), nil), "1"},
		{"off after", change(nil, save(false)), "1"},
		{"off and on again", change(save(false), save(true)), "2"},
		{"session off", change(nil, session(func(s *Session) { s.SetSave(false) })), "1"},
		{"servlet off", change(nil, nil, core.SaveExplicit), "1"},
		{"servlet off, request on", change(save(true), nil, core.SaveExplicit), "2"},
		{"servlet off, saved by hand", change(nil, func(t *Transaction) {
			if err := t.session.Save(); err != nil {
				t.SetError(err)
			}
		}, core.SaveExplicit), "2"},
		{"SetDirty(false)", change(nil, session(func(s *Session) { s.SetDirty(false) })), "1"},
		{"SetDirty(false), but always save", change(nil, session(func(s *Session) { s.SetDirty(false) }), core.SaveAlways), "2"},
		{"SetSession(nil)", change(nil, func(t *Transaction) { t.SetError(t.SetSession(nil)) }), "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"), "/change": test.f})
			b := a.browser()
			b.want("/set", 200, "")
			b.want("/change", 200, "")
			b.want("/get", 200, test.want)
		})
	}
}

// TestSetDirty proves that a session which was not changed is saved if the servlet says so.
func TestSetDirty(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/dirty": respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		s.SetDirty(true)
		return nil
	})})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/dirty", 200, "")
	for s, err := range a.Sessions().Items(t.Context()) {
		if err != nil || s.Core().Version() != 2 {
			t.Errorf("the session's version is %d, %v; want 2", s.Core().Version(), err)
		}
	}
}
