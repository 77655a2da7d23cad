// Package gallery is a page of twelve pictures and three frames, written as a Myghty programmer would have written it and
// then ported. All fifteen come for the same session at the same time, and each of them saves something in it: this is what
// Myghty's read-then-unlock was made for. The page can also be loaded as under mod_python, where each request held the
// session's lock while it worked, to see the difference.
package gallery

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

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

// New returns the application for the paths below prefix, such as "/gallery", with its sessions in store. The caller closes
// its Manager.
func New(prefix string, store core.Store, log *slog.Logger) (*myghty.Application, error) {
	options := myghty.Options{"session_key": "gallery_session_id", "session_timeout": 3600, "cookie_path": prefix + "/"}
	settings, err := options.Settings(core.Config{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("gallery: %w", err)
	}
	m, err := core.New("gallery", store, settings.Manager)
	if err != nil {
		return nil, fmt.Errorf("gallery: %w", err)
	}
	app, err := myghty.NewApplication(m, myghty.Config{Prefix: prefix, Options: options})
	if err != nil {
		return nil, fmt.Errorf("gallery: %w", err)
	}
	return app, errors.Join(
		app.AddFunc("/", page),
		app.AddFunc("/picture", picture),
		app.AddFunc("/frame", frame),
		app.AddFunc("/times", times),
		app.AddFunc("/again", again),
		app.AddFunc("/gallery.js", asset("gallery.js", "text/javascript; charset=utf-8")),
		app.AddFunc("/gallery.css", asset("gallery.css", "text/css; charset=utf-8")),
	)
}
