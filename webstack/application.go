package webstack

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Application serves the resources of one ported application: what WebStack's deploy functions and adapters do. It is a
// compat.Application. Build it at start-up; then it serves from several goroutines.
type Application struct {
	manager  *core.Manager
	http     *compat.Sessions
	cfg      Config
	settings parsed
	kind     string // the content type of pages that do not set one
	log      *slog.Logger
}

var _ compat.Application = (*Application)(nil)

// Config is what an application is built from. All but Resource may be left out.
type Config struct {
	// Resource answers all requests, mostly a MapResource that hands them on. Required.
	Resource Resource

	// Prefix is the part of the path that leads to the application. It begins with a slash and does not end with
	// one. Default: the root of the site.
	Prefix string

	// Settings are those of WebStack by their names there.
	Settings Settings

	// Quirks turn legacy behaviour on.
	Quirks Quirks

	// Authenticator is asked before each request: the authenticator of deploy. A request that it does not know gets
	// 401 and is asked for a user and a password (HTTP Basic); the authenticator finds what was sent with
	// BasicAuth of the http.Request in Transaction.Environ, and calls SetUser. Default: everybody may come in.
	Authenticator Authenticator

	// Realm names for the user what the password is for: get_realm(). Default: the id of the manager.
	Realm string

	// Cookie changes the cookie of the sessions, for what the settings have no names for: a domain, an age.
	// Default: nothing.
	Cookie func(*compat.SessionsConfig)

	// Scheme returns "http" or "https" for a request, for servers behind a proxy that ends TLS; see
	// compat.SessionsConfig.
	Scheme func(*http.Request) string

	// Logger hears of resources that fail. Default: the Logger of the manager's Config.
	Logger *slog.Logger
}

// NewApplication returns an application whose sessions m manages. Build m from Settings.ManagerConfig. All mistakes in
// the configuration are reported together.
func NewApplication(m *core.Manager, cfg Config) (*Application, error) {
	if m == nil {
		return nil, errors.New("webstack: NewApplication: the manager is nil; build one with core.New")
	}
	s, err := cfg.Settings.parse()
	if cfg.Resource == nil {
		err = errors.Join(err, errors.New("webstack: Config.Resource is nil; it is the resource that was given to deploy"))
	}
	err = errors.Join(err, checkResource("Config.Resource", cfg.Resource))
	if p := cfg.Prefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/")) {
		err = errors.Join(err, fmt.Errorf("webstack: Config.Prefix %q must begin with a slash and not end with one", p))
	}
	if cfg.Quirks.AfterExpire > ExpiredGoesOn {
		err = errors.Join(err, fmt.Errorf("webstack: Quirks.AfterExpire %d is none of the three ways", cfg.Quirks.AfterExpire))
	}
	if cfg.Realm == "" {
		cfg.Realm = m.ID()
	}
	if rerr := checkHeader("WWW-Authenticate", basicChallenge(cfg.Realm)); rerr != nil {
		err = errors.Join(err, fmt.Errorf("webstack: Config.Realm: %w", rerr))
	}
	if err = errors.Join(err, cfg.Settings.checkManager(&s, m)); err != nil {
		return nil, err
	}
	a := &Application{manager: m, cfg: cfg, settings: s, kind: "text/html; charset=" + s.charset.name, log: cfg.Logger}
	if a.log == nil {
		a.log = m.Config().Logger
	}
	if a.http, err = compat.NewSessions(m, a.cookieConfig()); err != nil {
		return nil, fmt.Errorf("webstack: the settings of the session cookie: %w", err)
	}
	return a, nil
}

// cookieConfig says how the session cookie looks.
func (a *Application) cookieConfig() compat.SessionsConfig {
	s := &a.settings
	secure := compat.SecureAuto
	switch {
	case !s.secure:
		secure = compat.SecureOff
	case s.sameSite == http.SameSiteNoneMode:
		secure = compat.SecureOn // browsers drop the cookie otherwise
	}
	path := s.cookiePath
	if path == "" {
		path = (&url.URL{Path: a.cfg.Prefix + "/"}).EscapedPath() // as browsers send it
	}
	cfg := compat.SessionsConfig{
		Name:       s.cookieName,
		KeepName:   true,
		Path:       path,
		SameSite:   s.sameSite,
		Secure:     secure,
		Scheme:     a.cfg.Scheme,
		BufferSize: -1, // the transaction holds back what is written
		ErrorPage:  a.failurePage,
		Logger:     a.log,
	}
	if a.cfg.Cookie != nil {
		a.cfg.Cookie(&cfg)
	}
	return cfg
}

// Handler returns the application, with its sessions, as an http.Handler for the paths below Prefix.
func (a *Application) Handler() http.Handler {
	return a.http.Middleware(compat.Handler(a, compat.HandlerConfig{
		Prefix: a.cfg.Prefix, ErrorPage: a.failurePage, BufferSize: -1, Logger: a.log}))
}

// Manager returns the manager of the application's sessions.
func (a *Application) Manager() *core.Manager { return a.manager }

// HTTPSessions returns how the application's sessions travel, so that handlers which are no resources can use them
// too.
func (a *Application) HTTPSessions() *compat.Sessions { return a.http }

// Call implements compat.Application: it answers one request, as WebStack's adapters do. A failure that has no status of
// its own is returned, after everything was rolled back.
func (a *Application) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	t := &Transaction{app: a, env: env}
	t.response.init(t, start)
	defer t.close()
	err := t.run()
	if err != nil && !ended(err) {
		err = t.fail(err)
	} else {
		err = nil
	}
	if p, ok := errors.AsType[*PanicError](err); ok && p.aborts() {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		return nil, err
	}
	return nil, t.response.commit()
}
