package webkit

import (
	"errors"

	"github.com/holdover-web/holdover/core"
)

// requestSession is what an HTTPRequest knows about the session that the client asked for.
type requestSession struct {
	given   string // by SetSessionID
	hadPath bool   // there was an id in the path, see pathsession.go
	inPath  string // that id, if it is well-formed
	expired bool
}

// SessionID returns the session id that the client sent, or "": sessionId(). Nobody has checked that there is
// such a session. What a client can not have from us, by its length or its characters, counts as not sent.
//
// It comes from the cookie; with the setting UseAutomaticPathSessions from the path, if there is no cookie; and
// with Quirks.FieldSessionID from a field, even if there is a cookie. SetSessionID goes before all.
func (r *HTTPRequest) SessionID() string {
	id, _ := r.claim()
	return id
}

// claim returns the id that the client sent, and whether it came by other means than the cookie.
func (r *HTTPRequest) claim() (id string, foreign bool) {
	app := r.transaction.app
	if r.session.given != "" {
		return r.session.given, true
	}
	if app.cfg.Quirks.FieldSessionID {
		if id := r.FieldDefault(app.settings.SessionName, ""); app.manager.ValidID(id) {
			r.env.Response().KeepPrivate() // it mostly comes in the URL
			return id, true
		}
	}
	if app.settings.UseCookieSessions {
		if id, err := app.http.ClientID(r.env.Context()); err == nil && id != "" {
			return id, false
		}
	}
	return r.session.inPath, r.session.inPath != ""
}

// SetSessionID says which session the client means, for ids that travel by unusual ways, such as an argument
// of a remote call: setSessionId(id). It must be called before the session is asked for. An id of no
// living session is not adopted: the client gets a new one. setSessionId(id, force) is refused.
//
// Errors: core.ErrBadID for an id that can not be ours.
func (r *HTTPRequest) SetSessionID(id string) error {
	switch {
	case r.transaction.session != nil:
		return errors.New("webkit: SetSessionID: the session is open already; call it before Session")
	case !r.transaction.app.manager.ValidID(id):
		return core.ErrBadID
	}
	r.session.given = id
	return nil
}

// Session returns the transaction's session: session().
func (r *HTTPRequest) Session() (*Session, error) { return r.transaction.Session() }

// IsSessionExpired reports whether the client asked for a session that is no more: isSessionExpired(). It is
// known after Transaction.Session was called.
func (r *HTTPRequest) IsSessionExpired() bool { return r.session.expired }

// SetSessionExpired changes what IsSessionExpired says: setSessionExpired(expired).
func (r *HTTPRequest) SetSessionExpired(expired bool) { r.session.expired = expired }
