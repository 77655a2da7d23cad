package albatross

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Call implements compat.Application: it answers one request by the run sequence of Albatross, run(req). The request is
// read; the session and the page are loaded; the fields are merged and the page processes the request; the page is
// shown, the session is saved, and the page is sent. After an error nothing is saved, and another page is sent.
func (a *Application) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	request := &Request{env: env}
	defer func() {
		if err := request.close(); err != nil {
			a.log.WarnContext(env.Context(), "temporary files of a form were not removed", "error", err)
		}
	}()
	c := a.createContext(request, start)
	err := request.read(&a.cfg)
	if err == nil {
		err = a.run(c)
	}
	if err != nil && broken(err) && c.out.body == nil && !c.discarded {
		c, err = a.startOver(c, err)
	}
	if err != nil {
		err = a.handleException(c, err)
	}
	return nil, err
}

// createContext is create_context() and set_request().
func (a *Application) createContext(r *Request, start compat.StartResponse) *Context {
	c := &Context{app: a, env: r.env, request: r}
	c.Locals.ctx = c
	c.out.start = start
	c.out.reset()
	return c
}

// run is the sequence. It turns a panic into an error.
func (a *Application) run(c *Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	err = a.work(c)
	if redirect, ok := errors.AsType[*RedirectError](err); ok {
		err = c.redirect(redirect)
	}
	if err != nil {
		return err
	}
	return a.finish(c)
}

// work is the part of the sequence that is the pages' own.
func (a *Application) work(c *Context) error {
	own, err := a.loadPage(c)
	if err != nil {
		return err
	}
	if own {
		valid, err := a.validateRequest(c)
		if err != nil {
			return err
		}
		if valid {
			if err := a.recorder.MergeRequest(c); err != nil {
				return err
			}
			if err := a.processRequest(c); err != nil {
				return err
			}
		}
	}
	return a.displayResponse(c)
}

// loadPage is load_session() and load_page(). own is false for a page that is only shown.
func (a *Application) loadPage(c *Context) (own bool, err error) {
	if a.cfg.LoadPage != nil {
		name, err := a.cfg.LoadPage(c)
		if err != nil {
			return false, err
		}
		if name != "" {
			if a.pages[name] == nil {
				return false, fmt.Errorf("albatross: LoadPage: there is no page %.64q", name)
			}
			c.page = name
			return false, nil
		}
	}
	if a.cfg.RandomPages {
		return true, a.loadRandomPage(c)
	}
	s, err := c.vars()
	if err != nil {
		return false, err
	}
	name, err := core.Get[string](s, pageName)
	if err != nil {
		return false, err
	}
	if name != "" && a.pages[name] == nil { // of an older version of the application
		a.log.WarnContext(c.Context(), "a session was on a page that is not there any more", "page", name)
		name = ""
		if err := c.notePage(a.cfg.StartPage); err != nil {
			return false, err
		}
	}
	if name != "" {
		c.page = name
		return true, nil
	}
	c.page = a.cfg.StartPage
	if a.pages[c.page] == nil {
		return false, fmt.Errorf("albatross: there is no page %.64q, the StartPage; add it by RegisterPage", c.page)
	}
	if c.fresh {
		return true, c.enter()
	}
	return true, nil
}

// loadRandomPage takes the page from the URL. It touches no session.
func (a *Application) loadRandomPage(c *Context) error {
	c.page = strings.TrimPrefix(c.env.PathInfo(), "/")
	if c.page == "" {
		c.page = a.cfg.StartPage
	}
	if a.pages[c.page] == nil {
		return &StatusError{http.StatusNotFound, "There is no such page."}
	}
	return c.enter()
}

func (a *Application) validateRequest(c *Context) (bool, error) {
	if c.lost && !a.cfg.Quirks.ProcessLostForms {
		return false, nil
	}
	if a.cfg.ValidateRequest != nil {
		return a.cfg.ValidateRequest(c)
	}
	return true, nil
}

func (a *Application) processRequest(c *Context) error {
	if p, ok := a.pages[c.page].(PageProcessor); ok {
		return p.PageProcess(c)
	}
	return nil
}

func (a *Application) displayResponse(c *Context) error { return a.pages[c.page].PageDisplay(c) }

// finish is save_session() and flush_content().
func (a *Application) finish(c *Context) error {
	if c.form != nil {
		return errForm("the form is not closed")
	}
	if c.out.body != nil {
		return c.late()
	}
	if err := a.saveSession(c); err != nil {
		return err
	}
	return c.out.send()
}

// saveSession is save_session(): it happens once.
func (a *Application) saveSession(c *Context) error {
	if c.out.settled {
		return nil
	}
	if c.session != nil {
		if c.noSave {
			if k, ok := a.session.(interface{ keep(*Context) }); ok {
				k.keep(c)
			}
		} else if err := a.session.SaveSession(c); err != nil {
			return err
		}
	}
	c.out.settled = true
	if c.stale && (c.session == nil || !c.session.Stored()) {
		c.dropCookie() // or the next request would be lost as well
	}
	return nil
}

// late finds what was changed in place after the session was saved.
func (c *Context) late() error {
	if c.session == nil || c.session.ID() != "" { // the server's own sessions are saved by compat once more
		return nil
	}
	values, err := c.session.Values()
	if err == nil && !slices.Equal(values, c.saved) {
		err = fmt.Errorf("%w, and a session variable was changed after that; the change is lost", ErrSent)
	}
	return err
}

// startOver answers a request whose session holds what can not be read: that is deleted, and the request runs on a
// new session, without its form.
func (a *Application) startOver(c *Context, cause error) (*Context, error) {
	a.log.WarnContext(c.Context(), "a session variable could not be read; the session was deleted", "error", cause)
	err := c.discardSession()
	again := a.createContext(c.request, c.out.start)
	again.lost, again.discarded = true, true
	if err != nil {
		return again, err
	}
	return again, a.run(again)
}

// handleException answers a failure: handle_exception(). Its own error is for the server, which answers it.
func (a *Application) handleException(c *Context, cause error) error {
	if cause == nil || c.out.body != nil || c.env.Response().Sent() {
		return cause
	}
	fresh := a.createContext(c.request, c.out.start)
	fresh.session, fresh.noSave, fresh.page = a.manager.Draft(c.Context(), nil), true, c.page
	fresh.out.status, fresh.out.cause = statusOf(cause), cause
	fresh.out.header.Set("Cache-Control", "no-store")
	write := a.cfg.HandleException
	if write == nil {
		switch {
		case a.cfg.Templates != nil && a.cfg.Templates.Lookup("traceback.html") != nil:
			write = func(c *Context, err error) error { return c.RunTemplate("traceback.html", infoAbout(err)) }
		case statusOf(cause) < http.StatusInternalServerError: // the visitor's matter, not one for the log
			write = func(c *Context, err error) error { return writeShortPage(c, infoAbout(err)) }
		default:
			return cause
		}
	}
	if err := guarded(func() error { return write(fresh, cause) }); err != nil {
		return errors.Join(cause, fmt.Errorf("albatross: the page for this failure failed: %w", err))
	}
	if statusOf(cause) >= http.StatusInternalServerError {
		a.log.ErrorContext(c.Context(), "a page failed", "page", c.page, "error", cause)
	}
	return fresh.out.send()
}

// guarded turns a panic into an error.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return do()
}
