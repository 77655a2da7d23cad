package webkit

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Deploy makes applications for sections of a configuration file. The file may say all that docs/config.md has on
// sessions and cookies, quirks = SaveOnException, FieldSessionID and so on, and the settings of Application.config by
// their names there. base and manager are what holds where it says nothing; base.Prefix comes from where the
// section is mounted. add gives the application its servlets, and may ask the section for options of its own.
//
//	loader.App("shop", webkit.Deploy(webkit.Config{}, core.Config{Locking: core.Serialized}, addServlets))
func Deploy(base Config, manager core.Config, add func(app *Application, s *deploy.Section) error) deploy.AppFactory {
	return func(s *deploy.Section) (compat.Application, error) {
		cfg := base
		cfg.Prefix = s.Prefix()
		s.Switches("quirks", &cfg.Quirks)
		cfg.Settings = sectionSettings(s, base.Settings)
		cfg.Cookie = func(c *compat.SessionsConfig) {
			if base.Cookie != nil {
				base.Cookie(c)
			}
			*c = s.Cookie(*c)
		}
		if cfg.Logger == nil {
			cfg.Logger = s.Logger()
		}
		settled, err := cfg.Settings.ManagerConfig(manager)
		if err != nil {
			return nil, err
		}
		if cfg.Settings["AlwaysSaveSessions"] == true {
			settled.Save = core.SaveAlways // the same, where a table of the site shows it
		}
		m, err := s.Manager(settled)
		if err != nil {
			return nil, err
		}
		app, err := NewApplication(m, cfg)
		if err != nil {
			return nil, err
		}
		s.Carries(app.HTTPSessions())
		s.ErrorPage(app.failurePage)
		return app, add(app, s)
	}
}

// sameThing are settings, and the options that say the same.
var sameThing = map[string]string{
	"AlwaysSaveSessions": "save", "HttpOnlySessionCookie": "cookie_http_only", "SameSiteSessionCookie": "cookie_samesite",
	"SecureSessionCookie": "cookie_secure", "SessionCookiePath": "cookie_path", "SessionName": "cookie_name",
	"SessionStore": "store", "SessionStoreDir": "store", "SessionTimeout": "idle_timeout",
}

// sectionSettings returns base with the settings that a section gives.
func sectionSettings(s *deploy.Section, base Settings) Settings {
	all := maps.Clone(base)
	if all == nil {
		all = Settings{}
	}
	maps.Copy(all, s.LegacyValues(DefaultSettings(), slices.Collect(maps.Keys(refused)), sameThing, func(name string, v any) error {
		if _, err := (Settings{name: v}).parse(); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "webkit: "))
		}
		return nil
	}))
	// What the file says by the other name goes before what the program says by this one.
	for name, option := range sameThing {
		if _, inFile := s.Lookup(name); inFile || option == "store" {
			continue
		}
		if _, given := s.Lookup(option); given && name != "SessionName" && name != "SessionCookiePath" {
			delete(all, name)
		}
	}
	if name, ok := s.Lookup("cookie_name"); ok {
		all["SessionName"] = name
	}
	if path, ok := s.Lookup("cookie_path"); ok {
		all["SessionCookiePath"] = path
	}
	return all
}
