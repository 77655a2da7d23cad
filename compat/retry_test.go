package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// quick retries without making tests wait.
var quick = compat.RetryConfig{Pause: time.Microsecond}

// retryMounts are the ways in which a handler that returns an error is retried.
var retryMounts = []struct {
	name string
	wrap func(*compat.Sessions, compat.RetryConfig, func(http.ResponseWriter, *http.Request) error) http.Handler
}{
	{"net/http", func(s *compat.Sessions, cfg compat.RetryConfig, h func(http.ResponseWriter, *http.Request) error) http.Handler {
		return compat.Retry(cfg)(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				panic(err)
			}
		})))
	}},
	{"application", func(s *compat.Sessions, cfg compat.RetryConfig, h func(http.ResponseWriter, *http.Request) error) http.Handler {
		return compat.Retry(cfg)(s.Middleware(compat.Handler(handlerApp(h), compat.HandlerConfig{})))
	}},
	{"application on Echo", func(s *compat.Sessions, cfg compat.RetryConfig, h func(http.ResponseWriter, *http.Request) error) http.Handler {
		e := echo.New()
		compat.EchoMount(e, "", handlerApp(h), compat.HandlerConfig{}, compat.EchoRetry(cfg), compat.Echo(s))
		return e
	}},
	{"Echo", func(s *compat.Sessions, cfg compat.RetryConfig, h func(http.ResponseWriter, *http.Request) error) http.Handler {
		e := echo.New()
		e.Use(compat.EchoRetry(cfg), compat.Echo(s))
		e.Any("/*", func(c echo.Context) error { return h(c.Response(), c.Request()) })
		return e
	}},
}

func handlerApp(h func(http.ResponseWriter, *http.Request) error) compat.Application {
	return appFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		if err := h(env.ResponseWriter(), env.Request()); err != nil {
			return nil, err
		}
		if env.Response().Status() == 0 {
			env.ResponseWriter().WriteHeader(http.StatusOK)
		}
		return nil, nil
	})
}

func optimistic(t testing.TB) *site {
	return newSite(t, core.Config{Locking: core.Optimistic}, compat.SessionsConfig{})
}

// increment is what loses an update where nobody looks.
func increment(r *http.Request, between func()) (int, error) {
	s, err := compat.FromContext(r.Context())
	if err != nil {
		return 0, err
	}
	n, err := core.Get[int](s, "n")
	if err != nil {
		return 0, err
	}
	between()
	return n + 1, s.Set("n", n+1)
}

// save is another request.
func (st *site) save(id string) {
	st.t.Helper()
	err := st.manager.Update(context.Background(), id, func(s *core.Session) error {
		n, err := core.Get[int](s, "n")
		return errors.Join(err, s.Set("n", n+1))
	})
	if err != nil {
		st.t.Error(err)
	}
}

// Two requests that open one session at the same time both succeed, and neither is lost.
func TestRetryOfTwoRequestsAtOnce(t *testing.T) {
	for _, mount := range retryMounts {
		t.Run(mount.name, func(t *testing.T) {
			st := optimistic(t)
			id := st.seed()
			var runs atomic.Int32
			var meet sync.WaitGroup
			meet.Add(2)
			addr := start(t, mount.wrap(st.sessions, quick, func(w http.ResponseWriter, r *http.Request) error {
				run := runs.Add(1)
				w.Header().Add("X-Run", fmt.Sprint(run))
				http.SetCookie(w, &http.Cookie{Name: fmt.Sprint("run", run), Value: "1"})
				n, err := increment(r, func() {
					if run <= 2 { // both have read n before either saves it
						meet.Done()
						meet.Wait()
					}
				})
				if err != nil {
					return err
				}
				body, err := io.ReadAll(r.Body)
				if err == nil {
					_, err = fmt.Fprintf(w, "n is %d, body %s", n, body)
				}
				return err
			}))
			got := make(chan string, 2)
			for range 2 {
				go func() {
					resp, body := post(t, addr, "abc", true, id)
					if resp.StatusCode != 200 || len(resp.Header["X-Run"]) != 1 || len(resp.Cookies()) != 1 {
						t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
					}
					got <- body
				}()
			}
			bodies := []string{<-got, <-got}
			slices.Sort(bodies)
			if !slices.Equal(bodies, []string{"n is 2, body abc", "n is 3, body abc"}) || st.n(id) != 3 || runs.Load() != 3 {
				t.Errorf("%q after %d runs, stored n = %d", bodies, runs.Load(), st.n(id))
			}
		})
	}
}

// What a try does decides whether there is another one.
func TestRetryOrNot(t *testing.T) {
	type try struct {
		st  *site
		id  string
		run int
		w   http.ResponseWriter
		r   *http.Request
		s   *core.Session
	}
	commit := func(x *try) error { return x.s.Commit(x.r.Context()) }
	for _, tt := range []struct {
		name   string
		cfg    compat.RetryConfig
		do     func(*try) error // after n was set, in the first run
		always bool             // in every run
		body   string
		runs   int
		status int
		text   string // in the page
		not    string // the mount in which handlers can not return errors
	}{
		{name: "a conflict", do: func(x *try) error { x.st.save(x.id); return nil }, runs: 2, status: 200},
		{name: "no conflict", do: func(*try) error { return nil }, runs: 1, status: 200},
		{name: "an answer that is dropped", do: func(x *try) error {
			x.st.save(x.id)
			x.w.Header().Set("X-Loser", "1")
			x.w.WriteHeader(http.StatusTeapot)
			_, err := io.WriteString(x.w, "loser")
			return err
		}, runs: 2, status: 200},
		{name: "a conflict when the buffer is full", do: func(x *try) error {
			x.st.save(x.id)
			if _, err := x.w.Write(make([]byte, 2<<20)); !errors.Is(err, core.ErrConflict) {
				return fmt.Errorf("Write gave %w", err)
			}
			return nil
		}, runs: 2, status: 200},
		{name: "a conflict with the first flush", do: func(x *try) error {
			x.st.save(x.id)
			_, _ = io.WriteString(x.w, "loser")
			if err := http.NewResponseController(x.w).Flush(); err == nil {
				return errors.New("Flush gave no error")
			}
			return nil
		}, runs: 2, status: 200},
		{name: "103", do: func(x *try) error {
			x.w.Header().Set("X-Loser", "1")
			x.w.WriteHeader(http.StatusEarlyHints)
			x.st.save(x.id)
			_, err := io.WriteString(x.w, "loser")
			return err
		}, runs: 2, status: 200},
		{name: "more than Sessions hold back", do: func(x *try) error {
			x.st.save(x.id)
			_, err := x.w.Write(make([]byte, 100<<10)) // more than 64 KiB, less than 1 MiB
			return err
		}, runs: 2, status: 200},
		{name: "a commit of its own that fails", do: func(x *try) error { x.st.save(x.id); return commit(x) }, runs: 2, status: 200, not: "net/http"},
		{name: "always", always: true, do: func(x *try) error { x.st.save(x.id); return nil }, runs: 4, status: 409, text: "each time"},
		{name: "always, returned", always: true, do: func(x *try) error { x.st.save(x.id); return commit(x) },
			runs: 4, status: 409, text: "each time", not: "net/http"},
		{name: "Tries", cfg: compat.RetryConfig{Tries: 2, Pause: -1}, always: true, do: func(x *try) error { x.st.save(x.id); return nil },
			runs: 2, status: 409, text: "each time"},
		{name: "no tries", cfg: compat.RetryConfig{Tries: 1}, do: func(x *try) error { x.st.save(x.id); return nil },
			runs: 1, status: 409, text: "at the same moment"},
		{name: "the response has begun", do: func(x *try) error {
			if err := x.s.Rollback(x.r.Context()); err != nil {
				return err
			}
			if err := http.NewResponseController(x.w).Flush(); err != nil {
				return err
			}
			x.st.save(x.id)
			return x.s.Set("n", 9)
		}, runs: 1, status: 200},
		{name: "the try saved something", do: func(x *try) error {
			err := commit(x)
			x.st.save(x.id)
			return errors.Join(err, x.s.Set("n", 9))
		}, runs: 1, status: 409, text: "at the same moment"},
		{name: "the session has a new id", do: func(x *try) error {
			err := x.s.Rotate(x.r.Context(), 0)
			x.st.save(x.s.ID())
			return err
		}, runs: 1, status: 409, text: "at the same moment"},
		{name: "a body", body: strings.Repeat("b", 1000), do: func(x *try) error {
			x.st.save(x.id)
			_, err := io.ReadFull(x.r.Body, make([]byte, 500))
			return err
		}, runs: 2, status: 200},
		{name: "a body that is too large", cfg: compat.RetryConfig{MaxBody: 999}, body: strings.Repeat("b", 1000), do: func(x *try) error {
			x.st.save(x.id)
			data, err := io.ReadAll(x.r.Body)
			if len(data) != 1000 {
				err = fmt.Errorf("read %d bytes, %w", len(data), err)
			}
			return err
		}, runs: 1, status: 409, text: "at the same moment"},
		{name: "a large body of which little is read", cfg: compat.RetryConfig{MaxBody: 600}, body: strings.Repeat("b", 1000),
			do: func(x *try) error {
				x.st.save(x.id)
				_, err := io.ReadFull(x.r.Body, make([]byte, 500))
				return err
			}, runs: 2, status: 200},
		{name: "no body may be kept", cfg: compat.RetryConfig{MaxBody: -1}, body: "b", do: func(x *try) error {
			x.st.save(x.id)
			_, err := io.ReadAll(x.r.Body)
			return err
		}, runs: 1, status: 409, text: "at the same moment"},
		{name: "another error", do: func(*try) error { return errors.New("broken") }, runs: 1, status: 500, not: "net/http"},
		{name: "the session ended", do: func(x *try) error { return x.st.manager.Delete(context.Background(), x.id) },
			runs: 1, status: 409, text: "session ended"},
	} {
		for _, mount := range retryMounts {
			if mount.name == tt.not {
				continue
			}
			t.Run(tt.name+"/"+mount.name, func(t *testing.T) {
				st := optimistic(t)
				id := st.seed()
				cfg := tt.cfg
				if cfg.Pause == 0 {
					cfg.Pause = time.Microsecond
				}
				var runs atomic.Int32
				addr := start(t, mount.wrap(st.sessions, cfg, func(w http.ResponseWriter, r *http.Request) error {
					run := int(runs.Add(1))
					if _, err := increment(r, func() {}); err != nil {
						return err
					}
					if run == 1 || tt.always {
						s, err := compat.FromContext(r.Context())
						if err != nil {
							return err
						}
						return tt.do(&try{st, id, run, w, r, s})
					}
					got, err := io.ReadAll(r.Body)
					if err != nil || string(got) != tt.body {
						return fmt.Errorf("the second try got %d bytes of the body, %w", len(got), err)
					}
					_, err = io.WriteString(w, "done")
					return err
				}))
				resp, body := post(t, addr, tt.body, false, id)
				if resp.StatusCode != tt.status || int(runs.Load()) != tt.runs || !strings.Contains(body, tt.text) {
					t.Errorf("status %d after %d runs: %.200q\n%s", resp.StatusCode, runs.Load(), body, st.log)
				}
				if tt.runs > 1 && tt.status == 200 && body != "done" || resp.Header.Get("X-Loser") != "" {
					t.Errorf("%.100q, %v", body, resp.Header)
				}
				if tt.status == 200 && tt.runs == 2 && st.n(id) != 3 {
					t.Errorf("stored n = %d, want 3", st.n(id))
				}
				if c := sid(resp); (c != nil) != (tt.name == "the session has a new id" || tt.name == "the session ended") {
					t.Errorf("cookie %v", c)
				}
			})
		}
	}
}
