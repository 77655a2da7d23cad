package compat

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// URLMapKey is the environ key under which the application of a URLMap for unknown paths finds the maps that did not
// know the path, as a []*URLMap, the outermost first: paste.urlmap_object.
const URLMapKey = "holdover.urlmaps"

// URLMap is an application that dispatches to others by host and path: paste.urlmap. The application that is
// mounted at the longest matching part of the path gets the request; that part moves from PATH_INFO to the end of
// SCRIPT_NAME. A part matches whole segments only: /shop matches /shop and /shop/tea, but not /shopping. Runs of
// slashes in PATH_INFO count as one, and the application sees one. Maps can be mounted in maps.
//
// Applications that are mounted for the request's host and port are asked first, then those for the host, then those
// for any host; so a path that is unknown on a host may still be found among those for any. Paste asks those for the
// host before those for host and port.
//
// /shop is not redirected to /shop/: its application gets an empty PATH_INFO, as in Paste. Put AddSlash around
// it where that matters.
//
// The zero URLMap is empty and ready for use. Build it before it serves: Call may be called from several goroutines,
// but not while Add is.
type URLMap struct {
	// NotFound answers where nothing is mounted: not_found_app. It finds PATH_INFO as it came, and the maps under
	// URLMapKey. Default: a 404 page, that does not tell what there is.
	NotFound Application

	hosts map[string][]mount // by host, host:port, or "" for any; the longest path first
}

type mount struct {
	path string // "" or "/path"
	app  Application
}

// mapTrail is the way through maps that led to an environ.
type mapTrail struct {
	m  *URLMap
	up *mapTrail
}

// Add mounts an application. The place is a path such as "/shop" ("" or "/" is the root), or one on a host, such as
// "http://example.org/shop", "http://example.org:8080" or "http://[::1]/". Whether it says http or https makes
// no difference, as in Paste. Hosts are compared without regard to case and to a dot at their end. %XX stands for
// any byte of a path.
//
// Every mistake is an error that tells what to write instead: a place that is taken, something that no request could
// match, an application that is nil.
func (m *URLMap) Add(place string, app Application) error {
	host, path, err := parsePlace(place)
	switch {
	case err != nil:
		return fmt.Errorf("compat: URLMap: %q %w", place, err)
	case app == nil:
		return fmt.Errorf("compat: URLMap: the application for %q is nil", place)
	}
	mounts := m.hosts[host]
	if slices.ContainsFunc(mounts, func(mt mount) bool { return mt.path == path }) {
		return fmt.Errorf("compat: URLMap: there is an application at %q already", place)
	}
	mounts = append(mounts, mount{path, app})
	slices.SortFunc(mounts, func(a, b mount) int {
		return cmp.Or(cmp.Compare(len(b.path), len(a.path)), cmp.Compare(a.path, b.path))
	})
	if m.hosts == nil {
		m.hosts = make(map[string][]mount)
	}
	m.hosts[host] = mounts
	return nil
}

// Places returns where applications are mounted, in the form that Add takes: by host, and the longest path first.
// Those for any host come last.
func (m *URLMap) Places() []string {
	var places []string
	for host, mounts := range m.hosts {
		if host != "" {
			places = append(places, placesOn("http://"+host, mounts)...)
		}
	}
	slices.SortStableFunc(places, func(a, b string) int { // within a host they are in order
		return cmp.Compare(hostOf(a), hostOf(b))
	})
	return append(places, placesOn("", m.hosts[""])...)
}

func hostOf(place string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(place, "http://"), "/")
	return host
}

func placesOn(prefix string, mounts []mount) (places []string) {
	for _, mt := range mounts {
		places = append(places, prefix+cmp.Or((&url.URL{Path: mt.path}).EscapedPath(), "/"))
	}
	return places
}

// Call implements Application.
func (m *URLMap) Call(env *Environ, start StartResponse) (Body, error) {
	env.maps = &mapTrail{m, env.maps}
	path := oneSlash(env.PathInfo())
	if mt := m.find(env, path); mt != nil {
		env.moveTo(env.ScriptName()+mt.path, path[len(mt.path):])
		return mt.app.Call(env, start)
	}
	env.Set(URLMapKey, env.maps.list())
	if m.NotFound != nil {
		return m.NotFound.Call(env, start)
	}
	return answerPage(start, http.StatusNotFound, "There is no page at this address.")
}

func (m *URLMap) find(env *Environ, path string) *mount {
	if len(m.hosts) > 1 || m.hosts[""] == nil {
		if host, port := requestHost(env); host != "" {
			if mt := longest(m.hosts[host+":"+port], path); mt != nil {
				return mt
			}
			if mt := longest(m.hosts[host], path); mt != nil {
				return mt
			}
		}
	}
	return longest(m.hosts[""], path)
}

// longest returns the first mount that path belongs to. They are tried one by one, because how many there are is ours to
// say and how many segments the path has is not.
func longest(mounts []mount, path string) *mount {
	for i := range mounts {
		if rest, ok := strings.CutPrefix(path, mounts[i].path); ok && (rest == "" || rest[0] == '/') {
			return &mounts[i]
		}
	}
	return nil
}

func (t *mapTrail) list() (maps []*URLMap) {
	for ; t != nil; t = t.up {
		maps = append(maps, t.m)
	}
	slices.Reverse(maps)
	return maps
}

// moveTo sets SCRIPT_NAME and PATH_INFO.
func (e *Environ) moveTo(script, path string) {
	delete(e.set, "SCRIPT_NAME")
	delete(e.set, "PATH_INFO")
	e.script, e.path = script, path
}

// oneSlash makes one slash of each run of them.
func oneSlash(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b = append(b, path[i])
		}
	}
	return string(b)
}

// requestHost returns the host that the client asked for, as canonicalHost does, and the port. Without a Host header
// it is the server's own.
func requestHost(env *Environ) (host, port string) {
	header := env.String("HTTP_HOST")
	if header == "" {
		host, err := canonicalHost(bracketed(env.String("SERVER_NAME")))
		if err != nil {
			return "", ""
		}
		return host, env.String("SERVER_PORT")
	}
	host, port, err := cutPort(header)
	if err == nil {
		host, err = canonicalHost(host)
	}
	if err != nil {
		return "", "" // it is nobody's
	}
	return host, cmp.Or(port, defaultPort(env.Scheme()))
}

// bracketed writes a bare IPv6 address as hosts have it.
func bracketed(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// ParsePlace turns a key of a urlmap section in Paste Deploy's files, such as "domain example.org port 8080 /shop", into
// the form that Add takes: parse_path_expression. A place that has that form already stays as it is. Whether Add accepts
// the result is for Add to say.
func ParsePlace(expression string) (string, error) {
	given := make(map[string]string)
	words := strings.Fields(expression)
	for len(words) > 0 {
		key, value := "path", words[0]
		if words = words[1:]; value == "domain" || value == "port" {
			if key = value; len(words) == 0 {
				return "", fmt.Errorf("compat: URLMap: %q has nothing after %s", expression, key)
			}
			value, words = words[0], words[1:]
		}
		if given[key] != "" {
			return "", fmt.Errorf("compat: URLMap: %q has two of %s", expression, key)
		}
		given[key] = value
	}
	domain, port, path := given["domain"], given["port"], given["path"]
	switch {
	case domain == "" && port != "":
		return "", fmt.Errorf("compat: URLMap: %q has a port and no domain", expression)
	case domain == "":
		return path, nil
	case path != "" && path[0] != '/':
		return "", fmt.Errorf("compat: URLMap: %q has a path that does not begin with a slash", expression)
	}
	if strings.Count(domain, ":") > 1 { // else it is a port
		domain = bracketed(domain)
	}
	if port != "" {
		domain += ":" + port
	}
	return "http://" + domain + path, nil
}

// parsePlace reads the argument of Add.
func parsePlace(place string) (host, path string, err error) {
	rest, onHost := strings.CutPrefix(place, "http://")
	if !onHost {
		rest, onHost = strings.CutPrefix(place, "https://")
	}
	path = rest
	if onHost {
		host, path = rest, ""
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			host, path = rest[:i], rest[i:]
		}
		if host, err = parseHost(host); err != nil {
			return "", "", err
		}
	}
	path, err = parsePlacePath(path)
	return host, path, err
}

func parsePlacePath(path string) (string, error) {
	switch {
	case strings.ContainsAny(path, "?#"):
		return "", errors.New("has a query or a fragment: applications are found by host and path")
	case strings.ContainsFunc(path, func(c rune) bool { return c == ' ' || isControl(c) }):
		return "", errors.New("has a space or a control character: write %20 if the path has one")
	case path != "" && path[0] != '/':
		return "", errors.New("must begin with a slash or with http://")
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", errors.New("has a % that is not followed by two hexadecimal digits: write %25 for a percent sign")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", errors.New("has a . or .. segment, which clients resolve before they ask")
		}
	}
	return strings.TrimRight(oneSlash(path), "/"), nil
}

func parseHost(s string) (string, error) {
	switch {
	case strings.Contains(s, "@"):
		return "", errors.New("has a user name: applications are found by host and path")
	case strings.Contains(s, "*"):
		return "", errors.New("has a * in its host: leave the host away to match any")
	}
	host, port, err := cutPort(s)
	if err == nil {
		host, err = canonicalHost(host)
	}
	if err != nil || port == "" {
		return host, err
	}
	return host + ":" + port, nil
}

// cutPort splits a host and its port, if there is one. The port comes back without zeros in front.
func cutPort(s string) (host, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", nil
	}
	host, port = s[:i], s[i+1:]
	if strings.Contains(host, ":") && !strings.HasSuffix(host, "]") {
		return "", "", errors.New("has an IPv6 address without brackets: write [::1]")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", errors.New("has a port that is no number from 1 to 65535")
	}
	return host, strconv.FormatUint(n, 10), nil
}

// canonicalHost returns the one spelling of a host: lower case, without a dot at its end, IPv6 in brackets and in its
// shortest form.
func canonicalHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errors.New("has brackets around something that is no IPv6 address")
		}
		return "[" + addr.String() + "]", nil
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return "", errors.New("has an empty host")
	}
	if strings.ContainsFunc(host, notInHost) {
		return "", errors.New("has a host with characters that none has: letters, digits, '-', '_' and '.' can be there; " +
			"others are written in the form that begins with xn--")
	}
	return strings.ToLower(host), nil
}

func notInHost(c rune) bool {
	letter := 'a' <= c|0x20 && c|0x20 <= 'z'
	return !letter && !('0' <= c && c <= '9') && c != '-' && c != '_' && c != '.'
}
