package albatross

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Context is one request, for the pages that answer it: Albatross's execution context. It is for one goroutine at a time,
// and not for use after the request.
type Context struct {
	// Locals are the names that pages and templates work with.
	Locals Locals

	app     *Application
	env     *compat.Environ
	request *Request
	out     output
	page    string

	session   *core.Session // the session variables: of the store, or a draft; nil until they are loaded
	fresh     bool          // it is a new one
	lost      bool          // the one that the request came with is not there
	saved     core.Values   // what a draft held when the page began to leave before its end
	stale     bool          // the client's cookie names no session
	noSave    bool
	removed   bool // by RemoveSession: what comes after begins with nothing
	discarded bool // it was removed, or could not be read: it is not looked for again
	branch    branchState
	hidden    hiddenState

	form *openForm // the form that is being written, or nil
}

// App returns the application: ctx.app.
func (c *Context) App() *Application { return c.app }

// Request returns what the browser sent: ctx.request.
func (c *Context) Request() *Request { return c.request }

// Environ returns the WSGI environ of the request.
func (c *Context) Environ() *compat.Environ { return c.env }

// Context returns the request's context.Context: it ends when the browser has gone.
func (c *Context) Context() context.Context { return c.env.Context() }

// ReqEquals reports whether the form was submitted by the button of that name: req_equals(name). For a button that is an
// image the browser sends its coordinates as name.x.
func (c *Context) ReqEquals(name string) bool {
	return c.request.FieldValue(name) != "" || c.request.HasField(name+".x")
}

// CurrentURL returns the path of the request, to which forms go by default: current_url().
func (c *Context) CurrentURL() string { return c.env.Request().URL.EscapedPath() }

// BaseURL returns the path of the application, with a slash at its end: base_url().
func (c *Context) BaseURL() string { return c.app.cookiePath() }

// RedirectError is how Context.Redirect ends a request: Albatross's Redirect exception.
type RedirectError struct{ Location string }

func (e *RedirectError) Error() string { return "albatross: redirect" }

// Redirect returns an error that ends the request, when the page returns it, by sending the browser to another URL with a
// GET (status 303): redirect(loc). The session is saved first. The branch that the page was made from does not go along
// unless the URL was made by BranchURL. Check a URL that a client has made, or it can lead to any site.
func (c *Context) Redirect(loc string) error { return &RedirectError{loc} }

// redirect turns the page into a redirect.
func (c *Context) redirect(e *RedirectError) error {
	if c.out.body != nil {
		return fmt.Errorf("%w: redirect", ErrSent)
	}
	if strings.ContainsFunc(e.Location, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return errors.New("albatross: Redirect: the URL has spaces, backslashes, control characters, or others that must be escaped")
	}
	c.out.buf.Reset()
	c.out.header.Set("Location", e.Location)
	c.out.status = http.StatusSeeOther
	return nil
}
