package webkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Application serves the servlets of one ported application: Webware's Application. It is a
// compat.Application. Build it and add the servlets at start-up; then it serves from several goroutines.
type Application struct {
	manager  *core.Manager
	http     *compat.Sessions
	cfg      Config
	settings parsed
	routes   routes
	open     []core.OpenOption
	now      func() time.Time
	log      *slog.Logger
	store    SessionStore
	domain   string // of the session cookie
}

var _ compat.Application = (*Application)(nil)

// Config is what an application is built from. The zero value is a good start.
type Config struct {
	// Prefix is the part of the path that leads to the application: Webware's servlet path. It begins
	// with a slash and does not end with one. Default: the root of the site.
	Prefix string

	// Settings are those of Application.config.
	Settings Settings

	// Quirks turn legacy behaviour on.
	Quirks Quirks

	// SessionHooks stand in for a subclass of Session.
	SessionHooks SessionHooks

	// Cookie changes what the settings say about the session cookie, for what they have no names for: a domain, an age.
	// The name and the path stay as the settings have them.
	Cookie func(*compat.SessionsConfig)

	// ErrorPages answer failures, before those of the setting ErrorPage. The first one that matches is
	// taken.
	ErrorPages []ErrorPage

	// Scheme returns "http" or "https" for a request, for servers behind a proxy that ends TLS; see
	// compat.SessionsConfig.
	Scheme func(*http.Request) string

	// Logger hears of servlets that fail. Default: the Logger of the manager's Config.
	Logger *slog.Logger
}

// NewApplication returns an application whose sessions m manages. All mistakes in the settings are
// reported together.
func NewApplication(m *core.Manager, cfg Config) (*Application, error) {
	if m == nil {
		return nil, errors.New("webkit: NewApplication: the manager is nil; build one with core.New")
	}
	s, err := cfg.Settings.parse()
	if err != nil {
		return nil, err
	}
	s.ErrorPage = append(cfg.ErrorPages[:len(cfg.ErrorPages):len(cfg.ErrorPages)], s.ErrorPage...)
	if p := cfg.Prefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/")) {
		return nil, fmt.Errorf("webkit: Config.Prefix %q must begin with a slash and not end with one", p)
	}
	a := &Application{manager: m, cfg: cfg, settings: s, routes: make(routes), now: m.Config().Now, log: cfg.Logger}
	a.store.app = a
	if a.log == nil {
		a.log = m.Config().Logger
	}
	if s.AlwaysSaveSessions {
		a.open = []core.OpenOption{core.SaveAlways}
	}
	if a.http, err = compat.NewSessions(m, a.cookieConfig()); err != nil {
		err = fmt.Errorf("webkit: the settings of the session cookie: %w", err)
	}
	if !s.UseCookieSessions && !s.UseAutomaticPathSessions && !cfg.Quirks.FieldSessionID {
		err = errors.Join(err, errors.New("webkit: without UseCookieSessions nobody could come back to a session; "+
			"turn UseAutomaticPathSessions or Quirks.FieldSessionID on"))
	}
	if err = errors.Join(err, cfg.Settings.checkManager(&s, m)); err != nil {
		return nil, err
	}
	return a, nil
}

// cookieConfig says how the session cookie looks.
func (a *Application) cookieConfig() compat.SessionsConfig {
	s := &a.settings
	secure := compat.SecureAuto
	switch {
	case !s.SecureSessionCookie:
		secure = compat.SecureOff
	case s.SameSiteSessionCookie == http.SameSiteNoneMode:
		secure = compat.SecureOn // browsers drop the cookie otherwise
	}
	cfg := compat.SessionsConfig{
		Name:              s.SessionName,
		KeepName:          true,
		Path:              a.SessionCookiePath(),
		SameSite:          s.SameSiteSessionCookie,
		Secure:            secure,
		ReadableByScripts: !s.HttpOnlySessionCookie,
		Scheme:            a.cfg.Scheme,
		BufferSize:        -1, // HTTPResponse holds back what it writes
		ErrorPage:         a.failurePage,
		Logger:            a.log,
	}
	if a.cfg.Cookie != nil {
		a.cfg.Cookie(&cfg)
		cfg.Name, cfg.Path = s.SessionName, a.SessionCookiePath()
		a.domain = cfg.Domain
	}
	return cfg
}

// Add serves a path, which counts from Config.Prefix, with servlets of that factory. A path such as "/counter" is
// that of a servlet and also serves what is below it, see HTTPRequest.ExtraURLPath. A path with a slash at its
// end, such as "/" or "/admin/", is that of the index servlet of a folder. It must be called before the
// application serves. The error says what is wrong with the path.
func (a *Application) Add(path string, f Factory) error { return a.routes.add(path, f) }

// Handler returns the application, with its sessions, as an http.Handler for the paths below Prefix.
func (a *Application) Handler() http.Handler {
	return a.http.Middleware(compat.Handler(a, compat.HandlerConfig{
		Prefix: a.cfg.Prefix, ErrorPage: a.failurePage, BufferSize: -1, Logger: a.log}))
}

// Manager returns the manager of the application's sessions.
func (a *Application) Manager() *core.Manager { return a.manager }

// HTTPSessions returns how the application's sessions travel, so that handlers which are no servlets can
// use them too.
func (a *Application) HTTPSessions() *compat.Sessions { return a.http }

// Sessions returns all sessions of the application: sessions().
func (a *Application) Sessions() *SessionStore { return &a.store }

// Session returns the session with that id: session(id). It is SessionStore.Get.
func (a *Application) Session(ctx context.Context, id string) (*Session, error) {
	return a.store.Get(ctx, id)
}

// HasSession reports whether there is a living session with that id: hasSession(id). It is SessionStore.Has.
func (a *Application) HasSession(ctx context.Context, id string) (bool, error) {
	return a.store.Has(ctx, id)
}

// Setting returns a setting by its name in Application.config, or its default: setting(name). The error
// matches ErrKey if there is none of that name.
func (a *Application) Setting(name string) (any, error) {
	if v, ok := a.cfg.Settings[name]; ok {
		return v, nil
	}
	if v, ok := DefaultSettings()[name]; ok {
		return v, nil
	}
	return nil, keyError("setting", name)
}

// SessionName returns the name of the session cookie: sessionName(trans). It is the same for every transaction.
func (a *Application) SessionName() string { return a.settings.SessionName }

// SessionPrefix returns what session ids begin with, with its dash: sessionPrefix(trans). It is the same
// for every transaction.
func (a *Application) SessionPrefix() string { return a.settings.SessionPrefix }

// SessionTimeout returns how long new sessions may be unused: sessionTimeout(trans). It is the same for every
// transaction; call Session.SetTimeout to change one session's.
func (a *Application) SessionTimeout() time.Duration {
	if d := a.manager.Config().IdleTimeout; d > 0 {
		return d
	}
	return NoTimeout
}

// SessionCookiePath returns the path of the session cookie: sessionCookiePath(trans). By default it is the
// application's own.
func (a *Application) SessionCookiePath() string {
	if a.settings.SessionCookiePath != "" {
		return a.settings.SessionCookiePath
	}
	return escapePath(a.cfg.Prefix + "/") // as browsers send it
}

// openSession opens the session that the client asks for, or a new one: createSessionForTransaction. If the
// transaction has a session it is that one again, fit for the options, or a new one if it has ended.
func (a *Application) openSession(t *Transaction, opts []core.OpenOption) (*core.Session, error) {
	if t.session != nil {
		return a.openID(t, t.session.core.ID(), false, opts)
	}
	id, foreign := t.request.claim()
	c, err := a.openID(t, id, foreign, opts)
	if err != nil || id == "" || !c.IsNew() {
		return c, err
	}
	t.request.session.expired = true
	if a.settings.IgnoreInvalidSession {
		return c, nil
	}
	e := HTTPSessionExpired()
	if a.settings.UseCookieSessions {
		// Otherwise the browser would send the id for ever, and never get in again.
		gone := Cookie{Name: a.SessionName(), Path: a.SessionCookiePath(), Domain: a.domain}
		gone.Delete()
		line, err := gone.HeaderValue()
		if err != nil {
			return nil, err
		}
		e.Header = http.Header{"Set-Cookie": {line}}
	}
	return nil, e
}

// openID opens the session with that id, or a new one if there is none. foreign says that the id did not come
// by the cookie.
func (a *Application) openID(t *Transaction, id string, foreign bool, opts []core.OpenOption) (*core.Session, error) {
	ctx := t.Context()
	if a.settings.UseCookieSessions {
		if foreign {
			if err := a.http.SetClientID(ctx, id); err != nil {
				return nil, err
			}
		}
		return a.http.Session(ctx, opts...)
	}
	if id != "" {
		c, err := a.manager.Open(ctx, id, opts...)
		if err == nil || !errors.Is(err, core.ErrNotFound) {
			return c, sessionError("open", err)
		}
	}
	if t.env.Response().Sent() {
		return nil, fmt.Errorf("webkit: a new session: %w", compat.ErrSent)
	}
	c, err := a.manager.Create(ctx, opts...)
	return c, sessionError("create", err)
}

func sessionError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &compat.SessionError{Op: op, Err: err}
}
