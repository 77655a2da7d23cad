package desk

import (
	"crypto/subtle"
	"slices"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// users may sign in. This is a demonstration: the login page shows them to everybody.
var users = []struct{ name, password string }{
	{"ada", "engine"},
	{"grace", "compiler"},
}

// login signs a user in. Other pages forward to it: LoginPage.py.
type login struct{ sitePage }

func (p *login) Title() string { return "Sign in" }

func (p *login) Actions() []webkit.Action {
	return []webkit.Action{{Name: "login", Run: p.signIn}}
}

func (p *login) signIn() error {
	r := p.Request()
	name := r.FieldDefault("user", "")
	if !known(name, r.FieldDefault("password", "")) {
		p.problem = "There is no such user, or the password is wrong."
		return p.WriteHTML()
	}
	s, err := p.Session()
	if err != nil {
		return err
	}
	before, err := core.Get[string](s.Core(), userName)
	if err != nil {
		return err
	}
	if before != name { // what an earlier user left is nobody else's business
		if err := s.Core().Clear(); err != nil {
			return err
		}
	}
	if err := s.Rotate(0); err != nil {
		return err
	}
	if err := s.SetValue(userName, name); err != nil {
		return err
	}
	return p.SendRedirectSeeOtherAndEnd(r.ServletPath() + p.next())
}

func known(name, password string) bool {
	for _, u := range users {
		if u.name == name {
			return subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) == 1
		}
	}
	return false
}

// next returns where the user wanted to go: the page that forwarded here, which the form then remembers.
func (p *login) next() string {
	next := p.Request().PreviousURLPath()
	if next == "" {
		next = p.Request().FieldDefault("next", "")
	}
	if !slices.Contains([]string{"/counter", "/tickets"}, next) {
		return "/"
	}
	return next
}

func (p *login) WriteContent() error {
	r := p.Request()
	switch {
	case p.problem != "":
	case r.PreviousServlet() != nil:
		p.Writeln(`<p class="message">Please sign in to see this page.</p>`)
	case r.HasField("goodbye"):
		p.Writeln(`<p class="message">You have signed out.</p>`)
	}
	p.Writeln(`<form class="form" method="post" action="`, p.link("/login"), `">`)
	p.Writeln(`<input type="hidden" name="next" value="`, p.HTMLEncode(p.next()), `">`)
	p.Writeln(`<label>User <input type="text" name="user" autocomplete="username" autocapitalize="none" required value="`,
		p.HTMLEncode(r.FieldDefault("user", "")), `"></label>`)
	p.Writeln(`<label>Password <input type="password" name="password" autocomplete="current-password" required></label>`)
	p.Writeln(`<button name="_action_login" value="1">Sign in</button>`)
	p.Writeln("</form>")
	p.Writeln("<p>This is a demonstration. You may sign in as:</p>")
	p.Writeln("<table><tr><th>User</th><th>Password</th></tr>")
	for _, u := range users {
		p.Writeln("<tr><td><code>", u.name, "</code></td><td><code>", u.password, "</code></td></tr>")
	}
	p.Writeln("</table>")
	p.Writeln(`<p class="quiet">Signing in gives the session a new id, so that an id which somebody knew before is worth nothing.</p>`)
	return nil
}

// logout ends the session.
type logout struct{ webkit.HTTPServlet }

// RespondToPost ends the session, and with it everything that the desk knows about the user.
func (*logout) RespondToPost(t *webkit.Transaction) error {
	s, err := t.Session()
	if err != nil {
		return err
	}
	if err := s.Invalidate(); err != nil {
		return err
	}
	return t.Response().SendRedirectSeeOther(t.Request().ServletPath() + "/login?goodbye=1")
}
