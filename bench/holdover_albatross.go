package bench

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/core"
)

// holdoverAlbatross is an application of Albatross pages that are chosen by the URL, ported, with its sessions found by a
// cookie and everything at its default.
var holdoverAlbatross = Peer{
	Name:   "holdover-albatross",
	Medium: Memory,
	Open:   func(string) (http.Handler, func() error, error) { return openHoldover("memory:", albatrossHandler) },
}

func albatrossHandler(store core.Store) (http.Handler, func() error, error) {
	m, err := core.New("bench", store, core.Config{})
	if err != nil {
		return nil, nil, err
	}
	closer := func() error { return m.Close(context.Background()) }
	app, err := albatross.NewApplication(m, albatross.Config{
		StartPage: "read", RandomPages: true, Secrets: albatross.Secrets{Current: make([]byte, 32)},
	})
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	for name, do := range map[string]albatrossWork{
		"read":      albatrossRead,
		"write":     albatrossWrite,
		"untouched": func(*albatross.Context) ([]byte, error) { return okBody, nil },
		"new":       albatrossCreate,
		"count":     albatrossCount,
	} {
		if err := app.RegisterPage(name, do); err != nil {
			return nil, nil, errors.Join(err, closer())
		}
	}
	e := echo.New()
	e.Any("/*", echo.WrapHandler(app.Handler()))
	return e, closer, nil
}

// albatrossWork is a page: what it does with its session. The answer is nil if the session does not hold what it should.
type albatrossWork func(*albatross.Context) (answer []byte, err error)

// PageDisplay answers as the handlers of the other peers do.
func (do albatrossWork) PageDisplay(ctx *albatross.Context) error {
	answer, err := do(ctx)
	if err != nil {
		return err
	}
	if answer == nil {
		return ctx.SetStatus(http.StatusNotFound)
	}
	if err := ctx.SetHeader("Content-Type", "text/plain"); err != nil {
		return err
	}
	_, err = ctx.Write(answer)
	return err
}

func albatrossRead(ctx *albatross.Context) ([]byte, error) {
	text, err := albatross.Get[string](ctx, textRead)
	if err != nil || text != wantText {
		return nil, err
	}
	return okBody, nil
}

func albatrossWrite(ctx *albatross.Context) ([]byte, error) {
	n, found, err := albatross.Lookup[int](ctx, counter)
	if err != nil || !found {
		return nil, err
	}
	return okBody, ctx.Locals.Set(counter, n+1)
}

func albatrossCreate(ctx *albatross.Context) ([]byte, error) {
	for _, v := range values {
		if err := ctx.DefaultSessionVar(v.name, v.of); err != nil {
			return nil, err
		}
	}
	return okBody, nil
}

func albatrossCount(ctx *albatross.Context) ([]byte, error) {
	n, found, err := albatross.Lookup[int](ctx, counter)
	if err != nil || !found {
		return nil, err
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}
