package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

func TestPanic(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 2)
			fmt.Fprint(w, "half a page")
			if r.URL.Path == "/late" {
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				set(t, r, 3)
			}
			panic("boom")
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		c := dial(t, addr)
		c.request("GET", "/", id)
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Errorf("client got %q, %v", rest, err)
		}
		if n := st.n(id); n != 1 {
			t.Errorf("n = %d, want 1: a panic must not save", n)
		}
		c = dial(t, addr)
		c.request("GET", "/late", id)
		if _, err := io.ReadAll(c.r); err != nil {
			t.Error(err)
		}
		if n := st.n(id); n != 2 {
			t.Errorf("n = %d, want 2: what was committed before the flush", n)
		}
	})
}

func TestClientHangsUp(t *testing.T) {
	gone := make(chan struct{})
	each(t, core.Config{}, compat.SessionsConfig{BufferSize: 100}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, 2)
			gone <- struct{}{}
			<-r.Context().Done()
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					break
				}
			}
			if err := s.Set("n", 3); err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		c := dial(t, addr)
		c.request("GET", "/", id)
		<-gone
		c.Close()
		eventually(t, "the work is committed although nobody listens", func() bool { return st.n(id) == 3 })
	})
}

// TestClientHangsUpAndTheHandlerSaysSo shows that an error which only says so does not undo what was done.
func TestClientHangsUpAndTheHandlerSaysSo(t *testing.T) {
	gone := make(chan struct{})
	work := func(w http.ResponseWriter, r *http.Request) error {
		s := set(t, r, 2)
		gone <- struct{}{}
		<-r.Context().Done()
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return errors.Join(s.Set("n", 3), err)
			}
		}
	}
	e := func(s *compat.Sessions) http.Handler {
		e := echo.New()
		e.Logger.SetOutput(io.Discard)
		e.GET("/", func(c echo.Context) error { return work(c.Response(), c.Request()) }, compat.Echo(s))
		return e
	}
	app := func(s *compat.Sessions) http.Handler {
		return s.Middleware(compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
			return nil, work(env.ResponseWriter(), env.Request())
		}), compat.HandlerConfig{}))
	}
	for name, mount := range map[string]func(*compat.Sessions) http.Handler{"Echo": e, "application": app} {
		t.Run(name, func(t *testing.T) {
			st := newSite(t, core.Config{}, compat.SessionsConfig{BufferSize: 100})
			addr := start(t, mount(st.sessions))
			id := st.seed()
			c := dial(t, addr)
			c.request("GET", "/", id)
			<-gone
			c.Close()
			eventually(t, "the late change is committed", func() bool { return st.n(id) == 3 })
		})
	}
}

func TestLateCommitFailure(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			set(t, r, 9)
			st.store.breakOn("Save", errors.New("disk full"))
		}
	}, func(t *testing.T, st *site, addr string) {
		events := make(chan core.Event, 8)
		stop := st.manager.Listen(func(_ context.Context, ev core.Event) { events <- ev })
		defer stop()
		id := st.seed()
		resp, _ := do(t, addr, "GET", "/", id)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
		eventually(t, "the loss is logged", func() bool { return strings.Contains(st.log.String(), "disk full") })
		if strings.Contains(st.log.String(), id) {
			t.Error("the log has the session id")
		}
		for {
			select {
			case ev := <-events:
				if ev.Kind == core.EventCommitFailed {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatal("listeners were not told")
			}
		}
	})
}

func TestCommitFails(t *testing.T) {
	tests := []struct {
		name   string
		cause  error
		status int
		retry  string
	}{
		{"store down", errors.New("connection refused by 10.0.0.7"), 503, "1"},
		{"gone", core.ErrGone, 409, ""},
		{"conflict", &core.ConflictError{}, 409, ""},
		{"too large", core.ErrTooLarge, 500, ""},
		{"lock lost", core.ErrLockLost, 503, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, core.Config{}, compat.SessionsConfig{BufferSize: 1000}, func(t *testing.T, st *site) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					set(t, r, 2)
					w.Header().Set("X-App", "secret page")
					w.Header().Set("Content-Type", "text/plain")
					n := 10
					if r.URL.Path == "/overflow" {
						n = 2000
					}
					_, err := io.WriteString(w, strings.Repeat("x", n))
					var serr *compat.SessionError
					if n > 1000 && (!errors.As(err, &serr) || serr.Op != "commit" || !errors.Is(err, tt.cause)) {
						t.Errorf("Write: %v, want a *SessionError with the cause", err)
					}
				}
			}, func(t *testing.T, st *site, addr string) {
				id := st.seed()
				st.store.breakOn("Save", tt.cause)
				for _, path := range []string{"/", "/overflow"} {
					resp, body := do(t, addr, "GET", path, id)
					if resp.StatusCode != tt.status || resp.Header.Get("Retry-After") != tt.retry {
						t.Errorf("%s: status %d, Retry-After %q", path, resp.StatusCode, resp.Header.Get("Retry-After"))
					}
					if strings.Contains(body, "xxx") || resp.Header.Get("X-App") != "" || strings.Contains(body, "10.0.0.7") {
						t.Errorf("%s: the page leaks: %q %v", path, body, resp.Header)
					}
					if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
						t.Errorf("%s: Content-Type %q", path, got)
					}
				}
				if !strings.Contains(st.log.String(), tt.cause.Error()) || strings.Contains(st.log.String(), id) {
					t.Errorf("log: %s", st.log)
				}
			})
		})
	}
}

func TestGoneSessionTakesItsCookieAlong(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, 2)
			if err := st.manager.Delete(r.Context(), s.ID()); err != nil { // another request logs out
				t.Error(err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		resp, _ := do(t, addr, "GET", "/", st.seed())
		if c := sid(resp); resp.StatusCode != 409 || c == nil || c.MaxAge >= 0 {
			t.Errorf("status %d, cookie %v", resp.StatusCode, c)
		}
		if n := st.count(); n != 0 {
			t.Error("the session came back")
		}
	})
}

func TestErrorPageIsReplaceable(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request, err error) {
		w.Header().Set("X-Page", "mine")
		w.WriteHeader(http.StatusInsufficientStorage)
		fmt.Fprint(w, "sorry")
	}
	each(t, core.Config{}, compat.SessionsConfig{ErrorPage: page}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { set(t, r, 2) }
	}, func(t *testing.T, st *site, addr string) {
		st.store.breakOn("Create", errors.New("disk full"))
		resp, body := do(t, addr, "GET", "/", "")
		if resp.StatusCode != http.StatusInsufficientStorage || body != "sorry" || resp.Header.Get("X-Page") != "mine" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
		wantNoCookie(t, resp)
	})
}

func TestLoadFailureIsNotAnEmptySession(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, err := compat.FromContext(r.Context())
			if s != nil || compat.StatusOf(err) != http.StatusServiceUnavailable {
				t.Errorf("got %v, %v", s, err)
			}
			http.Error(w, "down", compat.StatusOf(err))
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		st.store.breakOn("Load", errors.New("timeout"))
		resp, _ := do(t, addr, "GET", "/", id)
		wantNoCookie(t, resp)
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}
