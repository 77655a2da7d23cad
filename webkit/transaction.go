package webkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Transaction is one request on its way through the application: Webware's Transaction. It couples
// the request, the response, the session and the servlet that runs now. It is for one goroutine at a
// time and ends with the request.
type Transaction struct {
	app      *Application
	env      *compat.Environ
	request  HTTPRequest
	response HTTPResponse
	err      error

	session *Session // nil until it is asked for, and after SetSession(nil)
	first   Session  // what session points to at first, to save an allocation
	depth   int      // how deep the servlet is nested that the session was last opened for
	save    core.SavePolicy

	nested int  // servlets that are awake
	awake  bool // the running servlet is one of them
}

// Application returns the application: application().
func (t *Transaction) Application() *Application { return t.app }

// Environ returns the request as the WSGI shim sees it.
func (t *Transaction) Environ() *compat.Environ { return t.env }

// Context returns the request's context.
func (t *Transaction) Context() context.Context { return t.env.Context() }

// Request returns the request: request().
func (t *Transaction) Request() *HTTPRequest { return &t.request }

// Response returns the response: response().
func (t *Transaction) Response() *HTTPResponse { return &t.response }

// Servlet returns the servlet that runs now: servlet(). Inside an include it is the included one.
func (t *Transaction) Servlet() Servlet { return t.request.place.servlet }

// SetServlet makes another servlet the running one: setServlet(servlet). It is for servlets that answer
// through another object.
func (t *Transaction) SetServlet(s Servlet) { t.request.place.servlet = s }

// HasSession reports whether the client has a living session: hasSession(). It creates and opens none,
// and is no access to it. The error is the store's: then nobody knows.
func (t *Transaction) HasSession() (bool, error) {
	if t.session != nil {
		return t.session.core.Stored(), nil
	}
	id := t.request.SessionID()
	if id == "" {
		return false, nil
	}
	return t.app.HasSession(t.Context(), id)
}

// Session returns the request's session, the same one each time: session(). On first use it opens the session
// whose id the client sent, or a new one, and awakes it.
//
// Nothing is stored for a new session, and the client gets no cookie, before something is put into it.
// An included servlet that is no ReadOnly SessionChooser makes a read-only session writable.
//
// Errors: those of compat.Sessions.Session, after which there is no session to go on with; and HTTPSessionExpired
// for an id of a session that is no more, if the setting IgnoreInvalidSession is false.
func (t *Transaction) Session() (*Session, error) {
	if t.session != nil && t.depth == len(t.request.stack) {
		return t.session, nil
	}
	opts := t.openOptions()
	c, err := t.app.openSession(t, opts)
	if err != nil {
		return nil, err
	}
	t.depth = len(t.request.stack)
	if t.session != nil {
		return t.session, nil
	}
	s := &t.first
	if s.core != nil { // somebody may still hold it
		s = new(Session)
	}
	s.init(t, c, opts)
	t.session = s
	if err := s.Awake(t); err != nil {
		return nil, err
	}
	return s, nil
}

// SetSession puts another session, or none, in the place of the one that the transaction has:
// setSession(session). With nil, and this is what Webware programmers wrote trans._session = None for, nothing
// that the request did to its session so far is saved, and a lock is let go. The next call of Session opens
// it again.
func (t *Transaction) SetSession(s *Session) error {
	old := t.session
	t.session, t.depth = s, len(t.request.stack)
	if old == nil || old == s {
		return nil
	}
	return old.drop()
}

// SetSaveSession says whether the end of this request saves the session: with false only Session.Save
// writes; with true changes are saved even if the servlet or the manager says core.SaveExplicit. It can be
// called before the session is opened, and the last call counts.
func (t *Transaction) SetSaveSession(save bool) {
	t.save = core.SaveDirty
	if !save {
		t.save = core.SaveExplicit
	}
	if t.session != nil {
		t.session.setSave(t.save)
	}
}

// openOptions says how the running servlet wants its session.
func (t *Transaction) openOptions() []core.OpenOption {
	opts := t.app.open
	if c, ok := t.Servlet().(SessionChooser); ok {
		opts = append(slices.Clip(opts), c.SessionOptions()...)
	}
	if t.save != 0 {
		opts = append(slices.Clip(opts), t.save)
	}
	return opts
}

// Duration returns the time since the request came in: duration(). After the response was delivered it is
// the time until then.
func (t *Transaction) Duration() time.Duration {
	if end := t.response.EndTime(); !end.IsZero() {
		return end.Sub(t.request.Time())
	}
	return time.Since(t.request.Time())
}

// Error returns the error that the application is answering, or nil: error(). Error pages ask for it.
func (t *Transaction) Error() error { return t.err }

// SetError says what went wrong: setError(err). The application calls it.
func (t *Transaction) SetError(err error) { t.err = err }

// ErrorOccurred reports whether something went wrong: errorOccurred().
func (t *Transaction) ErrorOccurred() bool { return t.err != nil }

// Run awakes the running servlet, lets it respond, and sends it to sleep in any case: Servlet.runTransaction.
// The session comes along as in Webware: it is awoken before the outermost servlet, or when it is first
// asked for; it responds before each servlet; and it sleeps, and is saved, after the outermost one.
//
// A panic is turned into a *PanicError. If the sleep fails as well, both errors are joined.
func (t *Transaction) Run() error {
	err := t.work()
	if err == nil || ended(err) { // what the servlet may not have looked at
		if missed := cmp.Or(t.request.formErr, t.env.Response().Failed()); missed != nil {
			err = missed
		}
	}
	if slept := t.rest(failed(err)); slept != nil {
		if err == nil || ended(err) {
			return slept
		}
		return errors.Join(slept, err)
	}
	return err
}

func (t *Transaction) work() (err error) {
	defer t.recover(&err)
	if err := t.Awake(); err != nil {
		return err
	}
	return t.Respond()
}

func (t *Transaction) rest(failed bool) (err error) {
	defer t.recover(&err)
	return t.sleep(failed)
}

// recover turns a panic into an error and writes down where it was, because only its value travels on.
func (t *Transaction) recover(err *error) {
	p := recover()
	if p == nil {
		return
	}
	e := &PanicError{Value: p, Stack: debug.Stack()}
	if !e.aborts() {
		t.app.log.ErrorContext(t.Context(), "a servlet panicked", "panic", fmt.Sprint(p),
			"servlet", fmt.Sprintf("%T", t.Servlet()), "stack", string(e.Stack))
	}
	*err = e
}

// aborts reports whether the panic is the one that asks net/http to cut the connection.
func (e *PanicError) aborts() bool { return e.Value == any(http.ErrAbortHandler) }

// failed reports whether an error means that the request's work is not done.
func failed(err error) bool {
	if err == nil || ended(err) {
		return false
	}
	e, ok := errors.AsType[*HTTPException](err)
	return !ok || e.Code < http.StatusMultipleChoices || e.Code >= http.StatusBadRequest
}

// Awake awakes the session, if there is one and no servlet is awake yet, and the running servlet: awake().
// It is part of Run.
func (t *Transaction) Awake() error {
	if t.nested == 0 && t.session != nil {
		if err := t.session.Awake(t); err != nil {
			return err
		}
	}
	if err := t.Servlet().Awake(t); err != nil {
		return err
	}
	t.awake = true
	t.nested++
	return nil
}

// Respond lets the session, if there is one, and the running servlet respond: respond(). It is part of Run.
func (t *Transaction) Respond() error {
	if t.session != nil {
		if err := t.session.Respond(t); err != nil {
			return err
		}
	}
	return t.Servlet().Respond(t)
}

// Sleep sends the running servlet to sleep and, if it was the last one awake, the session, which is then
// saved: sleep(). It is part of Run.
func (t *Transaction) Sleep() error { return t.sleep(false) }

func (t *Transaction) sleep(failed bool) error {
	last := false
	if t.awake { // else Awake failed, and the session stays as it is
		t.awake = false
		t.nested--
		last = t.nested == 0
	}
	if err := t.Servlet().Sleep(t); err != nil && !ended(err) {
		return err
	}
	if !last || t.session == nil {
		return nil
	}
	if err := t.session.Sleep(t); err != nil {
		return err
	}
	if failed && !t.app.cfg.Quirks.SaveOnException && (t.session.emptied || !t.session.IsExpired()) {
		return nil // the application rolls back
	}
	return t.session.end()
}

// Dump writes what the transaction is about, for debugging: dump(file). Ids and values are left out.
func (t *Transaction) Dump(w io.Writer) error {
	session := "none"
	if t.session != nil {
		session = t.session.core.Hash()
	}
	_, err := fmt.Fprintf(w, ">> Transaction\nmethod: %s\nurl path: %s\nservlet: %T\nnested: %d\nsession: %s\nerror: %v\n",
		t.request.Method(), t.request.URLPath(), t.Servlet(), t.nested, session, t.err)
	return err
}
