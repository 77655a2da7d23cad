package compat

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// pathSegment is what was taken off the path of a request.
type pathSegment struct{ id string } // "" if it is not well-formed

// pathKey is the key under which a request's context holds a pathSegment of some Sessions.
type pathKey struct{ s *Sessions }

// PathIDs takes session ids that travel ByPath off the path before next sees the request, and keeps them for these
// Sessions further inside. It goes around a router that looks at paths before any middleware runs, such as Echo:
//
//	http.ListenAndServe(addr, sessions.PathIDs(e))
//
// Sessions.Middleware contains it. Without ByPath among the carriers it returns next.
func (s *Sessions) PathIDs(next http.Handler) http.Handler {
	if s.carriers == nil || !s.carriers.has(ByPath) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := s.withoutPathID(r)
		defer passForm(r, inner)
		next.ServeHTTP(w, inner)
	})
}

// withoutPathID returns r, or a copy with the id taken off its path and put into its context.
func (s *Sessions) withoutPathID(r *http.Request) *http.Request {
	value, rest, ok := cutSegment(r.URL.Path, s.carriers.eq)
	if !ok {
		return r
	}
	var seg pathSegment
	if s.manager.ValidID(value) {
		seg.id = value
	}
	clean := *r.URL
	clean.Path, clean.RawPath = rest, ""
	// Where an escaped slash or a name with escapes makes the two differ, the path decides: a router must not see another
	// one than those that guard it.
	if _, raw, ok := cutSegment(r.URL.RawPath, s.carriers.eq); ok {
		if text, err := url.PathUnescape(raw); err == nil && text == rest {
			clean.RawPath = raw
		}
	}
	out := r.WithContext(context.WithValue(r.Context(), pathKey{s}, seg))
	out.URL, out.RequestURI = &clean, hidePathIDs(r.RequestURI, s.carriers.eq)
	return out
}

// cutPath takes an id that travels ByPath off PATH_INFO, and notes where the application's own path ends.
func (q *request) cutPath(sl *slot, env *Environ) {
	s := sl.sessions
	script := env.ScriptName()
	q.mu.Lock()
	defer q.mu.Unlock()
	st := sl.strays()
	st.base, st.placed = script, true
	value, rest, ok := cutSegment(env.PathInfo(), s.carriers.eq)
	if !ok {
		return
	}
	st.cut = true
	if s.manager.ValidID(value) {
		st.inPath = value
	}
	env.moveTo(script, rest)
	r, clean := *env.r, *env.r.URL
	clean.Path, clean.RawPath = script+rest, ""
	r.URL, r.RequestURI = &clean, hidePathIDs(r.RequestURI, s.carriers.eq)
	env.r = &r
}

// cutSegment takes the first segment off a path if it begins with eq. What is left begins with one slash: with two it
// would be another host in a redirect.
func cutSegment(path, eq string) (value, rest string, ok bool) {
	value, ok = strings.CutPrefix(path, "/"+eq)
	if !ok {
		return "", path, false
	}
	value, rest, _ = strings.Cut(value, "/")
	return value, "/" + strings.TrimLeft(rest, "/"), true
}

// hidePathIDs removes the segments that begin with eq, escaped or not, from a path or a request's URI, whatever they hold.
func hidePathIDs(uri, eq string) string {
	path, query, hasQuery := strings.Cut(uri, "?")
	var kept strings.Builder
	for rest, more := path, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		text, err := url.PathUnescape(segment)
		if err != nil {
			text = segment // it is none of a URL but a path
		}
		if strings.HasPrefix(text, eq) {
			if !strings.Contains(text, "/") {
				continue
			}
			var below []string // the path goes on in there, behind an escaped slash
			for part := range strings.SplitSeq(text, "/") {
				if !strings.HasPrefix(part, eq) {
					below = append(below, part)
				}
			}
			segment = (&url.URL{Path: "/" + strings.Join(below, "/")}).EscapedPath()[1:]
		}
		kept.WriteString(segment)
		if more {
			kept.WriteByte('/')
		}
	}
	out := kept.String()
	if out != "" && out[0] == '/' {
		out = "/" + strings.TrimLeft(out, "/")
	}
	if hasQuery {
		out += "?" + query
	}
	return out
}
