package webkit

import (
	"net/http"
	"strings"
)

// takePathSession removes a session id from the path, as in /_SID_=.../page, with the setting
// UseAutomaticPathSessions: removePathSession. It is removed from the environ too, so that it gets into no log.
// A first segment of that form with another name is part of the path here.
func (a *Application) takePathSession(t *Transaction) {
	rest, ok := strings.CutPrefix(t.request.place.url, "/"+a.settings.SessionName+"=")
	if !ok {
		return
	}
	id, page, _ := strings.Cut(rest, "/")
	page = "/" + strings.TrimLeft(page, "/") // two slashes would make it another host in a redirect
	t.request.place.url = page
	t.request.session.hadPath = true
	t.env.Response().KeepPrivate()
	if a.manager.ValidID(id) {
		t.request.session.inPath = id
	}
	r := t.env.Request()
	clean := *r.URL
	clean.Path, clean.RawPath = t.request.ServletPath()+page, ""
	r.URL = &clean
	t.env.Set("PATH_INFO", page)
	t.env.Set("REQUEST_URI", clean.RequestURI())
}

// handlePathSession redirects a client without a cookie to a URL with the id in it, and one that has both
// to the URL without: handlePathSession. It returns ErrEndResponse after a redirect.
func (a *Application) handlePathSession(t *Transaction) error {
	cookie := ""
	if a.settings.UseCookieSessions {
		id, err := a.http.ClientID(t.Context())
		if err != nil {
			return err
		}
		cookie = id
	}
	r := &t.request
	switch {
	case cookie != "" && r.session.hadPath:
		return t.redirectTo(r.URLPath())
	case cookie != "" || r.session.inPath != "":
		return nil
	case r.Method() != http.MethodGet && r.Method() != http.MethodHead:
		return nil // a redirect would lose what was sent
	}
	s, err := t.Session()
	if err != nil {
		return err
	}
	// The id goes out in the URL, so there must be a session, although nothing is in it yet.
	if err := s.core.Commit(t.Context()); err != nil {
		return err
	}
	return t.redirectTo("/" + a.settings.SessionName + "=" + s.Identifier() + r.URLPath())
}

// redirectTo sends the client to another path of the application, with the same query. The URL has no host,
// so that nobody can have us send users elsewhere by a made-up Host header.
func (t *Transaction) redirectTo(path string) error {
	if err := t.response.SetStatus(http.StatusFound, ""); err != nil {
		return err
	}
	if err := t.response.SetHeader("Location", t.request.location(path)); err != nil {
		return err
	}
	return ErrEndResponse
}
