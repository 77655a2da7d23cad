package bench

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/myghty"
)

// holdoverMyghty is an application of Myghty components, ported, with everything at its default.
var holdoverMyghty = Peer{
	Name:   "holdover-myghty",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", myghtyHandler) },
}

func myghtyHandler(store core.Store) (http.Handler, func() error, error) {
	m, err := core.New(managerID, store, core.Config{})
	if err != nil {
		return nil, nil, err
	}
	closer := func() error { return m.Close(context.Background()) }
	app, err := myghty.NewApplication(m, myghty.Config{})
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	for path, do := range map[string]work{"/read": readText, "/write": addOne, "/untouched": nil, "/new": fill, "/count": count} {
		if err := app.Add(path, myghtyComponent{do}); err != nil {
			return nil, nil, errors.Join(err, closer())
		}
	}
	e := echo.New()
	e.Any("/*", echo.WrapHandler(app.Handler()))
	return e, closer, nil
}

// myghtyComponent answers as the handlers of the other peers do. It saves in each request, which writes only what was
// changed.
type myghtyComponent struct{ do work } // nil to leave the session alone

func (c myghtyComponent) Run(m *myghty.Request) error {
	answer := okBody
	if c.do != nil {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		if answer, err = c.do(s.Core()); err != nil {
			return err
		}
		if answer == nil {
			return m.Abort(http.StatusNotFound, "")
		}
		if err := s.Save(); err != nil {
			return err
		}
	}
	m.SetContentType("text/plain")
	_, err := m.Write(answer)
	return err
}
