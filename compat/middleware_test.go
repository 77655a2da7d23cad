package compat_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

func contextWithLocalAddr(ctx context.Context, addr string) context.Context {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		panic(err)
	}
	return context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(tcp))
}

// tracked is a body that counts how often it is closed.
type tracked struct {
	blocks []string
	err    error  // yielded at the end
	run    func() // before the blocks
	after  func() // after them
	closed *atomic.Int32
	fail   error // of Close
}

func (b *tracked) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if b.run != nil {
			b.run()
		}
		for _, block := range b.blocks {
			if !yield([]byte(block), nil) {
				return
			}
		}
		if b.after != nil {
			b.after()
		}
		if b.err != nil {
			yield(nil, b.err)
		}
	}
}

func (b *tracked) Close() error {
	b.closed.Add(1)
	return b.fail
}

func TestChain(t *testing.T) {
	var order []string
	named := func(name string) compat.Middleware {
		return func(next compat.Application) compat.Application {
			return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				order = append(order, name)
				return next.Call(env, start)
			})
		}
	}
	app := compat.Chain(named("a"), compat.Chain(), compat.Chain(named("b"), named("c")))(where("app"))
	if got := ask(app, "GET", "/x").Body.String(); got != `app "" "/x"` || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("%s after %v", got, order)
	}
}

func TestAddSlash(t *testing.T) {
	m := new(compat.URLMap)
	for _, place := range []string{"/", "/foo", "/a%20b%3f"} {
		if err := m.Add(place, compat.AddSlash(where("app"))); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		method, target, location string
		status                   int
	}{
		{"GET", "/foo", "/foo/", 301},
		{"HEAD", "/foo?a=1&b=%20", "/foo/?a=1&b=%20", 301},
		{"POST", "/foo", "/foo/", 308},
		{"GET", "//foo", "/foo/", 301},
		{"GET", "/a b?", "", 200},
		{"GET", "/foo/", "", 200},
		{"GET", "/foo/x", "", 200},
		{"GET", "", "/", 301},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			rec := ask(m, tt.method, tt.target)
			if rec.Code != tt.status || rec.Header().Get("Location") != tt.location {
				t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
			}
		})
	}
	rec := ask(m, "GET", "", func(r *http.Request) { r.URL.Path = "/a b?" })
	if got := rec.Header().Get("Location"); got != "/a%20b%3F/" {
		t.Errorf("Location %q", got)
	}
	// An application that is not below a URLMap may be told of any SCRIPT_NAME.
	odd := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Set("SCRIPT_NAME", "//evil.test")
		env.Set("PATH_INFO", "")
		return compat.AddSlash(where("app")).Call(env, start)
	})
	if got := ask(odd, "GET", "/").Header().Get("Location"); got != "/evil.test/" {
		t.Errorf("Location %q leads to another host", got)
	}
}

// Each application has its own sessions, in its body too.
func TestSessionsWrap(t *testing.T) {
	one := newSite(t, core.Config{}, compat.SessionsConfig{Name: "one"})
	two := newSite(t, core.Config{}, compat.SessionsConfig{Name: "two"})
	var closed atomic.Int32
	app := func(n int) compat.Application {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := start("200 OK", nil, nil); err != nil {
				return nil, err
			}
			change := func() {
				s, err := env.Session()
				if err == nil {
					err = s.Set("n", n)
				}
				if err != nil {
					t.Error(err)
				}
			}
			body := &tracked{blocks: []string{"x"}, closed: &closed, run: change}
			if env.PathInfo() == "/late" {
				body.run, body.after = nil, change
			}
			return body, nil
		})
	}
	m := new(compat.URLMap)
	if err := errors.Join(m.Add("/one", one.sessions.Wrap(app(1))), m.Add("/two", two.sessions.Wrap(app(2))), m.Add("/", app(3))); err != nil {
		t.Fatal(err)
	}
	addr := start(t, three(t).sessions.Middleware(compat.Handler(m, compat.HandlerConfig{})))
	for path, name := range map[string]string{"/one": "one", "/two": "two", "/two/late": "two", "/": "three"} {
		resp, _ := do(t, addr, "GET", path, "")
		if c := resp.Cookies(); len(c) != 1 || c[0].Name != name {
			t.Errorf("%s set %v, want a cookie named %s", path, c, name)
		}
	}
	if one.count() != 1 || two.count() != 2 || closed.Load() != 4 {
		t.Errorf("%d and %d sessions, closed %d", one.count(), two.count(), closed.Load())
	}
}

func three(t *testing.T) *site {
	return newSite(t, core.Config{}, compat.SessionsConfig{Name: "three"})
}

// instance is an application of one request.
type instance struct {
	call   func(*compat.Environ, compat.StartResponse) (compat.Body, error)
	closed *atomic.Int32
	body   *atomic.Int32 // how often the body was closed
	early  *atomic.Bool
}

func (i *instance) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	return i.call(env, start)
}

func (i *instance) Close() error {
	if i.closed.Add(1); i.body.Load() == 0 {
		i.early.Store(true)
	}
	return nil
}

func TestPerRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(file, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	type call = func(*compat.Environ, compat.StartResponse) (compat.Body, error)
	var bodies atomic.Int32
	started := func(body compat.Body, err error) call {
		return func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, serr := start("200 OK", nil, nil); serr != nil {
				return nil, serr
			}
			return body, err
		}
	}
	for _, tt := range []struct {
		name   string
		call   call
		body   string
		status int // 0: no response
		closes int32
	}{
		{"a body", started(&tracked{blocks: []string{"a", "b"}, closed: &bodies}, nil), "ab", 200, 1},
		{"no body", started(nil, nil), "", 200, 0},
		{"an error", started(nil, failure), "", 500, 0},
		{"an error and a body", started(&tracked{closed: &bodies}, failure), "", 500, 1},
		{"an error in the body", started(&tracked{closed: &bodies, err: failure}, nil), "", 500, 1},
		{"a panic", func(*compat.Environ, compat.StartResponse) (compat.Body, error) { panic(http.ErrAbortHandler) }, "", 0, 0},
		{"a panic in the body", started(&tracked{closed: &bodies, run: func() { panic(http.ErrAbortHandler) }}, nil), "", 0, 1},
		{"a file", func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			f, err := os.Open(file)
			if err != nil {
				return nil, err
			}
			return started(compat.File(f), nil)(env, start)
		}, "a file", 200, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bodies.Store(0)
			var made, closed atomic.Int32
			var early atomic.Bool
			addr := start(t, compat.Handler(compat.PerRequest(func(*compat.Environ) (compat.Application, error) {
				made.Add(1)
				return &instance{tt.call, &closed, &bodies, &early}, nil
			}), compat.HandlerConfig{}))
			c := dial(t, addr)
			c.request("GET", "/", "")
			if tt.status == 0 {
				if _, err := c.r.ReadByte(); err != io.EOF {
					t.Errorf("%v, want the connection to be closed", err)
				}
			} else if resp, body := c.response("GET"); resp.StatusCode != tt.status || tt.status == 200 && body != tt.body {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			if made.Load() != 1 || closed.Load() != 1 || bodies.Load() != tt.closes {
				t.Errorf("made %d, closed %d, bodies closed %d", made.Load(), closed.Load(), bodies.Load())
			}
			if tt.closes > 0 && early.Load() {
				t.Error("the instance was closed before its body")
			}
		})
	}
	for name, construct := range map[string]func(*compat.Environ) (compat.Application, error){
		"fails": func(*compat.Environ) (compat.Application, error) { return nil, failure },
		"none":  func(*compat.Environ) (compat.Application, error) { return nil, nil },
	} {
		if rec := ask(compat.PerRequest(construct), "GET", "/"); rec.Code != 500 {
			t.Errorf("a constructor that %s: status %d", name, rec.Code)
		}
	}
}

type closer struct {
	compat.Application
	closed *atomic.Int32
}

func (c closer) Close() error { c.closed.Add(1); return nil }

func TestOnce(t *testing.T) {
	var made, closed atomic.Int32
	app := compat.Once(func() (compat.Application, error) {
		switch made.Add(1) {
		case 1:
			return nil, errors.New("not yet")
		case 2:
			return nil, nil
		}
		return closer{where("app"), &closed}, nil
	})
	for i, want := range []int{500, 500, 200, 200} {
		if rec := ask(app, "GET", "/"); rec.Code != want {
			t.Errorf("request %d: status %d, want %d", i+1, rec.Code, want)
		}
	}
	if err := errors.Join(app.Close(), app.Close()); err != nil || made.Load() != 3 || closed.Load() != 1 {
		t.Errorf("%v; made %d, closed %d", err, made.Load(), closed.Load())
	}
	if rec := ask(app, "GET", "/"); rec.Code != 500 {
		t.Errorf("after Close: status %d", rec.Code)
	}
}
