package bench

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// holdoverWebKit is an application of WebKit servlets, ported, with everything at its default.
var holdoverWebKit = Peer{
	Name:   "holdover-webkit",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", webkitHandler) },
}

func webkitHandler(store core.Store) (http.Handler, func() error, error) {
	m, err := core.New("bench", store, core.Config{})
	if err != nil {
		return nil, nil, err
	}
	closer := func() error { return m.Close(context.Background()) }
	app, err := webkit.NewApplication(m, webkit.Config{})
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	for path, do := range map[string]webkitWork{
		"/read":      webkitRead,
		"/write":     webkitWrite,
		"/untouched": nil,
		"/new":       webkitCreate,
		"/count":     webkitCount,
	} {
		if err := app.Add(path, func() webkit.Servlet { return &webkitServlet{do: do} }); err != nil {
			return nil, nil, errors.Join(err, closer())
		}
	}
	e := echo.New()
	e.Any("/*", echo.WrapHandler(app.Handler()))
	return e, closer, nil
}

// webkitWork is what a servlet does with its session. The answer is nil if the session does not hold
// what it should.
type webkitWork func(*webkit.Session) (answer []byte, err error)

// webkitServlet answers as the handlers of the other peers do.
type webkitServlet struct {
	webkit.HTTPServlet
	do webkitWork // nil to leave the session alone
}

func (s *webkitServlet) RespondToGet(t *webkit.Transaction) error {
	answer := okBody
	if s.do != nil {
		session, err := t.Session()
		if err != nil {
			return err
		}
		if answer, err = s.do(session); err != nil {
			return err
		}
	}
	if answer == nil {
		return t.Response().SetStatus(http.StatusNotFound, "")
	}
	if err := t.Response().SetHeader("Content-Type", "text/plain"); err != nil {
		return err
	}
	_, err := t.Response().Write(answer)
	return err
}

func webkitRead(s *webkit.Session) ([]byte, error) {
	text, err := s.ValueDefault(textRead, nil)
	if err != nil || text != wantText {
		return nil, err
	}
	return okBody, nil
}

func webkitWrite(s *webkit.Session) ([]byte, error) {
	v, err := s.ValueDefault(counter, nil)
	n, found := v.(int)
	if err != nil || !found {
		return nil, err
	}
	return okBody, s.SetValue(counter, n+1)
}

func webkitCreate(s *webkit.Session) ([]byte, error) {
	for _, v := range values {
		if err := s.SetValue(v.name, v.of); err != nil {
			return nil, err
		}
	}
	return okBody, nil
}

func webkitCount(s *webkit.Session) ([]byte, error) {
	v, err := s.ValueDefault(counter, nil)
	n, found := v.(int)
	if err != nil || !found {
		return nil, err
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}
