package notes

import (
	"crypto/subtle"
	"html/template"

	"github.com/holdover-web/holdover/webstack"
)

// user may sign in. This is a demonstration: the login page shows them to everybody.
type user struct{ Name, Password string }

var users = []user{{"ada", "engine"}, {"grace", "compiler"}}

func known(_ *webstack.Transaction, name, password string) (bool, error) {
	for _, u := range users {
		if u.Name == name {
			return subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1, nil
		}
	}
	return false, nil
}

// showLogin writes the page with the form.
func showLogin(t *webstack.Transaction, l webstack.Login) error {
	fields, err := t.GetFieldsFromPath()
	if err != nil {
		return err
	}
	return render(t, "login", struct {
		webstack.Login
		Hidden  template.HTML // is escaped already
		Goodbye bool
		Users   []user
	}{l, template.HTML(l.HiddenFields), fields.Has("goodbye") && !l.Refused, users})
}
