package albatross

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Application serves the pages of one ported application: Albatross's Application with its mixins. It is a
// compat.Application. Build it and register the pages at start-up; then it serves from several goroutines.
type Application struct {
	manager  *core.Manager
	http     *compat.Sessions
	cookie   compat.SessionsConfig // as http was built from
	cfg      Config
	session  SessionMixin
	recorder RecorderMixin
	pages    map[string]Page
	log      *slog.Logger
}

var _ compat.Application = (*Application)(nil)

// Config is what an application is built from. StartPage and Secrets are needed, the rest has defaults.
type Config struct {
	// Prefix is the part of the path that leads to the application, as in base_url. It begins with a slash and does not end
	// with one. Default: the root of the site.
	Prefix string

	// AppID names the application and its cookie: session_appid. Default: the id of the manager.
	AppID string

	// StartPage is where a new session begins: start_page.
	StartPage string

	// Secrets are for what goes through the client's hands: secret.
	Secrets Secrets

	// Session keeps the session variables. Default: SessionServerContextMixin.
	Session SessionMixin

	// Recorder decides which fields of a request become locals. Default: NameRecorderMixin.
	Recorder RecorderMixin

	// RandomPages takes the page from the URL: RandomPageModuleMixin. The name is the path below Prefix, without a slash
	// before it; the path "/" is StartPage.
	RandomPages bool

	// Templates are for Context.RunTemplate. If there is one named "traceback.html" it shows failures; its data is an
	// ErrorInfo.
	Templates *template.Template

	// NewSession prepares a session that begins: what an application's new_session() did. What it sets is stored for
	// everybody who asks for a page, crawlers included. Default: nothing.
	NewSession func(*Context) error

	// DecodeSession looks at a session that was loaded, when classes have changed, say, and may mend it. If it returns an
	// error the session is deleted, and a new one begins. Default: nothing.
	DecodeSession func(*Context) error

	// ValidateRequest reports whether the request may be merged and processed: validate_request(). If not, the page is
	// only shown. Default: everything is valid. It is not asked about a request whose session is lost; see Quirks.
	ValidateRequest func(*Context) (bool, error)

	// LoadPage may answer a request by another page than the user's own, which stays the user's own: an overridden
	// load_page(). It returns "" for the usual way. The page is not entered, and a request to it is only shown and not
	// processed.
	LoadPage func(*Context) (string, error)

	// HandleException writes the page for a request that failed: handle_exception(). The context is a new one, with no
	// session variables, and nothing of it is saved. Default: the template traceback.html, or a short page.
	HandleException func(ctx *Context, err error) error

	// Quirks turn legacy behaviour on.
	Quirks Quirks

	// MaxFormBytes bounds the body of a form. Default 10 MiB.
	MaxFormBytes int64

	// MaxFormFields bounds the fields in body and query together. Default 1000.
	MaxFormFields int

	// OutputBuffer is how many bytes of a page are held back at most until the session is saved. Default 1 MiB.
	OutputBuffer int

	// Cookie changes the application's cookie: a domain, an age. The name and the path stay as AppID and Prefix have
	// them. Default: nothing.
	Cookie func(*compat.SessionsConfig)

	// Scheme returns "http" or "https" for a request, for servers behind a proxy that ends TLS; see
	// compat.SessionsConfig.
	Scheme func(*http.Request) string

	// Logger hears of pages that fail. Default: the Logger of the manager's Config.
	Logger *slog.Logger
}

// Quirks are behaviours of Albatross that an application may depend on. Each is off by default; the porting guide tells
// what each one costs.
type Quirks struct {
	// ProcessLostForms merges and processes a form although its session is not there any more, on a new session.
	ProcessLostForms bool

	// RemoveOneBranch makes RemoveSession end the branch that the request came from, and no other. Then the Back button
	// leads back into an application after signing out.
	RemoveOneBranch bool
}

// NewApplication returns an application whose sessions m manages. All mistakes in the configuration are reported
// together.
func NewApplication(m *core.Manager, cfg Config) (*Application, error) {
	if m == nil {
		return nil, errors.New("albatross: NewApplication: the manager is nil; build one with core.New")
	}
	cfg.AppID = cmp.Or(cfg.AppID, m.ID())
	cfg.MaxFormBytes = cmp.Or(cfg.MaxFormBytes, 10<<20)
	cfg.MaxFormFields = cmp.Or(cfg.MaxFormFields, 1000)
	cfg.OutputBuffer = cmp.Or(cfg.OutputBuffer, 1<<20)
	if cfg.Session == nil {
		cfg.Session = SessionServerContextMixin{}
	}
	if cfg.Recorder == nil {
		cfg.Recorder = NameRecorderMixin{}
	}
	if cfg.Logger == nil {
		cfg.Logger = m.Config().Logger
	}
	a := &Application{manager: m, cfg: cfg, session: cfg.Session, recorder: cfg.Recorder, pages: make(map[string]Page), log: cfg.Logger}
	errs := []error{cfg.check()}
	var err error
	a.cookie = a.cookieConfig()
	if a.http, err = compat.NewSessions(m, a.cookie); err != nil {
		errs = append(errs, fmt.Errorf("albatross: the session cookie is named by Config.AppID: %w", err))
	}
	if b, ok := cfg.Session.(binder); ok {
		if a.session, err = b.bind(a); err != nil {
			errs = append(errs, err)
		}
	}
	if b, ok := cfg.Recorder.(recorderBinder); ok {
		if a.recorder, err = b.bindRecorder(a); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

func (cfg *Config) check() error {
	var errs []error
	if p := cfg.Prefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/")) {
		errs = append(errs, fmt.Errorf("albatross: Config.Prefix %q must begin with a slash and not end with one", p))
	}
	if cfg.StartPage == "" {
		errs = append(errs, errors.New("albatross: Config.StartPage is empty; name the page where a session begins"))
	}
	if cfg.MaxFormBytes < 0 || cfg.MaxFormFields < 0 || cfg.OutputBuffer < 0 {
		errs = append(errs, errors.New("albatross: Config: MaxFormBytes, MaxFormFields and OutputBuffer must not be negative"))
	}
	return errors.Join(errs...)
}

func (a *Application) cookieConfig() compat.SessionsConfig {
	cfg := compat.SessionsConfig{
		Name:       a.cfg.AppID,
		KeepName:   true,
		Path:       a.cookiePath(),
		Scheme:     a.cfg.Scheme,
		BufferSize: -1, // a Context holds back what it writes
		ErrorPage:  failurePage,
		Logger:     a.log,
	}
	if a.cfg.Cookie != nil {
		a.cfg.Cookie(&cfg)
		cfg.Name, cfg.KeepName, cfg.Path = a.cfg.AppID, true, a.cookiePath() // see Context.setCookie
	}
	return cfg
}

// cookiePath is the application's own, as browsers send it.
func (a *Application) cookiePath() string { return (&url.URL{Path: a.cfg.Prefix + "/"}).EscapedPath() }

// Handler returns the application, with its sessions, as an http.Handler for the paths below Prefix.
func (a *Application) Handler() http.Handler {
	return a.http.Middleware(compat.Handler(a, compat.HandlerConfig{
		Prefix: a.cfg.Prefix, ErrorPage: failurePage, BufferSize: -1, Logger: a.log}))
}

// Manager returns the manager of the application's sessions.
func (a *Application) Manager() *core.Manager { return a.manager }

// HTTPSessions returns how the application's sessions travel by cookie, so that handlers which are no pages can use them
// too. With a BranchingSessionMixin such a session is the client's, not a branch's: what they keep there, under names of
// their own without a slash, is the same for all branches. It has no sessions with a HiddenFieldSessionMixin.
func (a *Application) HTTPSessions() *compat.Sessions { return a.http }
