package webkit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
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
		cfg.Cookie = func(c *compat.SessionsConfig) { *c = s.Cookie(*c) }
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
	defaults := DefaultSettings()
	names := slices.AppendSeq(slices.Collect(maps.Keys(defaults)), maps.Keys(refused))
	for _, name := range slices.Sorted(slices.Values(names)) {
		text, given := s.Lookup(name)
		if !given {
			continue
		}
		option := sameThing[name]
		if option == "store" {
			s.Mistake(name, "the section [store:NAME] says where sessions are kept; name it with store = NAME")
			continue
		}
		if _, both := s.Lookup(option); both && option != "" {
			s.Mistake(name, "%s says the same; give one of them", option)
			continue
		}
		v, err := settingValue(text, defaults[name])
		if err == nil {
			_, err = Settings{name: v}.parse()
		}
		if err != nil {
			s.Mistake(name, "%s", strings.TrimPrefix(err.Error(), "webkit: "))
			continue
		}
		all[name] = v
	}
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

// settingValue reads a value as it stands in an Application.config, or without its quotes. like is the setting's default.
func settingValue(text string, like any) (any, error) {
	switch text {
	case "None":
		return nil, nil
	case "True", "true", "yes", "on":
		return true, nil
	case "False", "false", "no", "off":
		return false, nil
	}
	switch like.(type) {
	case bool, int:
		if n, err := strconv.Atoi(text); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	}
	if len(text) > 1 && (text[0] == '\'' || text[0] == '"') {
		if text[len(text)-1] != text[0] {
			return nil, errors.New("the quotes do not match")
		}
		return text[1 : len(text)-1], nil
	}
	if strings.HasPrefix(text, "{") {
		return nil, fmt.Errorf("a dictionary can not stand here; set it in the program, with webkit.Config")
	}
	return text, nil
}
