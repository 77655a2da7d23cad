package webkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// spoil is a servlet that changes the session, writes something, and then fails.
func spoil(err error) Factory {
	return respond(func(t *Transaction) error {
		s, serr := t.Session()
		if serr != nil {
			return serr
		}
		values, serr := s.Values()
		if serr != nil {
			return serr
		}
		values["live"] = "spoiled"
		if err := errors.Join(s.SetValue("a", "spoiled"), write("half a page")(t), t.Response().AddCookie(&Cookie{Name: "c", Value: "1"})); err != nil {
			return err
		}
		if err == errPanic {
			panic("oops")
		}
		return err
	})
}

var errPanic = errors.New("panic")

// TestFailure proves that a servlet that fails spoils neither the session nor the page, whatever the way it
// fails in, and that the log tells what happened.
func TestFailure(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		body   string
		log    string
	}{
		{"an error", errWork, 500, "Something went wrong", errWork.Error()},
		{"a panic", errPanic, 500, "Something went wrong", "errorpage_test.go"},
		{"not found", HTTPNotFound("no <such> thing"), 404, "no &lt;such&gt; thing", "404"},
		{"a wrapped exception", fmt.Errorf("because: %w", HTTPForbidden("")), 403, "403 Forbidden", "403"},
		{"store trouble", &compat.SessionError{Op: "open", Err: errWork}, 503, "could not be saved", errWork.Error()},
		{"conflict", core.ErrGone, 409, "session ended", core.ErrGone.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"), "/fail": spoil(test.err)})
			b := a.browser()
			b.want("/set", 200, "")
			r := b.want("/fail", test.status, test.body)
			if strings.Contains(r.body, "half") || r.Header.Get("Set-Cookie") != "" || strings.Contains(r.body, errWork.Error()) {
				t.Errorf("the error page has traces of the failed one: %q, %v", r.body, r.Header)
			}
			if !strings.Contains(a.log.String(), test.log) {
				t.Errorf("the log does not tell of %q: %s", test.log, a.log)
			}
			b.want("/get", 200, "1")
			if v := a.stored("live"); v != nil {
				t.Errorf("what was put into Values is %v in the store", v)
			}
		})
	}
}

// TestFailureRollsBackOtherSessions proves the same for a session that the servlet opened by itself.
func TestFailureRollsBackOtherSessions(t *testing.T) {
	id := ""
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		other, err := t.Application().Manager().Open(t.Context(), id)
		return errors.Join(err, other.Set("a", "spoiled"), HTTPNotFound(""))
	})})
	s, err := a.Sessions().New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id = s.Identifier()
	a.browser().want("/", 404, "")
	if v := a.stored("a"); v != nil {
		t.Errorf("the value in the store is %v", v)
	}
}

// TestRedirectExceptionSaves proves that an exception which only sends the client elsewhere is no failure.
func TestRedirectExceptionSaves(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"), "/go": spoil(HTTPTemporaryRedirect("/get"))})
	b := a.browser()
	b.want("/set", 200, "")
	if r := b.want("/go", 307, ""); r.Header.Get("Location") != "/get" {
		t.Errorf("sent to %q", r.Header.Get("Location"))
	}
	b.want("/get", 200, "spoiled")
}

// TestSaveOnException proves what the quirk restores.
func TestSaveOnException(t *testing.T) {
	for _, failure := range []error{errWork, errPanic, HTTPNotFound("")} {
		a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{SaveOnException: true}}},
			map[string]Factory{"/get": getting("a"), "/fail": spoil(failure)})
		b := a.browser()
		b.get("/fail")
		b.want("/get", 200, "spoiled")
		if v := a.stored("live"); v != "spoiled" {
			t.Errorf("what was put into Values is %v in the store", v)
		}
	}
}

// TestErrorPage proves which page answers which failure, and that it can use the session.
func TestErrorPage(t *testing.T) {
	show := func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		v, err := s.ValueDefault("a", "none")
		if err != nil {
			return err
		}
		return errors.Join(s.SetValue("seen", "1"),
			write(fmt.Sprintf("%s: %v, a is %v, %v", t.Request().URLPath(), t.Error(), v, t.ErrorOccurred()))(t))
	}
	a := newTestApp(t, testConfig{Config: Config{
		Settings: Settings{"ErrorPage": map[int]string{404: "nopage", 403: "/broken"}},
		ErrorPages: []ErrorPage{
			{Match: func(err error) bool { return errors.Is(err, errWork) }, URL: "/work"},
			{Match: func(err error) bool { _, ok := errors.AsType[*PanicError](err); return ok }, URL: "/work"},
		},
	}}, map[string]Factory{
		"/set": setting("a", "1"), "/fail": spoil(errWork), "/panic": spoil(errPanic), "/forbidden": spoil(HTTPForbidden("")),
		"/other": spoil(errors.New("another error")),
		"/work":  respond(show), "/nopage": respond(show), "/broken": spoil(errors.New("the error page is broken")),
	})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/fail", 500, "/work: "+errWork.Error()+", a is 1, true")
	if v := a.stored("seen"); v != "1" {
		t.Errorf("what the error page stored is %v", v)
	}
	b.want("/panic", 500, "/work: webkit: panic: oops, a is 1, true")
	b.want("/typo", 404, "/nopage: ")
	b.want("/other", 500, "Something went wrong")
	b.want("/forbidden", 500, "Something went wrong")
	if log := a.log.String(); !strings.Contains(log, "the error page is broken") || !strings.Contains(log, errWork.Error()) {
		t.Errorf("the log does not tell of both errors: %s", log)
	}
}

// TestErrorPageOfItself proves that an error page that fails by its own kind of error is not run for ever.
func TestErrorPageOfItself(t *testing.T) {
	runs := 0
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"ErrorPage": "oops"}}}, map[string]Factory{
		"/oops": respond(func(*Transaction) error {
			runs++
			return errWork
		}),
	})
	a.browser().want("/typo", 500, "Something went wrong")
	if runs != 1 {
		t.Errorf("the error page ran %d times", runs)
	}
}

// TestErrorDetails proves that details are shown only if asked for, and escaped.
func TestErrorDetails(t *testing.T) {
	secret := errors.New("<b>the password is x</b>")
	tests := []struct {
		name     string
		settings Settings
		want     string
		not      string
	}{
		{"default", nil, "Something went wrong", "password"},
		{"UserErrorMessage", Settings{"UserErrorMessage": "Call <us>"}, "Call &lt;us&gt;", "password"},
		{"ShowDebugInfoOnErrors", Settings{"ShowDebugInfoOnErrors": true}, "&lt;b&gt;the password is x&lt;/b&gt;", "<b>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newTestApp(t, testConfig{Config: Config{Settings: test.settings}}, map[string]Factory{"/": spoil(secret)})
			if r := a.browser().want("/", 500, test.want); strings.Contains(r.body, test.not) {
				t.Errorf("the page shows %q", r.body)
			}
		})
	}
}

// downStore fails to store.
type downStore struct{ *memstore.Store }

var errDown = errors.New("the store is down")

func (downStore) Create(context.Context, core.Key, core.Record) error { return errDown }

// TestCommitFailure proves that a session that could not be saved is an error page, whatever the servlet wrote.
func TestCommitFailure(t *testing.T) {
	store := downStore{memstore.New(memstore.Config{})}
	t.Cleanup(func() { _ = store.Close() })
	a := newTestApp(t, testConfig{store: store}, map[string]Factory{
		"/end": respond(func(t *Transaction) error {
			s, err := t.Session()
			return errors.Join(err, s.SetValue("a", "1"), write("all is well")(t))
		}),
		"/flush": respond(func(t *Transaction) error {
			s, err := t.Session()
			return errors.Join(err, s.SetValue("a", "1"), write("all is well")(t), t.Response().Flush())
		}),
	})
	for _, path := range []string{"/end", "/flush"} {
		r := a.browser().get(path)
		if r.StatusCode < 500 || strings.Contains(r.body, "well") || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: status %d, body %q", path, r.StatusCode, r.body)
		}
	}
	if !strings.Contains(a.log.String(), errDown.Error()) {
		t.Error("the log does not tell why")
	}
}

// lostStore fails at everything that a request does to a session which is there.
type lostStore struct {
	*memstore.Store
	down atomic.Bool
}

func (s *lostStore) err() error {
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *lostStore) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	rec, err := s.Store.Load(ctx, key, opt)
	return rec, errors.Join(err, s.err())
}

func (s *lostStore) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	if err := s.err(); err != nil {
		return 0, err
	}
	return s.Store.Save(ctx, key, c)
}

func (s *lostStore) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Rotate(ctx, key, r)
}

func (s *lostStore) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	if err := s.err(); err != nil {
		return core.Record{}, false, err
	}
	return s.Store.Delete(ctx, key, now)
}

// TestStoreDown proves that whatever a servlet wants of its session, it is asked to be tried again when the store is
// down.
func TestStoreDown(t *testing.T) {
	store := &lostStore{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { _ = store.Close() })
	within := func(do func(s *Session) error) Factory { // the store goes down when the session is open
		return respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			if t.Request().HasField("down") {
				store.down.Store(true)
			}
			return do(s)
		})
	}
	a := newTestApp(t, testConfig{store: store}, map[string]Factory{
		"/set": within(func(s *Session) error { return s.SetValue("a", "1") }),
		"/save": within(func(s *Session) error {
			return errors.Join(s.SetValue("a", "2"), s.Save())
		}),
		"/rotate":     within(func(s *Session) error { return s.Rotate(0) }),
		"/invalidate": within(func(s *Session) error { return s.Invalidate() }),
		"/open":       within(func(*Session) error { return nil }),
		"/has":        respond(func(t *Transaction) error { _, err := t.HasSession(); return err }),
	})
	for _, path := range []string{"/set?down=1", "/save?down=1", "/rotate?down=1", "/invalidate?down=1", "/open", "/has"} {
		t.Run(path, func(t *testing.T) {
			b := a.browser()
			store.down.Store(false)
			b.want("/set", 200, "")
			store.down.Store(!strings.Contains(path, "down"))
			if r := b.want(path, 503, "could not be saved just now"); r.Header.Get("Retry-After") == "" {
				t.Error("it does not say when to try again")
			}
		})
	}
}

// TestFailureAfterFlush proves that a response which can not be completed does not look complete.
func TestFailureAfterFlush(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		return errors.Join(write("half a page")(t), t.Response().Flush(), errWork)
	})})
	resp, err := http.Get(a.server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	buf := make([]byte, 100)
	for err == nil {
		_, err = resp.Body.Read(buf)
	}
	if err.Error() != "unexpected EOF" {
		t.Errorf("the body ended with %v, want an unexpected EOF", err)
	}
}

// TestAbortHandler proves that a servlet can cut the connection as any handler can, and that it sleeps and its
// session is rolled back then too.
func TestAbortHandler(t *testing.T) {
	var slept atomic.Bool
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"), "/abort": func() Servlet {
		return &servlet{
			respond: func(t *Transaction) error {
				s, err := t.Session()
				if err := errors.Join(err, s.SetValue("a", "2")); err != nil {
					return err
				}
				panic(http.ErrAbortHandler)
			},
			sleep: func(*Transaction) error {
				slept.Store(true)
				return nil
			}}
	}})
	b := a.browser()
	b.want("/set", 200, "")
	if resp, err := b.c.Get(a.server.URL + "/abort"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("status %d, want a cut connection", resp.StatusCode)
	}
	if !slept.Load() { // the connection is cut after that
		t.Error("the servlet did not sleep")
	}
	b.want("/get", 200, "1")
	if strings.Contains(a.log.String(), "panicked") {
		t.Error("the abort was logged as a panic")
	}
}
