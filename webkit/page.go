package webkit

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"reflect"
)

// Page is a servlet that writes an HTML page for GET and POST: Webware's Page, with what it inherits from
// HTTPContent. A page of an application embeds it and overrides some of PageMethods, mostly Title and
// WriteContent. The look of a site is made by a struct that embeds Page and overrides WriteBodyParts and its
// like, and is itself embedded by the site's pages:
//
//	type SitePage struct{ webkit.Page }
//
//	func (p *SitePage) WriteBodyParts() error {
//		p.Writeln("<h1>", p.Self().HTTitle(), "</h1>")
//		return p.Self().WriteContent()
//	}
//
// A method that an embedding struct may have overridden is called through Self, as above.
type Page struct {
	HTTPServlet
	self PageMethods
}

// PageMethods are the methods of Page that embedding structs override.
type PageMethods interface {
	Servlet

	Title() string
	HTTitle() string
	HTRootArgs() string
	HTBodyArgs() string

	WriteHTML() error
	WriteDocType() error
	WriteHead() error
	WriteHeadParts() error
	WriteTitle() error
	WriteMetaData() error
	WriteStyleSheet() error
	WriteJavaScript() error
	WriteBody() error
	WriteBodyParts() error
	WriteContent() error

	Actions() []Action
	MethodNameForAction(value string) string
	HandleAction(a Action) error
	PreAction(name string) error
	PostAction(name string) error
	DefaultAction() error
}

var _ PageMethods = (*Page)(nil)

var errPageAwake = errors.New("webkit: this page is not awake: an Awake that overrides Page.Awake must call it")

// Awake prepares for the transaction: awake(trans). One that overrides it calls this one first.
func (p *Page) Awake(t *Transaction) error {
	self, ok := t.Servlet().(PageMethods)
	if !ok {
		return fmt.Errorf("webkit: %T is no PageMethods: a method of it has other parameters or results than in Page; "+
			"to see which, compile: var _ webkit.PageMethods = (%[1]T)(nil)", t.Servlet())
	}
	p.self = self
	return p.HTTPServlet.Awake(t)
}

// Self returns the servlet that embeds this page: self in Python.
func (p *Page) Self() PageMethods { return p.self }

// RespondToGet runs the action that the request asks for, else DefaultAction: respondToGet(trans).
func (p *Page) RespondToGet(*Transaction) error {
	if p.self == nil {
		return errPageAwake
	}
	actions := p.self.Actions()
	if len(actions) == 0 {
		return p.self.DefaultAction()
	}
	if err := p.Request().ParseForm(); err != nil {
		return err
	}
	if a, ok := p.action(actions); ok {
		return p.self.HandleAction(a)
	}
	return p.self.DefaultAction()
}

// RespondToPost does what RespondToGet does, with the fields of the body: respondToPost(trans).
func (p *Page) RespondToPost(t *Transaction) error {
	if err := t.Request().ParseForm(); err != nil {
		return err
	}
	return p.RespondToGet(t)
}

// Title returns the page's title as plain text: title(). By default it is the name of the servlet's type.
func (p *Page) Title() string {
	return reflect.TypeOf(p.self).Elem().Name()
}

// HTTitle returns the title as HTML, for the page's contents: htTitle(). By default it is Title, escaped.
func (p *Page) HTTitle() string { return html.EscapeString(p.self.Title()) }

// HTRootArgs returns the attributes of the html tag: htRootArgs().
func (p *Page) HTRootArgs() string { return `lang="en"` }

// HTBodyArgs returns the attributes of the body tag: htBodyArgs().
func (p *Page) HTBodyArgs() string { return `style="color:black;background-color:white"` }

// WriteHTML writes the page: writeHTML(). It calls WriteDocType, WriteHead and WriteBody. A servlet that
// sends something else overrides it, and sets the Content-Type header.
func (p *Page) WriteHTML() error {
	if err := p.beginHTML(); err != nil {
		return err
	}
	if err := p.self.WriteBody(); err != nil {
		return err
	}
	p.Writeln("</html>")
	return nil
}

// beginHTML writes the page up to its body.
func (p *Page) beginHTML() error {
	if err := p.self.WriteDocType(); err != nil {
		return err
	}
	p.Writeln(openTag("html", p.self.HTRootArgs()))
	return p.self.WriteHead()
}

func openTag(name, args string) string {
	if args != "" {
		name += " " + args
	}
	return "<" + name + ">"
}

// WriteDocType writes the doctype, that of HTML 5: writeDocType().
func (p *Page) WriteDocType() error {
	p.Writeln("<!DOCTYPE html>")
	return nil
}

// WriteHead writes the head element around WriteHeadParts: writeHead().
func (p *Page) WriteHead() error {
	p.Writeln("<head>")
	if err := p.self.WriteHeadParts(); err != nil {
		return err
	}
	p.Writeln("</head>")
	return nil
}

// WriteHeadParts calls WriteTitle, WriteMetaData, WriteStyleSheet and WriteJavaScript: writeHeadParts().
func (p *Page) WriteHeadParts() error {
	if err := p.self.WriteTitle(); err != nil {
		return err
	}
	if err := p.self.WriteMetaData(); err != nil {
		return err
	}
	if err := p.self.WriteStyleSheet(); err != nil {
		return err
	}
	return p.self.WriteJavaScript()
}

// WriteTitle writes the title element with Title, escaped: writeTitle().
func (p *Page) WriteTitle() error {
	p.Writeln("\t<title>", html.EscapeString(p.self.Title()), "</title>")
	return nil
}

// WriteMetaData writes the meta element with the encoding, which is UTF-8: writeMetaData().
func (p *Page) WriteMetaData() error {
	p.Writeln("\t<meta charset=\"utf-8\">")
	return nil
}

// WriteStyleSheet writes nothing: writeStyleSheet().
func (p *Page) WriteStyleSheet() error { return nil }

// WriteJavaScript writes nothing: writeJavaScript().
func (p *Page) WriteJavaScript() error { return nil }

// WriteBody writes the body element around WriteBodyParts: writeBody().
func (p *Page) WriteBody() error {
	p.Writeln(openTag("body", p.self.HTBodyArgs()))
	if err := p.self.WriteBodyParts(); err != nil {
		return err
	}
	p.Writeln("</body>")
	return nil
}

// WriteBodyParts calls WriteContent: writeBodyParts(). Override it to put a header and the like around that.
func (p *Page) WriteBodyParts() error { return p.self.WriteContent() }

// WriteContent writes what is particular to this page: writeContent(). By default that is a sentence which
// says that it should be overridden.
func (p *Page) WriteContent() error {
	p.Writeln("<p>This page has not yet customized its content.</p>")
	return nil
}

// Application returns the application: application().
func (p *Page) Application() *Application { return p.Transaction().Application() }

// Request returns the request: request().
func (p *Page) Request() *HTTPRequest { return p.Transaction().Request() }

// Response returns the response: response().
func (p *Page) Response() *HTTPResponse { return p.Transaction().Response() }

// Session returns the request's session: session(). See Transaction.Session for errors.
func (p *Page) Session() (*Session, error) { return p.Transaction().Session() }

// Write writes its arguments one after the other: write(*args). Strings and bytes are written as they
// are, nil not at all, and everything else as fmt.Print does. Nothing is escaped, see HTMLEncode. A failure
// to write is returned by HTTPResponse.Deliver, so that pages need not look for it; one that streams for
// long can, with HTTPResponse.Write.
func (p *Page) Write(args ...any) {
	r := p.Response()
	for _, arg := range args {
		switch v := arg.(type) {
		case nil:
		case string:
			_, _ = r.WriteString(v) // kept by the response
		case []byte:
			_, _ = r.Write(v)
		default:
			_, _ = fmt.Fprint(r, v)
		}
	}
}

// Writeln is Write with a line feed after the last argument: writeln(*args).
func (p *Page) Writeln(args ...any) {
	p.Write(args...)
	p.Write("\n")
}

// HTMLEncode escapes text for HTML, in attributes too: htmlEncode(s).
func (p *Page) HTMLEncode(s string) string { return html.EscapeString(s) }

// HTMLDecode resolves character references: htmlDecode(s).
func (p *Page) HTMLDecode(s string) string { return html.UnescapeString(s) }

// URLEncode escapes text for a URL's query: urlEncode(s).
func (p *Page) URLEncode(s string) string { return url.QueryEscape(s) }

// URLDecode undoes URLEncode, and leaves alone what is no escape: urlDecode(s).
func (p *Page) URLDecode(s string) string { return unquotePlus(s) }

// SessionEncode adds the session's id to a URL: sessionEncode(url). Ids in URLs leak; it is for clients
// without cookies. Errors are those of Session.
func (p *Page) SessionEncode(url string) (string, error) {
	s, err := p.Session()
	if err != nil {
		return "", err
	}
	return s.SessionEncode(url), nil
}

// Forward lets the servlet at url answer instead of this one: forward(url). Return its error; see
// Application.Forward.
func (p *Page) Forward(url string) error { return p.Application().Forward(p.Transaction(), url) }

// IncludeURL adds the output of the servlet at url: includeURL(url). See Application.IncludeURL for
// errors.
func (p *Page) IncludeURL(url string) error { return p.Application().IncludeURL(p.Transaction(), url) }

// CallMethodOfServlet calls fn with the servlet at url: callMethodOfServlet(url, method). See
// Application.CallMethodOfServlet for errors.
func (p *Page) CallMethodOfServlet(url string, fn func(Servlet) error) error {
	return p.Application().CallMethodOfServlet(p.Transaction(), url, fn)
}

// EndResponse returns ErrEndResponse, for the servlet to return: endResponse().
func (p *Page) EndResponse() error { return ErrEndResponse }

// SendRedirectAndEnd sends a redirect and returns ErrEndResponse, for the servlet to return:
// sendRedirectAndEnd(url). Other errors are those of HTTPResponse.SendRedirect.
func (p *Page) SendRedirectAndEnd(url string) error { return p.redirectAndEnd(http.StatusFound, url) }

// SendRedirectPermanentAndEnd is SendRedirectAndEnd with status 301: sendRedirectPermanentAndEnd(url).
func (p *Page) SendRedirectPermanentAndEnd(url string) error {
	return p.redirectAndEnd(http.StatusMovedPermanently, url)
}

// SendRedirectSeeOtherAndEnd is SendRedirectAndEnd with status 303, for the answer to a form:
// sendRedirectSeeOtherAndEnd(url).
func (p *Page) SendRedirectSeeOtherAndEnd(url string) error {
	return p.redirectAndEnd(http.StatusSeeOther, url)
}

// SendRedirectTemporaryAndEnd is SendRedirectAndEnd with status 307: sendRedirectTemporaryAndEnd(url).
func (p *Page) SendRedirectTemporaryAndEnd(url string) error {
	return p.redirectAndEnd(http.StatusTemporaryRedirect, url)
}

func (p *Page) redirectAndEnd(status int, url string) error {
	if err := p.Response().redirect(status, url); err != nil {
		return err
	}
	return ErrEndResponse
}
