package webstack

import (
	"context"
	"net/http"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// Transaction is one request on its way through the application, with its response and its session: WebStack's
// Transaction. It is for one goroutine at a time and ends with the request.
//
// Methods that take encodings take none or one, which counts in place of the setting default_charset.
type Transaction struct {
	app      *Application
	env      *compat.Environ
	response response

	body    *body // nil until it was read
	bodyErr error // why it can not be read
	cookies map[string]*Cookie

	virtual    *string // nil until it is set
	attributes map[string]any
	user       string

	session  *Session // nil until it is asked for
	first    Session  // what session points to at first, to save an allocation
	released bool     // the session's lock was let go since GetSession
}

// Application returns the application.
func (t *Transaction) Application() *Application { return t.app }

// Environ returns the request as the WSGI shim sees it.
func (t *Transaction) Environ() *compat.Environ { return t.env }

// Context returns the request's context. It ends when the client hangs up, or when the session's lock is lost.
func (t *Transaction) Context() context.Context { return t.env.Context() }

// Commit hands status, headers and output over to the server, and saves the session: commit(). The application does
// it last of all, so that resources need not. What is written later is sent, and what is changed later in the
// session is saved at the end, unless another request has saved it meanwhile; headers, cookies and the code can not be
// changed any more. If the output has failed, before any of it was sent, nothing is saved and the error is the output's.
// Others are those of saving and of the connection.
func (t *Transaction) Commit() error {
	if !t.response.started { // what is done is saved, also if the client has gone meanwhile
		if err := t.response.sound(); err != nil {
			return err
		}
	}
	if s := t.session; s != nil {
		t.released = true
		if err := s.end(); err != nil {
			return err
		}
	}
	return t.response.commit()
}

// Rollback takes back what the transaction did: output, code, headers, cookies, and the changes of the session:
// rollback(). WebStack's left the session alone. What has happened at once stays: Commit, ExpireSession and
// Session.Rotate. Call GetSession again to go on with the session.
//
// The error is ErrCommitted if the response was committed already; the session's changes are taken back even so.
func (t *Transaction) Rollback() error {
	if s := t.session; s != nil && s.past == nil {
		t.session, t.released = nil, false
	}
	err := t.env.Response().Rollback()
	if err != nil || t.response.started {
		return ErrCommitted
	}
	t.response.clear()
	return nil
}

// GetAttributes returns the transaction's own dictionary, in which resources leave notes for those that they hand the
// request on to: get_attributes().
func (t *Transaction) GetAttributes() map[string]any {
	if t.attributes == nil {
		t.attributes = make(map[string]any)
	}
	return t.attributes
}

// GetUser returns who sent the request, or "": get_user(). It is whom SetUser named, as authenticators do, or else the
// REMOTE_USER of a middleware that has authenticated the request. A name in an Authorization header is no user before
// somebody has checked the password.
func (t *Transaction) GetUser() string {
	if t.user != "" {
		return t.user
	}
	return t.env.String("REMOTE_USER")
}

// SetUser names the user for the rest of the transaction: set_user(username).
func (t *Transaction) SetUser(name string) { t.user = name }

// GetServerName returns the name of the server that was asked: get_server_name(). It is what the client claims.
func (t *Transaction) GetServerName() string { return t.env.String("SERVER_NAME") }

// GetServerPort returns the port that was asked, as a string: get_server_port().
func (t *Transaction) GetServerPort() string { return t.env.String("SERVER_PORT") }

// GetRequestMethod returns the method of the request, such as "GET": get_request_method().
func (t *Transaction) GetRequestMethod() string { return t.env.Method() }

// GetHeaders returns a copy of the headers of the request: get_headers(). Names are in the form of net/http.
func (t *Transaction) GetHeaders() http.Header { return t.env.Request().Header.Clone() }

// GetHeaderValues returns the values of a header of the request, none if it was not sent: get_header_values(key).
// The case of the name does not matter.
func (t *Transaction) GetHeaderValues(name string) []string {
	return append([]string(nil), t.env.Request().Header.Values(name)...)
}

// GetContentType returns the content type of the request's body, an empty one if there is none: get_content_type().
func (t *Transaction) GetContentType() ContentType {
	return parseContentType(t.env.String("CONTENT_TYPE"))
}

// GetContentCharsets returns the character sets that the client likes to get, in its own order and without weights:
// get_content_charsets().
func (t *Transaction) GetContentCharsets() []string {
	return preferences(t.env.String("HTTP_ACCEPT_CHARSET"))
}

// GetContentLanguages returns the languages that the client likes to get, in its own order and without weights:
// get_content_languages().
func (t *Transaction) GetContentLanguages() []string {
	return preferences(t.env.String("HTTP_ACCEPT_LANGUAGE"))
}

func preferences(header string) []string {
	var list []string
	for part := range strings.SplitSeq(header, ",") {
		part, _, _ = strings.Cut(part, ";")
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// charset returns the one that a method was given, or the application's own.
func (t *Transaction) charset(given []*Charset) *Charset {
	if len(given) > 0 && given[0] != nil {
		return given[0]
	}
	return t.app.settings.charset
}

// close frees what the request held.
func (t *Transaction) close() {
	if err := t.body.close(); err != nil {
		t.app.log.WarnContext(t.Context(), "temporary files of a form were not removed", "error", err)
	}
	t.response.release()
}
