// Package native is what a team writes after the move: plain Echo pages, beside the ported application and on its sessions.
// Who has signed in at the help desk is known here.
package native

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Names of the session's values: those of the help desk, and our own.
const (
	userName   = "user"
	visitsName = "native visits"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Register makes the application known as native.
func Register(l *deploy.Loader) { l.App("native", New) }

// New makes the pages for a section, which says by sessions = NAME whose sessions they use.
func New(s *deploy.Section) (compat.Application, error) {
	sessions, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // there is no proxy to believe
	e.HTTPErrorHandler = fail
	e.Use(compat.Echo(sessions))
	e.GET("/", show)
	e.POST("/", count)
	return deploy.FromHandler(e), nil
}

// fail answers for a handler that returned an error. What it did to the session is taken back already.
func fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	code := compat.StatusOf(err)
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		code = he.Code
	}
	if err := c.String(code, http.StatusText(code)+"\n"); err != nil {
		c.Logger().Error(err)
	}
}

// show begins no session.
func show(c echo.Context) error {
	s, err := compat.Session(c, core.ReadOnly)
	if err != nil {
		return err
	}
	return render(c, s)
}

// count adds one, and fails halfway if it is asked to.
func count(c echo.Context) error {
	s, err := compat.Session(c)
	if err != nil {
		return err
	}
	n, err := core.Get[int](s, visitsName)
	if err != nil {
		return err
	}
	if err := s.Set(visitsName, n+1); err != nil {
		return err
	}
	if c.FormValue("fail") != "" {
		return echo.NewHTTPError(http.StatusTeapot, "as you wish")
	}
	return c.Redirect(http.StatusSeeOther, ".")
}

func render(c echo.Context, s *core.Session) error {
	var view struct {
		User    string
		Visits  int
		Manager string
	}
	var err error
	if view.User, err = core.Get[string](s, userName); err != nil {
		return err
	}
	if view.Visits, err = core.Get[int](s, visitsName); err != nil {
		return err
	}
	view.Manager = s.Manager().ID()
	var html bytes.Buffer
	if err := page.Execute(&html, view); err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.HTMLBlob(http.StatusOK, html.Bytes())
}
