package compat

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// Errors of applications that break PEP 3333.
var (
	// ErrStarted is returned by StartResponse when it was called before and excInfo is nil.
	ErrStarted = errors.New("compat: start_response was called already; pass the error you are answering as excInfo")

	// ErrNotStarted is the error of an application that sent a body, or ended, without calling
	// StartResponse.
	ErrNotStarted = errors.New("compat: the application did not call start_response")

	// ErrTooLong is returned by StartResponse's writer, and ends the body, when the application sends
	// more than the Content-Length that it declared. A File is cut there instead, as PEP 3333 asks.
	ErrTooLong = errors.New("compat: the body is longer than its Content-Length")
)

// HeaderError tells that a status or header can not be sent.
type HeaderError struct {
	What   string // the status, or the header's name
	Reason string
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("compat: start_response: %q %s", e.What, e.Reason)
}

// HandlerConfig says how an application is served. The zero value is a good start.
type HandlerConfig struct {
	// Prefix is the part of the path that leads to the application: it becomes SCRIPT_NAME, and
	// requests for other paths get 404. It begins with a slash and does not end with one. Default: none.
	Prefix string

	// ErrorPage answers a request whose application failed. Default DefaultErrorPage.
	ErrorPage ErrorPage

	// BufferSize is SessionsConfig.BufferSize for an application that has no Sessions around it.
	BufferSize int

	// Logger hears of applications that fail, and gets what they write to wsgi.errors. Default:
	// nothing is logged.
	Logger *slog.Logger
}

// Handler serves an application. Put Sessions.Middleware around it to give it sessions. It panics if the
// prefix is malformed.
func Handler(app Application, cfg HandlerConfig) http.Handler {
	if cfg.Prefix != "" && (cfg.Prefix[0] != '/' || strings.HasSuffix(cfg.Prefix, "/")) {
		panic("compat: HandlerConfig.Prefix " + strconv.Quote(cfg.Prefix) + " must begin with a slash and not end with one")
	}
	return &handler{app: app, prefix: cfg.Prefix, hold: newHoldConfig(cfg.BufferSize, cfg.ErrorPage, cfg.Logger)}
}

type handler struct {
	app    Application
	prefix string
	hold   holdConfig
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, h.prefix) }

// serve calls the application with prefix as its SCRIPT_NAME.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, prefix string) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok || path != "" && path[0] != '/' && prefix != "" {
		http.NotFound(w, r)
		return
	}
	if q := running(r); q != nil {
		h.call(q, w, r, prefix, path)
		return
	}
	q := newRequest(w, r, nil, &h.hold)
	defer q.abort() // does nothing after finish
	h.call(q, &q.resp, &q.r, prefix, path)
	q.finish()
}

// call runs the application once and answers for it if it fails.
func (h *handler) call(q *request, w http.ResponseWriter, r *http.Request, script, path string) {
	c := &call{q: q, length: -1}
	c.env = Environ{r: r, w: w, q: q, log: h.hold.log, script: script, path: path}
	defer c.flushErrors()
	defer func() { passForm(r, c.env.r) }()
	q.receivePath(&c.env)
	err := c.run(h.app)
	switch {
	case err == nil:
		return
	case q.resp.clientGone(err):
		h.hold.log.DebugContext(r.Context(), "the client left before the response was complete", "error", err)
		return
	}
	sent := q.resp.Sent()
	if !sent {
		q.undo()
		var again bool
		if again, err = q.resp.again(err); again {
			return
		}
	}
	h.hold.log.ErrorContext(r.Context(), "the application failed", "error", err, "method", r.Method, "path", q.path())
	if q.resp.Failed() != nil {
		return // an error page was sent
	}
	if sent {
		q.undo()
		// The client has part of a response. Cutting the connection is the only way to say that.
		panic(http.ErrAbortHandler)
	}
	h.hold.page(w, r, err)
}

// call is one call of an application: what PEP 3333's server knows about a response.
type call struct {
	q       *request
	env     Environ
	status  int
	headers []Header
	started bool  // start was called, whether or not it succeeded
	valid   bool  // status and headers are good
	applied bool  // they were handed to the response
	length  int64 // the declared Content-Length, or -1
	written int64
	values  [4]string // room for those of most responses
}

// run runs the application to its end and closes its body.
func (c *call) run(app Application) (err error) {
	body, err := app.Call(&c.env, c.start)
	if body != nil {
		defer func() { // also when an iteration panics
			if cerr := body.Close(); err == nil {
				err = cerr
			}
		}()
	}
	if err != nil {
		return err
	}
	if err := c.send(body); err != nil {
		return err
	}
	return c.complete()
}

func (c *call) send(body Body) error {
	switch b := body.(type) {
	case nil:
		return nil
	case *fileBody:
		_, err := c.readFrom(b.r)
		return err
	case *blockBody:
		_, err := c.Write(b[0])
		return err
	case textBody:
		_, err := c.WriteString(string(b))
		return err
	case bytesBody:
		for _, block := range b {
			if _, err := c.Write(block); err != nil {
				return err
			}
		}
		return nil
	}
	for block, err := range body.Blocks() {
		if err != nil {
			return err
		}
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// start is the StartResponse that the application gets.
func (c *call) start(status string, headers []Header, excInfo error) (io.Writer, error) {
	switch {
	case excInfo == nil && c.started:
		return nil, ErrStarted
	case excInfo != nil && c.q.resp.Sent():
		return nil, excInfo
	case excInfo != nil:
		c.q.undo()
	}
	c.started, c.valid, c.applied = true, false, false
	c.written, c.length = 0, -1
	code, err := parseStatus(status)
	if err != nil {
		return nil, err
	}
	if c.length, err = checkHeaders(headers); err != nil {
		return nil, err
	}
	c.status, c.headers, c.valid = code, headers, true
	return c, nil
}

// Write is WSGI's write().
func (c *call) Write(p []byte) (int, error) {
	if err := c.admit(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	n, err := c.env.w.Write(p)
	return c.wrote(n, len(p), err)
}

// WriteString is Write for a string.
func (c *call) WriteString(s string) (int, error) {
	if err := c.admit(len(s)); err != nil || len(s) == 0 {
		return 0, err
	}
	n, err := io.WriteString(c.env.w, s)
	return c.wrote(n, len(s), err)
}

// admit prepares for n bytes of the body. An empty block starts nothing.
func (c *call) admit(n int) error {
	if n == 0 {
		return nil
	}
	if err := c.apply(); err != nil {
		return err
	}
	if c.length >= 0 && c.written+int64(n) > c.length {
		return ErrTooLong
	}
	return nil
}

func (c *call) wrote(n, of int, err error) (int, error) {
	c.written += int64(n)
	if err != nil && errors.Is(err, http.ErrBodyNotAllowed) {
		return of, nil // as for HEAD, nobody wants to see it
	}
	return n, err
}

// sniffed is how much of a body net/http looks at to guess a Content-Type. No more of a file is read for HEAD.
const sniffed = 512

// readFrom sends a file.
func (c *call) readFrom(src io.Reader) (int64, error) {
	if err := c.apply(); err != nil {
		return 0, err
	}
	if left := c.length - c.written; c.length >= 0 {
		if c.env.r.Method == http.MethodHead {
			left = min(left, sniffed)
		}
		src = io.LimitReader(src, left)
	}
	n, err := io.Copy(c.env.w, src)
	c.written += n
	if errors.Is(err, http.ErrBodyNotAllowed) {
		return n, nil
	}
	return n, err
}

// apply hands status and headers to the response, which happens with the first byte and not sooner.
func (c *call) apply() error {
	switch {
	case c.applied:
		return nil
	case !c.valid:
		return ErrNotStarted
	}
	c.applied = true
	h := c.env.w.Header()
	values := c.values[:] // one list for all, as they mostly have one value each
	if len(c.headers) > len(values) {
		values = make([]string, len(c.headers))
	}
	for i, f := range c.headers {
		name := http.CanonicalHeaderKey(f.Name)
		values[i] = f.Value
		if name != "Set-Cookie" && name != "Vary" && !namedBefore(c.headers[:i], name) {
			h[name] = values[i : i+1 : i+1]
		} else {
			h[name] = append(h[name], f.Value)
		}
	}
	c.headers = nil
	c.env.w.WriteHeader(c.status)
	return nil
}

func namedBefore(headers []Header, name string) bool {
	for _, f := range headers {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// complete ends a response whose application returned without an error.
func (c *call) complete() error {
	if !c.started && (c.q.resp.Sent() || c.q.resp.status != 0) {
		return nil // it used the response directly
	}
	if err := c.apply(); err != nil {
		return err
	}
	if c.written < c.length && c.env.r.Method != http.MethodHead && c.status != http.StatusNotModified {
		// net/http closes the connection, so that the client sees it too.
		c.env.log.ErrorContext(c.env.r.Context(), "the body is shorter than its Content-Length",
			"declared", c.length, "sent", c.written, "path", c.q.path())
	}
	return nil
}

func (c *call) flushErrors() {
	if c.env.errors != nil {
		_ = c.env.errors.Flush() // never fails
	}
}

// parseStatus reads "200 OK".
func parseStatus(status string) (int, error) {
	digits, reason, _ := strings.Cut(status, " ")
	code, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || code < 200 {
		return 0, &HeaderError{status, "is no final status: write for example 200 OK"}
	}
	if hasControl(reason) {
		return 0, &HeaderError{status, "has control characters"}
	}
	return code, nil
}

// checkHeaders refuses what PEP 3333 and HTTP forbid, and returns the declared Content-Length or -1.
func checkHeaders(headers []Header) (length int64, err error) {
	length = -1
	for _, f := range headers {
		if err := CheckHeader(f); err != nil {
			return -1, err
		}
		if strings.EqualFold(f.Name, "Content-Length") {
			if length >= 0 {
				return -1, badLength(f)
			}
			length, _ = strconv.ParseInt(f.Value, 10, 64) // is checked
		}
	}
	return length, nil
}

// CheckHeader returns the *HeaderError with which StartResponse refuses a header for itself, or nil.
func CheckHeader(f Header) error {
	switch {
	case !isToken(f.Name):
		return &HeaderError{f.Name, "is no header name"}
	case hasControl(f.Value):
		return &HeaderError{f.Name, "has control characters in its value"}
	case hopByHop(f.Name):
		return &HeaderError{f.Name, "belongs to the connection, which is the server's"}
	case strings.EqualFold(f.Name, "Status"):
		return &HeaderError{f.Name, "is not a header here: pass the status as such"}
	case strings.EqualFold(f.Name, "Content-Length"):
		if _, err := strconv.ParseUint(f.Value, 10, 63); err != nil {
			return badLength(f)
		}
	}
	return nil
}

func badLength(f Header) error { return &HeaderError{f.Name, "must be one number, given once"} }

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

func hasControl(s string) bool {
	for i := range len(s) {
		if isControl(rune(s[i])) {
			return true
		}
	}
	return false
}

// isToken reports whether s can be a header's name: a token of RFC 9110.
func isToken(s string) bool {
	for i := range len(s) {
		if !inToken[s[i]] {
			return false
		}
	}
	return s != ""
}

var inToken = func() (in [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		in[c] = true
	}
	return in
}()

// hopByHop tells the headers of RFC 2616, section 13.5.1, which PEP 3333 names.
func hopByHop(name string) bool {
	switch len(name) { // most names are none of them by that alone
	case 2, 7, 8, 10, 17, 18, 19:
	default:
		return false
	}
	for _, h := range [...]string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers",
		"Transfer-Encoding", "Upgrade"} {
		if len(name) == len(h) && strings.EqualFold(name, h) {
			return true
		}
	}
	return false
}
