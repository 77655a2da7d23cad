package webstack

import (
	"context"
	"errors"
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

var errWork = errors.New("the work went wrong")

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

// newTestApp serves resources by the first part of their path; "" is the top.
func newTestApp(t *testing.T, cfg testConfig, resources map[string]ResourceFunc) *testApp {
	t.Helper()
	if cfg.store == nil {
		store := memstore.New(memstore.Config{})
		t.Cleanup(func() { _ = store.Close() })
		cfg.store = store
	}
	managed, err := cfg.Settings.ManagerConfig(cfg.manager)
	if err != nil {
		t.Fatal(err)
	}
	m, err := core.New("app", cfg.store, managed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a := &testApp{t: t, log: new(lockedBuffer)}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if cfg.Resource == nil {
		mapping := make(map[string]Resource)
		for name, r := range resources {
			mapping[name] = r
		}
		cfg.Resource = &MapResource{Mapping: mapping}
	}
	if a.Application, err = NewApplication(m, cfg.Config); err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewServer(a.Handler())
	t.Cleanup(a.server.Close)
	return a
}

// sessions returns how many sessions are in the store.
func (a *testApp) sessions() int {
	a.t.Helper()
	n, err := a.Manager().Count(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// stored returns the value that the application's only session has in the store, or nil.
func (a *testApp) stored(key string) (value any) {
	a.t.Helper()
	if n := a.sessions(); n > 1 {
		a.t.Errorf("there are %d sessions in the store, want at most 1", n)
	}
	for id, err := range a.Manager().IDs(a.t.Context()) {
		if err != nil {
			a.t.Fatal(err)
		}
		s, err := a.Manager().Open(a.t.Context(), id, core.ReadOnly)
		if err != nil {
			a.t.Fatal(err)
		}
		if value, _, err = s.Value(key); err != nil {
			a.t.Fatal(err)
		}
	}
	return value
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

// do sends a request, with a form unless it is "". Pairs are headers and their values.
func (b *browser) do(method, path, form string, pairs ...string) reply {
	b.t.Helper()
	req, err := http.NewRequest(method, b.app.server.URL+path, strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.t.Errorf("%s %s: %v", method, path, err)
		return reply{Response: &http.Response{Header: http.Header{}}}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Errorf("%s %s: %v", method, path, err)
	}
	return reply{resp, string(body)}
}

// want checks status and body.
func (b *browser) want(path string, status int, body string) reply {
	b.t.Helper()
	r := b.get(path)
	if r.StatusCode != status || !strings.Contains(r.body, body) {
		b.t.Errorf("GET %s: status %d, body %q; want %d and %q in the body", path, r.StatusCode, r.body, status, body)
	}
	return r
}

// id returns the id that the browser holds.
func (b *browser) id() string {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.app.server.URL+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(req.URL) {
		if c.Name == b.app.HTTPSessions().CookieName() {
			return c.Value
		}
	}
	return ""
}

// plant gives the browser a session id.
func (b *browser) plant(id string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.app.server.URL+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.c.Jar.SetCookies(req.URL, []*http.Cookie{{Name: b.app.HTTPSessions().CookieName(), Value: id, Path: "/"}})
}

// write writes text.
func write(t *Transaction, text string) error {
	_, err := t.GetResponseStream().WriteString(text)
	return err
}

// setting is a resource that sets a value, and getting one that writes a text, "none" without a session and "missing"
// without the value.
func setting(key string, v any) ResourceFunc {
	return func(t *Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		return s.Set(key, v)
	}
}

func getting(key string, opts ...core.OpenOption) ResourceFunc {
	return func(t *Transaction) error {
		s, err := t.GetSession(false, opts...)
		if err != nil {
			return err
		}
		if s == nil {
			return write(t, "none")
		}
		v, err := s.GetDefault(key, "missing")
		if err != nil {
			return err
		}
		return write(t, v.(string))
	}
}

// serve runs one request through a resource of its own and returns the answer.
func serve(t *testing.T, cfg testConfig, req *http.Request, fn ResourceFunc) *httptest.ResponseRecorder {
	t.Helper()
	cfg.Resource = fn
	a := newTestApp(t, cfg, nil)
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, req)
	return w
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

var zeroTime time.Time

func newRecorder(t *testing.T, a *Application, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}
