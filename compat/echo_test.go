package compat_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// logged is what a logging middleware outside of ours sees.
type logged struct {
	Status    int
	Size      int64
	Committed bool
}

func newEcho() (*echo.Echo, chan logged) {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	seen := make(chan logged, 16)
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			defer func() {
				res := c.Response()
				seen <- logged{Status: res.Status, Size: res.Size, Committed: res.Committed}
			}()
			return next(c)
		}
	})
	return e, seen
}

func TestEchoHandlerError(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, seen := newEcho()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		if _, err := compat.Session(c); err != nil {
			t.Errorf("the error page can not have a session: %v", err)
		}
		c.Response().Header().Set("X-Error", "page")
		_ = c.String(http.StatusTeapot, "error: "+err.Error())
	}
	e.GET("/", func(c echo.Context) error {
		set(t, c.Request(), 2)
		c.Response().Header().Set("X-App", "half")
		_ = c.String(http.StatusOK, strings.Repeat("half a page ", 5))
		return errors.New("boom")
	}, compat.Echo(st.sessions))
	e.GET("/late", func(c echo.Context) error {
		set(t, c.Request(), 3)
		c.Response().Flush()
		set(t, c.Request(), 4)
		return errors.New("boom")
	}, compat.Echo(st.sessions))
	addr := start(t, e)

	id := st.seed()
	resp, body := do(t, addr, "GET", "/", id)
	if resp.StatusCode != http.StatusTeapot || body != "error: boom" || resp.Header.Get("X-App") != "" || resp.Header.Get("X-Error") != "page" {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if n := st.n(id); n != 1 {
		t.Errorf("n = %d, want 1: a failed handler must not save", n)
	}
	if got := <-seen; got.Status != http.StatusTeapot || got.Size != int64(len(body)) || !got.Committed {
		t.Errorf("the logger sees %+v", got)
	}
	if _, body := do(t, addr, "GET", "/late", id); body != "" {
		t.Errorf("an error page was written after the response had begun: %q", body)
	}
	if got := <-seen; got.Status != http.StatusOK || !got.Committed {
		t.Errorf("late: the logger sees %+v", got)
	}
	if n := st.n(id); n != 3 {
		t.Errorf("n = %d, want 3: what was committed at the flush", n)
	}
}

// An Echo inside of something else rolls back, too.
func TestEchoHandlerErrorInside(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outside func(st *site, e *echo.Echo) http.Handler
	}{
		{"of a handler", func(st *site, e *echo.Echo) http.Handler { return st.sessions.Middleware(e) }},
		{"of an application", func(st *site, e *echo.Echo) http.Handler {
			return compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
				e.ServeHTTP(env.ResponseWriter(), env.Request())
				return nil, nil
			}), compat.HandlerConfig{})
		}},
		{"of another Echo", func(st *site, e *echo.Echo) http.Handler {
			outer, _ := newEcho()
			outer.Any("/*", echo.WrapHandler(e), compat.Echo(st.sessions))
			return outer
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newSite(t, core.Config{}, compat.SessionsConfig{})
			other := newSite(t, core.Config{}, compat.SessionsConfig{Name: "other"})
			e, _ := newEcho()
			pages := 0
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				if c.Response().Committed {
					return
				}
				pages++
				if _, err := compat.ExistingSession(c); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the error page can not have a session: %v", err)
				}
				code := http.StatusTeapot
				if he, ok := errors.AsType[*echo.HTTPError](err); ok {
					code = he.Code
				}
				_ = c.String(code, "error page")
			}
			e.Use(compat.Echo(st.sessions))
			fail := func(c echo.Context) error {
				set(t, c.Request(), 2)
				c.Response().Header().Set("X-App", "half")
				_ = c.String(http.StatusOK, "half a page")
				return errors.New("boom")
			}
			e.GET("/", fail)
			e.GET("/two", func(c echo.Context) error {
				if _, err := st.sessions.Session(c.Request().Context()); err != nil {
					return err
				}
				return fail(c)
			}, compat.Echo(other.sessions), compat.Echo(st.sessions))
			e.GET("/late", func(c echo.Context) error {
				set(t, c.Request(), 3)
				c.Response().Flush()
				set(t, c.Request(), 4)
				return errors.New("boom")
			})
			e.GET("/store", func(c echo.Context) error {
				_, err := compat.FromContext(c.Request().Context())
				return err
			})
			addr, id := start(t, tt.outside(st, e)), st.seed()
			for _, path := range []string{"/", "/two"} {
				resp, body := do(t, addr, "GET", path, id)
				if resp.StatusCode != http.StatusTeapot || body != "error page" || resp.Header.Get("X-App") != "" {
					t.Errorf("%s: %d %q %v", path, resp.StatusCode, body, resp.Header)
				}
				if n := st.n(id); n != 1 || pages != 1 {
					t.Errorf("%s: n = %d, %d pages; a failed handler must not save, and is answered once", path, n, pages)
				}
				pages = 0
			}
			if _, body := do(t, addr, "GET", "/late", id); body != "" {
				t.Errorf("an error page after the response had begun: %q", body)
			}
			if n := st.n(id); n != 3 {
				t.Errorf("late: n = %d, want 3: what was committed at the flush", n)
			}
			st.store.breakOn("Load", io.ErrUnexpectedEOF)
			if resp, _ := do(t, addr, "GET", "/store", id); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
				t.Errorf("the store is away: %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

// A conflict in an Echo inside of another handler is tried again.
func TestEchoRetriedInside(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, _ := newEcho()
	tries := 0
	e.GET("/", func(c echo.Context) error {
		if tries++; tries < 3 {
			return core.ErrConflict
		}
		set(t, c.Request(), 2)
		return c.String(http.StatusOK, "done")
	}, compat.Echo(st.sessions))
	id := st.seed()
	resp, body := do(t, start(t, compat.Retry(compat.RetryConfig{})(st.sessions.Middleware(e))), "GET", "/", id)
	if resp.StatusCode != http.StatusOK || body != "done" || tries != 3 || st.n(id) != 2 {
		t.Errorf("%d %q after %d tries, n = %d", resp.StatusCode, body, tries, st.n(id))
	}
}

func TestEchoErrorHandlerThatSaysNothing(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, _ := newEcho()
	calls := 0
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if calls++; calls > 1 {
			_ = c.String(http.StatusBadGateway, "second try")
		}
	}
	e.GET("/", func(c echo.Context) error { return errors.New("boom") }, compat.Echo(st.sessions))
	resp, body := do(t, start(t, e), "GET", "/", "")
	if resp.StatusCode != http.StatusBadGateway || body != "second try" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func quietRecover() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true, DisableStackAll: true})
}

func TestEchoRecoverOutside(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, seen := newEcho()
	e.Use(quietRecover(), compat.Echo(st.sessions))
	e.GET("/", func(c echo.Context) error {
		s := set(t, c.Request(), 2)
		if err := s.Rotate(c.Request().Context(), 0); err != nil {
			t.Error(err)
		}
		c.Response().Header().Set("X-App", "half")
		_ = c.String(http.StatusOK, "half a page")
		panic("boom")
	})
	e.GET("/late", func(c echo.Context) error {
		c.Response().Flush()
		panic("boom")
	})
	id := st.seed()
	addr := start(t, e)
	resp, body := do(t, addr, "GET", "/", id)
	if resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "half") || resp.Header.Get("X-App") != "" {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	c := sid(resp)
	if c == nil || c.Value == id {
		t.Fatalf("the rotated id is lost: %v", resp.Header)
	}
	if n := st.n(c.Value); n != 1 {
		t.Errorf("n = %d, want 1: a panic must not save", n)
	}
	if got := <-seen; got.Status != http.StatusInternalServerError || got.Size != int64(len(body)) {
		t.Errorf("the logger sees %+v", got)
	}
	if _, body := do(t, addr, "GET", "/late", ""); body != "" {
		t.Errorf("an error page was written after the response had begun: %q", body)
	}
}

func TestEchoRecoverInside(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, seen := newEcho()
	e.Use(compat.Echo(st.sessions), quietRecover())
	e.GET("/", func(c echo.Context) error {
		set(t, c.Request(), 2)
		panic("boom")
	})
	id := st.seed()
	resp, _ := do(t, start(t, e), "GET", "/", id)
	if got := <-seen; resp.StatusCode != http.StatusInternalServerError || got.Status != http.StatusInternalServerError {
		t.Errorf("status %d, the logger sees %+v", resp.StatusCode, got)
	}
	if n := st.n(id); n != 2 {
		t.Errorf("n = %d, want 2: Recover has made it an ordinary response", n)
	}
}

func TestEchoBookkeeping(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{BufferSize: 100})
	e, seen := newEcho()
	e.Use(compat.Echo(st.sessions))
	e.GET("/created", func(c echo.Context) error {
		c.Response().Before(func() { c.Response().Header().Set("X-Before", "ran") })
		c.Response().After(func() { set(t, c.Request(), 6) }) // runs in Write, which holds back
		return c.String(http.StatusCreated, "hello")
	})
	e.GET("/raw", func(c echo.Context) error {
		set(t, c.Request(), 1)
		c.Response().Writer.WriteHeader(http.StatusAccepted)
		_, err := io.WriteString(c.Response().Writer, "raw")
		return err
	})
	e.GET("/hints", func(c echo.Context) error {
		set(t, c.Request(), 1)
		c.Response().WriteHeader(http.StatusEarlyHints)
		return c.JSON(http.StatusCreated, "x")
	})
	e.GET("/hints/write", func(c echo.Context) error {
		c.Response().WriteHeader(http.StatusEarlyHints)
		_, err := c.Response().Write([]byte("x"))
		return err
	})
	e.GET("/fails", func(c echo.Context) error {
		set(t, c.Request(), 1)
		st.store.breakOn("Create", errors.New("disk full"))
		return c.String(http.StatusOK, "hello")
	})
	e.GET("/conflict", func(c echo.Context) error { return fmt.Errorf("commit: %w", core.ErrConflict) })
	e.GET("/busy", func(c echo.Context) error {
		_, err := compat.Session(c)
		return err
	})
	addr := start(t, e)

	resp, body := do(t, addr, "GET", "/created", "")
	if resp.StatusCode != 201 || body != "hello" || resp.Header.Get("X-Before") != "ran" || sid(resp) == nil {
		t.Errorf("created: %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if got := <-seen; got.Status != 201 || got.Size != 5 || !got.Committed {
		t.Errorf("created: the logger sees %+v", got)
	}
	resp, body = do(t, addr, "GET", "/raw", "")
	if resp.StatusCode != 202 || body != "raw" || sid(resp) == nil {
		t.Errorf("raw: %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if got := <-seen; got.Status != 202 {
		t.Errorf("raw: the logger sees %+v", got)
	}
	for path, status := range map[string]int{"/hints": 201, "/hints/write": 200} {
		c := dial(t, addr)
		c.request("GET", path, "")
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 103 ") {
			t.Errorf("%s: %q", path, head)
		}
		if resp, _ := c.response("GET"); resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
		if got := <-seen; got.Status != status {
			t.Errorf("%s: the logger sees %+v", path, got)
		}
	}
	resp, body = do(t, addr, "GET", "/fails", "")
	if got := <-seen; resp.StatusCode != 503 || got.Status != 503 || got.Size != int64(len(body)) || !got.Committed {
		t.Errorf("fails: %d, the logger sees %+v", resp.StatusCode, got)
	}
	resp, _ = do(t, addr, "GET", "/conflict", "")
	if got := <-seen; resp.StatusCode != 409 || got.Status != 409 {
		t.Errorf("conflict: %d, the logger sees %+v", resp.StatusCode, got)
	}
	id := st.seedBroken()
	resp, _ = do(t, addr, "GET", "/busy", id)
	if got := <-seen; resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || got.Status != 503 {
		t.Errorf("busy: %d %v, the logger sees %+v", resp.StatusCode, resp.Header, got)
	}
}

// seedBroken returns the id of a session that can not be loaded.
func (st *site) seedBroken() string {
	st.t.Helper()
	st.store.breakOn("", nil)
	id := st.seed()
	st.store.breakOn("Load", errors.New("timeout"))
	return id
}

func TestEchoCompression(t *testing.T) {
	for _, inside := range []bool{true, false} {
		t.Run(fmt.Sprintf("inside=%v", inside), func(t *testing.T) {
			st := newSite(t, core.Config{}, compat.SessionsConfig{})
			e, _ := newEcho()
			chain := []echo.MiddlewareFunc{middleware.Gzip(), compat.Echo(st.sessions)}
			if inside {
				chain[0], chain[1] = chain[1], chain[0]
			}
			e.Use(chain...)
			page := strings.Repeat("hello ", 1000)
			e.GET("/", func(c echo.Context) error {
				set(t, c.Request(), 1)
				return c.String(http.StatusOK, page)
			})
			resp, err := browser(t).Get("http://" + start(t, e) + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != page || !resp.Uncompressed || sid(resp) == nil {
				t.Errorf("got %d bytes, %v, uncompressed %v, %v", len(body), err, resp.Uncompressed, resp.Header)
			}
		})
	}
}

func TestEchoGroupsAndRoutes(t *testing.T) {
	a := newSite(t, core.Config{}, compat.SessionsConfig{})
	e, _ := newEcho()
	e.Use(compat.Echo(a.sessions)) // three times in all, which acts once
	g := e.Group("/g", compat.Echo(a.sessions))
	g.GET("/one", func(c echo.Context) error {
		set(t, c.Request(), 1)
		return c.NoContent(http.StatusNoContent)
	}, compat.Echo(a.sessions))
	b := newSite(t, core.Config{}, compat.SessionsConfig{Name: "b_sid"})
	e.GET("/back", func(c echo.Context) error {
		err := compat.Echo(b.sessions)(func(c echo.Context) error { return nil })(c)
		if s, serr := compat.Session(c); serr != nil || s.Manager() != a.manager {
			t.Errorf("back outside, the session is another manager's, %v", serr)
		}
		return err
	})
	e.GET("/free", func(c echo.Context) error {
		if _, err := compat.ExistingSession(c); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("ExistingSession: %v", err)
		}
		return c.NoContent(http.StatusNoContent)
	})
	addr := start(t, e)
	resp, _ := do(t, addr, "GET", "/g/one", "")
	if got := resp.Header.Values("Set-Cookie"); resp.StatusCode != 204 || len(got) != 1 {
		t.Errorf("%d, cookies %q", resp.StatusCode, got)
	}
	do(t, addr, "GET", "/back", "")
	resp, _ = do(t, addr, "GET", "/free", "")
	wantNoCookie(t, resp)
}

func TestEchoMount(t *testing.T) {
	paths := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", []compat.Header{{"Content-Type", "text/plain"}}, nil)
		return compat.Text(env.Method() + " " + env.ScriptName() + "|" + env.PathInfo()), err
	})
	e, seen := newEcho()
	compat.EchoMount(e, "/app", paths, compat.HandlerConfig{})
	compat.EchoMount(e.Group("/g/:who"), "/app/", paths, compat.HandlerConfig{})
	compat.EchoMount(e.Group("/root"), "", paths, compat.HandlerConfig{})
	e.Any("/route", compat.EchoHandler(paths, compat.HandlerConfig{}))
	addr := start(t, e)
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/app", "GET /app|"},
		{"GET", "/app/", "GET /app|/"},
		{"PUT", "/app/a/b", "PUT /app|/a/b"},
		{"GET", "/app//a%20b/", "GET /app|//a b/"},
		{"GET", "/app/caf%C3%A9/caf%E9", "GET /app|/caf\xc3\xa9/caf\xe9"},
		{"GET", "/g/me/app/x", "GET /g/me/app|/x"},
		{"GET", "/g/m%2Fe/app/x", "GET /g/m/e/app|/x"},
		{"GET", "/root", "GET /root|"},
		{"GET", "/root/x", "GET /root|/x"},
		{"PROPFIND", "/route", "PROPFIND /route|"},
	} {
		resp, body := do(t, addr, tt.method, tt.path, "")
		if body != tt.want {
			t.Errorf("%s %s: %d %q, want %q", tt.method, tt.path, resp.StatusCode, body, tt.want)
		}
		if got := <-seen; got.Status != 200 || got.Size != int64(len(body)) || !got.Committed {
			t.Errorf("%s: the logger sees %+v", tt.path, got)
		}
	}
}
