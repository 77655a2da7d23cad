package albatross

import (
	"slices"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Deploy makes applications for sections of a configuration file. The file may say all that docs/config.md has on sessions
// and cookies, quirks = ProcessLostForms, RemoveOneBranch, and what the porting guide has for files: start_page, secret and
// old_secrets, session, history_branches and so on. base and manager are what holds where it says nothing; base.Prefix
// comes from where the section is mounted. add registers the pages, and may ask the section for options of its own.
//
//	loader.App("trip", albatross.Deploy(albatross.Config{StartPage: "where"}, core.Config{}, addPages))
func Deploy(base Config, manager core.Config, add func(app *Application, s *deploy.Section) error) deploy.AppFactory {
	return func(s *deploy.Section) (compat.Application, error) {
		cfg := base
		cfg.Prefix = s.Prefix()
		s.Switches("quirks", &cfg.Quirks)
		manager := sectionOptions(s, &cfg, manager)
		cfg.Cookie = func(c *compat.SessionsConfig) {
			if base.Cookie != nil {
				base.Cookie(c)
			}
			*c = s.Cookie(*c)
		}
		if path, given := s.Lookup("cookie_path"); given && path != (&Application{cfg: cfg}).cookiePath() {
			s.Mistake("cookie_path", "the cookie goes where the application is mounted")
		}
		if cfg.Logger == nil {
			cfg.Logger = s.Logger()
		}
		m, err := s.Manager(manager)
		if err != nil {
			return nil, err
		}
		app, err := NewApplication(m, cfg)
		if err != nil {
			return nil, err
		}
		s.Carries(app.HTTPSessions())
		s.ErrorPage(failurePage)
		return app, add(app, s)
	}
}

// sameThing are the parameters of Albatross's applications, and the options that say the same. Some have no meaning here.
var sameThing = map[string]string{
	"appid": "cookie_name", "session_appid": "cookie_name", "session_age": "idle_timeout", "age": "idle_timeout",
	"session_dir": "store", "session_server": "store", "server": "store", "server_port": "store", "port": "store",
}

// refused are parameters that have no effect here, and what to do instead.
var refused = map[string]string{
	"base_url":      "the application's URL is where the file mounts it",
	"template_path": "templates are Config.Templates, in the program",
	"base_dir":      "pages are registered by the program",
	"module_path":   "pages are registered by the program",
}

// sectionOptions changes cfg by what a section says, and returns what the manager is to be built from.
func sectionOptions(s *deploy.Section, cfg *Config, manager core.Config) core.Config {
	names := []string{"base_url", "template_path", "base_dir", "module_path"}
	for name := range sameThing {
		names = append(names, name)
	}
	for name, text := range s.Legacy(names, sameThing) {
		switch name {
		case "appid", "session_appid":
			cfg.AppID = text
		case "age", "session_age":
			manager.IdleTimeout = time.Duration(s.Int(name, 1800, 1)) * time.Second
		default:
			s.Mistake(name, "%s", refused[name])
		}
	}
	cfg.AppID = s.String("cookie_name", cfg.AppID)
	cfg.StartPage = s.String("start_page", cfg.StartPage)
	cfg.RandomPages = s.Bool("random_pages", cfg.RandomPages)
	cfg.MaxFormBytes = s.Size("max_form", cfg.MaxFormBytes)
	cfg.MaxFormFields = s.Int("max_form_fields", cfg.MaxFormFields, 1)
	if secret, given := s.Lookup("secret"); given {
		cfg.Secrets = Secrets{Current: []byte(secret)}
		if len(secret) < minSecret {
			s.Mistake("secret", "it has %d bytes, at least %d are needed", len(secret), minSecret)
		}
	}
	for _, old := range s.List("old_secrets") {
		cfg.Secrets.Old = append(slices.Clip(cfg.Secrets.Old), []byte(old))
	}
	cfg.Session = sectionSession(s, cfg.Session)
	switch s.Choice("recorder", "", "name", "stub") {
	case "name":
		cfg.Recorder = NameRecorderMixin{}
	case "stub":
		cfg.Recorder = StubRecorderMixin{}
	}
	return manager
}

// sectionSession returns what keeps the session variables.
func sectionSession(s *deploy.Section, base SessionMixin) SessionMixin {
	switch s.Choice("session", "", "server", "file", "hidden", "branching", "stub") {
	case "server":
		base = SessionServerContextMixin{}
	case "file":
		base = SessionFileContextMixin{}
	case "hidden":
		base = HiddenFieldSessionMixin{}
	case "branching":
		base = BranchingSessionMixin{}
	case "stub":
		base = StubSessionMixin{}
	}
	switch m := base.(type) {
	case BranchingSessionMixin:
		m.Unbound = s.Bool("unbound", m.Unbound)
		m.History.Branches = s.Int("history_branches", m.History.Branches, 1)
		m.History.Bytes = int(min(s.Size("history_bytes", int64(m.History.Bytes)), 1<<30))
		m.History.Age = s.Duration("history_age", m.History.Age)
		return m
	case HiddenFieldSessionMixin:
		m.Unbound = s.Bool("unbound", m.Unbound)
		m.MaxAge = s.Duration("state_age", m.MaxAge)
		m.MaxSize = int(min(s.Size("state_size", int64(m.MaxSize)), 1<<30))
		return m
	}
	return base
}
