// Package notes is a session editor, written as a WebStack programmer would have written it and then ported: resources in
// a map, a login page in front, a form that adds and deletes what the session holds, uploads, and a button that expires it.
package notes

import (
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webstack"
)

// Register makes the application known as notes.
func Register(l *deploy.Loader) {
	settings := webstack.Settings{"default_charset": "utf-8", "max_body_size": 64 << 10, "max_fields": 20}
	// Serialized, as WebStack's own sessions were: the pages read, change and show in one go.
	l.App("notes", webstack.Deploy(webstack.Config{Settings: settings}, core.Config{}, func(s *deploy.Section) (webstack.Resource, error) {
		return site(s.Prefix()), nil
	}))
}

// site is the map of the application: /notes/ for those who have signed in, and /notes/login.
func site(prefix string) webstack.Resource {
	authenticator := webstack.SessionAuthenticator{Key: userKey}
	return &webstack.MapResource{Mapping: map[string]webstack.Resource{
		"": &webstack.LoginRedirectResource{
			LoginURL:      prefix + "/login",
			Resource:      webstack.ResourceFunc(edit),
			Authenticator: authenticator,
		},
		"login": &webstack.LoginResource{
			Authenticator: authenticator,
			Credentials:   known,
			Home:          prefix + "/",
			Show:          showLogin,
		},
	}}
}
