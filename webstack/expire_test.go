package webstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// afterExpire is a resource that expires the session and looks at what GetSession answers then.
func afterExpire(t *testing.T, expired *int, want func(s *Session) error) ResourceFunc {
	return func(tr *Transaction) error {
		if err := tr.ExpireSession(); err != nil {
			return err
		}
		n, err := tr.Application().Manager().Count(tr.Context())
		if err != nil {
			return err
		}
		*expired = n
		s, err := tr.GetSession(false)
		if err != nil {
			return err
		}
		return want(s)
	}
}

// What GetSession answers after ExpireSession in the same transaction, for each kind of backend. The data is gone from the
// store in every case before ExpireSession returns.
func TestAfterExpire(t *testing.T) {
	put := func(s *Session) error { return s.Set("b", "after") }
	for _, tt := range []struct {
		name    string
		way     AfterExpire
		answers string // of GetSession(false)
		then    func(tr *Transaction, s *Session) error
		a, b    string // in the next request
		same    bool   // GetSession(true) answers the same object
	}{
		{"gone", ExpiredIsGone, "none", nil, "none", "none", false},
		{"gone, and a new one", ExpiredIsGone, "none", func(tr *Transaction, _ *Session) error {
			s, err := tr.GetSession(true)
			if err != nil {
				return err
			}
			if s.Len() != 0 {
				t.Errorf("the new session holds %v", s.Keys())
			}
			return put(s)
		}, "missing", "after", false},
		{"stays", ExpiredStays, "before", nil, "none", "none", true},
		{"stays, and what is put into it is forgotten", ExpiredStays, "before", func(_ *Transaction, s *Session) error { return put(s) }, "none", "none", true},
		{"goes on", ExpiredGoesOn, "before", nil, "none", "none", true},
		{"goes on, and what is put into it is kept", ExpiredGoesOn, "before", func(_ *Transaction, s *Session) error { return put(s) }, "missing", "after", true},
	} {
		for opened, open := range map[string]bool{"opened before": true, "not opened before": false} {
			t.Run(tt.name+"/"+opened, func(t *testing.T) {
				left := -1
				a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AfterExpire: tt.way}}}, map[string]ResourceFunc{
					"set": setting("a", "before"), "a": getting("a"), "b": getting("b"),
					"expire": func(tr *Transaction) error {
						if open {
							if _, err := tr.GetSession(true); err != nil {
								return err
							}
						}
						return afterExpire(t, &left, func(s *Session) error {
							got := "none"
							if s != nil {
								v, err := s.GetDefault("a", "missing")
								if err != nil {
									return err
								}
								got = v.(string)
								if again, err := tr.GetSession(true); err != nil || (again == s) != tt.same {
									t.Errorf("GetSession(true): the same is %v, %v", again == s, err)
								}
							}
							if got != tt.answers {
								t.Errorf("GetSession(false) answers %q, want %q", got, tt.answers)
							}
							if tt.then == nil {
								return nil
							}
							return tt.then(tr, s)
						})(tr)
					}})
				b := a.browser()
				b.want("/set", 200, "")
				id := b.id()
				b.want("/expire", 200, "")
				if left != 0 {
					t.Errorf("%d sessions are in the store when ExpireSession has returned", left)
				}
				if b.id() == id {
					t.Error("the browser still has the id")
				}
				b.want("/a", 200, tt.a)
				b.want("/b", 200, tt.b)
				b.plant(id)
				b.want("/a", 200, "none")
			})
		}
	}
}

// A Session that was obtained before is empty, and tells who wants to write into it.
func TestOldSessionAfterExpire(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"set": setting("a", "1"), "x": func(tr *Transaction) error {
		s, err := tr.GetSession(true)
		if err != nil {
			return err
		}
		if err := tr.ExpireSession(); err != nil {
			return err
		}
		if s.Len() != 0 || s.HasKey("a") {
			t.Errorf("it holds %v", s.Keys())
		}
		if err := s.Set("a", "2"); !errors.Is(err, core.ErrGone) {
			t.Errorf("Set: %v", err)
		}
		if err := s.Clear(); !errors.Is(err, core.ErrGone) {
			t.Errorf("Clear: %v", err)
		}
		return errors.Join(tr.ExpireSession(), tr.Commit())
	}})
	b := a.browser()
	b.get("/set")
	b.want("/x", 200, "")
}

// A session that was created in this transaction can be expired in it, stored or not. WebStack's could not.
func TestExpireNewSession(t *testing.T) {
	for _, way := range []AfterExpire{ExpiredIsGone, ExpiredStays, ExpiredGoesOn} {
		for name, between := range map[string]func(*Transaction) error{
			"not stored": func(*Transaction) error { return nil },
			"stored":     func(t *Transaction) error { return t.session.core.Commit(t.Context()) },
		} {
			t.Run(fmt.Sprint(way, "/", name), func(t *testing.T) {
				a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AfterExpire: way}}}, map[string]ResourceFunc{"x": func(t *Transaction) error {
					return errors.Join(setting("a", "1")(t), between(t), t.ExpireSession(), t.ExpireSession())
				}})
				b := a.browser()
				b.want("/x", 200, "")
				if b.id() != "" || a.sessions() != 0 {
					t.Errorf("the browser has a cookie: %v; %d sessions", b.id() != "", a.sessions())
				}
			})
		}
	}
}

// Expiring what is not there is no error, and an expired session that goes on can be expired again.
func TestExpireAgain(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AfterExpire: ExpiredGoesOn}}}, map[string]ResourceFunc{
		"set": setting("a", "1"), "none": func(t *Transaction) error { return t.ExpireSession() },
		"x": func(t *Transaction) error {
			return errors.Join(t.ExpireSession(), setting("b", "2")(t), t.ExpireSession(), setting("c", "3")(t))
		}, "get": getting("c")})
	b := a.browser()
	b.want("/none", 200, "")
	b.get("/set")
	b.want("/x", 200, "")
	if a.sessions() != 1 || a.stored("b") != nil {
		t.Errorf("%d sessions, b is %v", a.sessions(), a.stored("b"))
	}
	b.want("/get", 200, "3")
}

// After a transaction that failed, an expired session stays expired.
func TestExpireInFailedTransaction(t *testing.T) {
	for _, way := range []AfterExpire{ExpiredIsGone, ExpiredStays, ExpiredGoesOn} {
		a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AfterExpire: way, SaveOnError: true}}}, map[string]ResourceFunc{"set": setting("a", "1"), "get": getting("a"),
			"x": func(t *Transaction) error { return errors.Join(t.ExpireSession(), errWork) }})
		b := a.browser()
		b.get("/set")
		id := b.id()
		b.want("/x", http.StatusInternalServerError, "")
		if b.id() != "" {
			t.Errorf("%d: the browser still has a cookie", way)
		}
		b.plant(id)
		b.want("/get", 200, "none")
	}
}

// Expiring does not wait for the transaction that has the session. That one gets core.ErrGone, and nothing comes back.
func TestExpireWhileInFlight(t *testing.T) {
	for name, open := range map[string][]core.OpenOption{"serialized": nil, "merge": {core.Merge}, "read only first": {core.ReadOnly}} {
		t.Run(name, func(t *testing.T) {
			inside, expired, ended := make(chan bool), make(chan bool), make(chan error, 1)
			a := newTestApp(t, testConfig{}, map[string]ResourceFunc{
				"set": setting("a", "before"), "get": getting("a"), "expire": func(t *Transaction) error { return t.ExpireSession() },
				"slow": func(tr *Transaction) error {
					s, err := tr.GetSession(true, open...)
					if err != nil {
						return err
					}
					inside <- true
					<-expired
					if s.Core().Mode() == core.ReadOnly {
						_, err = tr.GetSession(false)
					} else if err = s.Set("a", "back again"); err == nil {
						err = tr.Commit()
					}
					ended <- err
					return err
				}})
			b := a.browser()
			b.want("/set", 200, "")
			id := b.id()
			slow := make(chan reply, 1)
			go func() { slow <- b.get("/slow") }()
			receive(t, inside)
			b.want("/expire", 200, "")
			if n := a.sessions(); n != 0 {
				t.Errorf("%d sessions when the session was expired", n)
			}
			close(expired)
			if err := receive(t, ended); name != "read only first" && !errors.Is(err, core.ErrGone) {
				t.Errorf("the request in flight got %v, want core.ErrGone", err)
			}
			if r := receive(t, slow); name != "read only first" && r.StatusCode != http.StatusConflict {
				t.Errorf("the request in flight was answered with %d", r.StatusCode)
			}
			if n := a.sessions(); n != 0 {
				t.Errorf("%d sessions afterwards", n)
			}
			b.plant(id)
			b.want("/get", 200, "none")
		})
	}
}

// An error of the store is no end of the session.
func TestExpireFails(t *testing.T) {
	store := &failingDelete{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { _ = store.Close() })
	for _, way := range []AfterExpire{ExpiredIsGone, ExpiredStays} {
		a := newTestApp(t, testConfig{store: store, Config: Config{Quirks: Quirks{AfterExpire: way}}}, map[string]ResourceFunc{
			"set": setting("a", "1"), "get": getting("a"), "x": func(t *Transaction) error { return t.ExpireSession() }})
		b := a.browser()
		b.get("/set")
		b.want("/x", http.StatusServiceUnavailable, "")
		b.want("/get", 200, "1")
	}
}

type failingDelete struct{ *memstore.Store }

func (*failingDelete) Delete(context.Context, core.Key, time.Time) (core.Record, bool, error) {
	return core.Record{}, false, errors.New("the disk is on fire")
}

// A session that has expired, and is answered by a quirk, can be used as before.
func TestExpiredSessionIsUsable(t *testing.T) {
	for way, kept := range map[AfterExpire]string{ExpiredStays: "none", ExpiredGoesOn: "after"} {
		a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AfterExpire: way}}}, map[string]ResourceFunc{
			"set": func(tr *Transaction) error {
				return errors.Join(setting("list", []string{"a"})(tr), setting("b", "before")(tr), setting("c", "x")(tr))
			}, "get": getting("b"), "x": func(tr *Transaction) error {
				if err := tr.ExpireSession(); err != nil {
					return err
				}
				s, err := tr.GetSession(true)
				if err != nil {
					return err
				}
				list, err := Value[*[]string](s, "list")
				if err != nil {
					return err
				}
				*list = append(*list, "b")
				text, err := Value[string](s, "b")
				if err != nil || text != "before" {
					t.Errorf("%q, %v", text, err)
				}
				if _, err := Value[int](s, "b"); err == nil {
					t.Error("a string was given out as an int")
				}
				if _, err := Value[int](s, "no"); !errors.Is(err, ErrKey) {
					t.Errorf("a missing key: %v", err)
				}
				check(t, "Keys", s.Keys(), []string{"b", "c", "list"})
				check(t, "HasKey", []bool{s.HasKey("b"), s.HasKey("no")}, []bool{true, false})
				if err := errors.Join(s.Rotate(0), s.Delete("c"), s.Set("d", 1), s.Delete("d")); err != nil {
					return err
				}
				items := 0
				for range s.All() {
					items++
				}
				check(t, "All", items, 2)
				return errors.Join(s.Clear(), s.Set("b", "after"))
			}})
		b := a.browser()
		b.want("/set", 200, "")
		b.want("/x", 200, "")
		b.want("/get", 200, kept)
	}
}
