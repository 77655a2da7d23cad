package webkit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// trace is the order in which things happened.
type trace struct {
	mu     sync.Mutex
	events []string
}

func (tr *trace) add(event string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, event)
}

func (tr *trace) take() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	events := tr.events
	tr.events = nil
	return events
}

// tracedStore notes when a session is stored.
type tracedStore struct {
	*memstore.Store
	trace *trace
}

func (s *tracedStore) Create(ctx context.Context, key core.Key, rec core.Record) error {
	s.trace.add("STORE")
	return s.Store.Create(ctx, key, rec)
}

func (s *tracedStore) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	s.trace.add("STORE")
	return s.Store.Save(ctx, key, c)
}

// hooks notes what happens to the session.
func (tr *trace) hooks() SessionHooks {
	on := func(event string) func(*Session, *Transaction) error {
		return func(*Session, *Transaction) error {
			tr.add(event)
			return nil
		}
	}
	return SessionHooks{Awake: on("SESSION.awake"), Respond: on("SESSION.respond"), Sleep: on("SESSION.sleep")}
}

// servlet is a servlet that notes its own events.
func (tr *trace) servlet(name string, fn func(*Transaction) error) Factory {
	on := func(event string) func(*Transaction) error {
		return func(*Transaction) error {
			tr.add(name + "." + event)
			return nil
		}
	}
	return func() Servlet {
		return &servlet{awake: on("awake"), sleep: on("sleep"), respond: func(t *Transaction) error {
			tr.add(name + ".respond")
			return call(fn, t)
		}}
	}
}

var errWork = errors.New("the work failed")

// TestEventOrder holds the adapter to the order in which Webware's transaction, servlets and session hear of a
// request.
func TestEventOrder(t *testing.T) {
	use := func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		return s.SetValue("used", true)
	}
	then := func(fns ...func(*Transaction) error) func(*Transaction) error {
		return func(t *Transaction) error {
			for _, fn := range fns {
				if err := fn(t); err != nil {
					return err
				}
			}
			return nil
		}
	}
	include := func(t *Transaction) error { return t.Application().IncludeURL(t, "inner") }
	forward := func(t *Transaction) error { return t.Application().Forward(t, "inner") }
	fail := func(*Transaction) error { return errWork }

	tests := []struct {
		name         string
		quirks       Quirks
		outer, inner func(*Transaction) error
		awake        func(*Transaction) error // what the outer servlet's does
		innerAwake   func(*Transaction) error
		errorPages   []ErrorPage
		status       int
		events       string
	}{
		{name: "plain, the session used in respond", outer: use, status: 200,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep STORE"},
		{name: "plain, no session", status: 200,
			events: "outer.awake outer.respond outer.sleep"},
		{name: "session used in awake", awake: use, status: 200,
			events: "outer.awake SESSION.awake SESSION.respond outer.respond outer.sleep SESSION.sleep STORE"},
		{name: "include after session use", outer: then(use, include), status: 200,
			events: "outer.awake outer.respond SESSION.awake inner.awake SESSION.respond inner.respond inner.sleep " +
				"outer.sleep SESSION.sleep STORE"},
		{name: "session first used by the included servlet", outer: include, inner: use, status: 200,
			events: "outer.awake outer.respond inner.awake inner.respond SESSION.awake inner.sleep " +
				"outer.sleep SESSION.sleep STORE"},
		{name: "forward", outer: then(use, forward), status: 200,
			events: "outer.awake outer.respond SESSION.awake inner.awake SESSION.respond inner.respond inner.sleep " +
				"outer.sleep SESSION.sleep STORE"},
		{name: "callMethodOfServlet", outer: then(use, func(t *Transaction) error {
			return t.Application().CallMethodOfServlet(t, "inner", func(Servlet) error {
				t.Servlet().(*servlet).options = nil // the method's own work
				return nil
			})
		}), status: 200,
			events: "outer.awake outer.respond SESSION.awake inner.awake inner.sleep outer.sleep SESSION.sleep STORE"},
		{name: "redirect", outer: then(use, func(t *Transaction) error { return t.Response().SendRedirect("/elsewhere") }), status: 302,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep STORE"},
		{name: "EndResponse in respond", outer: then(use, func(*Transaction) error { return ErrEndResponse }), status: 200,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep STORE"},
		{name: "EndResponse in an included servlet ends that one only", outer: then(use, include),
			inner: func(*Transaction) error { return ErrEndResponse }, status: 200,
			events: "outer.awake outer.respond SESSION.awake inner.awake SESSION.respond inner.respond inner.sleep " +
				"outer.sleep SESSION.sleep STORE"},

		{name: "exception in respond, by default", outer: then(use, fail), status: 500,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep"},
		{name: "exception in respond, SaveOnException", quirks: Quirks{SaveOnException: true}, outer: then(use, fail), status: 500,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep STORE"},
		{name: "panic in respond, by default", outer: then(use, func(*Transaction) error { panic("oops") }), status: 500,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep"},
		{name: "exception in servlet.awake", awake: then(use, fail), status: 500,
			events: "outer.awake SESSION.awake outer.sleep"},
		{name: "exception in servlet.awake, SaveOnException", quirks: Quirks{SaveOnException: true}, awake: then(use, fail), status: 500,
			events: "outer.awake SESSION.awake outer.sleep"},

		{name: "exception in the awake of an included servlet, caught", outer: then(use, func(t *Transaction) error {
			if err := include(t); !errors.Is(err, errWork) {
				return err
			}
			return nil
		}), innerAwake: fail, status: 200,
			events: "outer.awake outer.respond SESSION.awake inner.awake inner.sleep outer.sleep SESSION.sleep STORE"},

		{name: "custom ErrorPage after an exception, by default", outer: then(use, fail), inner: use,
			errorPages: []ErrorPage{{URL: "/inner"}}, status: 500,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep " +
				"SESSION.awake inner.awake SESSION.respond inner.respond inner.sleep SESSION.sleep STORE"},
		{name: "custom ErrorPage after an exception, SaveOnException", quirks: Quirks{SaveOnException: true}, outer: then(use, fail), inner: use,
			errorPages: []ErrorPage{{URL: "/inner"}}, status: 500,
			events: "outer.awake outer.respond SESSION.awake outer.sleep SESSION.sleep STORE " +
				"SESSION.awake inner.awake SESSION.respond inner.respond inner.sleep SESSION.sleep STORE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tr := new(trace)
			store := &tracedStore{memstore.New(memstore.Config{}), tr}
			t.Cleanup(func() { _ = store.Close() })
			awaking := func(f Factory, fn func(*Transaction) error) Factory {
				return func() Servlet {
					s := f().(*servlet)
					s.awake = then(s.awake, func(t *Transaction) error { return call(fn, t) })
					return s
				}
			}
			a := newTestApp(t, testConfig{store: store, Config: Config{
				Quirks: test.quirks, SessionHooks: tr.hooks(), ErrorPages: test.errorPages}}, map[string]Factory{
				"/inner": awaking(tr.servlet("inner", test.inner), test.innerAwake),
				"/outer": awaking(tr.servlet("outer", test.outer), test.awake),
			})
			if r := a.browser().get("/outer"); r.StatusCode != test.status {
				t.Errorf("status %d, want %d; body %q", r.StatusCode, test.status, r.body)
			}
			if got, want := tr.take(), strings.Fields(test.events); !slices.Equal(got, want) {
				t.Errorf("events:\n got %q\nwant %q", got, want)
			}
		})
	}
}

// TestErrorPageAwakesTwice holds to what Webware programmers can see of that: a session that begins in a failed
// request is not new any more for the error page.
func TestErrorPageAwakesTwice(t *testing.T) {
	var transactions int
	a := newTestApp(t, testConfig{Config: Config{ErrorPages: []ErrorPage{{URL: "/oops"}}}}, map[string]Factory{
		"/fail": respond(func(t *Transaction) error {
			if _, err := t.Session(); err != nil {
				return err
			}
			return errWork
		}),
		"/oops": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			transactions = s.NumTransactions()
			return nil
		}),
	})
	a.browser().want("/fail", 500, "")
	if transactions != 2 {
		t.Errorf("numTransactions is %d in the error page, want 2", transactions)
	}
}
