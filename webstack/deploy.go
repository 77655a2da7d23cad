package webstack

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Deploy makes applications for sections of a configuration file. The file may say all that docs/config.md has on sessions
// and cookies, the settings of DefaultSettings by their names there, quirks = SaveOnError, AlwaysCreate and so on, and
// after_expire, which is Quirks.AfterExpire: gone, stays or goes_on. base and manager are what holds where it says nothing;
// base.Prefix comes from where the section is mounted. resource returns what answers the requests, and may ask the section
// for options of its own.
//
//	loader.App("notes", webstack.Deploy(webstack.Config{}, core.Config{}, newResource))
func Deploy(base Config, manager core.Config, resource func(s *deploy.Section) (Resource, error)) deploy.AppFactory {
	return func(s *deploy.Section) (compat.Application, error) {
		cfg := base
		cfg.Prefix = s.Prefix()
		cfg.Quirks = sectionQuirks(s, base.Quirks)
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
		var err error
		if cfg.Resource, err = resource(s); err != nil {
			return nil, err
		}
		settled, err := cfg.Settings.ManagerConfig(manager)
		if err != nil {
			return nil, err
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
		return app, nil
	}
}

// sectionQuirks returns base with the quirks that a section names.
func sectionQuirks(s *deploy.Section, base Quirks) Quirks {
	on := struct{ SaveOnError, AlwaysCreate, MissingIsNil bool }{base.SaveOnError, base.AlwaysCreate, base.MissingIsNil}
	s.Switches("quirks", &on)
	base.SaveOnError, base.AlwaysCreate, base.MissingIsNil = on.SaveOnError, on.AlwaysCreate, on.MissingIsNil
	switch s.Choice("after_expire", "", "gone", "stays", "goes_on") {
	case "gone":
		base.AfterExpire = ExpiredIsGone
	case "stays":
		base.AfterExpire = ExpiredStays
	case "goes_on":
		base.AfterExpire = ExpiredGoesOn
	}
	return base
}

// sameThing are settings, and the options that say the same.
var sameThing = map[string]string{
	"lock_timeout": "lock_wait", "session_cookie_name": "cookie_name", "session_cookie_path": "cookie_path",
	"session_cookie_samesite": "cookie_samesite", "session_cookie_secure": "cookie_secure", "session_directory": "store",
	"session_timeout": "idle_timeout",
}

// sectionSettings returns base with the settings that a section gives.
func sectionSettings(s *deploy.Section, base Settings) Settings {
	all := maps.Clone(base)
	if all == nil {
		all = Settings{}
	}
	for name, option := range sameThing {
		if _, given := s.Lookup(option); given {
			delete(all, name) // the file goes before the program
		}
	}
	maps.Copy(all, s.LegacyValues(DefaultSettings(), slices.Collect(maps.Keys(refused)), sameThing, func(name string, v any) error {
		if _, err := (Settings{name: v}).parse(); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "webstack: "))
		}
		return nil
	}))
	return all
}
