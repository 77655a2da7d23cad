package compat

import (
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Middleware makes an application out of another one: a filter in Paste Deploy's words. What it returns calls
// next, or answers in its place. It must close the body that next returned, by passing it on or by itself.
type Middleware func(next Application) Application

// Chain makes one Middleware of several, the outermost first: a pipeline of Paste Deploy without its last
// member, the application. Without any it returns the application as it is.
func Chain(m ...Middleware) Middleware {
	return func(app Application) Application {
		for i := len(m) - 1; i >= 0; i-- {
			app = m[i](app)
		}
		return app
	}
}

// Wrap is a Middleware that makes the sessions available to one application, as Sessions.Middleware does for a
// handler: so that each application of a URLMap can have its own. They end with the request, together with those of
// the Sessions around it.
func (s *Sessions) Wrap(next Application) Application {
	return ApplicationFunc(func(env *Environ, start StartResponse) (Body, error) {
		defer env.q.focus(env.q.attach(s))
		env.q.receiveInput(s, env)
		body, err := next.Call(env, start)
		if lifeless(body) {
			return body, err
		}
		return &focusedBody{body, env.q, s}, err
	})
}

// focusedBody runs a body with the Sessions that its application was called with.
type focusedBody struct {
	body     Body
	q        *request
	sessions *Sessions
}

func (b *focusedBody) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		before := b.q.attach(b.sessions)
		defer func() { b.q.focus(before) }()
		for block, err := range b.body.Blocks() {
			b.q.focus(before)
			if !yield(block, err) {
				return
			}
			before = b.q.attach(b.sessions)
		}
	}
}

func (b *focusedBody) Close() error {
	defer b.q.focus(b.q.attach(b.sessions))
	return b.body.Close()
}

// AddSlash is a Middleware that redirects requests for the application's own path without a slash at its end,
// where PATH_INFO is empty, to the same with one: add_slash of paste.urlparser. Relative links of the
// application's first page need it. The query is kept. GET and HEAD get 301, other methods 308, by which they keep
// their body; Paste says 301 to all.
func AddSlash(next Application) Application {
	return ApplicationFunc(func(env *Environ, start StartResponse) (Body, error) {
		if env.PathInfo() != "" {
			return next.Call(env, start)
		}
		// A location that began with two slashes would lead to another host.
		to := "/" + strings.TrimLeft((&url.URL{Path: env.ScriptName()}).EscapedPath(), "/")
		to = strings.TrimRight(to, "/") + "/"
		if q := env.QueryString(); q != "" {
			to += "?" + q
		}
		status := http.StatusPermanentRedirect
		if m := env.Method(); m == http.MethodGet || m == http.MethodHead {
			status = http.StatusMovedPermanently
		}
		return answerPage(start, status, "This page has moved. Its address has a slash at the end now.", Header{"Location", to})
	})
}

// closing returns the body with something more to do, once, after it is closed. A file stays a file, so that the
// system can still copy it.
func closing(body Body, then func() error) Body {
	if f, ok := body.(*fileBody); ok {
		first := f.then
		return &fileBody{r: f.r, then: func() (err error) {
			defer func() { err = firstError(err, then()) }()
			if first != nil {
				return first()
			}
			return nil
		}}
	}
	return &closingBody{body, then}
}

// answerPage is how the applications of this package answer: with a short page.
func answerPage(start StartResponse, status int, text string, headers ...Header) (Body, error) {
	page := htmlPage(status, text)
	headers = append(headers, Header{"Content-Type", "text/html; charset=utf-8"}, Header{"Content-Length", strconv.Itoa(len(page))})
	if _, err := start(strconv.Itoa(status)+" "+http.StatusText(status), headers, nil); err != nil {
		return nil, err
	}
	return Text(page), nil
}

type closingBody struct {
	body Body
	then func() error
}

func (b *closingBody) Blocks() iter.Seq2[[]byte, error] { return b.body.Blocks() }

func (b *closingBody) Close() (err error) {
	defer func() { err = firstError(err, b.then()) }() // also when Close panics
	return b.body.Close()
}

func firstError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
