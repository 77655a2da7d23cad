package lint_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

// build puts the watch into an example.
func (x example) build(cfg lint.Config) compat.Application { return x.stack(&cfg) }

// stack builds an example, with a watch if there is a configuration for it.
func (x example) stack(cfg *lint.Config) compat.Application {
	if x.app == nil {
		x.app = hello
	}
	app := compat.Application(compat.ApplicationFunc(x.app))
	switch {
	case cfg != nil && x.mw != nil:
		app = lint.Middleware(x.mw, *cfg)(app)
	case cfg != nil:
		app = lint.Wrap(app, *cfg)
	case x.mw != nil:
		app = x.mw(app)
	}
	if x.server != nil {
		app = x.server(app)
	}
	if x.after != nil {
		app = afterwards(app, x.after)
	}
	return app
}

// afterwards calls f when the body was closed.
func afterwards(app compat.Application, f func()) compat.Application {
	return with(func(b compat.Body) compat.Body {
		return body{blocks: b.Blocks(), close: func() error {
			defer f()
			return b.Close()
		}}
	})(app)
}

func checkOf(t *testing.T, name string) lint.Check {
	t.Helper()
	for _, c := range lint.Checks() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %s", name)
	return lint.Check{}
}

func TestEachCheckHasAnExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.FieldsFunc(string(doc), func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') })
	for _, c := range lint.Checks() {
		if !slices.Contains(names, c.Name) {
			t.Errorf("the package's documentation does not tell of %s", c.Name)
		}
		if !slices.ContainsFunc(examples(), func(x example) bool { return x.check == c.Name }) {
			t.Errorf("nothing breaks %s", c.Name)
		}
		if c.Rule == "" || c.Advice == "" {
			t.Errorf("%s does not say what to do", c.Name)
		}
	}
}

// TestExamples has each example reported, by its own check and no other, and changed by nothing else.
func TestExamples(t *testing.T) {
	for i, x := range examples() {
		t.Run(x.check, func(t *testing.T) {
			want := []string{x.check}
			unwatched := ""
			if !x.differs {
				unwatched = direct(t, examples()[i].stack(nil), x.request)
			}
			for _, way := range []struct {
				name string
				run  func(*testing.T, compat.Application, request) string
			}{{"directly", direct}, {"over TCP", overTCP}} {
				r := new(reports)
				got := way.run(t, examples()[i].build(lint.Config{Report: r.add}), x.request)
				if !slices.Equal(r.names(), want) {
					t.Errorf("%s: reported %v, want %v", way.name, r.names(), want)
				}
				if !x.differs && got != unwatched && !(failed(got) && failed(unwatched)) && way.name == "directly" {
					t.Errorf("%s: got %q, without the watch %q", way.name, got, unwatched)
				}
			}
		})
	}
}

func TestStrictExamplesFail(t *testing.T) {
	for i, x := range examples() {
		t.Run(x.check, func(t *testing.T) {
			r := new(reports)
			got := overTCP(t, examples()[i].build(lint.Config{Report: r.add, Strict: true}), x.request)
			if !slices.Contains(r.names(), x.check) {
				t.Errorf("reported %v", r.names())
			}
			if want := !checkOf(t, x.check).Warning && !x.late; failed(got) != want {
				t.Errorf("got %q, want a failure: %v", got, want)
			}
		})
	}
}

func TestStrictErrorSaysWhy(t *testing.T) {
	var err error
	app := around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		var b compat.Body
		b, err = app.Call(env, start)
		return b, err
	})(lint.Wrap(compat.ApplicationFunc(extra("Connection", "close")), lint.Config{Strict: true, Name: "shop", Report: new(reports).add}))
	direct(t, app, request{})
	var lerr *lint.Error
	if !errors.As(err, &lerr) {
		t.Fatalf("error %v", err)
	}
	want := "lint: shop: header-hop-by-hop: the header Connection is set (by the application). Rule: PEP 3333, Other HTTP Features: "
	if !strings.HasPrefix(err.Error(), want) || lerr.Report.By != lint.ByApplication || !strings.HasSuffix(err.Error(), lerr.Report.Advice) {
		t.Errorf("got %q", err)
	}
}

// TestWhoIsInBreach tells the parties apart.
func TestWhoIsInBreach(t *testing.T) {
	bad := func(f func(*compat.Environ)) compat.Middleware {
		return around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			f(env)
			return app.Call(env, start)
		})
	}
	badVersion := bad(func(env *compat.Environ) { env.Set("wsgi.version", 1) })
	none := func(app compat.Application) compat.Application { return app }
	for _, tt := range []struct {
		name       string
		server, mw compat.Middleware
		app        callFunc
		want       []lint.Party
	}{
		{"application", none, none, says("200 OK", nil, nil), []lint.Party{lint.ByApplication, lint.ByMiddleware}}, // mw passes it on
		{"middleware, inward", none, badVersion, hello, []lint.Party{lint.ByMiddleware}},
		{"middleware, outward", none, around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			return says("200 OK", nil, nil)(env, start)
		}), hello, []lint.Party{lint.ByMiddleware}},
		{"server", badVersion, none, hello, []lint.Party{lint.ByServer, lint.ByMiddleware}}, // mw passes it on
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := new(reports)
			app := lint.Middleware(tt.mw, lint.Config{Report: r.add})(compat.ApplicationFunc(tt.app))
			direct(t, tt.server(app), request{})
			var got []lint.Party
			for _, report := range r.all {
				got = append(got, report.By)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
