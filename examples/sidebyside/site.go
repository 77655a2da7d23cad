package main

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/examples/sidebyside/blog"
	"github.com/holdover-web/holdover/examples/sidebyside/desk"
	"github.com/holdover-web/holdover/examples/sidebyside/gallery"
	"github.com/holdover-web/holdover/examples/sidebyside/hosts"
	"github.com/holdover-web/holdover/examples/sidebyside/lab"
	"github.com/holdover-web/holdover/examples/sidebyside/native"
	"github.com/holdover-web/holdover/examples/sidebyside/notes"
	"github.com/holdover-web/holdover/examples/sidebyside/trip"
)

//go:embed apps.ini
var builtIn string

//go:embed static
var static embed.FS

//go:embed index.html message.html
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "*.html"))

// newLoader returns a loader that knows the applications of the program. A file says which of them are there, and where.
func newLoader(opts options, log *slog.Logger) *deploy.Loader {
	l := deploy.NewLoader()
	l.Vars = map[string]string{"cache": escapeURL(opts.cache), "handover_key": rand.Text() + rand.Text()}
	l.Overrides = opts.overrides
	l.Logger = log
	l.App("index", newIndex)
	for _, register := range []func(*deploy.Loader){desk.Register, notes.Register, gallery.Register, trip.Register, lab.Register,
		blog.Register, native.Register, hosts.Register} {
		register(l)
	}
	return l
}

// newHandler puts what all pages need around a site: the files that they link to, on every host, and protection.
func newHandler(site *deploy.Site) (http.Handler, error) {
	e := newEcho()
	e.GET("/static/*", echo.WrapHandler(http.FileServerFS(static)))
	e.Any("/*", echo.WrapHandler(site))
	return protect(e), nil
}

func newEcho() *echo.Echo {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // there is no proxy to believe
	e.HTTPErrorHandler = showError
	return e
}

// protect refuses changes that other sites' pages send with our users' cookies, and tells browsers what our own pages
// are allowed to do.
func protect(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// showError answers what no application answers.
func showError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	code := http.StatusInternalServerError
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		code = he.Code
	}
	page := struct {
		Code int
		Text string
	}{code, http.StatusText(code)}
	if err := render(c, code, "message.html", page); err != nil {
		c.Logger().Error(err)
	}
}

func render(c echo.Context, code int, name string, data any) error {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	return c.HTMLBlob(code, page.Bytes())
}
