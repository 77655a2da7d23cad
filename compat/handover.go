package compat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// ErrNotASite is returned by Handover.Link when the link, or the page that it is for, is not below one of
// HandoverConfig.Sites. Name both sites there, as browsers see them.
var ErrNotASite = errors.New("compat: Handover.Link: not below any of HandoverConfig.Sites")

// The bounds of HandoverConfig.Lifetime.
const (
	defaultTicketLifetime = 30 * time.Second
	maxTicketLifetime     = 5 * time.Minute
)

// HandoverConfig says between which sites sessions are handed over. Each process that takes part has the same Sites and
// keys, and a manager of the same id on the same store.
type HandoverConfig struct {
	// Sites are the base URLs of all sites that take part, such as "https://shop.example.org" or, if an application has
	// only a part of a host, "https://example.org/admin". Sessions travel between these and nowhere else. Two at least. The path must
	// be inside of the session cookie's Path there, or the cookie is not sent. "http://shop.example.org:*" is at the port
	// by which the request came, for sites that do not know theirs beforehand and are all on one server.
	Sites []string

	// CurrentKey signs tickets, OldKeys are those that signed before it. Each is at least 32 random bytes, the same for
	// all sites. To change the key, first add the new one to the OldKeys everywhere, then make it the CurrentKey, then
	// drop the old one.
	CurrentKey []byte
	OldKeys    [][]byte

	// Lifetime is how long a browser has to bring its ticket from one site to the other. It does so by itself, so that
	// seconds are enough; the clocks of all hosts must agree to within them. Default 30 seconds, 1 second to 5 minutes.
	Lifetime time.Duration

	// Param is the name of the query parameter in which it all travels. Default "handover".
	Param string

	// KeepExisting has a browser that holds a living session of the other site keep that one. By default it gets the
	// session that is handed over in its place; the other one stays in the store until it expires.
	KeepExisting bool

	// Listen is called, if it is set, for each ticket: that it was made, and what became of it. It is called on the
	// goroutine that serves the request, and from several at a time.
	Listen func(context.Context, HandoverEvent)

	// Logger hears of tickets that are refused, as warnings, and of the others as debug messages. Default: the Logger of
	// the manager's Config.
	Logger *slog.Logger
}

// HandoverEvent is what became of a ticket. It holds neither that nor a session's id.
type HandoverEvent struct {
	Outcome HandoverOutcome
	Site    string    // where it happened
	Session string    // the hash of the session's id, see core.Key; "" if it is not known
	Time    time.Time // by the manager's clock
}

// HandoverOutcome says what became of a ticket.
type HandoverOutcome uint8

const (
	HandoverIssued       HandoverOutcome = 1 + iota // a ticket was made
	HandoverDone                                    // the browser has the session now
	HandoverReplaced                                // the same, and it held another living one before
	HandoverKept                                    // it keeps the one that it held, see HandoverConfig.KeepExisting
	HandoverNoSession                               // it was sent for a ticket, and had no session to hand over
	HandoverEnded                                   // the session ended on the way
	HandoverForged                                  // refused: changed, or signed with another key or for another manager
	HandoverExpired                                 // refused: it came too late
	HandoverWrongSite                               // refused: it is for another site
	HandoverOtherBrowser                            // refused: it was made for another browser
	HandoverReplayed                                // refused: it was used before
)

var handoverNames = [...]string{HandoverIssued: "issued", HandoverDone: "done", HandoverReplaced: "replaced", HandoverKept: "kept",
	HandoverNoSession: "no session", HandoverEnded: "the session ended", HandoverForged: "forged", HandoverExpired: "expired",
	HandoverWrongSite: "for another site", HandoverOtherBrowser: "of another browser", HandoverReplayed: "used before"}

// String returns the outcome in words.
func (o HandoverOutcome) String() string {
	if o > 0 && int(o) < len(handoverNames) {
		return handoverNames[o]
	}
	return fmt.Sprintf("HandoverOutcome(%d)", uint8(o))
}

// Refused reports whether the ticket was refused: somebody tries something, or clocks or keys are wrong.
func (o HandoverOutcome) Refused() bool { return o >= HandoverForged }

// Handover takes sessions from one host to another, where no cookie of the first one is sent: applications on several
// virtual hosts, or servers, with one manager id and one store. Afterwards both hosts have the same session.
//
// A page of one site links to a page of another by Link. A browser that follows the link goes three steps, of which its
// user sees none: the other site gives it a nonce in a cookie, and sends it back to the first one, which makes a ticket for its
// session; with the ticket the browser returns, gets the session's cookie, and is sent to the page without all this in
// its URL. The ticket is made when it is needed, so pages may stay open for hours.
//
// A ticket holds no session id. It is good for one site, one manager, one browser (that with the nonce), some seconds, and
// once: the record in the store that it names is deleted in one step, whichever process gets it first. One that is not good
// is told to HandoverConfig.Listen and the Logger, and the browser goes on to the page without it.
//
// The nonce keeps people from planting their own session into somebody else's browser by a link: a ticket that was made
// for one browser is refused by every other. On plain HTTP, whoever can set cookies for the host, from a neighbouring
// subdomain for example, gets around that; on HTTPS the cookie has the prefix "__Host-" against it.
//
// The session cookie must not be SameSite=Strict: it would not be sent on the way from site to site. A Handover's methods
// may be called from several goroutines.
type Handover struct {
	sessions *Sessions
	sites    sites
	keys     ticketKeys
	cfg      HandoverConfig
	records  *core.Manager // of what tickets name
	log      *slog.Logger
}

// site is one of HandoverConfig.Sites.
type site struct {
	base         string // as links have it, without a slash at its end
	scheme, host string
	path         string // "" or "/path"
	anyPort      bool   // at the port of the request; see sitesFor
}

// sites are those that a request can name, the longest path first.
type sites []site

// handoverSession is the name of the value that a ticket's record has.
const handoverSession = "session"

// NewHandover hands sessions of s over. It keeps its records in the store of s, under the manager's id with ":handover"
// behind it. The caller closes it before the manager. All mistakes in cfg are reported together.
func NewHandover(s *Sessions, cfg HandoverConfig) (*Handover, error) {
	if s == nil {
		return nil, errors.New("compat: NewHandover: the Sessions are nil")
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = defaultTicketLifetime
	}
	if cfg.Param == "" {
		cfg.Param = "handover"
	}
	mcfg := s.manager.Config()
	if cfg.Logger == nil {
		cfg.Logger = mcfg.Logger
	}
	h := &Handover{sessions: s, cfg: cfg, log: cfg.Logger}
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("compat: HandoverConfig."+format, args...))
		}
	}
	bad(cfg.Lifetime < time.Second || cfg.Lifetime > maxTicketLifetime, "Lifetime %v is not from 1s to %v", cfg.Lifetime, maxTicketLifetime)
	bad(strings.ContainsFunc(cfg.Param, notInParam), "Param %q: use letters, digits, '-', '_' and '.'", cfg.Param)
	bad(len(cfg.Sites) < 2, "Sites: %d are not enough to go from one to another", len(cfg.Sites))
	bad(s.carriers != nil && !s.carriers.has(ByCookie), "(manager %s): its sessions must travel by cookie", s.manager.ID())
	bad(s.cookie.strict, "(manager %s): with SameSite Strict the cookie is not sent on the way; use Lax", s.manager.ID())
	for _, base := range cfg.Sites {
		st, err := parseSite(base)
		bad(err != nil, "Sites: %q %v", base, err)
		bad(slices.Contains(h.sites, st), "Sites: %q is there twice", base)
		h.sites = append(h.sites, st)
	}
	slices.SortStableFunc(h.sites, func(a, b site) int { return len(b.path) - len(a.path) })
	var err error
	if h.keys, err = newTicketKeys(s.manager.ID(), append([][]byte{cfg.CurrentKey}, cfg.OldKeys...)); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h.records, err = core.New(s.manager.ID()+":handover", s.manager.Store(), core.Config{
		IdleTimeout: cfg.Lifetime, AbsoluteTimeout: cfg.Lifetime, SweepInterval: time.Minute,
		Codec: mcfg.Codec, Now: mcfg.Now, Logger: cfg.Logger, CommitTimeout: mcfg.CommitTimeout})
	if err != nil {
		return nil, fmt.Errorf("compat: NewHandover: %w", err)
	}
	return h, nil
}

// Close ends the Handover's own work. The store stays open. A second Close returns nil.
func (h *Handover) Close(ctx context.Context) error { return h.records.Close(ctx) }

// Middleware lets next be one of the sites, and puts Sessions.Middleware around it. It must serve the whole site, at least
// its base URL and the pages that are linked to.
func (h *Handover) Middleware(next http.Handler) http.Handler {
	return h.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered, err := h.answer(w, r)
		switch {
		case err != nil:
			q := requestOf(r.Context())
			h.log.ErrorContext(r.Context(), "a session was not handed over", "error", err)
			q.undo()
			h.sessions.hold.page(w, r, err)
		case !answered:
			next.ServeHTTP(w, r)
		}
	}))
}

// Wrap is Middleware for an application: a Middleware that puts Sessions.Wrap around it.
func (h *Handover) Wrap(next Application) Application {
	return h.sessions.Wrap(ApplicationFunc(func(env *Environ, start StartResponse) (Body, error) {
		if answered, err := h.answer(env.w, env.r); answered || err != nil {
			return nil, err
		}
		return next.Call(env, start)
	}))
}

// Link returns the URL by which a page of one site sends its user to a page of another, and their session with them. to is
// absolute. A link within a site is returned as it is. It makes no store call, and can be made before there is a session.
//
// The error matches ErrNotASite: to, or the request's own URL, is not below one of the Sites; or it is ErrNoSessions.
func (h *Handover) Link(ctx context.Context, to string) (string, error) {
	q, _, err := h.sessions.of(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", fmt.Errorf("%w: it is malformed", ErrNotASite)
	}
	list := h.sitesFor(q)
	there, here := list.of(u), list.of(q.visibleURL(h.sessions))
	switch {
	case there == nil:
		return "", fmt.Errorf("%w: %s://%s%s", ErrNotASite, u.Scheme, u.Host, u.EscapedPath())
	case here == nil:
		return "", fmt.Errorf("%w: the page that is being served, on %s://%s; behind a proxy that ends TLS, set SessionsConfig.Scheme",
			ErrNotASite, q.schemeFor(h.sessions), q.r.Host)
	case there == here:
		return to, nil
	}
	u.RawQuery = h.param(u.RawQuery, askFor+ticketEncoding.EncodeToString([]byte(here.base)))
	return u.String(), nil
}

// param puts what is to be said into a query.
func (h *Handover) param(query, value string) string {
	if query = dropParam(query, h.cfg.Param+"="); query != "" {
		query += "&"
	}
	return query + h.cfg.Param + "=" + value
}

// Sites returns the base URLs of all sites, as links on the page that is being served have them: without a slash at the end, with
// the port where it is the request's own. Link takes them as they are. The error is ErrNoSessions.
func (h *Handover) Sites(ctx context.Context) ([]string, error) {
	q, _, err := h.sessions.of(ctx)
	if err != nil {
		return nil, err
	}
	var bases []string
	for _, st := range h.sitesFor(q) {
		bases = append(bases, st.base)
	}
	slices.Sort(bases)
	return slices.Compact(bases), nil
}

// sitesFor returns the sites with the port of the request where theirs is not said.
func (h *Handover) sitesFor(q *request) sites {
	if !slices.ContainsFunc(h.sites, func(st site) bool { return st.anyPort }) {
		return h.sites
	}
	list := slices.Clone(h.sites)
	port := (&url.URL{Host: q.r.Host}).Port()
	for i := range list {
		if st := &list[i]; st.anyPort && port != "" && port != defaultPort(st.scheme) {
			st.host += ":" + port
			st.base = st.baseURL()
		}
	}
	return list
}

// of returns the site that a URL is below, or nil.
func (list sites) of(u *url.URL) *site {
	if u.User != nil || u.Opaque != "" || strings.Contains(strings.ToLower(u.EscapedPath()), "%2e") {
		return nil
	}
	path := u.JoinPath("/").Path // without dots, as browsers ask for it
	for i := range list {
		st := &list[i]
		below := path == st.path || strings.HasPrefix(path, st.path+"/")
		if below && strings.EqualFold(u.Scheme, st.scheme) && sameHost(u.Host, st.host, st.scheme) {
			return st
		}
	}
	return nil
}

// at returns the site with that base URL, or nil.
func (list sites) at(base string) *site {
	for i := range list {
		if list[i].base == base {
			return &list[i]
		}
	}
	return nil
}

func parseSite(base string) (site, error) {
	before, after, anyPort := strings.Cut(base, ":*")
	if anyPort && (after == "" || after[0] == '/') {
		base = before + after
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return site{}, errors.New("is no URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return site{}, errors.New("must begin with http:// or https:// and a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return site{}, errors.New("must have nothing but a scheme, a host and a path")
	case u.RawPath != "" || strings.Contains(u.Path, "//"):
		return site{}, errors.New("has a path with escaped or doubled slashes")
	case anyPort && u.Port() != "":
		return site{}, errors.New("has two ports")
	}
	st := site{anyPort: anyPort, scheme: u.Scheme, host: strings.ToLower(strings.TrimSuffix(u.Host, ":"+defaultPort(u.Scheme))), path: strings.TrimRight(u.Path, "/")}
	st.base = st.baseURL()
	return st, nil
}

func (st *site) baseURL() string {
	return st.scheme + "://" + st.host + (&url.URL{Path: st.path}).EscapedPath()
}
