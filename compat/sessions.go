package compat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Errors about the moment at which a session is asked for.
var (
	// ErrNoSessions is returned by Sessions.Session and its relatives when the request did not pass
	// through the middleware of these Sessions. Put Sessions.Middleware (or Echo) around the handler.
	ErrNoSessions = errors.New("compat: no session middleware around this handler")

	// ErrSent is returned when something would need a response header after the headers have left: a
	// new session or a new id, which need a cookie, Response.Reset, and a late StartResponse. It is
	// also what Session.Set returns then on a session that the client does not hold yet. Open the
	// session, and store something in it, before the first flush and before the output outgrows
	// SessionsConfig.BufferSize.
	ErrSent = errors.New("compat: the response's headers have left already")

	// ErrOver is returned by Sessions.Session and its relatives when the request has ended, for
	// example in a goroutine that outlived its handler. Use the core.Manager directly there.
	ErrOver = errors.New("compat: the request is over")
)

// SecureMode says when the session cookie carries the Secure attribute.
type SecureMode uint8

const (
	// SecureAuto sets Secure when the request came over HTTPS, see SessionsConfig.Scheme. It is the
	// default.
	SecureAuto SecureMode = iota
	// SecureOn sets Secure always: browsers send the cookie over HTTPS only.
	SecureOn
	// SecureOff never sets Secure.
	SecureOff
)

// SessionsConfig says how a session id travels and how a response is held back. The zero value is a
// good start: a browser-session cookie "sid" for the whole host with HttpOnly and SameSite=Lax, and
// Secure where the request is.
type SessionsConfig struct {
	// Name is the cookie's name. Default "sid". With SecureOn, Path "/" and no Domain, "__Host-" is put
	// in front, so that neither a subdomain nor plain HTTP can plant the cookie.
	Name string

	// KeepName turns the "__Host-" prefix off, for a name that other programs read too.
	KeepName bool

	// Path limits the cookie to a part of the site. Default "/".
	Path string

	// Domain widens the cookie to all hosts of a domain. Default: only the host that set it.
	Domain string

	// Secure says when the cookie is for HTTPS only. Default SecureAuto.
	Secure SecureMode

	// Scheme returns "http" or "https" for a request, for servers behind a proxy that ends TLS. Default:
	// https if the request itself came over TLS. Echo mounts use Echo's Scheme unless this is set.
	Scheme func(*http.Request) string

	// ReadableByScripts leaves the HttpOnly attribute away. Then a script injected into a page can
	// steal the session.
	ReadableByScripts bool

	// SameSite says whether the cookie goes along with requests that other sites start. Default
	// http.SameSiteLaxMode; http.SameSiteDefaultMode is the same. SameSiteNoneMode needs SecureOn.
	SameSite http.SameSite

	// Partitioned keeps one cookie per embedding site (CHIPS). It needs SecureOn.
	Partitioned bool

	// MaxAge is how long the browser keeps the cookie, counted from when it was set and rounded down
	// to seconds. It does not prolong the session itself. Default 0: until the browser closes.
	MaxAge time.Duration

	// Codec writes the id into the cookie and reads it, for signed cookies. Default: the id is the cookie's value.
	Codec CookieCodec

	// AllowCaching leaves Cache-Control alone in responses that set the cookie. By default they get
	// "no-store" if the application set no Cache-Control, so that no shared cache hands one user's
	// id to another.
	AllowCaching bool

	// Carriers are the ways in which ids travel, in order of precedence: an id that came by a later one counts only if
	// the earlier ones brought none of a living session. Default: ByCookie alone. Put ByCookie first if it is among
	// several: clients that take cookies then do without the others. Without it no cookie is set.
	Carriers []Carrier

	// CarrierName is the name of the query parameter, path segment and form field in which ids travel. Default: Name.
	CarrierName string

	// BufferSize is how many bytes of output are held back at most until the sessions commit. What is
	// larger commits earlier. Default 64 KiB; negative: nothing is held back, the first byte commits.
	// With several Sessions around a handler the outermost decides.
	BufferSize int

	// ErrorPage answers a request whose sessions could not be committed. Default DefaultErrorPage. With
	// several Sessions around a handler the outermost decides.
	ErrorPage ErrorPage

	// Logger hears of commits that failed. Default: the Logger of the manager's Config.
	Logger *slog.Logger
}

// Sessions gives HTTP requests their sessions: it couples a manager with the cookie that carries the
// session id. One is built per application at start-up; its methods may be called from several
// goroutines.
type Sessions struct {
	manager  *core.Manager
	cookie   cookie
	carriers *carriers // nil for the cookie alone
	scheme   func(*http.Request) string
	hold     holdConfig
}

// NewSessions couples a manager with a cookie. Settings that contradict each other, or would make
// browsers drop the cookie, are refused with an error that names them; all of them at once.
func NewSessions(m *core.Manager, cfg SessionsConfig) (*Sessions, error) {
	if m == nil {
		return nil, errors.New("compat: NewSessions: the manager is nil")
	}
	ck, err := newCookie(m, cfg)
	cs, cerr := newCarriers(cfg)
	if err = errors.Join(err, cerr); err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = m.Config().Logger
	}
	return &Sessions{
		manager:  m,
		cookie:   ck,
		carriers: cs,
		scheme:   cfg.Scheme,
		hold:     newHoldConfig(cfg.BufferSize, cfg.ErrorPage, log),
	}, nil
}

// Manager returns the manager whose sessions these are.
func (s *Sessions) Manager() *core.Manager { return s.manager }

// CookieName returns the name under which the id travels, prefix included.
func (s *Sessions) CookieName() string { return s.cookie.name }

// Middleware makes the sessions available to next, holds its output back until they are committed,
// and rolls them back when it panics. See the package comment for the details. Middlewares of several
// Sessions can be nested; the same one twice in a chain acts once.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return s.PathIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := running(r); q != nil {
			defer q.focus(q.attach(s))
			q.receive(s, r)
			next.ServeHTTP(w, r)
			return
		}
		q := newRequest(w, r, s, &s.hold)
		defer q.abort() // does nothing after finish
		q.receive(s, &q.r)
		next.ServeHTTP(&q.resp, &q.r)
		q.finish()
	}))
}

// Session returns the request's session and opens it on first use: the one whose id the client sent,
// or a new one if the client sent none or one that names no living session. A new session is stored,
// and its cookie set, only if something is put into it. Further calls in the same request return the
// same *core.Session, made writable if the options ask for that; after Invalidate they return a new
// one. ctx is the request's context or derived from it; it bounds the wait for a lock.
//
// Errors: ErrNoSessions, ErrOver, ErrSent, and a *SessionError with those of core.Manager.Open. It is
// never safe to go on with an empty session after an error.
func (s *Sessions) Session(ctx context.Context, opts ...core.OpenOption) (*core.Session, error) {
	q, sl, err := s.of(ctx)
	if err != nil {
		return nil, err
	}
	return q.open(ctx, sl, true, opts)
}

// Existing is Session for code that does not want to begin one: it returns core.ErrNotFound if the
// client has no living session.
func (s *Sessions) Existing(ctx context.Context, opts ...core.OpenOption) (*core.Session, error) {
	q, sl, err := s.of(ctx)
	if err != nil {
		return nil, err
	}
	return q.open(ctx, sl, false, opts)
}

// ClientID returns the id that the client sent, or that SetClientID gave, if it is well-formed; "" if
// there is none. Nobody has checked that such a session exists. The id is a secret.
func (s *Sessions) ClientID(ctx context.Context) (string, error) {
	q, sl, err := s.of(ctx)
	if err != nil {
		return "", err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.claim(sl), nil
}

// SetClientID says that the client sent this id by other means than the cookie, such as a form field,
// and that it counts instead of the cookie's. Ids in URLs and forms leak and can be planted; adapters
// call this only where an application asks for it. As with a cookie, an id that names no living
// session is not adopted. One that does is not turned into a cookie.
//
// Errors: ErrNoSessions, ErrOver, core.ErrBadID, and an error if the session is open already.
func (s *Sessions) SetClientID(ctx context.Context, id string) error {
	q, sl, err := s.of(ctx)
	if err != nil {
		return err
	}
	if !s.manager.ValidID(id) {
		return core.ErrBadID
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if sl.session.Load() != nil {
		return fmt.Errorf("compat: SetClientID: the request's session is open already; call it before Session")
	}
	q.claim(sl)
	c := sl.more()
	c.id, c.by = id, byCode
	return nil
}

// FromContext is Sessions.Session of the innermost Sessions around the running handler.
func FromContext(ctx context.Context, opts ...core.OpenOption) (*core.Session, error) {
	return fromContext(ctx, true, opts)
}

// ExistingFromContext is Sessions.Existing of the innermost Sessions around the running handler.
func ExistingFromContext(ctx context.Context, opts ...core.OpenOption) (*core.Session, error) {
	return fromContext(ctx, false, opts)
}

func fromContext(ctx context.Context, create bool, opts []core.OpenOption) (*core.Session, error) {
	if q := requestOf(ctx); q != nil {
		return q.open(ctx, nil, create, opts)
	}
	return nil, ErrNoSessions
}

// of finds the request and the place of these Sessions in it.
func (s *Sessions) of(ctx context.Context) (*request, *slot, error) {
	if q := requestOf(ctx); q != nil {
		if sl := q.find(s); sl != nil {
			return q, sl, nil
		}
	}
	return nil, nil, ErrNoSessions
}
