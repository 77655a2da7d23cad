package webkit

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// requestPath is what an HTTPRequest knows about the servlet and the session that it is for. An include or
// a forward changes the place for as long as the other servlet runs.
type requestPath struct {
	place   place
	stack   []place // those who included or forwarded, outermost first
	session requestSession
}

// place is where in the application a servlet runs.
type place struct {
	servlet Servlet
	url     string // the path inside the application
	route   *route // nil until the servlet is found
	extra   string // what follows the servlet's own path in url
}

// push moves the request to url and remembers where it was: push(servlet, url).
func (r *HTTPRequest) push(url string) {
	r.stack = append(r.stack, r.place)
	r.place = place{url: url}
}

// pop undoes push: pop().
func (r *HTTPRequest) pop() {
	last := len(r.stack) - 1
	r.place = r.stack[last]
	r.stack[last] = place{}
	r.stack = r.stack[:last]
}

// original returns the place that the client asked for.
func (r *HTTPRequest) original() *place {
	if len(r.stack) > 0 {
		return &r.stack[0]
	}
	return &r.place
}

// URLPath returns the path of the running servlet inside the application, with the extra path: urlPath().
func (r *HTTPRequest) URLPath() string { return r.place.url }

// URLPathDir returns URLPath up to its last slash, without that: urlPathDir().
func (r *HTTPRequest) URLPathDir() string { return strings.TrimSuffix(directory(r.place.url), "/") }

// SetURLPath gives the request another path: setURLPath(path). The running servlet stays the same, but
// relative URLs count from the new path.
func (r *HTTPRequest) SetURLPath(url string) { r.place.url = url }

// ExtraURLPath returns what follows the path of the running servlet, "" or with a slash in front:
// extraURLPath().
func (r *HTTPRequest) ExtraURLPath() string { return r.place.extra }

// PathInfo returns the same as URLPath: pathInfo().
func (r *HTTPRequest) PathInfo() string { return r.place.url }

// ContextName returns the folder in which the running servlet was added, without slashes, "" for the
// top one: contextName().
func (r *HTTPRequest) ContextName() string {
	if r.place.route == nil {
		return ""
	}
	return strings.Trim(directory(r.place.route.path), "/")
}

// ServletURI returns the path of the running servlet inside the application, without extra path and
// without a slash at its end: servletURI().
func (r *HTTPRequest) ServletURI() string {
	return strings.TrimSuffix(strings.TrimSuffix(r.place.url, r.place.extra), "/")
}

// ServletPath returns the path that leads to the application: servletPath(). It has no slash at its end.
func (r *HTTPRequest) ServletPath() string { return r.env.ScriptName() }

// ScriptName returns the same as ServletPath: scriptName().
func (r *HTTPRequest) ScriptName() string { return r.env.ScriptName() }

// QueryString returns the query, without the question mark: queryString().
func (r *HTTPRequest) QueryString() string { return r.env.QueryString() }

// URI returns path and query of the running servlet as seen from outside: uri().
func (r *HTTPRequest) URI() string { return r.uri(r.place.url) }

func (r *HTTPRequest) uri(url string) string {
	uri := r.ServletPath() + url
	if q := r.QueryString(); q != "" {
		uri += "?" + q
	}
	return uri
}

// location returns the URL of another path of the application, with the same query, for a redirect.
func (r *HTTPRequest) location(path string) string {
	location := escapePath(r.ServletPath() + path)
	if q := r.QueryString(); q != "" {
		location += "?" + q
	}
	return location
}

func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// Scheme returns "http" or "https": scheme().
func (r *HTTPRequest) Scheme() string { return r.env.Scheme() }

// HostAndPort returns the host that the client claims to have asked, with the port if it is not the
// scheme's own: hostAndPort().
func (r *HTTPRequest) HostAndPort() string {
	host := r.env.Request().Host
	if host == "" {
		return r.env.String("SERVER_NAME")
	}
	return host
}

// ServerPath returns the path that the client asked for, without the query: serverPath().
func (r *HTTPRequest) ServerPath() string { return r.ServletPath() + r.original().url }

// ServerPathDir returns ServerPath up to and with its last slash: serverPathDir().
func (r *HTTPRequest) ServerPathDir() string { return directory(r.ServerPath()) }

// ServerURL returns the URL that the client asked for, without the query: serverURL(). The host is what
// the client claims it to be.
func (r *HTTPRequest) ServerURL() string { return r.origin() + r.ServerPath() }

// ServerURLDir returns ServerURL up to and with its last slash: serverURLDir().
func (r *HTTPRequest) ServerURLDir() string { return r.origin() + r.ServerPathDir() }

func (r *HTTPRequest) origin() string { return r.Scheme() + "://" + r.HostAndPort() }

// SiteRoot returns "../" as often as links of the page that the client sees need it to reach the top of
// the running servlet's context: siteRoot().
func (r *HTTPRequest) SiteRoot() string { return r.stepsBack(r.original().url) }

// SiteRootFromCurrentServlet is SiteRoot for links that count from the running servlet:
// siteRootFromCurrentServlet().
func (r *HTTPRequest) SiteRootFromCurrentServlet() string { return r.stepsBack(r.place.url) }

func (r *HTTPRequest) stepsBack(url string) string {
	return strings.Repeat("../", strings.Count(r.insideContext(url), "/"))
}

func (r *HTTPRequest) insideContext(url string) string {
	url = strings.TrimPrefix(url, "/")
	if name := r.ContextName(); name != "" {
		url = strings.TrimPrefix(url, name+"/")
	}
	return url
}

// ServletPathFromSiteRoot returns URLPath without the context: servletPathFromSiteRoot().
func (r *HTTPRequest) ServletPathFromSiteRoot() string {
	return r.insideContext(strings.TrimPrefix(path.Clean("/"+r.place.url), "/"))
}

// URIWebwareRoot returns "../" as often as links from the running servlet need it to reach the top of the
// application: uriWebwareRoot().
func (r *HTTPRequest) URIWebwareRoot() string {
	return strings.Repeat("../", strings.Count(strings.TrimPrefix(r.place.url, "/"), "/"))
}

// Servlet returns the running servlet: servlet().
func (r *HTTPRequest) Servlet() Servlet { return r.place.servlet }

// OriginalServlet returns the servlet that the client asked for: originalServlet().
func (r *HTTPRequest) OriginalServlet() Servlet { return r.original().servlet }

// OriginalURLPath returns URLPath of the servlet that the client asked for: originalURLPath().
func (r *HTTPRequest) OriginalURLPath() string { return r.original().url }

// OriginalURI returns URI of the servlet that the client asked for: originalURI().
func (r *HTTPRequest) OriginalURI() string { return r.uri(r.original().url) }

// PreviousServlet returns the servlet that included, forwarded to or called the running one, or nil:
// previousServlet() and parent().
func (r *HTTPRequest) PreviousServlet() Servlet {
	if len(r.stack) == 0 {
		return nil
	}
	return r.stack[len(r.stack)-1].servlet
}

// PreviousURLPath returns URLPath of PreviousServlet, or "": previousURLPath().
func (r *HTTPRequest) PreviousURLPath() string {
	if len(r.stack) == 0 {
		return ""
	}
	return r.stack[len(r.stack)-1].url
}

// PreviousServlets returns the servlets around the running one, outermost first: previousServlets() and
// parents().
func (r *HTTPRequest) PreviousServlets() []Servlet {
	list := make([]Servlet, len(r.stack))
	for i := range r.stack {
		list[i] = r.stack[i].servlet
	}
	return list
}

// PreviousURLPaths returns URLPath of each of PreviousServlets: previousURLPaths().
func (r *HTTPRequest) PreviousURLPaths() []string {
	list := make([]string, len(r.stack))
	for i := range r.stack {
		list[i] = r.stack[i].url
	}
	return list
}

// directory returns a path up to and with its last slash.
func directory(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }

// resolve returns the path inside the application that url means for the running servlet:
// resolveInternalRelativePath. A relative one counts from the folder of the running servlet's path.
func (r *HTTPRequest) resolve(url string) string {
	if !strings.HasPrefix(url, "/") {
		url = directory(r.place.url) + url
	}
	var parts []string
	for part := range strings.SplitSeq(url, "/") {
		switch {
		case part == ".." && len(parts) > 1:
			parts = slices.Delete(parts, len(parts)-1, len(parts))
		case part != "." && part != "..":
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}
