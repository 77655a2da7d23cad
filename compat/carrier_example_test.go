package compat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// exampleSessions is newSessions with a configuration. Errors are left out here.
func exampleSessions(cfg compat.SessionsConfig) *compat.Sessions {
	manager, _ := core.New("shop", memstore.New(memstore.Config{}), core.Config{SweepInterval: -1})
	sessions, _ := compat.NewSessions(manager, cfg)
	return sessions
}

// A page for clients without cookies: links of the site carry the session's id, others do not.
func ExampleSessions_URL() {
	sessions := exampleSessions(compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByCookie, compat.ByQuery, compat.ByField}})
	h := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Session(r.Context())
		if err == nil {
			err = s.Set("seen", true)
		}
		if err != nil {
			http.Error(w, "busy", compat.StatusOf(err))
			return
		}
		page := sessions.URL(r.Context(), "cart?show=all") + "\n" + sessions.URL(r.Context(), "https://example.org/") + "\n" + sessions.Field(r.Context())
		fmt.Fprint(w, strings.ReplaceAll(page, s.ID(), "ID"))
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/shop", nil))
	fmt.Println(rec.Body)
	fmt.Println(rec.Header().Get("Referrer-Policy"))
	// Output:
	// cart?show=all&sid=ID
	// https://example.org/
	// <input type="hidden" name="sid" value="ID">
	// same-origin
}

// Echo's routes, with the id in front of the path.
func ExampleSessions_PathIDs() {
	sessions := exampleSessions(compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByCookie, compat.ByPath}})
	e := echo.New()
	e.Use(compat.Echo(sessions))
	e.GET("/page", func(c echo.Context) error { return c.String(http.StatusOK, "the page at "+c.Request().URL.Path) })
	rec := httptest.NewRecorder()
	sessions.PathIDs(e).ServeHTTP(rec, httptest.NewRequest("GET", "/sid=whatever/page", nil))
	fmt.Println(rec.Body)
	// Output:
	// the page at /page
}

// A call of a program, whose first argument is the session's id.
func ExampleSessions_OpenID() {
	sessions := exampleSessions(compat.SessionsConfig{})
	call := func(ctx context.Context, id string) string {
		s, err := sessions.OpenID(ctx, id)
		if errors.Is(err, core.ErrNotFound) {
			if s, err = sessions.CreateID(ctx); err == nil {
				err = errors.Join(s.Set("calls", 0))
			}
		}
		if err != nil {
			return err.Error()
		}
		n, _ := core.Get[int](s, "calls")
		fmt.Println("call", n+1)
		_ = s.Set("calls", n+1)
		return s.ID()
	}
	id := "unknown"
	h := sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = call(r.Context(), id) }))
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/RPC2", nil))
	}
	// Output:
	// call 1
	// call 2
}

// One of two hosts that share their sessions. The other is built alike, mostly in another process.
func ExampleHandover() {
	sessions := exampleSessions(compat.SessionsConfig{})
	handover, err := compat.NewHandover(sessions, compat.HandoverConfig{
		Sites:      []string{"https://shop.example.org", "https://admin.example.org"},
		CurrentKey: []byte("at least 32 random bytes, from a secret file"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer handover.Close(context.Background())
	h := handover.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		link, err := handover.Link(r.Context(), "https://admin.example.org/reports")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `<a href="%s">reports</a>`, link)
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "https://shop.example.org/", nil))
	fmt.Println(rec.Body)
	// Output:
	// <a href="https://admin.example.org/reports?handover=from.aHR0cHM6Ly9zaG9wLmV4YW1wbGUub3Jn">reports</a>
}

// A group of Echo's routes where two requests of one session wait for each other, and a page of it that only reads.
func ExampleEchoPolicy() {
	sessions := exampleSessions(compat.SessionsConfig{})
	e := echo.New()
	e.Use(compat.Echo(sessions))
	cart := e.Group("/cart", compat.EchoPolicy(core.Serialized))
	cart.POST("/add", func(c echo.Context) error {
		s, err := compat.Session(c)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, s.Locking().String())
	})
	cart.GET("/show", func(c echo.Context) error { return c.NoContent(http.StatusOK) }, compat.EchoPolicy(core.ReadOnly))
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("POST", "/cart/add", nil))
	fmt.Println(rec.Body)
	// Output:
	// serialized
}

// A stream of events that reads its session anew for each of them.
func ExampleMessage() {
	sessions := exampleSessions(compat.SessionsConfig{})
	e := echo.New()
	e.Use(compat.Echo(sessions))
	e.GET("/events", func(c echo.Context) error {
		c.Response().Header().Set("Content-Type", "text/event-stream")
		c.Response().Flush()
		for range 2 { // until the client hangs up
			err := compat.Message(c.Request().Context(), func(ctx context.Context) error {
				s, err := compat.ExistingFromContext(ctx, core.ReadOnly)
				if err != nil {
					return err
				}
				user, err := core.Get[string](s, "user")
				if err == nil {
					_, err = fmt.Fprintf(c.Response(), "data: hello %s\n\n", user)
				}
				return err
			})
			if errors.Is(err, core.ErrNotFound) { // logged out
				_, err = fmt.Fprint(c.Response(), "event: bye\n\n")
				return err
			}
			if err != nil {
				return err
			}
			c.Response().Flush()
		}
		return nil
	})
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output:
	// event: bye
}
