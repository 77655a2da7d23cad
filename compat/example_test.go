package compat_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// visit requests h twice with the cookie that it sets, and prints the answers.
func visit(h http.Handler) {
	var cookies []*http.Cookie
	for range 2 {
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		cookies = append(cookies, rec.Result().Cookies()...)
		fmt.Println(rec.Body.String())
	}
}

// newSessions is what a program does once, when it starts.
func newSessions() (*compat.Sessions, func()) {
	store := memstore.New(memstore.Config{})
	manager, err := core.New("shop", store, core.Config{})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := compat.NewSessions(manager, compat.SessionsConfig{})
	if err != nil {
		log.Fatal(err)
	}
	return sessions, func() {
		if err := manager.Close(context.Background()); err != nil {
			log.Print(err)
		}
		if err := store.Close(); err != nil {
			log.Print(err)
		}
	}
}

// A net/http handler with a session.
func ExampleSessions_Middleware() {
	sessions, stop := newSessions()
	defer stop()
	visit(sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := compat.FromContext(r.Context())
		if err != nil {
			http.Error(w, "busy", compat.StatusOf(err))
			return
		}
		n, err := core.Get[int](s, "visits")
		if err == nil {
			err = s.Set("visits", n+1)
		}
		if err != nil {
			http.Error(w, "broken", compat.StatusOf(err))
			return
		}
		fmt.Fprint(w, "visit ", n+1)
	})))
	// Output:
	// visit 1
	// visit 2
}

// A new page in plain Echo. An error rolls the session back.
func ExampleEcho() {
	sessions, stop := newSessions()
	defer stop()
	e := echo.New()
	e.Use(compat.Echo(sessions))
	e.GET("/", func(c echo.Context) error {
		s, err := compat.Session(c)
		if err != nil {
			return err
		}
		n, err := core.Get[int](s, "visits")
		if err != nil {
			return err
		}
		if err := s.Set("visits", n+1); err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprint("visit ", n+1))
	})
	visit(e)
	// Output:
	// visit 1
	// visit 2
}

// A WSGI application, as it would be written in Python, beside other pages.
func ExampleEchoMount() {
	sessions, stop := newSessions()
	defer stop()
	hello := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		s, err := env.Session()
		if err != nil {
			return nil, err
		}
		n, err := core.Get[int](s, "visits")
		if err != nil {
			return nil, err
		}
		if err := s.Set("visits", n+1); err != nil {
			return nil, err
		}
		if _, err := start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/plain"}}, nil); err != nil {
			return nil, err
		}
		return compat.Text(fmt.Sprintf("%s, visit %d", env.PathInfo(), n+1)), nil
	})
	e := echo.New()
	compat.EchoMount(e, "", hello, compat.HandlerConfig{}, compat.Echo(sessions))
	visit(e)
	// Output:
	// /, visit 1
	// /, visit 2
}
