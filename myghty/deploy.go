package myghty

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Deploy makes applications for sections of a configuration file. The file may say all that docs/config.md has on sessions
// and cookies, the options of DefaultOptions by the names that they have in such files, session_timeout or
// beaker.session.timeout, and quirks = WholeSaves, DeferredSave and so on. base and manager are what holds where it
// says nothing; base.Prefix comes from where the section is mounted. add gives the application its components, and may
// ask the section for options of its own.
//
//	loader.App("gallery", myghty.Deploy(myghty.Config{}, core.Config{}, addComponents))
func Deploy(base Config, manager core.Config, add func(app *Application, s *deploy.Section) error) deploy.AppFactory {
	return func(s *deploy.Section) (compat.Application, error) {
		cfg := base
		cfg.Prefix = s.Prefix()
		s.Switches("quirks", &cfg.Quirks)
		cfg.Options = sectionOptions(s, base.Options)
		cfg.Cookie = func(c *compat.SessionsConfig) {
			if base.Cookie != nil {
				base.Cookie(c)
			}
			*c = s.Cookie(*c)
		}
		if cfg.Logger == nil {
			cfg.Logger = s.Logger()
		}
		settings, err := cfg.Options.Settings(manager)
		if err != nil {
			return nil, err
		}
		if settings.Manager.TouchInterval == neverTouch {
			for _, name := range []string{"idle_timeout", "touch_interval"} {
				if text, given := s.Lookup(name); given && text != "never" {
					s.Mistake(name, "with save_accessed_time = no nobody knows when a session was used; take one of them away")
					return nil, deploy.ErrReported
				}
			}
		}
		m, err := s.Manager(settings.Manager)
		if err != nil {
			return nil, err
		}
		app, err := NewApplication(m, cfg)
		if err != nil {
			return nil, err
		}
		s.Carries(app.HTTPSessions())
		if cfg.ErrorPage != nil {
			s.ErrorPage(cfg.ErrorPage)
		}
		return app, add(app, s)
	}
}

// sameThing are options, and those of a configuration file that say the same.
var sameThing = map[string]string{
	"cookie_domain": "cookie_domain", "cookie_expires": "cookie_max_age", "cookie_path": "cookie_path", "data_dir": "store",
	"data_serializer": "codec", "dbm_dir": "store", "file_dir": "store", "httponly": "cookie_http_only",
	"invalidate_corrupt": "corrupt", "key": "cookie_name", "samesite": "cookie_samesite", "secure": "cookie_secure",
	"timeout": "idle_timeout", "type": "store", "url": "store",
}

// sectionOptions returns base with the options that a section gives. What is wrong is a mistake and left out.
func sectionOptions(s *deploy.Section, base Options) Options {
	all := Options{}
	for name, v := range base {
		if option := sameThing[nameOf(name)]; option != "" {
			if _, given := s.Lookup(option); given {
				continue // the file goes before the program
			}
		}
		all[name] = v
	}
	names, same := fileNames()
	legacy := s.Legacy(names, same)
	given := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(legacy)) {
		bare := nameOf(name)
		if _, err := (Options{name: legacy[name]}).read(); err != nil {
			s.Mistake(name, "%s", strings.TrimPrefix(err.Error(), "myghty: "))
			continue
		}
		if given[bare] != "" {
			s.Mistake(name, "it is given as %s too", given[bare])
			continue
		}
		maps.DeleteFunc(all, func(other string, _ any) bool { return nameOf(other) == bare })
		all[name], given[bare] = legacy[name], name
	}
	return all
}

// fileNames returns all names that options have in a file, refused ones too, and which of docs/config.md say the same.
func fileNames() (names []string, same map[string]string) {
	same = map[string]string{}
	for _, prefix := range prefixes {
		for bare := range specs {
			names = append(names, prefix+bare)
			same[prefix+bare] = sameThing[bare]
		}
		for bare := range refused {
			names = append(names, prefix+bare)
		}
	}
	return append(names, "session_class"), same // which has no prefix, though it looks so
}
