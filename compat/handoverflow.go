package compat

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/core"
)

// What the parameter of a hand-over begins with. What follows is made of what ticketEncoding gives, and dots.
const (
	askFor = "from."   // on the way to the other site: the site that has the session
	give   = "give."   // on the way back: for whom, and which page of the other site
	bring  = "ticket." // on the way to the other site again: the ticket
)

// answer does the step of a hand-over that a request asks for. answered is false if it asks for none.
func (h *Handover) answer(w http.ResponseWriter, r *http.Request) (answered bool, err error) {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.RawQuery, h.cfg.Param+"=") {
		return false, nil
	}
	// A picture or a frame on somebody's page does not move a session.
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false, nil
	}
	q, sl, err := h.sessions.of(r.Context())
	if err != nil {
		return false, err
	}
	page := q.visibleURL(h.sessions)
	value := firstParam(page.RawQuery, h.cfg.Param+"=")
	page.RawQuery = dropParam(page.RawQuery, h.cfg.Param+"=")
	kind, rest, _ := strings.Cut(value, ".")
	if kind += "."; kind != askFor && kind != give && kind != bring {
		return false, nil // another's parameter
	}
	list := h.sitesFor(q)
	here := list.of(page)
	if here == nil {
		h.log.WarnContext(r.Context(), "a hand-over came to a page that is below no site of HandoverConfig.Sites; behind a proxy that ends TLS, "+
			"set SessionsConfig.Scheme", "scheme", page.Scheme, "host", page.Host)
		return false, nil
	}
	step := &handoverStep{Handover: h, sites: list, q: q, sl: sl, w: w, r: r, here: here, page: page}
	if strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable) // nobody has followed the link yet
		return true, nil
	}
	switch kind {
	case askFor:
		step.ask(rest)
	case give:
		err = step.give(rest)
	case bring:
		err = step.take(rest)
	}
	return true, err
}

// handoverStep is one step of a hand-over.
type handoverStep struct {
	*Handover
	sites sites // as the request sees them
	q     *request
	sl    *slot
	w     http.ResponseWriter
	r     *http.Request
	here  *site
	page  *url.URL // what the client asked for, without the parameter
}

// ask gives the browser a nonce and sends it to the site that has the session.
func (s *handoverStep) ask(from string) {
	base, err := ticketEncoding.DecodeString(from)
	there := s.sites.at(string(base))
	if err != nil || there == nil || there == s.here {
		s.redirect(s.page.String())
		return
	}
	nonce := s.nonce()
	if nonce == "" {
		nonce = rand.Text()
	}
	s.setNonce(nonce)
	hash := nonceHash(nonce)
	s.redirect(there.base + "/?" + s.param("", give+ticketEncoding.EncodeToString(hash[:])+"."+ticketEncoding.EncodeToString([]byte(s.page.String()))))
}

// give makes a ticket for the browser's session, if it has one, and sends it back. The ticket goes to the other site's
// base URL, which is configured, and not to a page there that whoever made up this request could have chosen.
func (s *handoverStep) give(rest string) error {
	holder, to, _ := strings.Cut(rest, ".")
	hash, err := ticketEncoding.DecodeString(holder)
	target, err2 := ticketEncoding.DecodeString(to)
	u, err3 := url.Parse(string(target))
	var there *site
	if err3 == nil {
		there = s.sites.of(u)
	}
	if errors.Join(err, err2) != nil || len(hash) != sha256.Size || there == nil || there == s.here {
		s.redirect(s.here.base + "/")
		return nil
	}
	u.RawQuery = dropParam(u.RawQuery, s.cfg.Param+"=")
	ctx := s.r.Context()
	session, err := s.sessions.Existing(ctx, core.ReadOnly)
	if errors.Is(err, core.ErrNotFound) {
		s.tell(HandoverNoSession, "")
		s.redirect(u.String())
		return nil
	}
	if err != nil {
		return err
	}
	s.q.mu.Lock()
	foreign := s.sl.cookieless()
	s.q.mu.Unlock()
	if foreign { // a ticket would make a cookie of an id that came in a URL
		s.tell(HandoverNoSession, "")
		s.redirect(u.String())
		return nil
	}
	t := ticket{site: there.base, to: u.RequestURI(), ends: s.records.Config().Now().Add(s.cfg.Lifetime), holder: [sha256.Size]byte(hash)}
	if len(t.to) > maxTicketPage {
		t.to = there.path + "/" // the session counts more than the page
	}
	if t.ref, err = s.store(ctx, session.ID()); err != nil {
		return err
	}
	s.tell(HandoverIssued, session.Hash())
	s.redirect(there.base + "/?" + s.param("", bring+s.keys.sign(t)))
	return nil
}

// store keeps what a ticket stands for, and returns its name.
func (s *handoverStep) store(ctx context.Context, id string) (ref string, err error) {
	rec, err := s.records.Create(core.WithScope(ctx, new(core.Scope)))
	if err != nil {
		return "", &SessionError{Op: "hand over", Err: err}
	}
	if err := errors.Join(rec.Set(handoverSession, id), rec.Commit(ctx)); err != nil {
		return "", &SessionError{Op: "hand over", Err: err}
	}
	return rec.ID(), nil
}

// take lets the browser have the session that its ticket stands for, and sends it to the page that it wanted.
func (s *handoverStep) take(rest string) error {
	t, err := s.keys.read(rest)
	if err != nil {
		s.refuse(HandoverForged, s.here.base+"/")
		return nil
	}
	to := t.site + "/"
	if u, err := url.Parse(t.to); err == nil && u.Host == "" {
		u.Scheme, u.Host = s.here.scheme, s.here.host
		if s.sites.of(u) == s.here {
			to = u.String()
		}
	}
	hash := nonceHash(s.nonce())
	switch {
	case t.site != s.here.base:
		s.refuse(HandoverWrongSite, s.here.base+"/")
		return nil
	case !s.records.Config().Now().Before(t.ends):
		s.refuse(HandoverExpired, to)
		return nil
	case s.nonce() == "" || !hmac.Equal(hash[:], t.holder[:]):
		s.refuse(HandoverOtherBrowser, to)
		return nil
	}
	id, err := s.redeem(t)
	switch {
	case err != nil:
		return err
	case id == "":
		s.refuse(HandoverReplayed, to)
		return nil
	}
	if err := s.adopt(id); err != nil {
		return err
	}
	s.redirect(to)
	return nil
}

// redeem removes the record of a ticket and returns the session's id, or "" if there is none: the first one to ask
// gets it, in whichever process.
func (s *handoverStep) redeem(t ticket) (id string, err error) {
	if !s.records.ValidID(t.ref) {
		return "", nil
	}
	now := s.records.Config().Now().UTC()
	rec, ok, err := s.records.Store().Delete(s.r.Context(), core.Key{Manager: s.records.ID(), ID: t.ref}, now)
	if err != nil {
		return "", &SessionError{Op: "hand over", Err: err}
	}
	if !ok || rec.Expired(now) {
		return "", nil
	}
	data, _ := rec.Values.Get(handoverSession)
	if err := s.records.Config().Codec.Decode(data, &id); err != nil {
		return "", &SessionError{Op: "hand over", Err: err}
	}
	return id, nil
}

// adopt makes a session that we have vouched for the browser's own.
func (s *handoverStep) adopt(id string) error {
	ctx, m := s.r.Context(), s.sessions.manager
	hash := core.Key{Manager: m.ID(), ID: id}.Hash()
	s.q.mu.Lock()
	claimed := s.q.claim(s.sl)
	s.q.mu.Unlock()
	replaces := false
	if claimed != "" && claimed != id {
		var err error
		if replaces, err = m.Has(ctx, claimed); err != nil {
			return &SessionError{Op: "hand over", Err: err}
		}
	}
	if replaces && s.cfg.KeepExisting {
		s.tell(HandoverKept, hash)
		return nil
	}
	session, err := m.Open(ctx, id, core.ReadOnly)
	if errors.Is(err, core.ErrNotFound) {
		s.tell(HandoverEnded, hash)
		return nil
	}
	if err != nil {
		return &SessionError{Op: "open", Err: err}
	}
	s.q.mu.Lock()
	c := s.sl.more()
	c.id, c.by, c.foreign = id, 0, false
	s.q.keep(s.sl, session)
	s.q.mu.Unlock()
	if replaces {
		s.tell(HandoverReplaced, hash)
	} else {
		s.tell(HandoverDone, hash)
	}
	return nil
}

// redirect sends the browser on. Neither caches nor other pages get to know where it was.
func (s *handoverStep) redirect(to string) {
	h := s.w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	s.w.WriteHeader(http.StatusSeeOther)
}

func (s *handoverStep) refuse(o HandoverOutcome, to string) {
	s.tell(o, "")
	s.redirect(to)
}

// tell tells of a ticket.
func (s *handoverStep) tell(o HandoverOutcome, session string) {
	ctx := s.r.Context()
	if o.Refused() {
		s.log.WarnContext(ctx, "a hand-over ticket was refused", "reason", o.String(), "site", s.here.base, "remote", s.r.RemoteAddr)
	} else {
		s.log.DebugContext(ctx, "hand-over", "outcome", o.String(), "site", s.here.base, "session", session)
	}
	if s.cfg.Listen != nil {
		s.cfg.Listen(ctx, HandoverEvent{Outcome: o, Site: s.here.base, Session: session, Time: s.records.Config().Now().UTC()})
	}
}

// The nonce is what a ticket's browser must show.

func nonceHash(nonce string) [sha256.Size]byte {
	return sha256.Sum256([]byte("holdover hand-over nonce\x00" + nonce))
}

// nonceCookie returns the name of the cookie. Where the prefix is possible, no other host can set it.
func (s *handoverStep) nonceCookie() string {
	if s.here.scheme == "https" {
		return hostPrefix + s.cfg.Param
	}
	return s.cfg.Param
}

// nonce returns what the browser shows, or "".
func (s *handoverStep) nonce() string {
	ck := cookie{name: s.nonceCookie()}
	return ck.find(s.r.Header, func(v string) bool { return len(v) == len(rand.Text()) })
}

// setNonce gives the browser its nonce, or more time with it: several tabs may be on their way.
func (s *handoverStep) setNonce(nonce string) {
	c := http.Cookie{Name: s.nonceCookie(), Value: nonce, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: s.here.scheme == "https", MaxAge: int(2 * s.cfg.Lifetime.Seconds())}
	s.w.Header().Add("Set-Cookie", c.String())
}

// visibleURL returns the URL of the request as the client knows it, but for session ids in the path.
func (q *request) visibleURL(s *Sessions) *url.URL {
	u := &url.URL{Scheme: q.schemeFor(s), Host: q.r.Host, Path: q.visiblePath(), RawQuery: q.r.URL.RawQuery}
	if parsed, err := url.ParseRequestURI(q.outer.RequestURI); err == nil && parsed.Host == "" {
		u.RawPath = parsed.RawPath
	}
	return u
}

func firstParam(query, eq string) string {
	return findParam(query, eq, func(string) bool { return true })
}
