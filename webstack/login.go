package webstack

import (
	"html"
	"net/http"
	"slices"
	"strings"
)

// LoginResource is the login page to which LoginRedirectResource sends people: WebStack's LoginResource. Those who say the
// right password are sent back to where they came from, and nowhere else: a page of this site, or of one of AppURLs.
// WebStack's went wherever the address of the page said. Set the fields before it serves, then leave them alone.
type LoginResource struct {
	// Authenticator keeps who has logged in. Required.
	Authenticator TokenAuthenticator

	// Credentials reports whether this is the user's password: the credentials of LoginAuthenticator. Required.
	Credentials func(t *Transaction, user, password string) (bool, error)

	// AppURLs are the other sites, such as "https://www.example.com", that it may send people to: the AppURL of each
	// LoginRedirectResource that has one. This page and they have to share the authenticator's cookie.
	AppURLs []string

	// Home is where those go who came from nowhere. Default "/".
	Home string

	// Show writes the page with the form: show_login. The form posts the fields login, username and password, and those
	// of Login.HiddenFields. Default: a plain page.
	Show func(t *Transaction, page Login) error

	// Charset is how forms are decoded: encoding and urlencoding. Default UTF8.
	Charset *Charset
}

// Login is what a login page has to show.
type Login struct {
	// Username is what was typed, "" at first.
	Username string
	// Refused is true if the password was wrong.
	Refused bool
	// HiddenFields are the HTML of fields that remember where the user wanted to go.
	HiddenFields string
}

// Respond implements Resource.
func (l *LoginResource) Respond(t *Transaction) error {
	charset := l.Charset
	if charset == nil {
		charset = UTF8
	}
	fields, err := t.GetFieldsFromPath(charset)
	if err != nil {
		return err
	}
	posted, err := t.GetFieldsFromBody(charset)
	if err != nil {
		return err
	}
	for name, values := range posted {
		fields[name] = values // a body's count more, here
	}
	page := Login{HiddenFields: hidden("app", fields.Text("app")) + hidden("path", fields.Text("path")) + hidden("qs", fields.Text("qs"))}
	if posted.Has("login") {
		page.Username, page.Refused = posted.Text("username"), true
		ok, err := l.Credentials(t, page.Username, posted.Text("password"))
		if err != nil {
			return err
		}
		if ok {
			if err := l.Authenticator.SetToken(t, page.Username); err != nil {
				return err
			}
			return t.Redirect(l.target(fields, charset), http.StatusSeeOther)
		}
	}
	if l.Show != nil {
		return l.Show(t, page)
	}
	return showLogin(t, page)
}

// target returns where to go after the login.
func (l *LoginResource) target(fields Fields, charset *Charset) string {
	app, path, query := fields.Text("app"), fields.Text("path"), fields.Text("qs")
	home := l.Home
	if home == "" {
		home = "/"
	}
	data, err := charset.Encode(path)
	switch {
	case err != nil, app != "" && !slices.Contains(l.AppURLs, app):
		return home
	case !strings.HasPrefix(path, "/") || singleSlash(path) != path:
		return home
	case query != "" && query[0] != '?' || strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }):
		query = ""
	}
	return app + quote(data, "/") + query
}

func hidden(name, value string) string {
	return `<input type="hidden" name="` + name + `" value="` + html.EscapeString(value) + `">`
}

// showLogin writes the page that is shown by default.
func showLogin(t *Transaction, page Login) error {
	if err := t.SetContentType(ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
		return err
	}
	message := ""
	if page.Refused {
		message = "There is no such user, or the password is wrong."
	}
	_, err := t.GetResponseStream().WriteString(pageHTML("Login", message, "") +
		`<form method="post">` + page.HiddenFields + "\n" +
		`<p><label>Username: <input name="username" autocomplete="username" required value="` + html.EscapeString(page.Username) + `"></label></p>` + "\n" +
		`<p><label>Password: <input name="password" type="password" autocomplete="current-password" required></label></p>` + "\n" +
		`<p><button name="login" value="1">Login</button></p></form>` + "\n")
	return err
}

func (l *LoginResource) check(where string) error {
	return missing(where, map[string]bool{"Authenticator": l.Authenticator == nil, "Credentials": l.Credentials == nil})
}
