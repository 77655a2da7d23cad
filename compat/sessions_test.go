package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func TestRotateAndInvalidate(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			s, err := compat.FromContext(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			switch r.URL.Path {
			case "/rotate":
				err = s.Rotate(ctx, 0)
			case "/grace":
				err = s.Rotate(ctx, time.Hour)
			case "/logout":
				err = s.Invalidate(ctx)
			case "/relogin":
				err = s.Invalidate(ctx)
				fresh, ferr := compat.FromContext(ctx)
				if ferr != nil || fresh == s || fresh.ID() == s.ID() || fresh.Len() != 0 {
					t.Errorf("after Invalidate: %v, %v", fresh, ferr)
				} else if serr := fresh.Set("n", 8); serr != nil {
					t.Error(serr)
				}
			case "/newcomer":
				err = s.Invalidate(ctx)
				_, ferr := compat.FromContext(ctx) // asked for, but nothing is put into it
				err = errors.Join(err, ferr)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		resp, _ := do(t, addr, "GET", "/rotate", id)
		c := sid(resp)
		if c == nil || c.Value == id || st.n(c.Value) != 1 || st.n(id) != 0 {
			t.Fatalf("rotate: cookie %v, old %d", c, st.n(id))
		}
		old := c.Value
		c = sid(first(do(t, addr, "GET", "/grace", old)))
		if c == nil || c.Value == old || st.n(old) != 1 {
			t.Fatalf("rotate with grace: cookie %v, old %d", c, st.n(old))
		}
		again := sid(first(do(t, addr, "GET", "/", old)))
		if again == nil || again.Value != c.Value {
			t.Errorf("a client with the old id is told %v, want %v", again, c)
		}
		resp, _ = do(t, addr, "GET", "/relogin", c.Value)
		fresh := sid(resp)
		if got := resp.Header.Values("Set-Cookie"); len(got) != 1 || fresh == nil || fresh.Value == c.Value || st.n(fresh.Value) != 8 {
			t.Fatalf("relogin: cookies %q", got)
		}
		for _, path := range []string{"/newcomer", "/logout"} {
			id := st.seed()
			resp, _ = do(t, addr, "GET", path, id)
			if c := sid(resp); c == nil || c.MaxAge >= 0 || c.Value != "" || st.n(id) != 0 {
				t.Errorf("%s: cookie %v", path, c)
			}
		}
		wantNoCookie(t, first(do(t, addr, "GET", "/logout", ""))) // there was nothing to take
	})
}

func first[A, B any](a A, _ B) A { return a }

func TestSameSessionEachTime(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			ro, err := compat.ExistingFromContext(ctx, core.ReadOnly)
			if err != nil {
				t.Error(err)
				return
			}
			if err := ro.Set("n", 1); !errors.Is(err, core.ErrReadOnly) {
				t.Errorf("Set on a read-only session: %v", err)
			}
			rw, err := st.sessions.Session(ctx, core.Serialized)
			if err != nil || rw != ro {
				t.Errorf("opened again: %v, %v, want the same session", rw, err)
				return
			}
			if rw.Locking() != core.Serialized || rw.Mode() != core.ReadWrite {
				t.Errorf("opened again: %v, %v", rw.Locking(), rw.Mode())
			}
			if err := rw.Set("n", 4); err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		wantNoCookie(t, first(do(t, addr, "GET", "/", id)))
		if n := st.n(id); n != 4 {
			t.Errorf("n = %d", n)
		}
	})
}

func TestSavePolicyPerRequest(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, 5)
			if r.URL.Path == "/suppress" {
				s.SetSave(core.SaveExplicit)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		do(t, addr, "GET", "/suppress", id)
		if n := st.n(id); n != 1 {
			t.Errorf("n = %d, want 1: the request asked not to save", n)
		}
	})
}

func TestStackedSessions(t *testing.T) {
	a := newSite(t, core.Config{}, compat.SessionsConfig{Name: "a_sid"})
	b := newSite(t, core.Config{}, compat.SessionsConfig{Name: "b_sid"})
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(t, r, 2) // the innermost
		s, err := a.sessions.Session(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if err := s.Set("n", 1); err != nil {
			t.Error(err)
		}
		if s.Manager() != a.manager {
			t.Error("the wrong manager's session")
		}
		fmt.Fprint(w, "both")
	})
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, err := compat.FromContext(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, err := compat.FromContext(r.Context()); err != nil || s != begun {
				t.Errorf("a middleware given twice has opened another session, %v", err)
			}
			b.sessions.Middleware(inner).ServeHTTP(w, r)
		})
		b.sessions.Middleware(a.sessions.Middleware(between)).ServeHTTP(w, r)
		if s, err := compat.FromContext(r.Context()); err != nil || s != begun {
			t.Errorf("back outside, the session is another one, %v", err)
		}
	})
	addr := start(t, a.sessions.Middleware(outer))
	resp, body := do(t, addr, "GET", "/", "")
	cookies := resp.Cookies()
	if body != "both" || len(cookies) != 2 {
		t.Fatalf("got %q, cookies %v", body, cookies)
	}
	for _, c := range cookies {
		want, st := 1, a
		if c.Name == "b_sid" {
			want, st = 2, b
		}
		if n := st.n(c.Value); n != want {
			t.Errorf("%s: n = %d, want %d", c.Name, n, want)
		}
	}

	a.store.breakOn("Create", errors.New("disk full"))
	resp, _ = do(t, addr, "GET", "/", "")
	if cookies := resp.Cookies(); resp.StatusCode != 503 || len(cookies) != 1 || cookies[0].Name != "b_sid" {
		t.Errorf("one of two failed: %d, cookies %v", resp.StatusCode, cookies)
	}
}

func TestClientID(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	other := st.seed()
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if err := st.sessions.SetClientID(ctx, "../x"); !errors.Is(err, core.ErrBadID) {
			t.Errorf("SetClientID with a path: %v", err)
		}
		if field := r.FormValue("sid"); field != "" {
			if err := st.sessions.SetClientID(ctx, field); err != nil {
				t.Error(err)
			}
		}
		id, err := st.sessions.ClientID(ctx)
		if err != nil {
			t.Error(err)
		}
		set(t, r, 6)
		if err := st.sessions.SetClientID(ctx, other); err == nil {
			t.Error("SetClientID after Session was accepted")
		}
		fmt.Fprint(w, id)
	})))
	mine := st.seed()
	if resp, body := do(t, addr, "GET", "/", mine); body != mine {
		t.Errorf("ClientID %q, want the cookie's", body)
		wantNoCookie(t, resp)
	}
	resp, body := do(t, addr, "GET", "/?sid="+other, mine)
	if body != other || st.n(other) != 6 {
		t.Errorf("by the field: %q", body)
	}
	wantNoCookie(t, resp) // who plants a link must not plant a cookie with it
	planted := strings.Repeat("A", len(mine))
	resp, _ = do(t, addr, "GET", "/?sid="+planted, "")
	if c := sid(resp); c == nil || c.Value == planted || st.n(planted) != 0 {
		t.Errorf("a planted id was adopted: %v", c)
	}
}

func TestWithoutSessions(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	ctx := context.Background()
	if _, err := compat.FromContext(ctx); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("FromContext: %v", err)
	}
	if _, err := compat.ExistingFromContext(ctx); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("ExistingFromContext: %v", err)
	}
	if _, err := st.sessions.Session(ctx); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("Session: %v", err)
	}
	if _, err := st.sessions.ClientID(ctx); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("ClientID: %v", err)
	}
	if compat.ResponseOf(ctx) != nil {
		t.Error("ResponseOf found a response")
	}
	c := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), httptest.NewRecorder())
	if _, err := compat.Session(c); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("Session(c): %v", err)
	}
}

func TestAfterTheRequest(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	var ctx context.Context
	h := st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if _, err := compat.FromContext(ctx); !errors.Is(err, compat.ErrOver) {
		t.Errorf("after the request: %v, want ErrOver", err)
	}
	// A request of one's own that inherits the context gets sessions of its own.
	rec := httptest.NewRecorder()
	again := st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { set(t, r, 1) }))
	again.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if sid(rec.Result()) == nil {
		t.Error("the second request got no cookie")
	}
}

func TestContext(t *testing.T) {
	type key struct{}
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	deadline := time.Now().Add(time.Hour)
	parent, cancel := context.WithDeadline(context.WithValue(context.Background(), key{}, "value"), deadline)
	defer cancel()
	h := st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) {
			t.Errorf("deadline %v, %v", d, ok)
		}
		if ctx.Value(key{}) != "value" {
			t.Error("the parent's values are hidden")
		}
		if _, ok := ctx.Value(core.ScopeKey{}).(*core.Scope); !ok {
			t.Error("no scope")
		}
		child, stop := context.WithCancel(ctx)
		defer stop()
		if ctx.Err() != nil || child.Err() != nil {
			t.Error("ended before its time")
		}
		if r.URL.Path == "/cancel" {
			cancel()
			<-child.Done()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("Err %v", ctx.Err())
			}
		}
	}))
	for _, path := range []string{"/", "/cancel"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil).WithContext(parent))
	}
	var ended context.Context
	st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended = r.Context()
		_ = ended.Done() // somebody waits for it
	})).ServeHTTP(httptest.NewRecorder(), get("/"))
	if !errors.Is(ended.Err(), context.Canceled) {
		t.Errorf("after the request: %v; its parent would keep it", ended.Err())
	}
}

func TestLostLockEndsTheRequest(t *testing.T) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			st := newSite(t, core.Config{Lease: 50 * time.Millisecond}, compat.SessionsConfig{})
			id := st.seed()
			h := m.wrap(st.sessions, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := st.sessions.Session(r.Context(), core.Serialized); err != nil {
					t.Error(err)
					return
				}
				set(t, r, 2)
				st.store.breakOn("Renew", core.ErrLockLost)
				select {
				case <-r.Context().Done():
				case <-time.After(10 * time.Second):
					t.Error("the request's context did not end with the lock")
				}
				if cause := context.Cause(r.Context()); !errors.Is(cause, core.ErrLockLost) {
					t.Errorf("cause %v, want core.ErrLockLost", cause)
				}
				st.store.breakOn("Save", core.ErrLockLost)
				fmt.Fprint(w, "done")
			}))
			resp, body := do(t, start(t, h), "GET", "/", id)
			if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "done") {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
			if n := st.n(id); n != 1 {
				t.Errorf("n = %d", n)
			}
		})
	}
}

func TestLockIsLetGo(t *testing.T) {
	each(t, core.Config{Locking: core.Serialized, LockWait: 5 * time.Second}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 2)
			switch r.URL.Path {
			case "/fails":
				st.store.breakOn("Save", errors.New("disk full"))
			case "/panics":
				panic(http.ErrAbortHandler)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		for _, path := range []string{"/", "/fails", "/panics"} {
			c := dial(t, addr)
			c.request("GET", path, id)
			if _, err := io.ReadAll(io.LimitReader(c.r, 1)); err != nil {
				t.Fatal(err)
			}
			st.store.breakOn("", nil)
			began := time.Now()
			s, err := st.manager.Open(t.Context(), id)
			if err != nil {
				t.Fatalf("after %s: %v", path, err)
			}
			if waited := time.Since(began); waited > 2*time.Second {
				t.Errorf("after %s: the lock was free after %v", path, waited)
			}
			if err := s.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSchemeBehindProxy(t *testing.T) {
	scheme := func(r *http.Request) string { return r.Header.Get("X-Scheme") }
	each(t, core.Config{}, compat.SessionsConfig{Scheme: scheme}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { set(t, r, 1) }
	}, func(t *testing.T, st *site, addr string) {
		c := dial(t, addr)
		c.send("GET / HTTP/1.1\r\nHost: a\r\nX-Scheme: https\r\n\r\n")
		if resp, _ := c.response("GET"); !sid(resp).Secure {
			t.Errorf("cookie %v", sid(resp))
		}
	})
}

func TestTLS(t *testing.T) {
	store := memstore.New(memstore.Config{})
	defer store.Close()
	m, err := core.New("test", store, core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	auto, err := compat.NewSessions(m, compat.SessionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := compat.NewSessions(m, compat.SessionsConfig{Secure: compat.SecureOn})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*compat.Sessions{"sid": auto, "__Host-sid": host} {
		for _, mount := range mounts[:2] {
			visits := mount.wrap(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := compat.FromContext(r.Context())
				if err != nil {
					t.Error(err)
					return
				}
				n, err := core.Get[int](s, "n")
				if err := errors.Join(err, s.Set("n", n+1)); err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, n)
			}))
			srv := httptest.NewUnstartedServer(visits)
			srv.EnableHTTP2 = true
			srv.StartTLS()
			client := browser(t)
			client.Transport = srv.Client().Transport
			for want := range 3 {
				resp, err := client.Get(srv.URL)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != fmt.Sprint(want) || resp.ProtoMajor != 2 {
					t.Errorf("%s: visit %d: %s %q, %v", name, want, resp.Proto, body, err)
				}
				resp.Body.Close()
				if c := sid(resp); want == 0 && (c == nil || c.Name != name || !c.Secure) {
					t.Errorf("cookie %v, want a secure %s", c, name)
				}
			}
			srv.Close()
		}
	}
}
