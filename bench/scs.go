package bench

import (
	"net/http"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/labstack/echo/v4"
)

// scsMemory is alexedwards/scs as its documentation sets it up, with its memory store.
var scsMemory = Peer{
	Name:   "scs-memory",
	Medium: Memory,
	Open: func(string) (http.Handler, func() error, error) {
		store := memstore.New()
		m := scs.New()
		m.Store = store
		closer := func() error {
			store.StopCleanup()
			return nil
		}
		return scsHandlers{m}.serve(), closer, nil
	},
}

type scsHandlers struct{ m *scs.SessionManager }

func (s scsHandlers) serve() http.Handler {
	return serve(handlers{read: s.read, write: s.write, create: s.create, count: s.count}, echo.WrapMiddleware(s.m.LoadAndSave))
}

func (s scsHandlers) read(c echo.Context) error {
	if s.m.GetString(c.Request().Context(), textRead) != wantText {
		return missing(c)
	}
	return ok(c)
}

func (s scsHandlers) write(c echo.Context) error {
	ctx := c.Request().Context()
	n, found := s.m.Get(ctx, counter).(int)
	if !found {
		return missing(c)
	}
	s.m.Put(ctx, counter, n+1)
	return ok(c)
}

func (s scsHandlers) create(c echo.Context) error {
	ctx := c.Request().Context()
	for _, v := range values {
		s.m.Put(ctx, v.name, v.of)
	}
	return ok(c)
}

func (s scsHandlers) count(c echo.Context) error {
	n, found := s.m.Get(c.Request().Context(), counter).(int)
	if !found {
		return missing(c)
	}
	return number(c, n)
}
