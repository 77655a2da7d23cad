// Package desk is a small help desk, written as a Webware programmer would have written it and then ported: a page
// class of the site that all pages derive from, a sidebar that is included, a login that pages forward to, a counter,
// and a form with actions. All that it knows about a user is in the session, as was the habit.
package desk

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// New returns the application for the paths below prefix, such as "/desk", with its sessions in store. The caller
// closes its Manager.
func New(prefix string, store core.Store, log *slog.Logger) (*webkit.Application, error) {
	// The pages read a value, change it and put it back, so that they need to be alone with their session.
	m, err := core.New("desk", store, core.Config{Locking: core.Serialized, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("desk: %w", err)
	}
	app, err := webkit.NewApplication(m, webkit.Config{Prefix: prefix})
	if err != nil {
		return nil, fmt.Errorf("desk: %w", err)
	}
	return app, errors.Join(
		app.Add("/", func() webkit.Servlet { return new(home) }),
		app.Add("/counter", func() webkit.Servlet { return new(counter) }),
		app.Add("/tickets", func() webkit.Servlet { return new(tickets) }),
		app.Add("/login", func() webkit.Servlet { return new(login) }),
		app.Add("/logout", func() webkit.Servlet { return new(logout) }),
		app.Add("/sidebar", func() webkit.Servlet { return new(sidebar) }),
	)
}
