package compat

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/core"
)

// SessionKey is the environ key of the SessionFunc, if there are Sessions around the application.
const SessionKey = "holdover.session"

// SessionFunc is what the environ holds under SessionKey: a function over the environ that opens the
// session on first use, see Sessions.Session.
type SessionFunc func(env *Environ, opts ...core.OpenOption) (*core.Session, error)

// FileFunc is what the environ holds under "wsgi.file_wrapper": File.
type FileFunc func(r io.Reader) Body

// Environ is the environ of PEP 3333: the request as a dictionary of CGI and wsgi.* keys. Values are
// computed from the http.Request when they are asked for. It is private to one call of an application,
// which may change it as it likes; it is for one goroutine at a time.
//
// Keys without a dot have string values. Strings hold the bytes that came over the wire, with the path's
// percent-encoding undone: what PEP 3333 expresses as characters up to U+00FF, one for each byte. Whether
// they are UTF-8 is for the application to know. Absent things have no key. A header that came several
// times is joined by commas, cookies by "; ". Headers whose name has an underscore, which could pose as
// another header, and "Proxy", which could pose as the variable HTTP_PROXY, are left out.
type Environ struct {
	r      *http.Request
	w      http.ResponseWriter
	q      *request
	log    *slog.Logger
	script string
	path   string
	set    map[string]any // what the application set, and gone{} for what it deleted
	input  *Input
	errors *ErrorStream
	maps   *mapTrail       // the URLMaps that led here, or nil
	parsed *multipart.Form // of a fork: what the request had when it was made
}

type gone struct{}

// Request returns the HTTP request. Its body is the same stream as Input, so read only one of them. Keys that were
// Set, wsgi.input among them, do not show in it.
func (e *Environ) Request() *http.Request { return e.r }

// Context returns the request's context: it ends when the client hangs up, or when the lock on a session
// that the request opened as core.Serialized is lost.
func (e *Environ) Context() context.Context { return e.r.Context() }

// ResponseWriter returns the writer below StartResponse, for applications that produce a response
// piece by piece and change headers late, as adapters do. An application that uses it need not call
// start. The output is held back like any other; see Response for how far it has got.
func (e *Environ) ResponseWriter() http.ResponseWriter { return e.w }

// Response returns the request's response, to see whether the headers have left, and to take back what is
// held back.
func (e *Environ) Response() *Response { return &e.q.resp }

// Session returns the request's session from the innermost Sessions around the application; see
// Sessions.Session.
func (e *Environ) Session(opts ...core.OpenOption) (*core.Session, error) {
	return FromContext(e.r.Context(), opts...)
}

// Method returns REQUEST_METHOD.
func (e *Environ) Method() string { return e.String("REQUEST_METHOD") }

// ScriptName returns SCRIPT_NAME: the part of the path that led to the application, without a slash at
// its end.
func (e *Environ) ScriptName() string { return e.String("SCRIPT_NAME") }

// PathInfo returns PATH_INFO: the part of the path that is the application's to interpret.
func (e *Environ) PathInfo() string { return e.String("PATH_INFO") }

// QueryString returns QUERY_STRING, without the question mark.
func (e *Environ) QueryString() string { return e.String("QUERY_STRING") }

// Scheme returns wsgi.url_scheme, "http" or "https".
func (e *Environ) Scheme() string { return e.String("wsgi.url_scheme") }

// Input returns the request's body, wsgi.input: the client's, or the *Input that middleware has Set in its place.
func (e *Environ) Input() *Input {
	if in, ok := e.set["wsgi.input"].(*Input); ok {
		return in
	}
	if e.input == nil {
		e.input = &Input{body: e.r.Body}
	}
	return e.input
}

// Errors returns the stream for messages to the operator, wsgi.errors: the server's, or the *ErrorStream that
// middleware has Set in its place.
func (e *Environ) Errors() *ErrorStream {
	if stream, ok := e.set["wsgi.errors"].(*ErrorStream); ok {
		return stream
	}
	if e.errors == nil {
		e.errors = &ErrorStream{ctx: e.r.Context(), log: e.log}
	}
	return e.errors
}

// String returns the value of key if it is there and a string, else "".
func (e *Environ) String(key string) string {
	if v, ok := e.set[key]; ok {
		s, _ := v.(string)
		return s
	}
	if s, ok := e.text(key); ok {
		return s
	}
	return ""
}

// Get returns the value of key, and whether there is one.
func (e *Environ) Get(key string) (any, bool) {
	if v, ok := e.set[key]; ok {
		if _, deleted := v.(gone); deleted {
			return nil, false
		}
		return v, true
	}
	if s, ok := e.text(key); ok {
		return s, true
	}
	return e.object(key)
}

// Set gives key a value. By PEP 3333, values of keys without a dot are strings, and keys of one's own
// are lower case with a dot, such as "myapp.user".
func (e *Environ) Set(key string, value any) {
	if e.set == nil {
		e.set = make(map[string]any)
	}
	e.set[key] = value
}

// Delete removes key.
func (e *Environ) Delete(key string) { e.Set(key, gone{}) }

// All yields every key that has a value, sorted, and its value. The keys are those at the moment when the
// iteration begins.
func (e *Environ) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		keys := make(map[string]struct{}, len(computed)+len(e.r.Header)+len(e.set))
		for _, key := range computed {
			keys[key] = struct{}{}
		}
		for name := range e.r.Header {
			keys["HTTP_"+strings.ReplaceAll(strings.ToUpper(name), "-", "_")] = struct{}{}
		}
		for key := range e.set {
			keys[key] = struct{}{}
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if v, ok := e.Get(key); ok && !yield(key, v) {
				return
			}
		}
	}
}

// ShiftPathInfo moves the first segment of PATH_INFO to the end of SCRIPT_NAME and returns it, as
// wsgiref.util.shift_path_info does. ok is false, and nothing is moved, when PATH_INFO has no segment.
func (e *Environ) ShiftPathInfo() (segment string, ok bool) {
	path := e.PathInfo()
	rest := strings.TrimLeft(path, "/")
	if path == "" {
		return "", false
	}
	segment, rest, more := strings.Cut(rest, "/")
	if more {
		rest = "/" + rest
	}
	e.Set("SCRIPT_NAME", strings.TrimRight(e.ScriptName(), "/")+"/"+segment)
	e.Set("PATH_INFO", rest)
	return segment, true
}

// ApplicationURL returns the URL of the application, without PATH_INFO and query, by the rule of PEP 3333.
// The host is what the client claims it to be.
func (e *Environ) ApplicationURL() string { return e.origin() + escapePath(e.ScriptName(), "/") }

// RequestURL returns the URL of the request, with the query, by the rule of PEP 3333.
func (e *Environ) RequestURL() string {
	u := e.origin() + escapePath(e.ScriptName(), "") + escapePath(e.PathInfo(), "")
	if q := e.QueryString(); q != "" {
		u += "?" + q
	}
	return u
}

func (e *Environ) origin() string {
	scheme := e.Scheme()
	host := e.String("HTTP_HOST")
	if host == "" {
		host = e.String("SERVER_NAME")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if port := e.String("SERVER_PORT"); port != defaultPort(scheme) {
			host += ":" + port
		}
	}
	return scheme + "://" + host
}

func escapePath(path, empty string) string {
	if path == "" {
		return empty
	}
	return (&url.URL{Path: path}).EscapedPath()
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// computed lists the keys that text and object know.
var computed = []string{
	"CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTPS", "HTTP_HOST", "PATH_INFO", "QUERY_STRING",
	"REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
	"SERVER_PROTOCOL", "SERVER_SOFTWARE", SessionKey, "wsgi.errors", "wsgi.file_wrapper", "wsgi.input",
	"wsgi.multiprocess", "wsgi.multithread", "wsgi.run_once", "wsgi.url_scheme", "wsgi.version",
}

// serverSoftware names us as CGI asks for; it has no version, so that it tells strangers little.
const serverSoftware = "holdover"

// text computes the values that are strings.
func (e *Environ) text(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, "HTTP_"); ok {
		return e.header(name)
	}
	r := e.r
	switch key {
	case "REQUEST_METHOD":
		return r.Method, true
	case "SCRIPT_NAME":
		return e.script, true
	case "PATH_INFO":
		return e.path, true
	case "QUERY_STRING":
		return r.URL.RawQuery, true
	case "REQUEST_URI":
		return requestURI(r), true
	case "CONTENT_TYPE":
		return present(r.Header.Get("Content-Type"))
	case "CONTENT_LENGTH":
		return contentLength(r)
	case "SERVER_NAME":
		return e.serverName(), true
	case "SERVER_PORT":
		return e.serverPort(), true
	case "SERVER_PROTOCOL":
		return r.Proto, true
	case "SERVER_SOFTWARE":
		return serverSoftware, true
	case "GATEWAY_INTERFACE":
		return "CGI/1.1", true
	case "REMOTE_ADDR":
		host, _ := splitHostPort(r.RemoteAddr)
		return present(host)
	case "REMOTE_PORT":
		_, port := splitHostPort(r.RemoteAddr)
		return present(port)
	case "HTTPS":
		return "on", e.Scheme() == "https" // not there otherwise
	case "wsgi.url_scheme":
		return e.q.scheme(), true
	}
	return "", false
}

// object computes the values that are no strings.
func (e *Environ) object(key string) (any, bool) {
	switch key {
	case "wsgi.version":
		return [2]int{1, 0}, true
	case "wsgi.input":
		return e.Input(), true
	case "wsgi.errors":
		return e.Errors(), true
	case "wsgi.multithread":
		return true, true
	case "wsgi.multiprocess", "wsgi.run_once":
		return false, true
	case "wsgi.file_wrapper":
		return FileFunc(File), true
	case SessionKey:
		if e.q.innermost() != nil {
			return SessionFunc((*Environ).Session), true
		}
	}
	return nil, false
}

// header returns the request header that HTTP_name stands for.
func (e *Environ) header(name string) (string, bool) {
	switch name {
	case "HOST":
		return present(e.r.Host)
	case "CONTENT_TYPE", "CONTENT_LENGTH", "PROXY":
		return "", false
	}
	key := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	values := e.r.Header[key]
	switch {
	case len(values) == 0:
		return "", false
	case key == "Cookie":
		return strings.Join(values, "; "), true
	default:
		return strings.Join(values, ","), true
	}
}

func present(s string) (string, bool) { return s, s != "" }

// requestURI is the request line's, also behind middleware that moved the path.
func requestURI(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

func contentLength(r *http.Request) (string, bool) {
	if r.ContentLength > 0 || r.ContentLength == 0 && r.Header.Get("Content-Length") != "" {
		return strconv.FormatInt(r.ContentLength, 10), true
	}
	return "", false
}

// serverName is the host that the client asked for, else the address it reached us at. It is never empty.
func (e *Environ) serverName() string {
	if host, _ := splitHostPort(e.r.Host); host != "" {
		return host
	}
	if host, _ := e.localAddr(); host != "" {
		return host
	}
	return "localhost"
}

// serverPort is the port that the request came in at. It is never empty.
func (e *Environ) serverPort() string {
	if _, port := e.localAddr(); port != "" {
		return port
	}
	if _, port := splitHostPort(e.r.Host); port != "" {
		return port
	}
	return defaultPort(e.Scheme())
}

func (e *Environ) localAddr() (host, port string) {
	if addr, ok := e.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return splitHostPort(addr.String())
	}
	return "", ""
}

// splitHostPort is net.SplitHostPort for an address whose port may be missing.
func splitHostPort(addr string) (host, port string) {
	if host, port, err := net.SplitHostPort(addr); err == nil {
		return host, port
	}
	return strings.Trim(addr, "[]"), ""
}
