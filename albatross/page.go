package albatross

import "fmt"

// Page is a page module: it shows the page. One value serves all requests, from several goroutines; what belongs to a user
// is in the Context. A page that implements PageEnterer, PageLeaver or PageProcessor is called at those moments too.
type Page interface {
	// PageDisplay writes the page, mostly by Context.RunTemplate: page_display(ctx).
	PageDisplay(ctx *Context) error
}

// PageEnterer is a Page that wants to know when a user comes to it: by SetPage, and by the first request of a session.
type PageEnterer interface {
	// PageEnter prepares the page: page_enter(ctx, ...). args are those of SetPage.
	PageEnter(ctx *Context, args ...any) error
}

// PageLeaver is a Page that wants to know when a user goes to another.
type PageLeaver interface {
	// PageLeave tidies up: page_leave(ctx).
	PageLeave(ctx *Context) error
}

// PageProcessor is a Page that does something with what the user sent.
type PageProcessor interface {
	// PageProcess looks at the request, the fields of which are merged, and acts: page_process(ctx).
	PageProcess(ctx *Context) error
}

// PageFunc is a Page that is only shown.
type PageFunc func(ctx *Context) error

// PageDisplay calls the function.
func (f PageFunc) PageDisplay(ctx *Context) error { return f(ctx) }

// RegisterPage adds a page under a name: register_page(name, object), and what was a file of a ModularApp's folder. With
// Config.RandomPages the name is the part of the path below the application, without a slash before it. It must be called
// before the application serves. The error says what is wrong with the name.
func (a *Application) RegisterPage(name string, p Page) error {
	switch {
	case name == "":
		return fmt.Errorf("albatross: RegisterPage: the name is empty")
	case p == nil:
		return fmt.Errorf("albatross: RegisterPage %s: the page is nil", name)
	case a.pages[name] != nil:
		return fmt.Errorf("albatross: RegisterPage %s: there is such a page already", name)
	}
	a.pages[name] = p
	return nil
}

// PageName returns the name of the page that the user is on: ctx.locals.__page__.
func (c *Context) PageName() string { return c.page }

// SetPage takes the user to a page, which is shown when the request ends: set_page(name, ...). The page that is left
// is told, and then the new one. To come to the page where the user is already does nothing.
// Errors: one for a name that is not registered, and those of the pages.
func (c *Context) SetPage(name string, args ...any) error {
	if c.app.cfg.RandomPages {
		return fmt.Errorf("albatross: SetPage %s: the URL says which page is shown with RandomPages; use Redirect", name)
	}
	if name == c.page {
		return nil
	}
	if c.app.pages[name] == nil {
		return fmt.Errorf("albatross: SetPage: there is no page %.64q; add it by RegisterPage", name)
	}
	if p, ok := c.app.pages[c.page].(PageLeaver); ok {
		if err := p.PageLeave(c); err != nil {
			return err
		}
	}
	if err := c.notePage(name); err != nil {
		return err
	}
	return c.enter(args...)
}

// notePage remembers the page in the session. The start page is where one is anyway, so that nothing is stored for
// those who only look at it.
func (c *Context) notePage(name string) error {
	s, err := c.vars()
	if err != nil {
		return err
	}
	c.page = name
	if name != c.app.cfg.StartPage {
		return c.setVar(s, pageName, name)
	}
	if s.Has(pageName) {
		return c.deleteVar(s, pageName)
	}
	return nil
}

func (c *Context) enter(args ...any) error {
	if p, ok := c.app.pages[c.page].(PageEnterer); ok {
		return p.PageEnter(c, args...)
	}
	return nil
}
