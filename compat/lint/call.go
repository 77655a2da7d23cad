package lint

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/holdover-web/holdover/compat"
)

// call is one call of a watched application.
type call struct {
	l     *linter
	env   *compat.Environ
	start compat.StartResponse
	ctx   context.Context

	pair   *pair // what it shares with the other watch of a middleware, or nil
	input  inputWatch
	errors *compat.ErrorStream // the watched one
	undo   []func()            // puts the environ back as it was

	mu       sync.Mutex // protects the rest: code in breach may run on any goroutine
	told     []string   // the problems that were reported
	failed   *Error     // the first breach, if the watch is strict
	started  bool       // start_response was called, whether or not it succeeded
	refused  error      // what the last call of it returned
	status   int        // of the last call that succeeded, else 0
	given    []compat.Header
	copied   []compat.Header // given, as it was at that time
	declared int64           // the Content-Length, or -1
	sent     int64           // bytes of body so far
	inBody   bool            // the body is being iterated
	ranged   bool            // its iteration has begun
	body     bool            // there is one that must be closed
	closed   bool
	over     bool // the call has ended
}

// pair counts, for the two watches of one middleware, the blocks that the middleware gave.
type pair struct {
	mu    sync.Mutex
	given int
}

func (p *pair) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given++
}

func (p *pair) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given
}

// report tells of a breach of the named check, once.
func (c *call) report(name string, by Party, format string, args ...any) {
	if c.l.ignore[name] {
		return
	}
	r := Report{Check: byName[name], By: by, Problem: fmt.Sprintf(format, args...), Where: c.l.cfg.Name}
	if c.note(r) {
		c.l.cfg.Report(c.ctx, r)
	}
}

// maxReports bounds what one call reports of different breaches.
const maxReports = 100

func (c *call) note(r Report) (isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.l.cfg.Strict && !r.Warning && c.failed == nil {
		c.failed = &Error{Report: r}
	}
	key := r.Name + "\x00" + r.Problem
	if len(c.told) == maxReports || slices.Contains(c.told, key) {
		return false
	}
	c.told = append(c.told, key)
	return true
}

// outside reports a breach of the server or middleware around the application, inside one of the application.
func (c *call) outside(name, format string, args ...any) {
	c.report(name, c.l.outside, format, args...)
}

func (c *call) inside(name, format string, args ...any) { c.report(name, c.l.inside, format, args...) }

// failure returns the error with which the request fails, if it does.
func (c *call) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		return nil // not a nil *Error
	}
	return c.failed
}

// run calls the application and puts the watch around what it returns.
func (c *call) run() (compat.Body, error) {
	c.meet()
	c.watchStreams()
	c.env.Response().AfterEnd(c.requestEnded)
	returned := false
	defer func() {
		if !returned {
			c.end() // it panicked
		}
	}()
	inner, err := c.l.app.Call(c.env, c.startResponse)
	returned = true
	if inner == nil {
		if err == nil {
			c.complete()
			err = c.failure()
		}
		c.end()
		return nil, err
	}
	if v := reflect.ValueOf(inner); v.Kind() == reflect.Pointer && v.IsNil() {
		c.inside("body-typed-nil", "the body is a nil %T inside of a compat.Body that is not nil", inner)
	}
	c.mu.Lock()
	c.body = true
	c.mu.Unlock()
	if err == nil {
		err = c.failure()
	}
	return &body{c: c, inner: inner, file: reflect.TypeOf(inner) == fileType}, err
}

// meet finds the other watch of a middleware.
func (c *call) meet() {
	if key := c.l.above; key != "" {
		c.pair = new(pair)
		c.env.Set(key, c.pair)
		c.undo = append(c.undo, func() { c.env.Delete(key) })
	}
	if key := c.l.below; key != "" {
		v, _ := c.env.Get(key)
		c.pair, _ = v.(*pair)
	}
}

// complete checks what can be said of a response only when the application has given all of it.
func (c *call) complete() {
	c.mu.Lock()
	started, refused, status, declared, sent := c.started, c.refused, c.status, c.declared, c.sent
	c.mu.Unlock()
	switch {
	case refused != nil:
		c.inside("start-error-ignored", "start_response returned an error, and the application went on as if it had not")
	case !started && !c.direct():
		c.inside("not-started", "the application is done and has not called start_response")
	case sent < declared && status != 304 && c.env.Method() != "HEAD":
		c.inside("content-length-short", "the body has %d bytes, fewer than the declared %d", sent, declared)
	}
	c.checkGiven()
}

// direct reports whether a response is under way that start_response knows nothing of.
func (c *call) direct() bool {
	resp := c.env.Response()
	return resp.Status() != 0 || resp.Sent()
}

// end takes the watch off the environ: what is used from now on is used too late.
func (c *call) end() {
	if c.errors != nil && !c.ended() {
		_ = c.errors.Flush() // never fails
	}
	c.mu.Lock()
	was := c.over
	c.over = true
	c.mu.Unlock()
	if was {
		return
	}
	for _, undo := range c.undo {
		undo()
	}
}

// ended reports whether the call is over.
func (c *call) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// requestEnded is called when the server is done with the request.
func (c *call) requestEnded() {
	c.mu.Lock()
	open := c.body && !c.closed
	c.mu.Unlock()
	if open {
		c.outside("not-closed", "the request has ended and the body was not closed")
		c.end()
	}
}

// quote returns s as it may stand in a report.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(s, "?"))
}
