package compat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// One of two Sessions was committed when the other failed: a further try would do that twice.
func TestRetryNotAfterHalfACommit(t *testing.T) {
	st, other := optimistic(t), newSite(t, core.Config{Locking: core.Optimistic}, compat.SessionsConfig{Name: "other"})
	for name, tt := range map[string]struct{ both, again bool }{"both changed": {true, false}, "one only read": {false, true}} {
		t.Run(name, func(t *testing.T) {
			mine, theirs := st.seed(), other.seed()
			runs := 0
			addr := start(t, compat.Retry(quick)(other.sessions.Middleware(st.sessions.Middleware(
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					runs++
					s, err := compat.FromContext(r.Context())
					if err == nil && tt.both {
						err = s.Set("n", 10+runs)
					}
					o, oerr := other.sessions.Session(r.Context())
					if err := errors.Join(err, oerr); err != nil {
						t.Error(err)
						return
					}
					if err := o.Set("n", 20+runs); err != nil {
						t.Error(err)
					}
					if runs == 1 {
						other.save(theirs)
					}
				})))))
			c := dial(t, addr)
			c.send("GET / HTTP/1.1\r\nHost: example.test\r\nCookie: other=" + theirs + "; sid=" + mine + "\r\n\r\n")
			resp, _ := c.response("GET")
			if again := resp.StatusCode == 200 && runs == 2 && other.n(theirs) == 22; again != tt.again {
				t.Errorf("status %d after %d runs", resp.StatusCode, runs)
			}
			if tt.both && (runs != 1 || st.n(mine) != 11 || resp.StatusCode != 409) {
				t.Errorf("status %d after %d runs, n = %d", resp.StatusCode, runs, st.n(mine))
			}
		})
	}
}

func TestRetryInsideOfSessionsHasNoEffect(t *testing.T) {
	st := optimistic(t)
	id := st.seed()
	runs := 0
	addr := start(t, st.sessions.Middleware(compat.Retry(quick)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		runs++
		set(t, r, 9)
		st.save(id)
	}))))
	if resp, _ := do(t, addr, "GET", "/", id); resp.StatusCode != 409 || runs != 1 {
		t.Errorf("status %d after %d runs", resp.StatusCode, runs)
	}
}

// A loser of a cascade and a failed try, together.
func TestRetryAroundACascade(t *testing.T) {
	st := optimistic(t)
	id := st.seed()
	runs := 0
	app := newCascade(t, compat.CascadeConfig{}, readsAll("all", "404 No", new([]string)),
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			runs++
			n, err := increment(env.Request(), func() {})
			if err != nil {
				return nil, err
			}
			if runs == 1 {
				st.save(id)
			}
			body, err := env.Input().ReadAll()
			if err != nil {
				return nil, err
			}
			return reply("200 OK", fmt.Sprint(n, " ", string(body))).Call(env, start)
		}))
	addr := start(t, compat.Retry(quick)(st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{}))))
	if _, body := post(t, addr, "abc", true, id); body != "3 abc" || runs != 2 {
		t.Errorf("%q after %d runs", body, runs)
	}
}

// Nobody waits for a client that has gone, and the pauses are as configured.
func TestRetryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := optimistic(t)
		id := st.seed()
		var at []time.Time
		serve := func(ctx context.Context, cfg compat.RetryConfig) int {
			at = nil
			r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: "sid", Value: id})
			rec := httptest.NewRecorder()
			compat.Retry(cfg)(st.sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				at = append(at, time.Now())
				set(t, r, 9)
				st.save(id)
			}))).ServeHTTP(rec, r)
			return rec.Code
		}
		cfg := compat.RetryConfig{Tries: 4, Pause: time.Second, MaxPause: 3 * time.Second}
		if code := serve(t.Context(), cfg); code != 409 || len(at) != 4 {
			t.Fatalf("status %d after %d tries", code, len(at))
		}
		for i, limit := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
			if d := at[i+1].Sub(at[i]); d < limit/2 || d > limit {
				t.Errorf("pause %d was %v, want %v to %v", i+1, d, limit/2, limit)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		serve(ctx, cfg)
		if d := time.Since(begun); len(at) != 1 || d != 100*time.Millisecond {
			t.Errorf("%d tries in %v", len(at), d)
		}
	})
}

// Echo's own notes of a response are those of the try that counts.
func TestEchoRetryNotes(t *testing.T) {
	st := optimistic(t)
	id := st.seed()
	var status int
	var committed bool
	var size int64
	ended := make(chan struct{})
	e := echo.New()
	runs := 0
	before := 0
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			defer close(ended)
			c.Response().Before(func() { before++ })
			err := next(c)
			status, committed, size = c.Response().Status, c.Response().Committed, c.Response().Size
			return err
		}
	}, compat.EchoRetry(quick), compat.Echo(st.sessions))
	e.GET("/", func(c echo.Context) error {
		runs++
		set(t, c.Request(), runs)
		c.Response().Before(func() { before += 10 })
		if runs == 1 {
			st.save(id)
			return c.String(http.StatusTeapot, "loser")
		}
		return c.String(http.StatusAccepted, "winner")
	})
	resp, body := do(t, start(t, e), "GET", "/", id)
	<-ended
	if resp.StatusCode != 202 || body != "winner" || status != 202 || !committed || size != 6 || runs != 2 {
		t.Errorf("%d %q; noted %d, %v, %d after %d runs", resp.StatusCode, body, status, committed, size, runs)
	}
	if before != 21 { // Echo calls them when the status is set, which each try does
		t.Errorf("before = %d", before)
	}
}

// What middleware between Retry and the sessions has set is not there twice.
func TestRetryStartsWithTheHeadersItWasGiven(t *testing.T) {
	st := optimistic(t)
	id := st.seed()
	runs := 0
	inner := st.sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if set(t, r, 9); runs == 1 {
			st.save(id)
		}
	}))
	retried := compat.Retry(quick)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runs++
		w.Header().Add("X-Between", fmt.Sprint(runs))
		w.Header().Add("X-Outer", "between")
		inner.ServeHTTP(w, r)
	}))
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "outer")
		retried.ServeHTTP(w, r)
	}))
	resp, _ := do(t, addr, "GET", "/", id)
	if h := resp.Header; runs != 2 || !slices.Equal(h["X-Between"], []string{"2"}) || !slices.Equal(h["X-Outer"], []string{"outer", "between"}) {
		t.Errorf("%v after %d runs", h, runs)
	}
}

func TestRetryErrorSays(t *testing.T) {
	err := error(&compat.RetryError{Tries: 3, Err: fmt.Errorf("x: %w", core.ErrConflict)})
	if !errors.Is(err, core.ErrConflict) || compat.StatusOf(err) != 409 || !strings.Contains(err.Error(), "3 tries") {
		t.Error(err)
	}
}

// A file is still copied by the system, and a form's files are gone.
func TestRetryLargeResponse(t *testing.T) {
	st := optimistic(t)
	large := bytes.Repeat([]byte("x"), 3<<20)
	addr := start(t, compat.Retry(quick)(st.sessions.Middleware(compat.Handler(
		appFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", nil, nil)
			return compat.File(bytes.NewReader(large)), err
		}), compat.HandlerConfig{Logger: slog.New(slog.DiscardHandler)}))))
	if _, body := do(t, addr, "GET", "/", ""); len(body) != len(large) {
		t.Errorf("%d bytes", len(body))
	}
}
