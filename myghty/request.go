package myghty

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// maxNested bounds how deep components may call each other.
const maxNested = 64

// formMemory is how many bytes of a request's uploaded files are kept in memory; larger ones go to temporary files.
const formMemory = 1 << 20

// Request is the request object m of Myghty's components. It is for one goroutine at a time and ends with the request.
type Request struct {
	app   *Application
	env   *compat.Environ
	start compat.StartResponse

	buffer  *buffer       // the response's
	out     *bytes.Buffer // what is written to now: buffer, or that of a Scomp
	status  int
	headers http.Header
	begun   bool  // the response has
	failed  error // of a write that nobody may have looked at

	form       url.Values // nil until it is asked for
	attributes map[string]any

	path        string // of the running component
	args        Args
	next        []link // what CallNext leads to
	nested      int
	dhandlerArg string

	session  Session
	settings sessionSettings
}

// Args are what one component gives to another that it calls.
type Args map[string]any

// Application returns the application: m.interpreter.
func (m *Request) Application() *Application { return m.app }

// Environ returns the request as the WSGI shim sees it: m.environ.
func (m *Request) Environ() *compat.Environ { return m.env }

// Context returns the request's context.
func (m *Request) Context() context.Context { return m.env.Context() }

// Method returns the HTTP method: r.method.
func (m *Request) Method() string { return m.env.Method() }

// Path returns the path of the running component, which inside of Comp is the called one: m.current_component.path. The
// path that the client asked for is PathInfo of Environ.
func (m *Request) Path() string { return m.path }

// DHandlerArg returns the part of the request's path that led to a dhandler, without a slash in front: m.dhandler_path.
func (m *Request) DHandlerArg() string { return m.dhandlerArg }

// HeadersIn returns the headers of the request: r.headers_in.
func (m *Request) HeadersIn() http.Header { return m.env.Request().Header }

// Attributes returns a map for what the components of one request tell each other: m.attributes.
func (m *Request) Attributes() map[string]any {
	if m.attributes == nil {
		m.attributes = make(map[string]any)
	}
	return m.attributes
}

// Arg returns the first value of a field of the query or of a form, or "": m.request_args.get(name, ”). Values of the
// form come first.
func (m *Request) Arg(name string) string { return m.RequestArgs().Get(name) }

// HasArg reports whether there is a field of that name, empty or not: name in m.request_args.
func (m *Request) HasArg(name string) bool { return m.RequestArgs().Has(name) }

// RequestArgs returns all fields of the query and of a form: m.request_args. Each name has a list of values, also if there
// is but one. Uploaded files are in Environ().Request().MultipartForm.
func (m *Request) RequestArgs() url.Values {
	if m.form == nil {
		r := m.env.Request()
		_ = r.ParseForm() // a body has been read; of a query what can be read is taken, as Python does
		m.form = r.Form
	}
	return m.form
}

// readForm reads a form in the body before any component runs, so that a broken one changes nothing.
func (m *Request) readForm() error {
	switch m.Method() {
	case http.MethodGet, http.MethodHead:
		return nil
	}
	r := m.env.Request()
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.TrimSpace(strings.ToLower(kind))
	if r.Body == nil {
		return nil
	}
	if strings.HasSuffix(kind, "form-data") || strings.HasSuffix(kind, "form-urlencoded") {
		r.Body = http.MaxBytesReader(nil, r.Body, m.app.cfg.MaxFormBytes)
	}
	var err error
	switch kind {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
		if _, query := url.ParseQuery(r.URL.RawQuery); query != nil && err != nil && err.Error() == query.Error() {
			err = nil // of a query what can be read is taken
		}
	case "multipart/form-data":
		err = r.ParseMultipartForm(formMemory)
	}
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return &AbortError{Code: http.StatusRequestEntityTooLarge}
	}
	return &AbortError{Code: http.StatusBadRequest, Reason: "The form is broken or incomplete"}
}

// Args returns what the running component was called with: ARGS. The component that the client asked for has none, see
// RequestArgs.
func (m *Request) Args() Args { return m.args }

// Comp has another component of the application write its output at this place: m.comp(path, **args). A relative path
// counts from the folder of the running component. Autohandlers do not run.
//
// Errors: an AbortError with Code 404 if there is no such component; ErrNesting; the component's own.
func (m *Request) Comp(p string, args Args) error {
	if !strings.HasPrefix(p, "/") {
		p = path.Join(path.Dir(m.path), p)
	}
	c := m.app.components[p]
	if c == nil {
		return &AbortError{Code: http.StatusNotFound, Reason: "There is no component " + p}
	}
	return m.call(link{p, c}, nil, args)
}

// Scomp is Comp that returns the output: m.scomp(path, **args). FlushBuffer does nothing meanwhile.
func (m *Request) Scomp(path string, args Args) (string, error) {
	outer := m.out
	var out bytes.Buffer
	m.out = &out
	defer func() { m.out = outer }()
	err := m.Comp(path, args)
	return out.String(), err
}

// CallNext runs the next component inside of an autohandler, which is the one of the folder below or the one that was
// asked for: m.call_next(**args). After the last one it does nothing. Errors: those of Comp.
func (m *Request) CallNext(args Args) error {
	if len(m.next) == 0 {
		return nil
	}
	return m.call(m.next[0], m.next[1:], args)
}

func (m *Request) call(to link, next []link, args Args) error {
	if m.nested >= maxNested {
		return ErrNesting
	}
	defer func(path string, next []link, args Args) {
		m.path, m.next, m.args = path, next, args
		m.nested--
	}(m.path, m.next, m.args)
	m.path, m.next, m.args = to.path, next, args
	m.nested++
	return to.component.Run(m)
}
