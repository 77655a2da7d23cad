package albatross

import (
	"crypto/rand"
	"maps"
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
	given := s.Legacy(slices.AppendSeq(slices.Collect(maps.Keys(refused)), maps.Keys(sameThing)), sameThing)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		for _, twin := range slices.Sorted(maps.Keys(given)) {
			if twin < name && sameThing[name] != "" && sameThing[twin] == sameThing[name] {
				s.Mistake(name, "%s says the same; give one of them", twin)
			}
		}
		switch name {
		case "appid", "session_appid":
			cfg.AppID = given[name]
		case "age", "session_age":
			manager.IdleTimeout = time.Duration(s.Int(name, 1800, 1)) * time.Second
		default:
			s.Mistake(name, "%s", refused[name])
		}
	}
	cfg.AppID = s.String("cookie_name", cfg.AppID)
	if cfg.StartPage = s.String("start_page", cfg.StartPage); cfg.StartPage == "" {
		s.Mistake("start_page", "name the page where a session begins")
		cfg.StartPage = "?" // it is reported
	}
	cfg.RandomPages = s.Bool("random_pages", cfg.RandomPages)
	cfg.MaxFormBytes = s.Size("max_form", cfg.MaxFormBytes)
	cfg.MaxFormFields = s.Int("max_form_fields", cfg.MaxFormFields, 1)
	cfg.Session = sectionSession(s, cfg.Session)
	switch s.Choice("recorder", "", "name", "stub") {
	case "name":
		cfg.Recorder = NameRecorderMixin{}
	case "stub":
		cfg.Recorder = StubRecorderMixin{}
	}
	sectionSecrets(s, cfg)
	return manager
}

// sectionSecrets changes the secrets. With a secret of the file the program's own are gone, old ones too. No mistake shows
// one. One that is reported is replaced by a random one, so that the rest of the section is looked at.
func sectionSecrets(s *deploy.Section, cfg *Config) {
	long := func(key, what string, secret []byte) bool {
		if len(secret) >= minSecret {
			return true
		}
		s.Mistake(key, "%s has %d bytes, at least %d are needed; make it with crypto/rand", what, len(secret), minSecret)
		return false
	}
	standIn := []byte(rand.Text() + rand.Text())
	secret, given := s.Lookup("secret")
	_, signs := cfg.Recorder.(recorderBinder)
	_, seals := cfg.Session.(HiddenFieldSessionMixin)
	switch {
	case given:
		if cfg.Secrets = (Secrets{Current: []byte(secret)}); !long("secret", "it", cfg.Secrets.Current) {
			cfg.Secrets.Current = standIn
		}
	case len(cfg.Secrets.Current) == 0 && (cfg.Recorder == nil || signs || seals):
		s.Mistake("secret", "forms need one, at least %d bytes that only the servers know; make it with crypto/rand", minSecret)
		cfg.Secrets.Current = standIn
	}
	for _, old := range s.List("old_secrets") {
		if long("old_secrets", "one of them", []byte(old)) {
			cfg.Secrets.Old = append(slices.Clip(cfg.Secrets.Old), []byte(old))
		}
	}
}

// sectionSession returns what keeps the session variables.
func sectionSession(s *deploy.Section, base SessionMixin) SessionMixin {
	switch s.Choice("session", "", "server", "file", "hidden", "branching", "stub") {
	case "server":
		if _, same := base.(SessionServerContextMixin); !same {
			base = SessionServerContextMixin{}
		}
	case "file":
		base = SessionFileContextMixin{}
	case "hidden":
		if _, same := base.(HiddenFieldSessionMixin); !same {
			base = HiddenFieldSessionMixin{}
		}
	case "branching":
		if _, same := base.(BranchingSessionMixin); !same {
			base = BranchingSessionMixin{}
		}
	case "stub":
		base = StubSessionMixin{}
	}
	branching := []string{"history_branches", "history_bytes", "history_age"}
	hidden := []string{"state_age", "state_size"}
	switch m := base.(type) {
	case BranchingSessionMixin:
		onlyFor(s, "session = hidden", hidden...)
		m.Unbound = s.Bool("unbound", m.Unbound)
		m.History.Branches = s.Int("history_branches", m.History.Branches, 1)
		m.History.Bytes = int(min(s.Size("history_bytes", int64(m.History.Bytes)), 1<<30))
		m.History.Age = s.Duration("history_age", m.History.Age)
		return m
	case HiddenFieldSessionMixin:
		onlyFor(s, "session = branching", branching...)
		m.Unbound = s.Bool("unbound", m.Unbound)
		if m.MaxAge = s.Duration("state_age", m.MaxAge); m.MaxAge < 0 {
			s.Mistake("state_age", "it can not be never: give a time")
			m.MaxAge = 0
		}
		m.MaxSize = int(min(s.Size("state_size", int64(m.MaxSize)), 1<<30))
		return m
	}
	onlyFor(s, "session = branching", branching...)
	onlyFor(s, "session = hidden", hidden...)
	onlyFor(s, "session = branching and session = hidden", "unbound")
	return base
}

// onlyFor reports options that have no meaning for the section's kind of session.
func onlyFor(s *deploy.Section, kind string, names ...string) {
	for _, name := range names {
		if _, given := s.Lookup(name); given {
			s.Mistake(name, "it is for %s alone", kind)
		}
	}
}
