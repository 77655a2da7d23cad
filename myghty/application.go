package myghty

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Application serves the components of one ported application: what Myghty's interpreter and its request handler do. It is
// a compat.Application. Build it and add the components at start-up; then it serves from several goroutines.
type Application struct {
	manager    *core.Manager
	http       *compat.Sessions
	cfg        Config
	opts       options
	components components
	handlers   bool // there are autohandlers
	open       [2][]core.OpenOption
	log        *slog.Logger
	requests   sync.Pool // of *buffer
}

var _ compat.Application = (*Application)(nil)

// Config is what an application is built from. The zero value is a good start.
type Config struct {
	// Prefix is the part of the path that leads to the application. It begins with a slash and does not end with one.
	// Default: the root of the site.
	Prefix string

	// Options are those of the session. A Session's store and its manager are built from them too, see
	// Options.Settings.
	Options Options

	// Quirks turn legacy behaviour on.
	Quirks Quirks

	// MaxFormBytes is the largest form that is read. Default 10 MiB.
	MaxFormBytes int64

	// BufferBytes is how much output is held back at most before the response begins. Default 64 KiB; negative:
	// nothing is held back.
	BufferBytes int

	// ErrorPage answers requests that fail, other than by Request.Abort. Default compat.DefaultErrorPage.
	ErrorPage compat.ErrorPage

	// Cookie changes the cookie of the sessions, for what the options have no names for: a domain, an age.
	// Default: nothing.
	Cookie func(*compat.SessionsConfig)

	// Scheme returns "http" or "https" for a request, for servers behind a proxy that ends TLS; see
	// compat.SessionsConfig.
	Scheme func(*http.Request) string

	// Logger hears of components that fail. Default: the Logger of the manager's Config.
	Logger *slog.Logger
}

// NewApplication returns an application whose sessions m manages. All mistakes in the options are reported together.
func NewApplication(m *core.Manager, cfg Config) (*Application, error) {
	if m == nil {
		return nil, errors.New("myghty: NewApplication: the manager is nil; build one with core.New")
	}
	if p := cfg.Prefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/")) {
		return nil, fmt.Errorf("myghty: Config.Prefix %q must begin with a slash and not end with one", p)
	}
	read, err := cfg.Options.read()
	if err != nil {
		return nil, err
	}
	a := &Application{manager: m, cfg: cfg, opts: options{read}, components: make(components), log: cfg.Logger}
	if a.log == nil {
		a.log = m.Config().Logger
	}
	if a.cfg.MaxFormBytes == 0 {
		a.cfg.MaxFormBytes = 10 << 20
	}
	if a.cfg.BufferBytes == 0 {
		a.cfg.BufferBytes = 64 << 10
	}
	a.open = [2][]core.OpenOption{{a.locking(), core.SaveExplicit}, {a.locking(), core.SaveDirty}}
	a.requests.New = func() any { return new(buffer) }
	sessions, err := a.opts.sessionsConfig()
	if err == nil {
		sessions.Scheme, sessions.ErrorPage, sessions.Logger = cfg.Scheme, cfg.ErrorPage, a.log
		sessions.BufferSize = -1 // Request holds back what it writes
		if cfg.Cookie != nil {
			cfg.Cookie(&sessions)
		}
		if a.http, err = compat.NewSessions(m, sessions); err != nil {
			err = fmt.Errorf("myghty: the options of the session cookie: %w", err)
		}
	}
	if err := errors.Join(err, a.opts.check(), a.opts.checkManager(m)); err != nil {
		return nil, err
	}
	return a, nil
}

// locking is the policy of a session that is not locked: Merge lets what other requests have saved under other names
// alone.
func (a *Application) locking() core.LockingPolicy {
	if a.cfg.Quirks.WholeSaves {
		return core.Lossy
	}
	return core.Merge
}

// openOptions says how a session is opened.
func (a *Application) openOptions(auto bool) []core.OpenOption {
	if auto {
		return a.open[1]
	}
	return a.open[0]
}

// Add serves a path, which counts from Config.Prefix, with a component. A path with a slash at its end is that of a
// folder. Two names have a meaning in a folder: an "autohandler" runs around each component of the folder and of those
// below it, see Request.CallNext; a "dhandler" answers requests for what is not there. Both can not be asked for directly.
// Add must be called before the application serves. The error says what is wrong with the path.
func (a *Application) Add(path string, c Component) error {
	if err := a.components.add(path, c); err != nil {
		return err
	}
	a.handlers = a.handlers || strings.HasSuffix(path, "/"+autohandler)
	return nil
}

// AddFunc is Add for a function.
func (a *Application) AddFunc(path string, f func(m *Request) error) error {
	if f == nil {
		return a.Add(path, nil)
	}
	return a.Add(path, ComponentFunc(f))
}

// Handler returns the application, with its sessions, as an http.Handler for the paths below Prefix.
func (a *Application) Handler() http.Handler {
	return a.http.Middleware(compat.Handler(a, compat.HandlerConfig{
		Prefix: a.cfg.Prefix, ErrorPage: a.cfg.ErrorPage, BufferSize: -1, Logger: a.log}))
}

// Manager returns the manager of the application's sessions.
func (a *Application) Manager() *core.Manager { return a.manager }

// HTTPSessions returns how the application's sessions travel, so that handlers which are no components can use them
// too.
func (a *Application) HTTPSessions() *compat.Sessions { return a.http }

// Call implements compat.Application: it answers one request. A failure other than an AbortError is returned, after which
// the request's sessions are rolled back.
func (a *Application) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	m := &Request{app: a, env: env, start: start, status: http.StatusOK}
	m.buffer = a.requests.Get().(*buffer)
	m.out = &m.buffer.Buffer
	defer m.release()
	err := m.readForm()
	if err == nil {
		err = m.dispatch(env.PathInfo())
	}
	if err == nil {
		err = m.failed
	}
	if abort, ok := errors.AsType[*AbortError](err); ok {
		err = m.aborted(abort, err)
	}
	if err != nil {
		return nil, err
	}
	return nil, m.deliver()
}

// dispatch runs the component for a path, or the nearest dhandler.
func (m *Request) dispatch(p string) error {
	a := m.app
	if p == "" {
		p = "/"
	}
	if a.components[p] != nil && !special(p) {
		if err := m.run(a.chain(p)); !errors.Is(err, ErrDecline) {
			return err
		}
	}
	err := error(&AbortError{Code: http.StatusNotFound})
	above(p, func(dir string) bool {
		if a.components[dir+dhandler] == nil {
			return true
		}
		m.dhandlerArg = p[len(dir):]
		declined := m.run(a.chain(dir + dhandler))
		if errors.Is(declined, ErrDecline) {
			return true
		}
		err = declined
		return false
	})
	return err
}

// run runs a chain of components as the answer to the request.
func (m *Request) run(chain []link) error {
	m.next = chain
	err := m.CallNext(nil)
	if errors.Is(err, ErrDecline) {
		if cleared := m.ClearBuffer(); cleared != nil {
			return fmt.Errorf("a component declined the request too late: %w", cleared)
		}
	}
	return err
}
