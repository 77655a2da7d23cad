package compat

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Carrier is a way in which a session id travels from page to page. The zero Carrier is none.
//
// Ids in URLs and forms are for clients without cookies, and for applications that were written so. They get into
// bookmarks, logs and other people's mail, and who plants one shares the session of whoever follows the link. So they
// are used only where SessionsConfig.Carriers names them. An id that came by them and names no living session is as good
// as none, and one that does is never turned into a cookie.
//
// There is a fifth way, for clients that are programs: an argument of the call. See Sessions.OpenID.
type Carrier uint8

const (
	// ByCookie is the default, and the only one that pages need not know of.
	ByCookie Carrier = 1 + iota

	// ByQuery is a parameter of the URL, as in /page?sid=ID. Sessions.URL puts it into links.
	ByQuery

	// ByPath is a segment of the URL's path in front of the application's own, as in /shop/sid=ID/page: Webware's
	// UseAutomaticPathSessions. Relative links keep it by themselves. It is taken off before the application sees the
	// path: it is not in SCRIPT_NAME, PATH_INFO and REQUEST_URI, nor in the http.Request's URL.
	//
	// It is looked for at the beginning of PATH_INFO by Handler and Sessions.Wrap, and at the beginning of the path by
	// Sessions.Middleware. For Echo's routes, which are found before any middleware runs, put Sessions.PathIDs around
	// the whole Echo.
	ByPath

	// ByField is a field of a form that is sent by POST, urlencoded or as multipart/form-data. Sessions.Field writes
	// it into a form. It is looked for in the first 64 KiB of the body, so in front of files that are sent along; the
	// handler reads the whole body all the same.
	ByField
)

var carrierNames = [...]string{ByCookie: "cookie", ByQuery: "query", ByPath: "path", ByField: "field"}

// String returns the carrier's name in lower case.
func (c Carrier) String() string {
	if c > 0 && int(c) < len(carrierNames) {
		return carrierNames[c]
	}
	return fmt.Sprintf("Carrier(%d)", uint8(c))
}

// ParseCarrier returns the carrier with that name, as String gives it.
func ParseCarrier(name string) (Carrier, error) {
	if i := slices.Index(carrierNames[1:], name); i >= 0 {
		return Carrier(i + 1), nil
	}
	return 0, fmt.Errorf("compat: no carrier %q: use cookie, query, path or field", name)
}

// carriers is how one Sessions' ids travel, if not by cookie alone.
type carriers struct {
	order []Carrier
	name  string
	eq    string  // name=
	scope string  // the path that links must be below to carry an id, without a slash at its end
	inURL Carrier // ByQuery or ByPath, whichever comes first; or 0
}

func (cs *carriers) has(c Carrier) bool { return slices.Contains(cs.order, c) }

// newCarriers returns nil for sessions that travel by cookie alone.
func newCarriers(cfg SessionsConfig) (*carriers, error) {
	if len(cfg.Carriers) == 0 || len(cfg.Carriers) == 1 && cfg.Carriers[0] == ByCookie {
		return nil, nil
	}
	name := cfg.CarrierName
	if name == "" {
		name = cfg.Name
	}
	if name == "" {
		name = defaultName
	}
	cs := &carriers{order: slices.Clone(cfg.Carriers), name: name, eq: name + "=", scope: strings.TrimRight(cfg.Path, "/")}
	var errs []error
	for i, c := range cs.order {
		switch {
		case c < ByCookie || c > ByField:
			errs = append(errs, fmt.Errorf("compat: SessionsConfig.Carriers: there is no carrier %d", c))
		case slices.Contains(cs.order[:i], c):
			errs = append(errs, fmt.Errorf("compat: SessionsConfig.Carriers: %v is there twice", c))
		case cs.inURL == 0 && (c == ByQuery || c == ByPath):
			cs.inURL = c
		}
	}
	if strings.ContainsFunc(name, notInParam) {
		errs = append(errs, fmt.Errorf("compat: SessionsConfig.CarrierName %q: use letters, digits, '-', '_' and '.', "+
			"which need no encoding in a URL", name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return cs, nil
}

func notInParam(c rune) bool {
	letter := 'a' <= c|0x20 && c|0x20 <= 'z'
	return !letter && !('0' <= c && c <= '9') && c != '-' && c != '_' && c != '.'
}

// byCode is the carrier of an id that the application gave to SetClientID.
const byCode Carrier = 255

// strayIDs is what a slot knows of ids that travel by other ways than the cookie.
type strayIDs struct {
	tried  int       // how many of the carriers were asked for an id
	inPath string    // the id that came in the path, if it is well-formed
	cut    bool      // there was one in the path, well-formed or not
	base   string    // the application's own path, if it is known: the id's segment comes after it
	placed bool      // base is known
	form   *formBody // what the client sends, if that may hold a field
	given  bool      // the response has ids in its links or forms
}

// strays returns the slot's strayIDs to put something into them. request.mu is held.
func (sl *slot) strays() *strayIDs {
	if sl.client == nil {
		sl.client = new(client)
	}
	if sl.client.stray == nil {
		sl.client.stray = new(strayIDs)
	}
	return sl.client.stray
}

// offer makes the next id that the client sent the one that it claims, and returns it: "" when there is no other. Later
// carriers are asked only if earlier ones had no id, or one of no living session. request.mu is held.
func (q *request) offer(sl *slot) string {
	s, st, c := sl.sessions, sl.strays(), sl.client
	c.id, c.by = "", 0
	for st.tried < len(s.carriers.order) {
		by := s.carriers.order[st.tried]
		st.tried++
		if id := q.sent(sl, by); id != "" {
			c.id, c.by = id, by
			return id
		}
	}
	return ""
}

// sent returns the well-formed id that came by a carrier, or "".
func (q *request) sent(sl *slot, by Carrier) string {
	s, st := sl.sessions, sl.client.stray
	switch by {
	case ByCookie:
		return q.cookieID(sl)
	case ByQuery:
		return findParam(q.r.URL.RawQuery, s.carriers.eq, s.manager.ValidID)
	case ByPath:
		return st.inPath
	case ByField:
		return st.form.find(s.carriers.name, s.manager.ValidID)
	}
	return ""
}

// cookieID returns the well-formed id that the cookie carries, or "". The slot has a client, and request.mu is held.
func (q *request) cookieID(sl *slot) string {
	if sl.cookie == "" {
		sl.cookie, sl.client.renew = sl.sessions.findID(q.r.Header)
	}
	return sl.cookie
}

// opened notes that the id which the client claims names a living session. If it is not the cookie's, the session
// gets no cookie for the rest of the request. request.mu is held.
func (q *request) opened(sl *slot) {
	c := sl.client
	if c == nil || c.by == 0 || c.by == ByCookie {
		return
	}
	if sl.sessions.carriers == nil || sl.sessions.carriers.has(ByCookie) {
		q.cookieID(sl)
	}
	c.foreign = c.id != sl.cookie
}

// cookieless reports whether the slot's session is not to be told by a cookie. request.mu is held.
func (sl *slot) cookieless() bool {
	if sl.client != nil && sl.client.foreign {
		return true
	}
	return sl.sessions.carriers != nil && !sl.sessions.carriers.has(ByCookie)
}

// findParam returns the first value of a parameter that valid accepts, or "". An id and its name need no encoding, so
// nothing is decoded.
func findParam(query, eq string, valid func(string) bool) string {
	for left := maxCookies; query != "" && left > 0; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if value, ok := strings.CutPrefix(pair, eq); ok {
			if left--; valid(value) {
				return value
			}
		}
	}
	return ""
}

// dropParam returns the query without a parameter.
func dropParam(query, eq string) string {
	if !strings.Contains(query, eq) {
		return query
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(pair, eq) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

// receive prepares for ids that come in the body of r, or that PathIDs took off its path.
func (q *request) receive(s *Sessions, r *http.Request) {
	if s.carriers == nil {
		return
	}
	if s.carriers.has(ByField) {
		q.searchForm(q.find(s), r)
	}
	if seg, ok := r.Context().Value(pathKey{s}).(pathSegment); ok {
		sl := q.find(s)
		q.mu.Lock()
		defer q.mu.Unlock()
		st := sl.strays()
		st.inPath, st.cut = seg.id, true
	}
}

// receivePath prepares for ids in the path of an application, if the innermost Sessions around it take them.
func (q *request) receivePath(env *Environ) {
	if sl := q.innermost(); sl != nil && sl.sessions.carriers != nil && sl.sessions.carriers.has(ByPath) {
		q.cutPath(sl, env)
	}
}

// receiveInput does both for an application with Sessions of its own.
func (q *request) receiveInput(s *Sessions, env *Environ) {
	if s.carriers == nil {
		return
	}
	if s.carriers.has(ByField) {
		q.searchInput(q.find(s), env)
	}
	if s.carriers.has(ByPath) {
		q.cutPath(q.find(s), env)
	}
}
