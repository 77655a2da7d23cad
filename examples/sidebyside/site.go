package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/examples/sidebyside/desk"
	"github.com/holdover-web/holdover/examples/sidebyside/lab"
	"github.com/holdover-web/holdover/examples/sidebyside/trip"
)

//go:embed static
var static embed.FS

//go:embed index.html message.html
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "*.html"))

// maxBodyBytes is the largest form that is read.
const maxBodyBytes = 64 << 10

// site is all that the program serves.
type site struct {
	handler  http.Handler
	managers []*core.Manager
}

// app is one application under its own path.
type app struct {
	Path  string // ends with a slash
	Title string
	About string // a sentence

	handler  http.Handler
	managers []*core.Manager
}

// newSite builds the applications on one store. The caller closes the site, and then the store.
func newSite(store core.Store, log *slog.Logger) (*site, error) {
	s := new(site)
	deskApp, err := desk.New("/desk", store, log)
	if err != nil {
		return nil, err
	}
	labApp, err := lab.New("/lab", store, log)
	if err != nil {
		return nil, err
	}
	tripApp, err := trip.New("/trip", store, log)
	if err != nil {
		return nil, err
	}
	apps := []app{
		{
			Path:  "/desk/",
			Title: "Help desk",
			About: "A small application as a Webware programmer wrote them: servlets, a login, a counter, a list of tickets that lives in the session.",

			handler:  deskApp.Handler(),
			managers: []*core.Manager{deskApp.Manager()},
		},
		{
			Path:  "/lab/",
			Title: "Race lab",
			About: "Two requests on one session at the same moment: see an update get lost as it did in Webware, and what each policy does about it.",

			handler:  labApp,
			managers: labApp.Managers(),
		},
		{
			Path:  "/trip/",
			Title: "Trip booking",
			About: "Four steps in the manner of Albatross: go Back, change your mind, open a second tab, and each page goes on from what it shows. A map draws your branches.",

			handler:  tripApp.Handler(),
			managers: []*core.Manager{tripApp.Manager()},
		},
	}

	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // there is no proxy to believe
	e.HTTPErrorHandler = showError
	e.GET("/", func(c echo.Context) error { return render(c, http.StatusOK, "index.html", apps) })
	e.GET("/static/*", echo.WrapHandler(http.FileServerFS(static)))
	for _, a := range apps {
		e.Any(a.Path+"*", echo.WrapHandler(a.handler))
		e.GET(a.Path[:len(a.Path)-1], func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, a.Path) })
		s.managers = append(s.managers, a.managers...)
	}
	s.handler = http.MaxBytesHandler(protect(e), maxBodyBytes)
	return s, nil
}

// close ends the applications' managers. The store stays open.
func (s *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	for _, m := range s.managers {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
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
