package compat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// count adds one to the session's n, for one message.
func count(ctx context.Context) (n int, err error) {
	s, err := compat.FromContext(ctx)
	if err != nil {
		return 0, err
	}
	if n, err = core.Get[int](s, "n"); err != nil {
		return 0, err
	}
	return n + 1, s.Set("n", n+1)
}

// TestWebSocketOpensTheSessionPerMessage, under every policy, on several connections at once and beside ordinary requests.
func TestWebSocketOpensTheSessionPerMessage(t *testing.T) {
	for _, policy := range []core.LockingPolicy{core.Merge, core.Optimistic, core.Serialized, core.Lossy} {
		t.Run(policy.String(), func(t *testing.T) {
			st := newSite(t, core.Config{Locking: policy}, compat.SessionsConfig{})
			e, _ := newEcho()
			e.Use(compat.Echo(st.sessions))
			e.GET("/chat", func(c echo.Context) error {
				if c.QueryParam("opened") != "" {
					if _, err := compat.Session(c); err != nil { // the handshake uses it too
						return err
					}
				}
				return chat(c, func(c echo.Context, text string) (answer string, err error) {
					err = compat.Message(c.Request().Context(), func(ctx context.Context) error {
						n, err := count(ctx)
						answer = fmt.Sprint(n)
						if text == "fail" {
							return errors.Join(err, errSilly)
						}
						return err
					})
					if errors.Is(err, core.ErrNotFound) && errors.Is(err, compat.ErrSent) {
						return "", nil
					}
					return answer, err
				})
			})
			e.GET("/count", func(c echo.Context) error {
				n, err := count(c.Request().Context())
				if err != nil {
					return err
				}
				return c.String(http.StatusOK, fmt.Sprint(n))
			})
			e.GET("/logout", func(c echo.Context) error {
				s, err := compat.Session(c)
				if err != nil {
					return err
				}
				return s.Invalidate(c.Request().Context())
			})
			addr := start(t, e)
			id := st.seed()
			one, two := connect(t, addr, "/chat", id), connect(t, addr, "/chat?opened=1", id)
			want := 1
			for _, from := range []*socket{one, two, one, two} {
				want++
				if got := from.ask(t, "count"); got != fmt.Sprint(want) {
					t.Errorf("a message counts %s, want %d", got, want)
				}
				if got := one.ask(t, "fail"); got != "silly" {
					t.Errorf("a message that fails: %q", got)
				}
				want++
				if _, got := do(t, addr, "GET", "/count", id); got != fmt.Sprint(want) {
					t.Errorf("a request counts %s, want %d: does the connection hold a lock?", got, want)
				}
			}
			do(t, addr, "GET", "/logout", id)
			for _, from := range []*socket{one, two} {
				if got := from.ask(t, "count"); got != "closed" {
					t.Errorf("after the logout: %q", got)
				}
			}
			if n := st.count(); n != 0 {
				t.Errorf("%d sessions came back to life", n)
			}
			if log := st.log.String(); log != "" {
				t.Errorf("log %s", log)
			}
		})
	}
}

// TestMessagesOfAStream is the same for server-sent events, where headers have left and the handler may still use its
// own session.
func TestMessagesOfAStream(t *testing.T) {
	st := newSite(t, core.Config{Locking: core.Serialized, LockWait: 1}, compat.SessionsConfig{})
	steps := make(chan func(ctx context.Context) string)
	e, _ := newEcho()
	e.GET("/events", func(c echo.Context) error {
		ctx := c.Request().Context()
		if _, err := compat.Session(c); err != nil {
			return err
		}
		if err := compat.Message(ctx, func(context.Context) error { return nil }); !errors.Is(err, compat.ErrNotSent) {
			t.Errorf("a message before the response: %v", err)
		}
		c.Response().Header().Set("Content-Type", "text/event-stream")
		c.Response().Flush()
		for step := range steps {
			fmt.Fprintf(c.Response(), "%s\n", step(ctx))
			c.Response().Flush()
		}
		return nil
	}, compat.Echo(st.sessions))
	addr := start(t, e)
	id := st.seed()
	c := dial(t, addr)
	c.send("GET /events HTTP/1.0\r\nCookie: sid=" + id + "\r\n\r\n")
	c.head()
	defer close(steps)
	say := func(want string, step func(ctx context.Context) string) {
		t.Helper()
		steps <- step
		if got := c.line(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	message := func(fn func(ctx context.Context) error) func(context.Context) string {
		return func(ctx context.Context) string { return fmt.Sprint(compat.Message(ctx, fn)) }
	}
	say("<nil>", message(func(ctx context.Context) error { _, err := count(ctx); return err }))
	if n := st.n(id); n != 2 {
		t.Errorf("n = %d while the stream is open", n)
	}
	say("compat: the response's headers have left already", message(func(ctx context.Context) error {
		s, err := compat.FromContext(ctx)
		if err != nil {
			return err
		}
		return s.Rotate(ctx, 0)
	}))
	say("http: connection has been hijacked", message(func(ctx context.Context) error {
		w := compat.ResponseOf(ctx)
		w.Header().Set("X", "y")
		w.WriteHeader(http.StatusTeapot)
		_, err := w.Write([]byte("x"))
		return err
	}))
	say("panic", func(ctx context.Context) (what string) {
		defer func() { what = fmt.Sprint("panic ", recover()) }()
		_ = compat.Message(ctx, func(ctx context.Context) error { _, _ = count(ctx); panic("boom") })
		return ""
	})
	say("compat: the request is over", func(ctx context.Context) string {
		var kept context.Context
		_ = compat.Message(ctx, func(ctx context.Context) error { kept = ctx; return nil })
		_, err := compat.FromContext(kept)
		return fmt.Sprint(err)
	})
	say("compat: Message: the handler holds the lock", func(ctx context.Context) string {
		s, err := compat.FromContext(ctx) // late, and so locked anew
		if err != nil {
			return err.Error()
		}
		err = compat.Message(ctx, func(context.Context) error { return nil })
		return fmt.Sprint(err, s.Rollback(ctx))
	})
	st.store.breakOn("Save", errors.New("disk full"))
	say("compat: commit session: ", message(func(ctx context.Context) error { _, err := count(ctx); return err }))
	st.store.breakOn("", nil)
	if n := st.n(id); n != 2 {
		t.Errorf("n = %d: something of what failed was saved", n)
	}
}

// TestMessageWithoutASession begins none.
func TestMessageWithoutASession(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		err := compat.Message(r.Context(), func(ctx context.Context) error { _, err := count(ctx); return err })
		if !errors.Is(err, core.ErrNotFound) || !errors.Is(err, compat.ErrSent) {
			t.Errorf("a message of nobody: %v", err)
		}
		err = compat.Message(r.Context(), func(ctx context.Context) error { _, err := compat.ExistingFromContext(ctx); return err })
		if !errors.Is(err, core.ErrNotFound) {
			t.Errorf("nobody's session: %v", err)
		}
	})))
	do(t, addr, "GET", "/", "")
	if st.count() != 0 {
		t.Error("a session began")
	}
	if err := compat.Message(t.Context(), nil); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("outside of a request: %v", err)
	}
}

// TestMessageAfterTheHandler is one that a goroutine takes over.
func TestMessageAfterTheHandler(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	got := make(chan error)
	returned := make(chan struct{})
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		compat.ResponseOf(r.Context()).AfterEnd(func() { close(returned) })
		ctx := context.WithoutCancel(r.Context())
		go func() {
			defer conn.Close()
			<-returned
			got <- compat.Message(ctx, func(ctx context.Context) error { _, err := count(ctx); return err })
		}()
	})))
	id := st.seed()
	dial(t, addr).request("GET", "/?sid="+id, "")
	if err := <-got; err != nil || st.n(id) != 2 {
		t.Errorf("%v, n = %d", err, st.n(id))
	}
}

// TestMessagesWhileTheHandlerReturns lets the handler of a connection return while a goroutine is in the middle of its
// messages, as it may for one that was hijacked.
func TestMessagesWhileTheHandlerReturns(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	ended := make(chan error, 1)
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		ctx := context.WithoutCancel(r.Context())
		begun := make(chan struct{})
		go func() {
			defer conn.Close()
			var err error
			for i := 0; i < 200 && err == nil; i++ {
				err = compat.Message(ctx, func(ctx context.Context) error {
					_, err := count(ctx)
					return err
				})
				if i == 0 {
					close(begun)
				}
			}
			ended <- err
		}()
		<-begun
	})))
	for range 5 {
		id := st.seed()
		before := st.n(id)
		c := dial(t, addr)
		c.request("GET", "/", id)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := st.n(id) - before; n != 200 {
			t.Errorf("%d messages were counted, want 200", n)
		}
	}
}
