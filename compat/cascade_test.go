package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

type appFunc = compat.ApplicationFunc

func newCascade(t testing.TB, cfg compat.CascadeConfig, apps ...compat.Application) compat.Application {
	t.Helper()
	app, err := compat.NewCascade(cfg, apps...)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// missing is an application that fails in some way, and leaves traces that nobody must see.
var missing = map[string]appFunc{
	"start": func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("404 Not Found", []compat.Header{{Name: "X-Loser", Value: "1"}, {Name: "Set-Cookie", Value: "loser=1"}}, nil)
		return compat.Text("loser"), err
	},
	"write": func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		w, err := start("404 Not Found", []compat.Header{{Name: "Content-Length", Value: "5"}}, nil)
		if err == nil {
			_, err = io.WriteString(w, "loser")
		}
		return nil, err
	},
	"late start": func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		return lateBody{start, "404 Not Found", "loser"}, nil
	},
	"excInfo": func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("200 OK", []compat.Header{{Name: "X-Loser", Value: "1"}}, nil); err != nil {
			return nil, err
		}
		_, err := start("404 Not Found", nil, errors.New("no"))
		return compat.Text("loser"), err
	},
	"writer": func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		env.ResponseWriter().Header().Set("X-Loser", "1")
		http.NotFound(env.ResponseWriter(), env.Request())
		return nil, nil
	},
	"writer, more than is held back": func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		env.ResponseWriter().WriteHeader(404)
		for range 5 {
			if _, err := io.WriteString(env.ResponseWriter(), strings.Repeat("loser", 10_000)); err != nil {
				return nil, err
			}
		}
		_, err := io.Copy(env.ResponseWriter(), strings.NewReader(strings.Repeat("loser", 50_000)))
		return nil, err
	},
	"flush": func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		env.ResponseWriter().Header().Set("Link", "</loser.css>")
		env.ResponseWriter().WriteHeader(103)
		env.ResponseWriter().Header().Set("X-Loser", "1")
		env.ResponseWriter().WriteHeader(404)
		return nil, env.Response().FlushError()
	},
	"start and flush": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("404 Not Found", nil, nil); err != nil {
			return nil, err
		}
		return nil, env.Response().FlushError()
	},
	"hijack": func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		env.ResponseWriter().WriteHeader(404)
		if _, _, err := env.Response().Hijack(); !errors.Is(err, http.ErrNotSupported) {
			return nil, fmt.Errorf("hijacked: %v", err)
		}
		return nil, nil
	},
	"error": func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, errCaught },
	"error in the body": func(*compat.Environ, compat.StartResponse) (compat.Body, error) {
		return &tracked{err: errCaught, closed: new(atomic.Int32)}, nil
	},
	"changes its environ": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Set("PATH_INFO", "/loser")
		env.Set("loser.key", 1)
		env.Request().Header.Set("X-Seen", "loser")
		env.Request().URL.Path = "/loser"
		return reply("404 Not Found", "loser").Call(env, start)
	},
	"before commit": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Response().BeforeCommit(func() error { return errors.New("a loser's function ran") })
		return reply("404 Not Found", "loser").Call(env, start)
	},
	"rolls back": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if err := env.Response().Rollback(); err != nil {
			return nil, err
		}
		return reply("404 Not Found", "loser").Call(env, start)
	},
	"cascade of its own": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		app, err := compat.NewCascade(compat.CascadeConfig{}, reply("404 Not Found", "loser"), reply("404 Not Found", "loser"))
		if err != nil {
			return nil, err
		}
		return app.Call(env, start)
	},
}

var errCaught = errors.New("not here")

// lateBody calls start_response when its first block is asked for.
type lateBody struct {
	start        compat.StartResponse
	status, text string
}

func (b lateBody) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(nil, nil) {
			return
		}
		if _, err := b.start(b.status, []compat.Header{{Name: "X-Late", Value: "1"}}, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield([]byte(b.text), nil) && yield([]byte("."), nil)
	}
}

func (lateBody) Close() error { return nil }

// answers are the ways in which an application answers for good.
var answers = map[string]struct {
	app    appFunc
	status int
	body   string
}{
	"start": {appFunc(reply("200 OK", "winner").Call), 200, "winner"},
	"late start": {func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		return lateBody{start, "201 Created", "winner"}, nil
	}, 201, "winner."},
	"write": {func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		w, err := start("200 OK", nil, nil)
		if err == nil {
			_, err = io.WriteString(w, "win")
		}
		return compat.Text("ner"), err
	}, 200, "winner"},
	"writer": {func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		_, err := io.WriteString(env.ResponseWriter(), "winner")
		return nil, err
	}, 200, "winner"},
	"flush": {func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		_, _ = io.WriteString(env.ResponseWriter(), "win")
		if err := env.Response().FlushError(); err != nil {
			return nil, err
		}
		_, err := io.WriteString(env.ResponseWriter(), "ner")
		return nil, err
	}, 200, "winner"},
	"excInfo": {func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("404 Not Found", nil, nil); err != nil {
			return nil, err
		}
		_, err := start("403 Forbidden", nil, errors.New("no"))
		return compat.Text("winner"), err
	}, 403, "winner"},
	"another error": {func(*compat.Environ, compat.StartResponse) (compat.Body, error) {
		return nil, errors.New("broken")
	}, 500, ""},
	"never starts": {func(*compat.Environ, compat.StartResponse) (compat.Body, error) {
		return compat.Text("x"), nil
	}, 500, ""},
}

// Every way of failing is followed by every way of answering, in every mount.
func TestCascade(t *testing.T) {
	cfg := compat.CascadeConfig{CatchErrors: func(err error) bool { return errors.Is(err, errCaught) }}
	outer := func(app compat.Application) compat.Application {
		return appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			env.ResponseWriter().Header().Set("X-Outer", "1")
			return app.Call(env, start)
		})
	}
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	for lname, loser := range missing {
		for wname, winner := range answers {
			app := newCascade(t, cfg, loser, loser, winner.app, reply("200 OK", "nobody asks"))
			last := newCascade(t, cfg, loser, winner.app)
			e := echo.New()
			compat.EchoMount(e, "/echo", outer(app), compat.HandlerConfig{})
			compat.EchoMount(e, "/last", outer(last), compat.HandlerConfig{})
			compat.EchoMount(e, "/sessions", outer(app), compat.HandlerConfig{}, compat.Echo(st.sessions))
			e.Any("/http/*", echo.WrapHandler(compat.Handler(outer(app), compat.HandlerConfig{Prefix: "/http"})))
			addr := start(t, e)
			for _, mount := range []string{"/echo/x", "/last/x", "/http/x", "/sessions/x"} {
				t.Run(lname+"/"+wname+mount, func(t *testing.T) {
					resp, body := do(t, addr, "GET", mount, "")
					if resp.StatusCode != winner.status || winner.body != "" && body != winner.body || strings.Contains(body, "loser") {
						t.Errorf("%d %.100q", resp.StatusCode, body)
					}
					if h := resp.Header; h.Get("X-Loser")+h.Get("Set-Cookie")+h.Get("Link") != "" || h.Get("X-Outer") == "" && winner.status < 400 {
						t.Errorf("headers %v", h)
					}
				})
			}
		}
	}
}

func TestCascadeGivesEachItsOwnEnviron(t *testing.T) {
	app := newCascade(t, compat.CascadeConfig{}, missing["changes its environ"],
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, key := env.Get("loser.key")
			return reply("200 OK", fmt.Sprint(env.PathInfo(), key, env.String("HTTP_X_SEEN"), env.Request().URL.Path)).Call(env, start)
		}))
	if got := ask(app, "GET", "/x").Body.String(); got != "/xfalse/x" {
		t.Errorf("%q", got)
	}
}

func TestCascadeLastAnswersWhateverItIs(t *testing.T) {
	for _, app := range []compat.Application{
		newCascade(t, compat.CascadeConfig{}, reply("404 Not Found", "one"), reply("404 Not Found", "two")),
		newCascade(t, compat.CascadeConfig{}, reply("404 Not Found", "two")),
		newCascade(t, compat.CascadeConfig{Catch: []int{403, 500}}, reply("403 Forbidden", "x"), reply("500 Oh", "x"),
			reply("404 Not Found", "two"), reply("200 OK", "three")),
	} {
		if rec := ask(app, "GET", "/"); rec.Code != 404 || rec.Body.String() != "two" {
			t.Errorf("%d %q", rec.Code, rec.Body)
		}
	}
}

func TestCascadeClosesEachBodyOnce(t *testing.T) {
	var closed [3]atomic.Int32
	app := func(i int, status string) compat.Application {
		return appFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start(status, nil, nil)
			return &tracked{blocks: []string{status}, closed: &closed[i], fail: map[bool]error{true: errors.New("close")}[i == 0]}, err
		})
	}
	rec := ask(newCascade(t, compat.CascadeConfig{}, app(0, "404 No"), app(1, "200 OK"), app(2, "200 OK")), "GET", "/")
	if rec.Body.String() != "200 OK" || closed[0].Load() != 1 || closed[1].Load() != 1 || closed[2].Load() != 0 {
		t.Errorf("%q, closed %d, %d, %d", rec.Body, closed[0].Load(), closed[1].Load(), closed[2].Load())
	}
	// A body that panics before it has started a response.
	panicking := appFunc(func(*compat.Environ, compat.StartResponse) (compat.Body, error) {
		return &tracked{run: func() { panic("oh") }, closed: &closed[2]}, nil
	})
	func() {
		defer func() { _ = recover() }()
		ask(newCascade(t, compat.CascadeConfig{}, panicking, app(1, "200 OK")), "GET", "/")
	}()
	if closed[2].Load() != 1 {
		t.Errorf("after a panic: closed %d", closed[2].Load())
	}
}

func TestCascadeFileStaysAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var f *os.File
	app := newCascade(t, compat.CascadeConfig{}, reply("404 No", ""),
		appFunc(func(_ *compat.Environ, start compat.StartResponse) (_ compat.Body, err error) {
			if f, err = os.Open(name); err != nil {
				return nil, err
			}
			_, err = start("200 OK", nil, nil)
			return compat.File(f), err
		}), reply("200 OK", ""))
	if _, body := do(t, start(t, compat.Handler(app, compat.HandlerConfig{})), "GET", "/", ""); len(body) != 1<<20 {
		t.Errorf("%d bytes", len(body))
	}
	eventually(t, "the file is closed", func() bool { return f.Fd() == ^uintptr(0) })
}

func TestCascadeMistakes(t *testing.T) {
	if app, err := compat.NewCascade(compat.CascadeConfig{}); err == nil || app != nil {
		t.Error("a cascade of nothing")
	}
	_, err := compat.NewCascade(compat.CascadeConfig{Catch: []int{103, 1000}}, reply("200 OK", ""), nil)
	for _, want := range []string{"103", "1000", "application 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
