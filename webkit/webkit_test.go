package webkit

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// servlet is an HTTPServlet made of functions.
type servlet struct {
	HTTPServlet
	awake, respond, sleep func(*Transaction) error
	options               []core.OpenOption
}

func (s *servlet) Awake(t *Transaction) error {
	if err := s.HTTPServlet.Awake(t); err != nil {
		return err
	}
	return call(s.awake, t)
}

func (s *servlet) RespondToGet(t *Transaction) error  { return call(s.respond, t) }
func (s *servlet) RespondToPost(t *Transaction) error { return call(s.respond, t) }

func (s *servlet) Sleep(t *Transaction) error {
	if err := call(s.sleep, t); err != nil {
		return err
	}
	return s.HTTPServlet.Sleep(t)
}

func (s *servlet) SessionOptions() []core.OpenOption { return s.options }

func call(fn func(*Transaction) error, t *Transaction) error {
	if fn == nil {
		return nil
	}
	return fn(t)
}

// respond is a factory of servlets that respond with fn.
func respond(fn func(*Transaction) error) Factory {
	return func() Servlet { return &servlet{respond: fn} }
}

// testApp is an application on a store in memory, served over TCP.
type testApp struct {
	*Application
	t      *testing.T
	server *httptest.Server
	log    *lockedBuffer
}

type testConfig struct {
	Config
	manager core.Config
	store   core.Store // default: a new memstore
}

func newTestManager(t testing.TB, store core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	if store == nil {
		store = memstore.New(memstore.Config{})
		t.Cleanup(func() { _ = store.Close() })
	}
	m, err := core.New("app", store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func newTestApp(t *testing.T, cfg testConfig, servlets map[string]Factory) *testApp {
	t.Helper()
	a := &testApp{t: t, log: new(lockedBuffer)}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	app, err := NewApplication(newTestManager(t, cfg.store, cfg.manager), cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range servlets {
		if err := app.Add(path, f); err != nil {
			t.Fatal(err)
		}
	}
	a.Application = app
	a.server = httptest.NewServer(app.Handler())
	t.Cleanup(a.server.Close)
	return a
}

// browser is a client with cookies that does not follow redirects.
type browser struct {
	t   *testing.T
	app *testApp
	c   *http.Client
}

func (a *testApp) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return &browser{a.t, a, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// reply is a response that was read to its end.
type reply struct {
	*http.Response
	body string
}

func (b *browser) get(path string) reply { return b.do(http.MethodGet, path, "") }

func (b *browser) do(method, path, form string) reply {
	b.t.Helper()
	req, err := http.NewRequest(method, b.app.server.URL+path, strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.send(req)
}

func (b *browser) send(req *http.Request) reply {
	b.t.Helper()
	resp, err := b.c.Do(req)
	if err != nil {
		b.t.Errorf("%s %s: %v", req.Method, req.URL, err)
		return reply{Response: &http.Response{Header: http.Header{}}}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Errorf("%s %s: %v", req.Method, req.URL, err)
	}
	return reply{resp, string(body)}
}

// want checks status and body.
func (b *browser) want(path string, status int, body string) reply {
	b.t.Helper()
	a := b.get(path)
	if a.StatusCode != status || !strings.Contains(a.body, body) {
		b.t.Errorf("GET %s: status %d, body %q; want %d and %q in the body", path, a.StatusCode, a.body, status, body)
	}
	return a
}

// stored returns the value that the application's only session has in the store.
func (a *testApp) stored(name string) any {
	a.t.Helper()
	var value any
	n := 0
	for s, err := range a.Sessions().Items(a.t.Context()) {
		if err != nil {
			a.t.Fatal(err)
		}
		n++
		if value, err = s.ValueDefault(name, nil); err != nil {
			a.t.Fatal(err)
		}
	}
	if n > 1 {
		a.t.Errorf("there are %d sessions in the store, want at most 1", n)
	}
	return value
}

func (a *testApp) sessions() int {
	a.t.Helper()
	n, err := a.Sessions().Len(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// setting is a servlet that sets a value, and getting one that writes it.
func setting(name string, v any) Factory {
	return respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		return s.SetValue(name, v)
	})
}

func getting(name string) Factory {
	return respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		v, err := s.ValueDefault(name, "none")
		if err != nil {
			return err
		}
		text, _ := v.(string)
		_, err = t.Response().WriteString(text)
		return err
	})
}

// receive returns what comes out of ch, and fails the test instead of hanging if nothing does.
func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
	}
	return v
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
