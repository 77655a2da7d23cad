package bench

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/filestore"
	_ "github.com/holdover-web/holdover/core/memstore"
)

// holdoverCompat is Holdover for plain Echo handlers, on the memory store, with everything at its
// default.
var holdoverCompat = Peer{
	Name:   "holdover-compat",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", compatHandler) },
}

// holdoverWSGI is the same for applications in the manner of WSGI.
var holdoverWSGI = Peer{
	Name:   "holdover-wsgi",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", wsgiHandler) },
}

// holdoverHello is an application in the manner of WSGI that says hello and has no session: what the interface itself costs.
var holdoverHello = Peer{
	Name:   "holdover-wsgi-hello",
	Medium: Nowhere,
	Bare:   true,
	Ops:    []Op{Untouched},
	Open: func(string) (http.Handler, func() error, error) {
		hello := compat.EchoHandler(compat.ApplicationFunc(helloApp), compat.HandlerConfig{})
		e := echo.New()
		for _, op := range Ops {
			e.GET("/"+string(op), hello)
		}
		return e, closeNothing, nil
	},
}

// helloApp is the first application of PEP 3333.
func helloApp(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if _, err := start("200 OK", helloHeaders, nil); err != nil {
		return nil, err
	}
	return compat.Bytes(okBody), nil
}

var helloHeaders = []compat.Header{{Name: "Content-Type", Value: "text/plain"}}

// holdoverFile is holdoverCompat on the file store.
func holdoverFile(name string, m Medium, durability string) Peer {
	return Peer{
		Name:   name,
		Medium: m,
		Open: func(dir string) (http.Handler, func() error, error) {
			return openHoldover("file:"+dir+"?durability="+durability, compatHandler)
		},
	}
}

// openHoldover builds a handler on a store of its own.
func openHoldover(url string, build func(core.Store) (http.Handler, func() error, error)) (http.Handler, func() error, error) {
	store, err := core.OpenStore(context.Background(), url)
	if err != nil {
		return nil, nil, err
	}
	return openOn(store, build)
}

// openOn builds a handler on a store, which is closed with it.
func openOn(store core.Store, build func(core.Store) (http.Handler, func() error, error)) (http.Handler, func() error, error) {
	h, closer, err := build(store)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return h, func() error { return errors.Join(closer(), store.Close()) }, nil
}

// managerID is whose sessions they are.
const managerID = "bench"

// withSessions gives the handlers sessions of a manager of their own.
func withSessions(store core.Store, cfg core.Config, h handlers) (http.Handler, func() error, error) {
	m, err := core.New(managerID, store, cfg)
	if err != nil {
		return nil, nil, err
	}
	closer := func() error { return m.Close(context.Background()) }
	s, err := compat.NewSessions(m, compat.SessionsConfig{})
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	return serve(h, compat.Echo(s)), closer, nil
}

// compatHandler serves Echo handlers, with everything at its default.
func compatHandler(store core.Store) (http.Handler, func() error, error) {
	return compatWith(core.Config{})(store)
}

// compatWith serves Echo handlers. The options are what those that only read open their session with.
func compatWith(cfg core.Config, reading ...core.OpenOption) func(core.Store) (http.Handler, func() error, error) {
	on := func(do work, opts ...core.OpenOption) echo.HandlerFunc {
		return func(c echo.Context) error {
			s, err := compat.Session(c, opts...)
			if err != nil {
				return err
			}
			answer, err := do(s)
			if err != nil {
				return err
			}
			if answer == nil {
				return missing(c)
			}
			return c.Blob(http.StatusOK, "text/plain", answer)
		}
	}
	return func(store core.Store) (http.Handler, func() error, error) {
		return withSessions(store, cfg, handlers{read: on(readText, reading...), write: on(addOne), create: on(fill), count: on(count)})
	}
}

// wsgiHandler serves WSGI applications.
func wsgiHandler(store core.Store) (http.Handler, func() error, error) {
	headers := []compat.Header{{Name: "Content-Type", Value: "text/plain"}}
	on := func(do work) echo.HandlerFunc {
		app := func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			s, err := env.Session()
			if err != nil {
				return nil, err
			}
			answer, err := do(s)
			if err != nil {
				return nil, err
			}
			status := "200 OK"
			if answer == nil {
				status = "404 Not Found"
			}
			if _, err := start(status, headers, nil); err != nil {
				return nil, err
			}
			return compat.Bytes(answer), nil
		}
		return compat.EchoHandler(compat.ApplicationFunc(app), compat.HandlerConfig{})
	}
	return withSessions(store, core.Config{}, handlers{read: on(readText), write: on(addOne), create: on(fill), count: on(count)})
}

// work is what a handler does with its session. The answer is nil if the session does not hold what
// it should.
type work func(*core.Session) (answer []byte, err error)

func readText(s *core.Session) ([]byte, error) {
	text, err := core.Get[string](s, textRead)
	if err != nil || text != wantText {
		return nil, err
	}
	return okBody, nil
}

func addOne(s *core.Session) ([]byte, error) {
	n, found, err := core.Lookup[int](s, counter)
	if err != nil || !found {
		return nil, err
	}
	return okBody, s.Set(counter, n+1)
}

func fill(s *core.Session) ([]byte, error) {
	for _, v := range values {
		if err := s.Set(v.name, v.of); err != nil {
			return nil, err
		}
	}
	return okBody, nil
}

func count(s *core.Session) ([]byte, error) {
	n, found, err := core.Lookup[int](s, counter)
	if err != nil || !found {
		return nil, err
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}
