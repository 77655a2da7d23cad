// Package gallery is a page of twelve pictures and three frames, written as a Myghty programmer would have written it and
// then ported. All fifteen come for the same session at the same time, and each of them saves something in it: this is what
// Myghty's read-then-unlock was made for. The page can also be loaded as under mod_python, where each request held the
// session's lock while it worked, to see the difference.
package gallery

import (
	"errors"
	"time"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/myghty"
)

// What is on the page, and how long each of them takes to make.
const (
	pictures = 12
	frames   = 3
	parts    = pictures + frames
	workTime = 120 * time.Millisecond
)

// Register makes the application known as gallery.
func Register(l *deploy.Loader) {
	l.App("gallery", myghty.Deploy(myghty.Config{}, core.Config{}, addComponents))
}

func addComponents(app *myghty.Application, _ *deploy.Section) error {
	return errors.Join(
		app.AddFunc("/", page),
		app.AddFunc("/picture", picture),
		app.AddFunc("/frame", frame),
		app.AddFunc("/times", times),
		app.AddFunc("/again", again),
		app.AddFunc("/gallery.js", asset("gallery.js", "text/javascript; charset=utf-8")),
		app.AddFunc("/gallery.css", asset("gallery.css", "text/css; charset=utf-8")),
	)
}
