package compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Defaults of RetryConfig.
const (
	defaultTries      = 4
	defaultPause      = 5 * time.Millisecond
	defaultMaxPause   = 100 * time.Millisecond
	defaultRetryBody  = 1 << 20
	defaultRetryReply = 1 << 20
)

// RetryConfig says how requests are run again. The zero value is a good start.
type RetryConfig struct {
	// Tries is how often a request runs at most, the first time included. Default 4; 1 or less: once.
	Tries int

	// Pause is the longest pause before the second try. It doubles with each further one, up to MaxPause, and the
	// actual pause is a random time between half of it and all of it, so that requests which clashed do not clash
	// again. Defaults 5 ms and 100 ms; negative: no pause.
	Pause, MaxPause time.Duration

	// MaxBody is how many bytes of a request's body are kept, in memory, to be read again. A request whose handler has
	// read more is not retried. Default 1 MiB; negative: only requests whose body was not read are retried.
	MaxBody int64

	// MaxResponse is how many bytes of a response are held back, in memory, until the sessions are committed, if
	// that is more than SessionsConfig.BufferSize or HandlerConfig.BufferSize says. A response that outgrows it commits
	// when it does. Default 1 MiB; negative: what those say.
	MaxResponse int
}

func (cfg RetryConfig) withDefaults() RetryConfig {
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	if cfg.Pause == 0 {
		cfg.Pause = defaultPause
	}
	if cfg.MaxPause == 0 {
		cfg.MaxPause = defaultMaxPause
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultRetryBody
	}
	if cfg.MaxResponse == 0 {
		cfg.MaxResponse = defaultRetryReply
	}
	cfg.MaxBody, cfg.MaxResponse = max(cfg.MaxBody, 0), max(cfg.MaxResponse, 0)
	return cfg
}

// RetryError tells that a request was run several times, and that each time its sessions could not be committed because
// another request had saved them. It matches core.ErrConflict, and StatusOf gives 409.
type RetryError struct {
	Tries int
	Err   error // of the last try
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("compat: gave up after %d tries: %v", e.Tries, e.Err)
}

// Unwrap returns the last error.
func (e *RetryError) Unwrap() error { return e.Err }

// Retry runs a request again when it failed with core.ErrConflict: another request has saved its session, under the
// Optimistic policy, since it was opened. Zope's publisher does so. It goes around Sessions.Middleware, where the sessions
// commit, or around a Handler that is without one:
//
//	compat.Retry(cfg)(sessions.Middleware(handler))
//
// Inside of them it has no effect. For Echo there is EchoRetry.
//
// Each try is a request of its own: it gets the request as it came, with the body from the beginning, and opens its sessions
// anew. Nothing of a try that failed reaches the client: its status, headers, cookies and output are dropped, and its
// session changes are rolled back. Informational responses (103) are not sent at all. What a handler does outside of its
// sessions is done again with each try, so it should be harmless when repeated.
//
// A request runs again if its commit fails with a conflict, or if its Application or Echo handler returns one. It does not
//
//   - when the response has begun to leave: it was flushed, or is larger than MaxResponse. A conflict at that very moment
//     still counts as in time.
//   - when the body that was read is larger than MaxBody.
//   - when the try has done something in the store that stays: it saved a session by itself, rotated or ended it, or one of
//     several Sessions was committed before the other failed. Repeating would do that twice.
//   - when a handler has answered the conflict itself, with a page of its own.
//   - when the client has gone.
//
// After RetryConfig.Tries, the client gets the error page for a *RetryError: 409, which says that it was tried several times.
func Retry(cfg RetryConfig) func(next http.Handler) http.Handler {
	cfg = cfg.withDefaults()
	return func(next http.Handler) http.Handler {
		if cfg.Tries <= 1 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rt := newRetrier(&cfg, w, r)
			defer rt.close()
			for rt.next() {
				next.ServeHTTP(rt.w, rt.r)
			}
		})
	}
}

// retrier runs one request until it is answered.
type retrier struct {
	cfg     *RetryConfig
	outer   http.ResponseWriter
	request *http.Request
	header  http.Header // as it was before the first try
	body    *replay     // nil if there is none

	tries  int
	failed error // why the running try is to be repeated, or nil

	w *tryWriter // of the running try
	r *http.Request
}

type retryKey struct{}

func newRetrier(cfg *RetryConfig, w http.ResponseWriter, r *http.Request) *retrier {
	rt := &retrier{cfg: cfg, outer: w, request: r, header: w.Header().Clone()}
	if r.Body != nil && r.Body != http.NoBody {
		rt.body = &replay{memory: cfg.MaxBody, limit: cfg.MaxBody, src: r.Body}
	}
	return rt
}

// next prepares another try, if the last one is to be repeated.
func (rt *retrier) next() bool {
	if rt.tries > 0 && rt.failed == nil {
		return false
	}
	if rt.tries > 0 {
		rt.clean()
		if err := rt.pause(); err != nil {
			DefaultErrorPage(rt.outer, rt.request, rt.failed) // the client has gone
			return false
		}
		h := rt.outer.Header()
		clear(h)
		for name, values := range rt.header.Clone() {
			h[name] = values
		}
	}
	rt.tries++
	rt.failed = nil
	rt.r = rt.request.Clone(context.WithValue(rt.request.Context(), retryKey{}, rt))
	if rt.body != nil {
		rt.r.Body = rt.body.reader()
	}
	rt.w = &tryWriter{rt.outer, rt.cfg.MaxResponse}
	return true
}

// wants decides whether a request that failed is run again, and returns the error to show if not.
func (rt *retrier) wants(q *request, err error) (again bool, shown error) {
	switch {
	case !errors.Is(err, core.ErrConflict) || errors.Is(err, core.ErrGone):
		return false, err
	case q.scope.Written() || rt.body != nil && !rt.body.again() || rt.request.Context().Err() != nil:
		return false, rt.tired(err)
	case rt.tries >= rt.cfg.Tries:
		return false, rt.tired(err)
	}
	rt.failed = err
	return true, err
}

// tired adds how often it was tried, if that was more than once.
func (rt *retrier) tired(err error) error {
	if rt.tries > 1 {
		return &RetryError{Tries: rt.tries, Err: err}
	}
	return err
}

func (rt *retrier) pause() error {
	limit := rt.cfg.MaxPause
	if shift := rt.tries - 1; shift < 20 && rt.cfg.Pause<<shift < limit {
		limit = rt.cfg.Pause << shift
	}
	if limit <= 0 {
		return rt.request.Context().Err()
	}
	timer := time.NewTimer(limit/2 + rand.N(limit/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-rt.request.Context().Done():
		return rt.request.Context().Err()
	}
}

// clean ends a try's use of the request.
func (rt *retrier) clean() {
	if rt.body != nil {
		_ = rt.r.Body.Close() // it may have been replaced; ours never fails
	}
	if form := rt.r.MultipartForm; form != nil && rt.request.MultipartForm == nil {
		_ = form.RemoveAll() // the operating system's temporary folder keeps what can not be removed
	}
}

func (rt *retrier) close() {
	if rt.r == nil {
		return
	}
	rt.clean()
	rt.request.Pattern = rt.r.Pattern
	if rt.body != nil {
		_ = rt.body.close() // there is no file
	}
}

// tryWriter is the response of one try. What reaches it is final, but for informational responses.
type tryWriter struct {
	http.ResponseWriter
	limit int // MaxResponse
}

// WriteHeader passes final statuses on.
func (w *tryWriter) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(code)
	}
}

// ReadFrom lets the server copy a file in its own way.
func (w *tryWriter) ReadFrom(src io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, src) }

// Unwrap returns the server's writer.
func (w *tryWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// heldFor returns how much of a response to w is held back.
func (hold *holdConfig) heldFor(w http.ResponseWriter) *holdConfig {
	for {
		switch t := w.(type) {
		case *tryWriter:
			if t.limit <= hold.limit {
				return hold
			}
			more := *hold
			more.limit = t.limit
			return &more
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return hold
		}
	}
}

// again reports whether the request is going to be run again because of err. Then it is answered already, as far as this
// try is concerned. If not, shown is what its error page is about.
func (rw *Response) again(err error) (again bool, shown error) {
	if rw.Sent() {
		return false, err
	}
	rt, ok := rw.q.outer.Context().Value(retryKey{}).(*retrier)
	if !ok {
		return false, err
	}
	again, shown = rt.wants(rw.q, err)
	if again {
		rw.hold.log.DebugContext(rw.q, "the request is run again", "error", err, "try", rt.tries, "method", rw.q.r.Method,
			"path", rw.q.path())
		rw.more().failed = err
		rw.status = int16(StatusOf(err))
		rw.sent.Store(true)
	}
	return again, shown
}
