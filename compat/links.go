package compat

import (
	"context"
	"net/url"
	"strings"
)

// URL returns a link with the session's id in it, for a client that sends no cookie: sessionEncode of Webware, encodeURL
// of flup. The id goes by the first of ByQuery and ByPath that is among the carriers. u is as a page has it, absolute or
// relative to the request's URL.
//
// u is returned as it is where the id is of no use or would get into other hands: without such a carrier; when the client
// sent the id by cookie, or there is none; for another host, port or scheme; outside of SessionsConfig.Path; for
// something that is no URL, or that browsers and this package could understand differently.
//
// Call it after the session was opened; a session that is opened later has another id if it is new. It makes no store
// call. It may be called from several goroutines.
func (s *Sessions) URL(ctx context.Context, u string) string {
	if s.carriers == nil {
		return u
	}
	q, sl, err := s.of(ctx)
	if err != nil {
		return u
	}
	return q.link(sl, u)
}

// Field returns the HTML of a hidden field with the session's id, for a form that is sent by POST to the same site, or ""
// where the id is of no use: without the carrier ByField, when the client sent it by cookie, or when there is none. It goes
// in front of the form's other fields. For html/template, convert it to a template.HTML. See URL for when to call it.
func (s *Sessions) Field(ctx context.Context) string {
	if s.carriers == nil {
		return ""
	}
	q, sl, err := s.of(ctx)
	if err != nil {
		return ""
	}
	return q.field(sl)
}

// LinkURL is Sessions.URL of the innermost Sessions around the running handler.
func LinkURL(ctx context.Context, u string) string {
	if q := requestOf(ctx); q != nil {
		if sl := q.innermost(); sl != nil {
			return q.link(sl, u)
		}
	}
	return u
}

// FormField is Sessions.Field of the innermost Sessions around the running handler.
func FormField(ctx context.Context) string {
	if q := requestOf(ctx); q != nil {
		if sl := q.innermost(); sl != nil {
			return q.field(sl)
		}
	}
	return ""
}

func (q *request) field(sl *slot) string {
	cs := sl.sessions.carriers
	if cs == nil || !cs.has(ByField) {
		return ""
	}
	id := q.outgoing(sl)
	if id == "" {
		return ""
	}
	return `<input type="hidden" name="` + cs.name + `" value="` + id + `">` // neither needs escaping
}

// outgoing returns the id that links and forms must carry, or "".
func (q *request) outgoing(sl *slot) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.resp.over {
		return ""
	}
	id := q.claim(sl)
	if s := sl.session.Load(); s != nil {
		if id = s.ID(); s.Ended() {
			return ""
		}
	}
	if id == "" || id == sl.cookie {
		return ""
	}
	sl.strays().given = true
	return id
}

// link is Sessions.URL.
func (q *request) link(sl *slot, raw string) string {
	cs := sl.sessions.carriers
	if cs == nil || cs.inURL == 0 {
		return raw
	}
	u, path := q.ours(sl, raw)
	if u == nil {
		return raw
	}
	id := q.outgoing(sl)
	if id == "" {
		return raw
	}
	rest, fragment, hasFragment := strings.Cut(raw, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if base, below, ok := q.below(sl, path); ok && cs.inURL == ByPath {
		rest = base + "/" + cs.eq + id + below
		if u.Host != "" {
			rest = "//" + u.Host + rest
		}
		if u.Scheme != "" {
			rest = u.Scheme + ":" + rest
		}
	} else if cs.has(ByQuery) {
		if rest == "" && !hasQuery { // the page itself
			query = q.r.URL.RawQuery
		}
		if query = dropParam(query, cs.eq); query != "" {
			query += "&"
		}
		query, hasQuery = query+cs.eq+id, true
	} else {
		return raw
	}
	if hasQuery {
		rest += "?" + query
	}
	if hasFragment {
		rest += "#" + fragment
	}
	return rest
}

// SameSite reports whether a link of the response leads to the request's own scheme, host and port, for adapters that put
// ids into links by themselves. It says no where browsers and this package could understand the link differently.
func (e *Environ) SameSite(link string) bool { return e.q.sameSite(link, e.Scheme()) != nil }

// sameSite parses a link, and returns nil if it leads elsewhere.
func (q *request) sameSite(raw, scheme string) *url.URL {
	// Browsers take a backslash for a slash, drop blanks and line ends, and go to another host at three slashes.
	if strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" || u.Host == "" && (u.Scheme != "" || strings.HasPrefix(raw, "//")) {
		return nil
	}
	if u.Host != "" && (!sameHost(u.Host, q.r.Host, scheme) || u.Scheme != "" && !strings.EqualFold(u.Scheme, scheme)) {
		return nil
	}
	return u
}

// ours parses a link, and returns nil if it may not carry the id. The path is the one that it leads to, escaped.
func (q *request) ours(sl *slot, raw string) (u *url.URL, path string) {
	if u = q.sameSite(raw, q.schemeFor(sl.sessions)); u == nil || strings.HasPrefix(raw, "#") {
		return nil, ""
	}
	if strings.Contains(strings.ToLower(u.EscapedPath()), "%2e") { // dots to a browser
		return nil, ""
	}
	here := &url.URL{Path: q.visiblePath()}
	path = here.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath}).EscapedPath()
	if u.Host != "" && u.Path == "" {
		path = "/"
	}
	if scope := sl.sessions.carriers.scope; path != scope && !strings.HasPrefix(path, scope+"/") || strings.HasPrefix(path, "//") {
		return nil, ""
	}
	return u, path
}

// sameHost compares what a link and a Host header say.
func sameHost(a, b, scheme string) bool {
	port := ":" + defaultPort(scheme)
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// visiblePath returns the request's path as the client knows it, but for ids.
func (q *request) visiblePath() string {
	if u, err := url.ParseRequestURI(q.outer.RequestURI); err == nil && u.Host == "" {
		return u.Path
	}
	return q.r.URL.Path
}

// below splits an escaped path after the application's own, where the id's segment goes. Below it is not ok.
func (q *request) below(sl *slot, path string) (base, below string, ok bool) {
	q.mu.Lock()
	st := sl.strays()
	base, placed := st.base, st.placed
	q.mu.Unlock()
	if !placed { // what was stripped in front of the Sessions
		base, _ = strings.CutSuffix(q.visiblePath(), q.outer.URL.Path)
		if base == q.visiblePath() {
			base = ""
		}
	}
	base = strings.TrimSuffix((&url.URL{Path: base}).EscapedPath(), "/")
	below, ok = strings.CutPrefix(path, base)
	if !ok || below != "" && below[0] != '/' {
		return "", "", false
	}
	if _, rest, cut := cutSegment(below, sl.sessions.carriers.eq); cut {
		below = rest
	}
	return base, below, true
}

// saferReferrers are the referrer policies under which other sites do not get to know the URL.
var saferReferrers = map[string]bool{
	"no-referrer": true, "same-origin": true, "origin": true, "strict-origin": true,
	"origin-when-cross-origin": true, "strict-origin-when-cross-origin": true,
}

// guard sets headers that keep ids in the request's URL, or in the response's links, where they belong. It is called
// when the headers leave.
func (q *request) guard(sl *slot) {
	cs := sl.sessions.carriers
	session := sl.session.Load()
	q.mu.Lock()
	inURL := cs.inURL != 0 && strings.Contains(q.r.URL.RawQuery, cs.eq)
	given := session != nil && session.Stored() && session.ID() != sl.cookie
	if c := sl.client; c != nil && c.stray != nil {
		inURL = inURL || c.stray.cut
		given = given || c.stray.given
	}
	q.mu.Unlock()
	if !inURL && !given {
		return
	}
	q.keepPrivate(sl.sessions.cookie.noStore, cs.inURL != 0)
}

func (q *request) keepPrivate(noStore, noReferrer bool) {
	h := q.resp.w.Header()
	if noStore && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"no-store"}
	}
	if noReferrer && !saferReferrers[strings.ToLower(h.Get("Referrer-Policy"))] {
		h["Referrer-Policy"] = []string{"same-origin"} // the site's own checks of the origin go on working
	}
}

// KeepPrivate says that the request's URL, or a link of the response, holds a secret, such as a session id that an adapter
// takes from there by itself. The response then gets the Referrer-Policy "same-origin", unless its own is as careful, and a
// Cache-Control "no-store", unless it has one. For ids that travel by SessionsConfig.Carriers this happens by itself.
func (rw *Response) KeepPrivate() { rw.more().private = true }

// hideIDs removes from a path what may be an id, for the log.
func (s *Sessions) hideIDs(path string) string {
	if s == nil || s.carriers == nil || !s.carriers.has(ByPath) {
		return path
	}
	return hidePathIDs(path, s.carriers.eq)
}
