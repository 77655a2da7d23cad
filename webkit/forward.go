package webkit

import (
	"fmt"
	"strings"
)

// maxNested bounds how deep servlets may include each other.
const maxNested = 32

// Forward answers the request with another servlet of the application: forward(trans, url). What the
// running servlet has written so far, its headers and its cookies are dropped; what it changed in the
// session stays. A relative url counts from the folder of the running servlet; a query is not allowed in it,
// use HTTPRequest.SetField.
//
// The error is ErrEndResponse if all went well, so that a servlet ends with
//
//	return app.Forward(t, "/menu")
//
// and otherwise that of the other servlet, ErrCommitted if it is too late for Reset, ErrNesting, or an
// *HTTPException with Code 404.
func (a *Application) Forward(t *Transaction, url string) error {
	if err := t.response.Reset(); err != nil {
		return err
	}
	if err := a.IncludeURL(t, url); err != nil {
		return err
	}
	return ErrEndResponse
}

// IncludeURL has another servlet of the application write its output at this place, and comes back:
// includeURL(trans, url). It runs as in a request of its own, with its Awake and Sleep; the session is the
// same, is awake already, and gets another Respond. If it ends with ErrEndResponse, only the include ends.
//
// Errors: those of Forward.
func (a *Application) IncludeURL(t *Transaction, url string) error {
	err := a.nest(t, url, func() error { return t.runServlet() })
	if ended(err) {
		return nil
	}
	return err
}

// CallMethodOfServlet calls fn with another servlet of the application, between that servlet's Awake and
// Sleep: callMethodOfServlet(trans, url, method). Neither the session nor Transaction.Run come into it.
// Other than in Webware the servlet sleeps also if fn fails. Errors: those of IncludeURL, and fn's.
func (a *Application) CallMethodOfServlet(t *Transaction, url string, fn func(Servlet) error) error {
	return a.nest(t, url, func() (err error) {
		defer t.recover(&err)
		servlet := t.Servlet()
		defer func() {
			if slept := servlet.Sleep(t); err == nil {
				err = slept
			}
		}()
		if err := servlet.Awake(t); err != nil {
			return err
		}
		return fn(servlet)
	})
}

// nest runs fn with the servlet for url as the running one.
func (a *Application) nest(t *Transaction, url string, fn func() error) error {
	r := &t.request
	if len(r.stack) >= maxNested {
		return ErrNesting
	}
	if strings.ContainsAny(url, "?#") {
		return fmt.Errorf("webkit: servlet at %q: %w", url, HTTPNotFound("A page was asked for by a path with a query."))
	}
	awake, nested := t.awake, t.nested
	r.push(r.resolve(url))
	t.awake = false
	defer func() {
		r.pop()
		t.awake, t.nested = awake, nested
	}()
	if err := a.findServlet(t); err != nil {
		return fmt.Errorf("webkit: servlet at %q: %w", url, err)
	}
	return fn()
}

// findServlet makes the servlet for the request's path the running one: findServletForTransaction.
func (a *Application) findServlet(t *Transaction) error {
	p := &t.request.place
	if p.url == "" || a.routes[p.url] == nil && a.routes.isFolder(p.url) {
		return HTTPMovedPermanently(t.request.location(p.url + "/"))
	}
	p.route, p.extra = a.routes.find(p.url, a.settings.ExtraPathInfo, a.cfg.Quirks.IndexTakesExtraPath)
	if p.route == nil {
		return HTTPNotFound("There is no such page.")
	}
	if p.servlet = p.route.factory(); p.servlet == nil {
		return fmt.Errorf("webkit: the factory of %s returned nil", p.route.path)
	}
	return nil
}

// runServlet runs the running servlet: runTransactionViaServlet.
func (t *Transaction) runServlet() error {
	if r, ok := t.Servlet().(TransactionRunner); ok {
		return t.runOverridden(r)
	}
	return t.Run()
}

func (t *Transaction) runOverridden(r TransactionRunner) (err error) {
	defer t.recover(&err)
	return r.RunTransaction(t)
}
