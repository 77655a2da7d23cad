package webstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// adding is a resource that computes a value from itself, which needs the session for itself.
func adding(t *Transaction) error {
	s, err := t.GetSession(true)
	if err != nil {
		return err
	}
	n, err := Value[int](s, "n")
	if err != nil && !errors.Is(err, ErrKey) {
		return err
	}
	list, err := s.SetDefault("list", []int{})
	if err != nil {
		return err
	}
	return s.Update(map[string]any{"n": n + 1, "list": append(list.([]int), n)})
}

// Requests on one session run one after the other, and all of them count.
func TestSerialized(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"add": adding})
	b := a.browser()
	b.want("/add", 200, "")
	const workers, times = 8, 12
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range times {
				if r := b.get("/add"); r.StatusCode != 200 {
					t.Errorf("status %d: %s", r.StatusCode, r.body)
				}
			}
		})
	}
	wg.Wait()
	if n := a.stored("n"); n != 1+workers*times {
		t.Errorf("%v of %d requests count", n, 1+workers*times)
	}
	if list := a.stored("list").([]int); len(list) != 1+workers*times {
		t.Errorf("the list has %d entries", len(list))
	}
}

// The second of two requests gets the session only when the first has ended; another user's request, and one that only
// reads, wait for nobody.
func TestOnlyWritersOfOneSessionWait(t *testing.T) {
	inside, leave, second := make(chan bool), make(chan bool), make(chan bool, 1)
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{
		"set": setting("a", "1"), "read": getting("a", core.ReadOnly), "get": getting("a"),
		"slow": func(t *Transaction) error {
			s, err := t.GetSession(true)
			if err != nil {
				return err
			}
			inside <- true
			<-leave
			return s.Set("a", "from the first")
		},
		"second": func(t *Transaction) error {
			s, err := t.GetSession(true)
			if err != nil {
				return err
			}
			second <- true
			v, err := s.Get("a")
			return errors.Join(err, write(t, fmt.Sprint(v)))
		}})
	b, other := a.browser(), a.browser()
	b.get("/set")
	other.get("/set")
	replies := make(chan reply, 2)
	go func() { replies <- b.get("/slow") }()
	receive(t, inside)
	go func() { replies <- b.get("/second") }()
	b.want("/read", 200, "1")
	other.want("/get", 200, "1")
	select {
	case <-second:
		t.Error("two requests have the session at a time")
	default:
	}
	close(leave)
	one, two := receive(t, replies), receive(t, replies)
	if one.StatusCode != 200 || two.StatusCode != 200 || one.body+two.body != "from the first" {
		t.Errorf("%d %q and %d %q", one.StatusCode, one.body, two.StatusCode, two.body)
	}
}

// A wait has an end: 503, and not for ever as behind a stale .edit file.
func TestLockTimeout(t *testing.T) {
	inside, leave := make(chan bool), make(chan bool)
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"lock_timeout": 0.05}}}, map[string]ResourceFunc{
		"set": setting("a", "1"), "get": getting("a"), "slow": func(t *Transaction) error {
			_, err := t.GetSession(true)
			inside <- true
			<-leave
			return err
		}})
	b := a.browser()
	b.get("/set")
	done := make(chan reply, 1)
	go func() { done <- b.get("/slow") }()
	receive(t, inside)
	if r := b.want("/get", http.StatusServiceUnavailable, ""); r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(leave)
	receive(t, done)
	b.want("/get", 200, "1")
}

// A request that dies with the session in its hands locks nobody out.
func TestPanicLetsGo(t *testing.T) {
	a := newTestApp(t, testConfig{manager: core.Config{LockWait: time.Minute}}, map[string]ResourceFunc{"set": setting("a", "1"), "get": getting("a"),
		"panic": func(t *Transaction) error {
			_, err := t.GetSession(true)
			panic(err)
		}, "abort": func(t *Transaction) error {
			if _, err := t.GetSession(true); err != nil {
				return err
			}
			panic(http.ErrAbortHandler)
		}})
	b := a.browser()
	b.get("/set")
	b.want("/panic", 500, "")
	b.want("/get", 200, "1")
	if _, err := b.c.Get(a.server.URL + "/abort"); err == nil {
		t.Error("the connection was not cut")
	}
	b.want("/get", 200, "1")
}

// Ids that are not ours are never adopted, which WebStack did: the client gets another one.
func TestForeignIDs(t *testing.T) {
	for name, id := range map[string]string{
		"traversal": "../../etc/passwd", "__new__": "__new__", "lock file": "123.edit", "its own kind": "1234567890123456789",
		"too long": strings.Repeat("A", 5000), "unknown": strings.Repeat("A", 30), "quoted": `"x"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"set": setting("a", "1"), "get": getting("a")})
			b := a.browser()
			if r := b.do("GET", "/get", "", "Cookie", "SID="+id); r.body != "none" || len(r.Cookies()) != 0 {
				t.Errorf("%q, cookies %v", r.body, r.Cookies())
			}
			r := b.do("GET", "/set", "", "Cookie", "SID="+id)
			if c := r.Cookies(); len(c) != 1 || c[0].Value == id || len(c[0].Value) < 20 {
				t.Errorf("cookies %v", c)
			}
			if strings.Contains(a.log.String(), id) {
				t.Error("the id is in the log")
			}
		})
	}
}

// The log and the error pages hold no id.
func TestIDsAreSecret(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"handle_errors": false}}}, map[string]ResourceFunc{"set": setting("a", "1"), "x": func(t *Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		id := s.Core().ID()
		if err := t.ExpireSession(); err != nil {
			return err
		}
		_ = id
		return fmt.Errorf("set: %w", s.Set("a", 1))
	}})
	b := a.browser()
	b.get("/set")
	id := b.id()
	if r := b.get("/x"); id == "" || strings.Contains(r.body, id) || strings.Contains(a.log.String(), id) {
		t.Errorf("the id shows: %s\n%s", r.body, a.log)
	}
}

// A process that stood still for longer than its lease, so that another took the lock over, writes nothing and says so.
func TestLapsedLock(t *testing.T) {
	store := memstore.New(memstore.Config{})
	t.Cleanup(func() { _ = store.Close() })
	ahead := func() time.Time { return time.Now().Add(time.Minute) } // for which the first process stands still
	here := testConfig{store: store, manager: core.Config{Lease: 100 * time.Millisecond}}
	there := testConfig{store: store, manager: core.Config{Now: ahead}}
	inside, taken := make(chan bool), make(chan bool)
	a := newTestApp(t, here, map[string]ResourceFunc{
		"set": setting("a", "before"),
		"slow": func(tr *Transaction) error {
			if err := setting("a", "slow")(tr); err != nil {
				return err
			}
			inside <- true
			<-taken
			receive(t, tr.Context().Done())
			if cause := context.Cause(tr.Context()); !errors.Is(cause, core.ErrLockLost) {
				t.Errorf("the context ended because of %v", cause)
			}
			return write(tr, "saved")
		}})
	other := newTestApp(t, there, map[string]ResourceFunc{"set": setting("a", "other"), "get": getting("a")})
	b, c := a.browser(), other.browser()
	b.want("/set", 200, "")
	c.plant(b.id())
	slow := make(chan reply, 1)
	go func() { slow <- b.get("/slow") }()
	receive(t, inside)
	c.want("/set", 200, "")
	close(taken) // the first process goes on
	if r := receive(t, slow); r.StatusCode != http.StatusServiceUnavailable || strings.Contains(r.body, "saved<") {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
	c.want("/get", 200, "other")
}
