package compat

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"net/http"
	"slices"
)

// Defaults of CascadeConfig.
const (
	defaultCascadeMemory = 64 << 10
	defaultCascadeBody   = 32 << 20
)

// CascadeConfig says when a Cascade goes on to its next application. The zero value is paste.cascade's default.
type CascadeConfig struct {
	// Catch lists the statuses (200 to 999) that mean: ask the next application. Default 404 alone.
	Catch []int

	// CatchErrors says which errors of an application mean the same: catch_exceptions of paste.cascade, which
	// are the HTTP exceptions of the statuses in Catch. The others are the cascade's own error. Default: none.
	CatchErrors func(error) bool

	// Memory is how many bytes of a request's body are kept in memory, to be read again by the next
	// application. More goes to a temporary file, which is removed when the response is complete. Default 64 KiB;
	// negative: nothing is kept in memory.
	Memory int64

	// MaxBody is how many bytes of a body are kept at all. If an application other than the last reads further,
	// its read fails with a *http.MaxBytesError; unless it answers that itself, the client gets 413. What only the
	// last one reads is not kept and has no limit. Default 32 MiB; negative: no limit.
	MaxBody int64
}

// NewCascade returns an application that asks several others in turn, and answers with the first response whose
// status is not caught, or with the last application's response whatever it is: paste.cascade.
//
// Nothing of the applications before the one that answers is left. Their status, headers, cookies and output are
// dropped. Their bodies are closed, exactly once and without being read to the end, as Paste does. Their session
// changes are rolled back, which Paste does not: the next application finds sessions as the cascade did, with what
// middleware around it has changed. Each gets its own environ, and the request's body from the beginning.
//
// What an application did in the store at once stays: Session.Commit, Rotate, Invalidate, Manager.Update; Session.End is
// put off until the request's end. A commit
// has written what middleware around the cascade had changed, too. What it did outside of its sessions is its own matter.
//
// An application has answered, and can not fail any more, when output under a status that is not caught has been handed
// to write, has outgrown the buffer or was flushed, or when it took over the connection. Informational responses (103) are
// sent for the last application only.
//
// The errors are of the configuration: no applications, one that is nil, or statuses that can not be.
func NewCascade(cfg CascadeConfig, apps ...Application) (Application, error) {
	c := &cascade{apps: slices.Clone(apps), errors: cfg.CatchErrors, memory: cfg.Memory, limit: cfg.MaxBody}
	var errs []error
	if len(apps) == 0 {
		errs = append(errs, errors.New("compat: NewCascade: there is no application"))
	}
	for i, app := range apps {
		if app == nil {
			errs = append(errs, fmt.Errorf("compat: NewCascade: application %d is nil", i+1))
		}
	}
	if cfg.Catch == nil {
		cfg.Catch = []int{http.StatusNotFound}
	}
	c.statuses = make(map[int]bool, len(cfg.Catch))
	for _, status := range cfg.Catch {
		if status < 200 || status > 999 {
			errs = append(errs, fmt.Errorf("compat: CascadeConfig.Catch: %d is no final status", status))
		}
		c.statuses[status] = true
	}
	if c.errors == nil {
		c.errors = func(error) bool { return false }
	}
	switch {
	case c.memory == 0:
		c.memory = defaultCascadeMemory
	case c.memory < 0:
		c.memory = 0
	}
	switch {
	case c.limit == 0:
		c.limit = defaultCascadeBody
	case c.limit < 0:
		c.limit = math.MaxInt64 - 1
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

type cascade struct {
	apps          []Application
	statuses      map[int]bool
	errors        func(error) bool
	memory, limit int64
}

func (c *cascade) catches(status int) bool { return c.statuses[status] }

// Call implements Application.
func (c *cascade) Call(env *Environ, start StartResponse) (Body, error) {
	last := len(c.apps) - 1
	if last == 0 {
		return c.apps[0].Call(env, start)
	}
	before, err := env.q.savepoint()
	if err != nil {
		return nil, err
	}
	sent := &replay{memory: c.memory, limit: c.limit, cut: true, src: env.Input()}
	var t *attempt
	panicked := true
	defer func() {
		if panicked {
			t.clean()
			_ = sent.close() // the panic is what matters
		}
	}()
	for _, app := range c.apps[:last] {
		t = &attempt{cascade: c, env: env.fork(sent.reader()), start: start, sent: sent}
		body, err := t.run(app)
		if t.won {
			panicked = false
			return t.finish(body, err, sent)
		}
		t.drop(body)
		before.rollback(env.Context())
		if sent.exceeded() {
			panicked = false
			return c.refuse(start, sent)
		}
	}
	t = &attempt{cascade: c, env: env.fork(sent.final())}
	body, err := c.apps[last].Call(t.env, start)
	panicked = false
	return t.finish(body, err, sent)
}

func (c *cascade) refuse(start StartResponse, sent *replay) (Body, error) {
	if err := sent.close(); err != nil {
		return nil, err
	}
	return answerPage(start, http.StatusRequestEntityTooLarge, "What you sent is too large for this page.")
}

// attempt is one application's chance.
type attempt struct {
	cascade *cascade
	env     *Environ // the application's own
	start   StartResponse
	sent    *replay
	trial   *trial
	won     bool

	started   bool // begin was called
	valid     bool // with something that can be sent, which follows
	status    string
	headers   []Header
	out       io.Writer // where the response goes since it was handed on, or nil
	forwarded bool
}

// run calls the application until it is known whether it answers.
func (a *attempt) run(app Application) (body Body, err error) {
	rw := &a.env.q.resp
	a.trial = rw.try(a.cascade.catches)
	defer rw.end(a.trial)
	body, err = app.Call(a.env, a.begin)
	if err == nil && body != nil && !a.started && !rw.Sent() && rw.status == 0 {
		body, err = a.pull(body)
	}
	switch {
	case a.forwarded || rw.Sent():
		a.won = true
	case err != nil:
		a.won = !a.cascade.errors(err) && !(tooLarge(err) && a.sent.exceeded())
	case a.started:
		a.won = !a.trial.lost
	default: // it used the response directly, or will be reported for not starting one
		a.won = rw.status == 0 || !a.cascade.catches(int(rw.status))
	}
	if a.won && err == nil && a.valid && !a.forwarded {
		err = a.forward(nil)
	}
	return body, err
}

// tooLarge reports whether err comes of reading more than what is kept. The client is told then.
func tooLarge(err error) bool {
	_, is := errors.AsType[*http.MaxBytesError](err)
	return is
}

// begin is the start_response that the application gets.
func (a *attempt) begin(status string, headers []Header, excInfo error) (io.Writer, error) {
	switch {
	case a.forwarded:
		return a.start(status, headers, excInfo)
	case excInfo == nil && a.started:
		return nil, ErrStarted
	}
	a.started, a.valid, a.trial.lost = true, false, false
	code, err := parseStatus(status)
	if err == nil {
		_, err = checkHeaders(headers)
	}
	if err != nil {
		return nil, err
	}
	a.valid, a.status, a.headers = true, status, slices.Clone(headers)
	a.trial.lost = a.cascade.catches(code)
	if excInfo != nil && (!a.trial.lost || a.env.q.resp.Sent()) {
		if err := a.forward(excInfo); err != nil { // it has answered: an error page
			return nil, err
		}
	}
	return a, nil
}

// forward hands the response on: the application has answered.
func (a *attempt) forward(excInfo error) (err error) {
	a.forwarded = true
	a.env.q.resp.end(a.trial)
	a.out, err = a.start(a.status, a.headers, excInfo)
	a.headers = nil
	return err
}

// Write is WSGI's write().
func (a *attempt) Write(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case a.out != nil:
		return a.out.Write(p)
	case !a.valid:
		return 0, ErrNotStarted
	case a.trial.lost:
		return len(p), nil
	}
	if err := a.forward(nil); err != nil {
		return 0, err
	}
	return a.out.Write(p)
}

// pull asks a body for blocks until its application has called start_response, which it may do as late as that.
func (a *attempt) pull(body Body) (Body, error) {
	next, stop := iter.Pull2(body.Blocks())
	p := &pulledBody{body: body, next: next, stop: stop}
	whole := false
	defer func() {
		if !whole { // it panicked
			_ = p.Close()
		}
	}()
	var err error
	for !a.started && p.first == nil && !p.ended {
		block, berr, more := next()
		p.ended = !more || berr != nil
		if err = berr; err == nil && len(block) > 0 {
			p.first = block
		}
	}
	whole = true
	return p, err
}

// pulledBody is a body of which some blocks were taken already.
type pulledBody struct {
	body  Body
	first []byte
	next  func() ([]byte, error, bool)
	stop  func()
	ended bool
}

func (p *pulledBody) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if p.first != nil && !yield(p.first, nil) {
			return
		}
		for !p.ended {
			block, err, more := p.next()
			if !more || !yield(block, err) {
				return
			}
		}
	}
}

func (p *pulledBody) Close() (err error) {
	defer func() { err = firstError(err, p.body.Close()) }()
	p.stop()
	return nil
}

// drop closes the body of an application that has not answered.
func (a *attempt) drop(body Body) {
	defer a.clean()
	if body == nil {
		return
	}
	if err := body.Close(); err != nil {
		a.env.log.ErrorContext(a.env.Context(), "closing a response that was dropped failed", "error", err)
	}
}

// finish makes the application's response the cascade's.
func (a *attempt) finish(body Body, err error, sent *replay) (Body, error) {
	clean := func() error {
		a.clean()
		return sent.close()
	}
	if body == nil {
		return nil, firstError(err, clean())
	}
	return closing(body, clean), err
}

// clean ends the application's use of the request's body.
func (a *attempt) clean() {
	_ = a.env.r.Body.Close() // never fails
	if form := a.env.r.MultipartForm; form != nil && a.env.parsed != form {
		if err := form.RemoveAll(); err != nil {
			a.env.log.ErrorContext(a.env.Context(), "temporary files of a form were not removed", "error", err)
		}
	}
}

// fork returns an environ for an attempt: what the attempt changes in it, or in the request, does not show here.
func (e *Environ) fork(body io.ReadCloser) *Environ {
	r := e.r.Clone(e.r.Context())
	r.Body = body
	f := &Environ{r: r, w: e.w, q: e.q, log: e.log, script: e.script, path: e.path, set: maps.Clone(e.set),
		maps: e.maps, errors: e.Errors(), parsed: r.MultipartForm}
	delete(f.set, "wsgi.input") // which is what body reads
	return f
}
