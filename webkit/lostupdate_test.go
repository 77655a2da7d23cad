package webkit

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// lab is an application with the two requests of a well-known lost update: one that reads the session and takes its
// time, and a quick one that adds data meanwhile. The tests drive them by barriers, so that every run is the
// same.
type lab struct {
	*testApp
	opened chan bool // the slow request has read the session
	goOn   chan bool // it may go on
	came   chan bool // the quick request is about to open the session
	had    chan bool // the quick request has the session
}

func newLab(t *testing.T, cfg testConfig, slow func(*Transaction, *Session) error, opts ...core.OpenOption) *lab {
	l := &lab{opened: make(chan bool, 1), goOn: make(chan bool), came: make(chan bool, 1), had: make(chan bool, 1)}
	l.testApp = newTestApp(t, cfg, map[string]Factory{
		"/first": setting("first", "1"), // so that there is a session to lose something from
		"/quick": respond(func(t *Transaction) error {
			l.came <- true
			s, err := t.Session()
			if err != nil {
				return err
			}
			l.had <- true
			return s.SetValue("added", "by request 2")
		}),
		"/show": getting("added"),
		"/slow": func() Servlet {
			return &servlet{options: opts, respond: func(t *Transaction) error {
				s, err := t.Session()
				if err != nil {
					return err
				}
				if _, err := s.ValueDefault("added", nil); err != nil {
					return err
				}
				l.opened <- true
				select {
				case <-l.goOn:
					return slow(t, s)
				case <-l.t.Context().Done(): // the test gave up
					return l.t.Context().Err()
				}
			}}
		},
	})
	return l
}

// timeline runs the two requests, the quick one within the slow one, and returns the status of the slow one
// and what a later request reads.
func (l *lab) timeline(quickFinishesFirst bool) (slow int, later string) {
	l.t.Helper()
	b := l.browser()
	b.want("/first", 200, "")
	status := make(chan int, 1)
	go func() { status <- b.get("/slow").StatusCode }()
	receive(l.t, l.opened)
	quick := make(chan int, 1)
	go func() { quick <- b.get("/quick").StatusCode }()
	if quickFinishesFirst {
		if got := receive(l.t, quick); got != 200 {
			l.t.Errorf("the quick request: status %d", got)
		}
	}
	receive(l.t, l.came)
	if !quickFinishesFirst {
		select {
		case <-l.had:
			l.t.Error("the quick request did not wait for the session")
		case <-time.After(20 * time.Millisecond): // it has had the time to
		}
	}
	select {
	case l.goOn <- true:
	case slow = <-status:
		l.t.Fatalf("the slow request ended before it was told to: status %d", slow)
	}
	slow = receive(l.t, status)
	if !quickFinishesFirst {
		if got := receive(l.t, quick); got != 200 {
			l.t.Errorf("the quick request: status %d", got)
		}
	}
	return slow, b.get("/show").body
}

func onlyReads(*Transaction, *Session) error { return nil }

func writesToo(_ *Transaction, s *Session) error { return s.SetValue("slow", "was here") }

// TestLostUpdate runs the timeline under Webware's old rules, where the update is lost, and under each of the
// others, where it is not.
func TestLostUpdate(t *testing.T) {
	const added = "by request 2"
	tests := []struct {
		name    string
		always  bool
		locking core.LockingPolicy
		slow    func(*Transaction, *Session) error
		opts    []core.OpenOption
		waits   bool // the quick request ends after the slow one
		writes  bool // the slow request changes something, and that is stored
		status  int  // of the slow request
		later   string
	}{
		{name: "always save, lossy, as in Webware: lost", always: true, locking: core.Lossy, slow: onlyReads, status: 200, later: "none"},
		{name: "always save, lossy, but the servlet opted out", always: true, locking: core.Lossy, slow: onlyReads,
			opts: []core.OpenOption{core.SaveExplicit}, status: 200, later: added},
		{name: "always save, lossy, but the servlet only reads", always: true, locking: core.Lossy, slow: onlyReads,
			opts: []core.OpenOption{core.ReadOnly}, status: 200, later: added},
		{name: "always save, lossy, but trans._session = None", always: true, locking: core.Lossy, status: 200, later: added,
			slow: func(t *Transaction, _ *Session) error { return t.SetSession(nil) }},
		{name: "always save, lossy, but SetSaveSession(false)", always: true, locking: core.Lossy, status: 200, later: added,
			slow: func(t *Transaction, _ *Session) error {
				t.SetSaveSession(false)
				return nil
			}},
		{name: "always save, merge", always: true, locking: core.Merge, slow: onlyReads, status: 200, later: added},
		{name: "always save, optimistic: told", always: true, locking: core.Optimistic, slow: onlyReads, status: 409, later: added},
		{name: "always save, serialized", always: true, locking: core.Serialized, slow: onlyReads, waits: true, status: 200, later: added},

		{name: "dirty flag, lossy", locking: core.Lossy, slow: onlyReads, status: 200, later: added},
		{name: "dirty flag, merge", locking: core.Merge, slow: onlyReads, status: 200, later: added},
		{name: "dirty flag, optimistic", locking: core.Optimistic, slow: onlyReads, status: 200, later: added},
		{name: "dirty flag, serialized", locking: core.Serialized, slow: onlyReads, waits: true, status: 200, later: added},

		{name: "both write, lossy: lost", locking: core.Lossy, slow: writesToo, writes: true, status: 200, later: "none"},
		{name: "both write, merge", locking: core.Merge, slow: writesToo, writes: true, status: 200, later: added},
		{name: "both write, optimistic: told", locking: core.Optimistic, slow: writesToo, status: 409, later: added},
		{name: "both write, serialized", locking: core.Serialized, slow: writesToo, writes: true, waits: true, status: 200, later: added},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, testConfig{manager: core.Config{Locking: test.locking},
				Config: Config{Settings: Settings{"AlwaysSaveSessions": test.always}}}, test.slow, test.opts...)
			status, later := l.timeline(!test.waits)
			if status != test.status || later != test.later {
				t.Errorf("the slow request ended with %d and a later one read %q, want %d and %q", status, later, test.status, test.later)
			}
			if v := l.stored("slow"); test.writes && v != "was here" {
				t.Errorf("what the slow request wrote is %v", v)
			}
		})
	}
}
