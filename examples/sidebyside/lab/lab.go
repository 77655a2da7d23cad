// Package lab is a WebKit application in which the lost update of Webware's sessions can be seen to happen, and what
// each of Holdover's policies makes of the same two requests. The application is mounted once for each policy, with
// sessions of its own; a page in front runs the races and draws them.
//
// The servlets answer GET and POST in JSON:
//
//	put?name=N&value=V&ms=T   stores a text, then waits
//	incr?name=N&ms=T          reads a number, waits, stores one more
//	append?name=N&value=V     fetches a list and adds to it in place
//	slow?ms=T                 opens the session for writing, reads, waits, changes nothing
//	show                      opens the session for reading only
//	rotate                    gives the session a new id
//	logout                    ends the session
//
// T is in milliseconds and at most 5000; more is taken as 5000. The answer tells the session's values as this request
// sees them, whether it changed them, how long it waited until it had the session, and how long the servlet took
// altogether, without the saving, which comes after it:
//
//	{"policy":"merge","values":{"drink":"tea"},"dirty":true,"waited_ms":0,"took_ms":502}
//
// or, with a status that fits, {"error":"..."}.
package lab

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// policy is one way to mount the application.
type policy struct {
	Name        string // part of the path, and of the manager's id
	Title       string
	Settings    string
	About       string
	SavesAlways bool // Webware's AlwaysSaveSessions

	locking core.LockingPolicy
}

var policies = []policy{
	{
		Name:        "legacy",
		Title:       "Legacy",
		Settings:    "AlwaysSaveSessions, core.Lossy",
		About:       "As Webware did it: the end of each request saves the whole session, changed or not. The last one to end wins.",
		SavesAlways: true,
		locking:     core.Lossy,
	},
	{
		Name:     "lossy",
		Title:    "Lossy",
		Settings: "core.Lossy",
		About:    "Only a request that changed something saves, but it saves the whole session.",
		locking:  core.Lossy,
	},
	{
		Name:     "optimistic",
		Title:    "Optimistic",
		Settings: "core.Optimistic",
		About:    "Nobody waits, and the first to save wins. Who comes second is told so instead of overwriting.",
		locking:  core.Optimistic,
	},
	{
		Name:     "serialized",
		Title:    "Serialized",
		Settings: "core.Serialized",
		About:    "One request at a time has the session for writing. The others wait in line.",
		locking:  core.Serialized,
	},
	{
		Name:     "merge",
		Title:    "Merge",
		Settings: "core.Merge",
		About:    "Each request writes only the names that it has changed. This is Holdover's default.",
		locking:  core.Merge,
	},
}

// lockWait is how long a request waits in line under Serialized: two of the longest ones.
const lockWait = 2 * maxWait

//go:embed assets
var assets embed.FS

var page = template.Must(template.ParseFS(assets, "assets/page.html"))

// Register makes the page known as lab, and the application for each policy as lab-legacy and so on. The page looks for
// them below itself, at legacy/ and so on.
func Register(l *deploy.Loader) {
	l.App("lab", newPage)
	for _, p := range policies {
		l.App("lab-"+p.Name, p.factory())
	}
}

// newPage makes the page that runs the races, with its scripts.
func newPage(*deploy.Section) (compat.Application, error) {
	var html bytes.Buffer
	if err := page.Execute(&html, policies); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	mux := new(http.ServeMux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "page.html", time.Time{}, bytes.NewReader(html.Bytes()))
	})
	for _, name := range []string{"lab.js", "race.js", "timeline.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, assets, "assets/"+name)
		})
	}
	return deploy.FromHandler(mux), nil
}

// factory makes the application for one policy.
func (p policy) factory() deploy.AppFactory {
	return webkit.Deploy(webkit.Config{
		Settings:   webkit.Settings{"AlwaysSaveSessions": p.SavesAlways, "ExtraPathInfo": false},
		ErrorPages: []webkit.ErrorPage{{URL: "/failure"}},
	}, core.Config{Locking: p.locking, LockWait: lockWait}, p.addServlets)
}

func (p policy) addServlets(app *webkit.Application, _ *deploy.Section) error {
	base := servlet{policy: p.Name}
	return errors.Join(
		app.Add("/put", func() webkit.Servlet { return &put{base} }),
		app.Add("/incr", func() webkit.Servlet { return &incr{base} }),
		app.Add("/append", func() webkit.Servlet { return &appendTo{base} }),
		app.Add("/slow", func() webkit.Servlet { return &slow{base} }),
		app.Add("/show", func() webkit.Servlet { return &show{base} }),
		app.Add("/rotate", func() webkit.Servlet { return &rotate{base} }),
		app.Add("/logout", func() webkit.Servlet { return &logout{base} }),
		app.Add("/failure", func() webkit.Servlet { return new(failure) }),
	)
}
