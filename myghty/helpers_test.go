package myghty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// callSpy counts the calls that requests make of a store.
type callSpy struct {
	*memstore.Store
	calls, writes atomic.Int64
}

func (s *callSpy) Create(ctx context.Context, key core.Key, rec core.Record) error {
	s.calls.Add(1)
	s.writes.Add(1)
	return s.Store.Create(ctx, key, rec)
}

func (s *callSpy) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	s.calls.Add(1)
	return s.Store.Load(ctx, key, opt)
}

func (s *callSpy) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	s.calls.Add(1)
	s.writes.Add(1)
	return s.Store.Save(ctx, key, c)
}

func (s *callSpy) Touch(ctx context.Context, key core.Key, now time.Time) error {
	s.calls.Add(1)
	return s.Store.Touch(ctx, key, now)
}

// clock is a clock that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// testApp is an application on a store in memory, served over TCP.
type testApp struct {
	*Application
	t      testing.TB
	store  *callSpy
	clock  *clock
	server *httptest.Server
	log    *lockedBuffer
}

type pages map[string]func(m *Request) error

// newTestApp builds an application with its manager from its options, and serves it.
func newTestApp(t testing.TB, cfg Config, base core.Config, components pages) *testApp {
	t.Helper()
	a := &testApp{t: t, store: &callSpy{Store: memstore.New(memstore.Config{})}, clock: new(clock), log: new(lockedBuffer)}
	base.Now = a.clock.now
	settings, err := cfg.Options.Settings(base)
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(t, a.store, settings.Manager)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if a.Application, err = NewApplication(m, cfg); err != nil {
		t.Fatal(err)
	}
	for path, f := range components {
		if err := a.AddFunc(path, f); err != nil {
			t.Fatal(err)
		}
	}
	a.server = httptest.NewServer(a.Handler())
	t.Cleanup(a.server.Close)
	return a
}

func newManager(t testing.TB, store core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	m, err := core.New("app", store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(context.Background()), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// browser is a client with cookies that follows no redirects.
type browser struct {
	app *testApp
	c   *http.Client
}

func (a *testApp) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return &browser{a, &http.Client{
		Jar:           jar,
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is a response that was read to its end.
type reply struct {
	*http.Response
	body string
}

func (b *browser) get(path string) reply { return b.send(http.MethodGet, path, "", nil) }

func (b *browser) post(path string, form url.Values) reply {
	return b.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// send sends a request. Without an answer the test fails, and the reply is empty.
func (b *browser) send(method, path, contentType string, body io.Reader) reply {
	empty := reply{Response: &http.Response{Header: http.Header{}}}
	req, err := http.NewRequest(method, b.app.server.URL+path, body)
	if err != nil {
		b.app.t.Error(err)
		return empty
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.app.t.Errorf("%s %s: %v", method, path, err)
		return empty
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.app.t.Errorf("%s %s: %v", method, path, err)
	}
	return reply{resp, string(text)}
}

// want checks status and body.
func (b *browser) want(path string, status int, body string) reply {
	b.app.t.Helper()
	r := b.get(path)
	if r.StatusCode != status || !strings.Contains(r.body, body) {
		b.app.t.Errorf("GET %s: status %d, body %q; want %d and %q\n%s", path, r.StatusCode, r.body, status, body, b.app.log)
	}
	return r
}

func (b *browser) url() *url.URL {
	u, err := url.Parse(b.app.server.URL)
	if err != nil {
		b.app.t.Fatal(err)
	}
	return u
}

// cookie returns the value of the session cookie, or "".
func (b *browser) cookie() string {
	for _, c := range b.c.Jar.Cookies(b.url()) {
		if c.Name == b.app.HTTPSessions().CookieName() {
			return c.Value
		}
	}
	return ""
}

// plant gives the browser a session cookie as somebody else might.
func (b *browser) plant(value string) {
	b.c.Jar.SetCookies(b.url(), []*http.Cookie{{Name: b.app.HTTPSessions().CookieName(), Value: value, Path: "/"}})
}

func (a *testApp) sessions() int {
	a.t.Helper()
	n, err := a.Manager().Count(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// with makes a component that works on the session, and writes what do returns.
func with(do func(m *Request, s *Session) (any, error)) func(m *Request) error {
	return func(m *Request) error {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		v, err := do(m, s)
		if err != nil {
			return err
		}
		m.Writef("%v", v)
		return nil
	}
}

// set sets values from the request's args and saves, unless there is an arg nosave.
var set = with(func(m *Request, s *Session) (any, error) {
	for name := range m.RequestArgs() {
		if name == "nosave" {
			continue
		}
		if err := s.Set(name, m.Arg(name)); err != nil {
			return nil, err
		}
	}
	if m.HasArg("nosave") {
		return "not saved", nil
	}
	return "saved", s.Save()
})

// show writes all values.
var show = with(func(_ *Request, s *Session) (any, error) {
	var b strings.Builder
	for name, v := range s.Items() {
		fmt.Fprintf(&b, "%s=%v;", name, v)
	}
	return b.String(), nil
})

// receive returns what comes out of ch, and fails the test instead of hanging if nothing does.
func receive[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(20 * time.Second):
		t.Error("nothing came in 20 s")
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

func newMemory(t testing.TB) *memstore.Store {
	t.Helper()
	return memstore.New(memstore.Config{})
}

// serveOnce sends one request without a network.
func serveOnce(t testing.TB, app *Application, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	app.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}
