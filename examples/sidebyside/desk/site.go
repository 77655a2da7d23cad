package desk

import (
	"net/http"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// sitePage gives all pages of the desk their look: SitePage.py.
type sitePage struct {
	webkit.Page
	problem string // what the user should know before the contents
}

// HTBodyArgs leaves colours to the style sheet.
func (p *sitePage) HTBodyArgs() string { return "" }

// WriteMetaData adds what phones need.
func (p *sitePage) WriteMetaData() error {
	p.Writeln(`<meta name="viewport" content="width=device-width, initial-scale=1">`)
	return p.Page.WriteMetaData()
}

// WriteStyleSheet links the site's style sheet, and its icon.
func (p *sitePage) WriteStyleSheet() error {
	p.Writeln(`<link rel="icon" href="/static/icon.svg">`)
	p.Writeln(`<link rel="stylesheet" href="/static/style.css">`)
	return nil
}

// WriteBodyParts puts the sidebar beside the contents.
func (p *sitePage) WriteBodyParts() error {
	p.Writeln(`<header class="top"><a class="brand" href="/">Holdover</a> <span class="quiet">Help desk</span></header>`)
	p.Writeln(`<main class="desk">`)
	if err := p.IncludeURL("/sidebar"); err != nil {
		return err
	}
	p.Writeln("<div>")
	p.Writeln("<h1>", p.Self().HTTitle(), "</h1>")
	if p.problem != "" {
		p.Writeln(`<p class="message bad" role="alert">`, p.HTMLEncode(p.problem), "</p>")
	}
	if err := p.Self().WriteContent(); err != nil {
		return err
	}
	p.Writeln("</div>")
	p.Writeln("</main>")
	return nil
}

// HandleAction runs an action of a form that was posted. Webware took them from links too, which let any page on
// the web press our buttons.
func (p *sitePage) HandleAction(a webkit.Action) error {
	if p.Request().Method() != http.MethodPost {
		return &webkit.HTTPException{Code: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}},
			Message: "This needs a form that is posted."}
	}
	return a.Run() // actions write whole pages or redirect, so that nothing is to be done before or after
}

// link returns the URL of one of the desk's servlets.
func (p *sitePage) link(path string) string { return p.HTMLEncode(p.Request().ServletPath() + path) }

// memberPage is a page for those who have signed in: SecurePage.py.
type memberPage struct{ sitePage }

// Respond lets strangers sign in first.
func (p *memberPage) Respond(t *webkit.Transaction) error {
	user, err := currentUser(t)
	if err != nil {
		return err
	}
	if user == "" {
		return p.Forward("/login")
	}
	return p.sitePage.Respond(t)
}

// currentUser returns who has signed in, or "". It begins no session.
func currentUser(t *webkit.Transaction) (string, error) {
	if ok, err := t.HasSession(); !ok || err != nil {
		return "", err
	}
	s, err := t.Session()
	if err != nil {
		return "", err
	}
	return core.Get[string](s.Core(), userName)
}

// Names of the session's values.
const (
	userName    = "user"
	visitsName  = "visits"
	ticketsName = "tickets"
)
