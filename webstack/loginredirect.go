package webstack

import (
	"errors"
	"html"
)

// TokenAuthenticator is an Authenticator that remembers whom it knows, by a token that the client or its session holds:
// what LoginRedirectResource and LoginResource need. LoginAuthenticator and SessionAuthenticator are two.
type TokenAuthenticator interface {
	Authenticator

	// SetToken makes the sender known as that user from here on, and names the user to the transaction:
	// set_token(trans, username).
	SetToken(t *Transaction, user string) error

	// UnsetToken undoes SetToken: unset_token(trans).
	UnsetToken(t *Transaction) error
}

// LoginRedirectResource keeps a resource for those who have logged in, and sends others to a login page first: WebStack's
// LoginRedirectResource. The login page, such as LoginResource, is told by the fields app, path and qs where to send
// them afterwards. What was posted is lost on the way. Set the fields before it serves, then leave them alone.
type LoginRedirectResource struct {
	// LoginURL is the path or URL of the login page: login_url. It has no query. Required.
	LoginURL string

	// AppURL is the site of Resource, such as "https://www.example.com", if the login page is on another: app_url.
	AppURL string

	// Resource is what is kept. Required.
	Resource Resource

	// Authenticator knows who has logged in. Required.
	Authenticator TokenAuthenticator

	// AnonymousParameterName is a field of the query by which anybody may come in, as AnonymousUsername:
	// anonymous_parameter_name. Default: nobody may.
	AnonymousParameterName string

	// AnonymousUsername is the user that they are then: anonymous_username. Default "anonymous".
	AnonymousUsername string

	// LogoutParameterName is a field of the query by which a user logs out: logout_parameter_name. Any page on the web
	// can link to that. Default: there is none.
	LogoutParameterName string

	// LogoutURL is where the client goes afterwards: logout_url. Default "/".
	LogoutURL string

	// ShowLogout shows a page that says so, in place of the redirect: use_logout_redirect=0.
	ShowLogout bool

	// Charset is how path and query travel to the login page: urlencoding. It has to be the login page's. Default UTF8.
	Charset *Charset
}

// Respond implements Resource.
func (l *LoginRedirectResource) Respond(t *Transaction) error {
	fields, err := t.GetFieldsFromPath()
	if err != nil {
		return err
	}
	if name := l.LogoutParameterName; name != "" && fields.Has(name) {
		return l.logout(t)
	}
	known, err := l.Authenticator.Authenticate(t)
	switch {
	case err != nil:
		return err
	case known:
		return l.Resource.Respond(t)
	}
	if name := l.AnonymousParameterName; name != "" && fields.Has(name) {
		user := l.AnonymousUsername
		if user == "" {
			user = "anonymous"
		}
		if err := l.Authenticator.SetToken(t, user); err != nil {
			return err
		}
		return l.Resource.Respond(t)
	}
	return l.login(t)
}

// login sends the client to the login page.
func (l *LoginRedirectResource) login(t *Transaction) error {
	charset := l.Charset
	if charset == nil {
		charset = UTF8
	}
	target := l.LoginURL
	query := t.GetQueryString()
	if query != "" {
		query = "?" + query
	}
	for _, field := range []struct{ name, value string }{
		{"?app=", l.AppURL}, {"&path=", t.GetPathWithoutQuery(charset)}, {"&qs=", query},
	} {
		value, err := charset.Encode(field.value)
		if err != nil {
			return err
		}
		target += field.name + quote(value, "/")
	}
	return t.Redirect(target)
}

func (l *LoginRedirectResource) logout(t *Transaction) error {
	if err := l.Authenticator.UnsetToken(t); err != nil {
		return err
	}
	target := l.LogoutURL
	if target == "" {
		target = "/"
	}
	if !l.ShowLogout {
		return t.Redirect(target)
	}
	if err := t.SetContentType(ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
		return err
	}
	_, err := t.GetResponseStream().WriteString(pageHTML("Logged out", "You have logged out.", "") +
		`<p><a href="` + html.EscapeString(target) + `">Go on to the application.</a></p>` + "\n")
	return err
}

func (l *LoginRedirectResource) check(where string) error {
	err := missing(where, map[string]bool{"LoginURL": l.LoginURL == "", "Resource": l.Resource == nil, "Authenticator": l.Authenticator == nil})
	return errors.Join(err, checkResource(where+".Resource", l.Resource))
}
