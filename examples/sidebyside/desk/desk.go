// Package desk is a small help desk, written as a Webware programmer would have written it and then ported: a page
// class of the site that all pages derive from, a sidebar that is included, a login that pages forward to, a counter,
// and a form with actions. All that it knows about a user is in the session, as was the habit.
package desk

import (
	"errors"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// Register makes the application known as desk.
func Register(l *deploy.Loader) {
	// The pages read a value, change it and put it back, so that they need to be alone with their session.
	l.App("desk", webkit.Deploy(webkit.Config{}, core.Config{Locking: core.Serialized}, addServlets))
}

func addServlets(app *webkit.Application, _ *deploy.Section) error {
	return errors.Join(
		app.Add("/", func() webkit.Servlet { return new(home) }),
		app.Add("/counter", func() webkit.Servlet { return new(counter) }),
		app.Add("/tickets", func() webkit.Servlet { return new(tickets) }),
		app.Add("/login", func() webkit.Servlet { return new(login) }),
		app.Add("/logout", func() webkit.Servlet { return new(logout) }),
		app.Add("/sidebar", func() webkit.Servlet { return new(sidebar) }),
	)
}
