package bench

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webstack"
)

// holdoverWebStack is an application of WebStack resources, ported, with everything at its default: sessions are
// serialized, and those who only read say so.
var holdoverWebStack = Peer{
	Name:   "holdover-webstack",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", webstackHandler) },
}

func webstackHandler(store core.Store) (http.Handler, func() error, error) {
	cfg, err := webstack.Settings(nil).ManagerConfig(core.Config{})
	if err != nil {
		return nil, nil, err
	}
	m, err := core.New(managerID, store, cfg)
	if err != nil {
		return nil, nil, err
	}
	closer := func() error { return m.Close(context.Background()) }
	app, err := webstack.NewApplication(m, webstack.Config{Resource: &webstack.MapResource{Mapping: map[string]webstack.Resource{
		"read":      webstackResource(webstackRead, core.ReadOnly),
		"write":     webstackResource(webstackWrite),
		"untouched": webstack.ResourceFunc(func(t *webstack.Transaction) error { return webstackAnswer(t, okBody) }),
		"new":       webstackResource(webstackCreate),
		"count":     webstackResource(webstackCount, core.ReadOnly),
	}}})
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	e := echo.New()
	e.Any("/*", echo.WrapHandler(app.Handler()))
	return e, closer, nil
}

// webstackResource answers as the handlers of the other peers do. The answer of do is nil if the session does not hold
// what it should.
func webstackResource(do func(*webstack.Session) (answer []byte, err error), opts ...core.OpenOption) webstack.ResourceFunc {
	return func(t *webstack.Transaction) error {
		s, err := t.GetSession(true, opts...)
		if err != nil {
			return err
		}
		answer, err := do(s)
		if err != nil {
			return err
		}
		return webstackAnswer(t, answer)
	}
}

func webstackAnswer(t *webstack.Transaction, answer []byte) error {
	if answer == nil {
		return t.SetResponseCode(http.StatusNotFound)
	}
	if err := t.SetContentType(webstack.ContentType{MediaType: "text/plain"}); err != nil {
		return err
	}
	_, err := t.GetResponseStream().Write(answer)
	return err
}

func webstackRead(s *webstack.Session) ([]byte, error) {
	v, err := s.GetDefault(textRead, nil)
	if err != nil || v != wantText {
		return nil, err
	}
	return okBody, nil
}

func webstackWrite(s *webstack.Session) ([]byte, error) {
	v, err := s.GetDefault(counter, nil)
	n, found := v.(int)
	if err != nil || !found {
		return nil, err
	}
	return okBody, s.Set(counter, n+1)
}

func webstackCreate(s *webstack.Session) ([]byte, error) {
	for _, v := range values {
		if err := s.Set(v.name, v.of); err != nil {
			return nil, err
		}
	}
	return okBody, nil
}

func webstackCount(s *webstack.Session) ([]byte, error) {
	v, err := s.GetDefault(counter, nil)
	n, found := v.(int)
	if err != nil || !found {
		return nil, err
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}
