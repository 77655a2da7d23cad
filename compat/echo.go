package compat

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/core"
)

// Echo is Sessions.Middleware for Echo v4: for the whole server (Echo.Use), a group or a route. A handler that
// returns an error has failed: its session changes are rolled back, its held-back output is dropped, and
// Echo's error handler writes its page, through which it may use sessions itself. The error is passed on to
// outer middleware.
//
// The same holds for an Echo that itself runs inside of an application, an http.Handler or another Echo, around which the
// request's sessions begin.
//
// Logger and Recover of Echo belong outside of it. Inside they answer errors and panics themselves, so that the handler
// seems to have succeeded and what it had changed is saved.
func Echo(s *Sessions) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if q := running(c.Request()); q != nil {
				defer q.focus(q.attach(s))
				q.receive(s, c.Request())
				return q.echoFailed(c, next(c))
			}
			return serveEcho(s, c, next)
		}
	}
}

func serveEcho(s *Sessions, c echo.Context, next echo.HandlerFunc) error {
	res := c.Response()
	raw := res.Writer
	q := newRequest(raw, c.Request(), s, &s.hold)
	q.echo = c
	c.SetRequest(&q.r)
	q.receive(s, &q.r)
	res.Writer = &q.resp
	defer func() {
		res.Writer = raw
		noteEcho(res, q)
	}()
	defer q.abort() // does nothing after finish

	err := next(c)
	if err != nil && q.resp.Failed() == nil && !q.resp.clientGone(err) {
		q.undo()
		again, shown := q.resp.again(err)
		if again {
			return err // to EchoRetry
		}
		if err = shown; !answerEchoError(c, q, err) {
			return err // abort lets go of everything; an outer error handler may answer
		}
	}
	q.finish()
	return err
}

// echoAnswered is set in the context of an Echo inside of another handler when its error page is written.
const echoAnswered = "holdover: the error is answered"

// echoFailed does for an Echo inside of another handler what serveEcho does for one that the request belongs to: the error
// ends there, so that nobody outside would know that the handler has failed.
func (q *request) echoFailed(c echo.Context, err error) error {
	switch {
	case err == nil || q.echo != nil && q.echo.Echo() == c.Echo():
		return err
	case q.resp.Failed() != nil || q.resp.clientGone(err) || c.Get(echoAnswered) != nil:
		return err
	}
	q.undo()
	res := c.Response()
	if !q.resp.Sent() {
		res.Committed, res.Status, res.Size = false, http.StatusOK, 0
	}
	defer noteEcho(res, q)
	again, shown := q.resp.again(err)
	if again {
		return err
	}
	c.Set(echoAnswered, answerEchoError(c, q, shown))
	return shown
}

// answerEchoError lets Echo's error handler write its page, and reports whether the response has begun.
func answerEchoError(c echo.Context, q *request, err error) bool {
	if !q.resp.Sent() {
		he, ok := errors.AsType[*echo.HTTPError](err)
		if !ok && StatusOf(err) != http.StatusInternalServerError { // an error of the session's own
			he = echoError(err)
			err = he
		}
		if he != nil && he.Code == http.StatusServiceUnavailable {
			c.Response().Header().Set(echo.HeaderRetryAfter, retryAfter)
		}
		c.Error(err)
	}
	return q.resp.Sent() || c.Response().Committed
}

// noteEcho makes Echo's response say what was sent, for outer middleware. Echo itself does not notice headers that
// left with a flush or past its bookkeeping, and would write an error page after them.
func noteEcho(res *echo.Response, q *request) {
	if !q.resp.Sent() {
		return
	}
	if q.resp.Failed() != nil {
		res.Size = q.resp.rest.page.size
	}
	if q.resp.status != 0 {
		res.Committed, res.Status = true, int(q.resp.status)
	}
}

// forgetEcho corrects what Echo noted of the response, if that is void: it was informational, or it was held
// back and then dropped.
func (q *request) forgetEcho() {
	if q.echo != nil {
		res := q.echo.Response()
		res.Committed, res.Status, res.Size = false, http.StatusOK, 0
	}
}

// Session returns the request's session in a plain Echo handler; see Sessions.Session. Errors fit Echo's error
// handler: a failing store becomes 503, see StatusOf.
func Session(c echo.Context, opts ...core.OpenOption) (*core.Session, error) {
	s, err := FromContext(c.Request().Context(), opts...)
	if err != nil {
		return nil, echoError(err)
	}
	return s, nil
}

// ExistingSession is Session for code that does not want to begin one: the error matches core.ErrNotFound if the
// client has no living session.
func ExistingSession(c echo.Context, opts ...core.OpenOption) (*core.Session, error) {
	s, err := ExistingFromContext(c.Request().Context(), opts...)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return nil, err
	case err != nil:
		return nil, echoError(err)
	}
	return s, nil
}

func echoError(err error) *echo.HTTPError {
	code := StatusOf(err)
	he := &echo.HTTPError{Code: code, Message: http.StatusText(code), Internal: err}
	if _, tried := errors.AsType[*RetryError](err); tried {
		he.Message = advice(err, code)
	}
	return he
}

// EchoRetry is Retry for Echo, where it goes outside of the middleware Echo. What a try sets in the echo.Context
// itself (Context.Set) is still there in the next one; its echo.Response is not.
func EchoRetry(cfg RetryConfig) echo.MiddlewareFunc {
	cfg = cfg.withDefaults()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if cfg.Tries <= 1 {
			return next
		}
		return func(c echo.Context) (err error) {
			req, res := c.Request(), c.Response()
			rt := newRetrier(&cfg, res, req)
			defer func() {
				if last := c.Response(); last.Committed && !res.Committed { // it left by a flush, say
					res.Committed, res.Status, res.Size = true, last.Status, last.Size
				}
				c.SetRequest(req)
				c.SetResponse(res)
				rt.close()
			}()
			for rt.next() {
				c.SetRequest(rt.r)
				c.SetResponse(echo.NewResponse(rt.w, c.Echo()))
				err = next(c)
			}
			return err
		}
	}
}

// EchoHandover is Handover.Middleware for Echo, with Echo for its Sessions around it.
func EchoHandover(h *Handover) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return Echo(h.sessions)(func(c echo.Context) error {
			if answered, err := h.answer(c.Response(), c.Request()); answered || err != nil {
				return err
			}
			return next(c)
		})
	}
}

// EchoPolicy is Policy for Echo: for a group or a route.
func EchoPolicy(opts ...core.OpenOption) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			outer := c.Request()
			c.SetRequest(outer.WithContext(policyContext(outer.Context(), opts)))
			defer func() {
				passForm(outer, c.Request())
				c.SetRequest(outer) // the policy is not that of whoever answers an error
			}()
			return next(c)
		}
	}
}

// EchoHandler serves an application as an Echo handler. SCRIPT_NAME is the configured prefix or, without one,
// the part of the path that the route matched before its "*".
func EchoHandler(app Application, cfg HandlerConfig) echo.HandlerFunc {
	h := Handler(app, cfg).(*handler)
	return func(c echo.Context) error {
		prefix := h.prefix
		if prefix == "" {
			prefix = matchedPrefix(c.Path(), c.Request().URL)
		}
		h.serve(echoWriter{c.Response()}, c.Request(), prefix)
		return nil
	}
}

// echoWriter is Echo's response for applications: files go past it to the server's own ReadFrom.
type echoWriter struct{ *echo.Response }

// ReadFrom implements io.ReaderFrom, and keeps Echo's books.
func (w echoWriter) ReadFrom(src io.Reader) (int64, error) {
	if !w.Committed {
		w.WriteHeader(http.StatusOK)
	}
	n, err := io.Copy(w.Writer, src)
	w.Size += n
	if err == nil {
		_, err = w.Write(nil) // for what Response.After registered
	}
	return n, err
}

// matchedPrefix returns as much of the path as a route has segments before its "*". They are counted in the
// escaped path, as Echo does, because an escaped slash separates nothing.
func matchedPrefix(route string, u *url.URL) string {
	segments := strings.Count(strings.TrimRight(strings.TrimSuffix(route, "*"), "/"), "/")
	path := u.EscapedPath()
	end := 0
	for ; segments > 0; segments-- {
		next := -1
		if end < len(path) {
			next = strings.IndexByte(path[end+1:], '/')
		}
		if next < 0 {
			return u.Path
		}
		end += 1 + next
	}
	prefix, err := url.PathUnescape(path[:end])
	if err != nil {
		return "" // net/http lets no such path in
	}
	return prefix
}

// EchoRouter is what an application can be mounted on: *echo.Echo and *echo.Group.
type EchoRouter interface {
	Any(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) []*echo.Route
}

// EchoMount serves an application under a prefix, for all methods, with the middleware around it, typically Echo.
// The prefix, with that of the group, becomes SCRIPT_NAME.
func EchoMount(r EchoRouter, prefix string, app Application, cfg HandlerConfig, m ...echo.MiddlewareFunc) {
	h := EchoHandler(app, cfg)
	prefix = strings.TrimRight(prefix, "/")
	r.Any(prefix, h, m...)
	r.Any(prefix+"/*", h, m...)
}
