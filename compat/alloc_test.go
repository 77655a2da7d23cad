package compat_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// nullWriter is a response writer that costs nothing.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

// shape is one request that is served over and over: a session of ten names and one kilobyte.
type shape struct {
	name   string
	cookie bool
	handle echo.HandlerFunc
	bare   bool  // no sessions around
	allocs int64 // at most
	calls  int64 // store calls, exactly
}

var contentType = []string{"text/plain"}

func answer(c echo.Context) error {
	c.Response().Header()["Content-Type"] = contentType
	_, err := io.WriteString(c.Response(), "a small page")
	return err
}

var shapes = []shape{
	{name: "Bare", cookie: true, handle: answer, bare: true},
	{name: "Untouched", cookie: true, handle: answer},
	{name: "Read", cookie: true, allocs: 8, calls: 1, handle: func(c echo.Context) error {
		s, err := compat.Session(c, core.ReadOnly)
		if err != nil {
			return err
		}
		if v, err := core.Get[string](s, "name3"); err != nil || v == "" {
			return errors.Join(err, errors.New("no value"))
		}
		return answer(c)
	}},
	{name: "Write", cookie: true, allocs: 14, calls: 2, handle: func(c echo.Context) error {
		s, err := compat.Session(c)
		if err != nil {
			return err
		}
		n, err := core.Get[int](s, "n")
		if err != nil {
			return err
		}
		if err := s.Set("n", n+1); err != nil {
			return err
		}
		return answer(c)
	}},
	{name: "New", calls: 1, handle: func(c echo.Context) error {
		s, err := compat.Session(c)
		if err != nil {
			return err
		}
		if err := s.Set("n", 1); err != nil {
			return err
		}
		return answer(c)
	}},
}

// serve prepares the shape and returns a function that serves one request.
func (sh shape) serve(t testing.TB, store core.Store) func() {
	m, err := core.New("test", store, core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(t.Context()), store.Close()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	sessions, err := compat.NewSessions(m, compat.SessionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	if !sh.bare {
		e.Use(compat.Echo(sessions))
	}
	e.GET("/", sh.handle)
	r := httptest.NewRequest("GET", "/", nil)
	if sh.cookie {
		s, err := m.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 9 {
			err = errors.Join(err, s.Set(fmt.Sprint("name", i), strings.Repeat("v", 100)))
		}
		if err := errors.Join(err, s.Set("n", 0), s.Commit(t.Context())); err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: sessions.CookieName(), Value: s.ID()})
	}
	w := &nullWriter{h: make(http.Header)}
	return func() {
		clear(w.h)
		e.ServeHTTP(w, r)
	}
}

func TestAllocationsAndStoreCalls(t *testing.T) {
	bare := int64(0)
	for _, sh := range shapes {
		t.Run(sh.name, func(t *testing.T) {
			store := &spyStore{Store: memstore.New(memstore.Config{})}
			serve := sh.serve(t, store)
			serve() // fill the pools
			before := store.calls.Load()
			serve()
			if calls := store.calls.Load() - before; calls != sh.calls {
				t.Errorf("%d store calls, want %d", calls, sh.calls)
			}
			allocs := int64(testing.AllocsPerRun(1000, serve))
			t.Logf("%d allocations", allocs)
			limit := sh.allocs
			switch sh.name {
			case "Bare":
				bare, limit = allocs, allocs
			case "Untouched":
				limit = bare + 2
			case "New":
				return // no promise
			}
			if allocs > limit && !raceDetector {
				t.Errorf("%d allocations, want at most %d", allocs, limit)
			}
		})
	}
}

func benchmark(b *testing.B, name string) {
	for _, sh := range shapes {
		if sh.name != name {
			continue
		}
		serve := sh.serve(b, memstore.New(memstore.Config{MaxSessions: 10_000}))
		b.ReportAllocs()
		for b.Loop() {
			serve()
		}
	}
}

func BenchmarkBare(b *testing.B)      { benchmark(b, "Bare") }
func BenchmarkUntouched(b *testing.B) { benchmark(b, "Untouched") }
func BenchmarkRead(b *testing.B)      { benchmark(b, "Read") }
func BenchmarkWrite(b *testing.B)     { benchmark(b, "Write") }
func BenchmarkNew(b *testing.B)       { benchmark(b, "New") }
