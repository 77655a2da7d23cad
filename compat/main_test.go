package compat_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childStore); url != "" {
		childSite(url)
		return
	}
	goleak.VerifyTestMain(m)
}

// spyStore is a memory store that counts calls and fails when told to.
type spyStore struct {
	*memstore.Store
	calls atomic.Int64

	mu   sync.Mutex
	fail map[string]error // by method
}

func (s *spyStore) note(method string) error {
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail[method]
}

func (s *spyStore) breakOn(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = map[string]error{method: err}
}

func (s *spyStore) Create(ctx context.Context, key core.Key, rec core.Record) error {
	if err := s.note("Create"); err != nil {
		return err
	}
	return s.Store.Create(ctx, key, rec)
}

func (s *spyStore) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	if err := s.note("Load"); err != nil {
		return core.Record{}, err
	}
	return s.Store.Load(ctx, key, opt)
}

func (s *spyStore) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	if err := s.note("Save"); err != nil {
		return 0, err
	}
	return s.Store.Save(ctx, key, c)
}

func (s *spyStore) Touch(ctx context.Context, key core.Key, now time.Time) error {
	if err := s.note("Touch"); err != nil {
		return err
	}
	return s.Store.Touch(ctx, key, now)
}

func (s *spyStore) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	if err := s.note("Rotate"); err != nil {
		return err
	}
	return s.Store.Rotate(ctx, key, r)
}

func (s *spyStore) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	if err := s.note("Delete"); err != nil {
		return core.Record{}, false, err
	}
	return s.Store.Delete(ctx, key, now)
}

func (s *spyStore) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	if err := s.note("Lock"); err != nil {
		return core.Record{}, 0, err
	}
	return s.Store.Lock(ctx, key, opt)
}

func (s *spyStore) Renew(ctx context.Context, key core.Key, fence uint64, now time.Time, lease time.Duration) error {
	if err := s.note("Renew"); err != nil {
		return err
	}
	return s.Store.Renew(ctx, key, fence, now, lease)
}

// logBuffer is a log that tests look into.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// site is a manager with its sessions, and what tests want to know of them.
type site struct {
	t        testing.TB
	store    *spyStore
	manager  *core.Manager
	sessions *compat.Sessions
	log      *logBuffer
}

func newSite(t testing.TB, cfg core.Config, scfg compat.SessionsConfig) *site {
	t.Helper()
	st := &site{t: t, store: &spyStore{Store: memstore.New(memstore.Config{})}, log: new(logBuffer)}
	var err error
	if st.manager, err = core.New("test", st.store, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.manager.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := st.store.Close(); err != nil {
			t.Error(err)
		}
	})
	scfg.Logger = st.logger()
	if st.sessions, err = compat.NewSessions(st.manager, scfg); err != nil {
		t.Fatal(err)
	}
	return st
}

// logger writes what tests find in log.
func (st *site) logger() *slog.Logger { return slog.New(slog.NewTextHandler(st.log, nil)) }

// count returns how many sessions there are.
func (st *site) count() int {
	st.t.Helper()
	n, err := st.manager.Count(context.Background())
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

// seed stores a session with n = 1 and returns its id.
func (st *site) seed() string {
	st.t.Helper()
	ctx := context.Background()
	s, err := st.manager.Create(ctx)
	if err != nil {
		st.t.Fatal(err)
	}
	if err := errors.Join(s.Set("n", 1), s.Commit(ctx)); err != nil {
		st.t.Fatal(err)
	}
	return s.ID()
}

// n returns the stored value of n, or 0 if there is no such session.
func (st *site) n(id string) int {
	st.t.Helper()
	ctx := context.Background()
	s, err := st.manager.Open(ctx, id, core.ReadOnly)
	if errors.Is(err, core.ErrNotFound) {
		return 0
	}
	if err != nil {
		st.t.Fatal(err)
	}
	n, err := core.Get[int](s, "n")
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

// eventually waits for what happens on the server after the client has its answer.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("never came true: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// mounts are the ways in which a plain handler gets its sessions.
var mounts = []struct {
	name string
	wrap func(*compat.Sessions, http.Handler) http.Handler
}{
	{"net/http", func(s *compat.Sessions, h http.Handler) http.Handler { return s.Middleware(h) }},
	{"Echo", func(s *compat.Sessions, h http.Handler) http.Handler {
		e := echo.New()
		e.Use(compat.Echo(s))
		e.Any("/*", echo.WrapHandler(h))
		return e
	}},
	{"application", func(s *compat.Sessions, h http.Handler) http.Handler {
		app := func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
			h.ServeHTTP(env.ResponseWriter(), env.Request())
			if env.Response().Status() == 0 {
				env.ResponseWriter().WriteHeader(http.StatusOK)
			}
			return nil, nil
		}
		return s.Middleware(compat.Handler(compat.ApplicationFunc(app), compat.HandlerConfig{}))
	}},
}

// start serves h over TCP and returns the address.
func start(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// dial opens a raw connection.
func dial(t testing.TB, addr string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{t: t, Conn: conn, r: bufio.NewReader(conn)}
}

type rawConn struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (c *rawConn) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// get sends a request with the session's cookie, if id is not empty.
func (c *rawConn) request(method, path, id string) {
	c.t.Helper()
	cookie := ""
	if id != "" {
		cookie = "Cookie: sid=" + id + "\r\n"
	}
	c.send(method + " " + path + " HTTP/1.1\r\nHost: example.test\r\n" + cookie + "\r\n")
}

// line reads one line.
func (c *rawConn) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimRight(line, "\r\n")
}

// head reads up to the empty line.
func (c *rawConn) head() string {
	c.t.Helper()
	var b strings.Builder
	for {
		line := c.line()
		if line == "" {
			return b.String()
		}
		b.WriteString(line + "\n")
	}
}

// response reads a whole response.
func (c *rawConn) response(method string) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://example.test/", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.r, req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// do sends one request on a connection of its own.
func do(t testing.TB, addr, method, path, id string) (*http.Response, string) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	c.request(method, path, id)
	return c.response(method)
}

// sid returns the session cookie of a response, or nil.
func sid(resp *http.Response) *http.Cookie {
	for _, c := range resp.Cookies() {
		if strings.HasSuffix(c.Name, "sid") {
			return c
		}
	}
	return nil
}

func wantNoCookie(t testing.TB, resp *http.Response) {
	t.Helper()
	if c := resp.Header.Values("Set-Cookie"); len(c) != 0 {
		t.Errorf("Set-Cookie %q, want none", c)
	}
}

func browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}
}

// set opens the session and sets n.
func set(t testing.TB, r *http.Request, n int) *core.Session {
	t.Helper()
	s, err := compat.FromContext(r.Context())
	if err != nil {
		t.Errorf("open: %v", err)
		panic(http.ErrAbortHandler)
	}
	if err := s.Set("n", n); err != nil {
		t.Errorf("set: %v", err)
	}
	return s
}
