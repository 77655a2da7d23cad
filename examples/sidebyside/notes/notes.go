// Package notes is a session editor, written as a WebStack programmer would have written it and then ported: resources in
// a map, a login page in front, a form that adds and deletes what the session holds, uploads, and a button that expires it.
package notes

import (
	"fmt"
	"log/slog"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webstack"
)

// New returns the application for the paths below prefix, such as "/notes", with its sessions in store. The caller
// closes its Manager.
func New(prefix string, store core.Store, log *slog.Logger) (*webstack.Application, error) {
	settings := webstack.Settings{"default_charset": "utf-8", "max_body_size": 64 << 10, "max_fields": 20}
	cfg, err := settings.ManagerConfig(core.Config{Logger: log}) // Serialized, as WebStack's own sessions were
	if err != nil {
		return nil, fmt.Errorf("notes: %w", err)
	}
	m, err := core.New("notes", store, cfg)
	if err != nil {
		return nil, fmt.Errorf("notes: %w", err)
	}
	app, err := webstack.NewApplication(m, webstack.Config{Prefix: prefix, Settings: settings, Resource: site(prefix)})
	if err != nil {
		return nil, fmt.Errorf("notes: %w", err)
	}
	return app, nil
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
