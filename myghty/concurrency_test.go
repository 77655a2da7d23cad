package myghty

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// A page's frames, images and scripts come for one session at the same time. Each is inside of its component, with the
// session in hand, until all of them are: nobody waits for another's work.
func TestTwentyRequestsAtOnce(t *testing.T) {
	const n = 20
	var inside sync.WaitGroup
	inside.Add(n)
	all := make(chan struct{})
	go func() { inside.Wait(); close(all) }()
	a := newTestApp(t, Config{}, core.Config{}, pages{
		"/set":  set,
		"/show": show,
		"/work": with(func(m *Request, s *Session) (any, error) {
			user, err := s.Value("user")
			if err != nil {
				return nil, err
			}
			inside.Done()
			select {
			case <-all:
			case <-time.After(20 * time.Second):
				return nil, errors.New("not all twenty requests are at work")
			}
			if m.Arg("n") == "7" { // one of them writes
				err = errors.Join(s.Set("seven", true), s.Save())
			}
			return user, err
		}),
	})
	b := a.browser()
	b.want("/set?user=ada", http.StatusOK, "saved")
	writes := a.store.writes.Load()
	var requests sync.WaitGroup
	for i := range n {
		requests.Go(func() { b.want(fmt.Sprint("/work?n=", i), http.StatusOK, "ada") })
	}
	requests.Wait()
	if got := a.store.writes.Load() - writes; got != 1 {
		t.Errorf("%d writes, but one request has saved", got)
	}
	b.want("/show", http.StatusOK, "seven=true;user=ada;")
}

// While one request holds the lock, others read the session and save other names.
func TestLockLetsOthersWork(t *testing.T) {
	locked, goOn := make(chan struct{}), make(chan struct{})
	a := newTestApp(t, Config{}, core.Config{}, pages{
		"/set":  set,
		"/show": show,
		"/hold": with(func(_ *Request, s *Session) (any, error) {
			if err := s.Lock(); err != nil {
				return nil, err
			}
			defer s.Unlock()
			close(locked)
			<-goOn
			return "held", errors.Join(s.Set("held", 1), s.Save())
		}),
	})
	b := a.browser()
	b.get("/set?user=ada")
	var holder sync.WaitGroup
	holder.Go(func() { b.want("/hold", http.StatusOK, "held") })
	receive(t, locked)
	b.want("/show", http.StatusOK, "user=ada;")
	b.want("/set?theme=dark", http.StatusOK, "saved")
	close(goOn)
	holder.Wait()
	b.want("/show", http.StatusOK, "held=1;theme=dark;user=ada;")
}

// A counter under Lock loses no update, however many requests count, and none without it is promised.
func TestCounterUnderLock(t *testing.T) {
	a := newTestApp(t, Config{}, core.Config{}, pages{
		"/set":  set,
		"/show": show,
		"/count": with(func(_ *Request, s *Session) (any, error) {
			if err := s.Lock(); err != nil {
				return nil, err
			}
			n, err := core.Get[int](s.Core(), "n")
			return n + 1, errors.Join(err, s.Set("n", n+1), s.Save(), s.Unlock())
		}),
	})
	b := a.browser()
	b.get("/set?user=ada")
	const n = 40
	var requests sync.WaitGroup
	for range n {
		requests.Go(func() { b.want("/count", http.StatusOK, "") })
	}
	requests.Wait()
	b.want("/show", http.StatusOK, fmt.Sprintf("n=%d;", n))
}

// overlap lets a slow request load the session, a quick one save it, and then the slow one go on.
func overlap(t *testing.T, cfg Config, slow, quick func(m *Request, s *Session) error) string {
	t.Helper()
	loaded, goOn := make(chan struct{}), make(chan struct{})
	a := newTestApp(t, cfg, core.Config{}, pages{
		"/set":  set,
		"/show": show,
		"/slow": with(func(m *Request, s *Session) (any, error) {
			close(loaded)
			<-goOn
			return "", slow(m, s)
		}),
		"/quick": with(func(m *Request, s *Session) (any, error) { return "", quick(m, s) }),
	})
	b := a.browser()
	b.get("/set?drink=water&user=ada")
	var wait sync.WaitGroup
	wait.Go(func() { b.get("/slow") })
	receive(t, loaded)
	b.get("/quick")
	close(goOn)
	wait.Wait()
	return b.get("/show").body
}

// The lost AJAX update: a request that only reads does not undo another's change, and one that saves another name
// does not either.
func TestNoUpdateIsLost(t *testing.T) {
	tea := func(_ *Request, s *Session) error { return errors.Join(s.Set("drink", "tea"), s.Save()) }
	tests := []struct {
		name string
		cfg  Config
		slow func(m *Request, s *Session) error
		want string
	}{
		{"a reader", Config{}, func(*Request, *Session) error { return nil }, "drink=tea;user=ada;"},
		{"a reader with auto", Config{Options: Options{"auto": true}}, func(*Request, *Session) error { return nil }, "drink=tea;user=ada;"},
		{"a reader that saves", Config{}, func(_ *Request, s *Session) error { return s.Save() }, "drink=tea;user=ada;"},
		{"a writer of another name", Config{}, func(_ *Request, s *Session) error { return errors.Join(s.Set("food", "rice"), s.Save()) },
			"drink=tea;food=rice;user=ada;"},
		{"a deleter of another name", Config{}, func(_ *Request, s *Session) error { return errors.Join(s.Del("user"), s.Save()) }, "drink=tea;"},
		{"quirk WholeSaves", Config{Quirks: Quirks{WholeSaves: true}},
			func(_ *Request, s *Session) error { return errors.Join(s.Set("food", "rice"), s.Save()) }, "drink=water;food=rice;user=ada;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := overlap(t, tt.cfg, tt.slow, tea); got != tt.want {
				t.Errorf("the session holds %q, want %q", got, tt.want)
			}
		})
	}
}

// What was deleted, invalidated or rotated away meanwhile does not come back by a save, and a lock does not bring it
// back either.
func TestNoResurrection(t *testing.T) {
	end := map[string]func(m *Request, s *Session) error{
		"Delete":     func(_ *Request, s *Session) error { return s.Delete() },
		"Invalidate": func(_ *Request, s *Session) error { return s.Invalidate() },
		"Rotate":     func(_ *Request, s *Session) error { return s.Rotate() },
	}
	revive := map[string]func(s *Session) error{
		"Save": func(s *Session) error { return errors.Join(s.Set("zombie", 1), s.Save()) },
		"Lock": func(s *Session) error { return s.Lock() },
		"Load": func(s *Session) error { return s.Load() },
		"Save and auto": func(s *Session) error {
			s.core.SetSave(core.SaveDirty)
			return errors.Join(s.Set("zombie", 1), s.Save())
		},
	}
	for how, quick := range end {
		for by, slow := range revive {
			t.Run(how+" then "+by, func(t *testing.T) {
				var got error
				held := overlap(t, Config{}, func(_ *Request, s *Session) error { got = slow(s); return nil }, quick)
				if !errors.Is(got, core.ErrGone) {
					t.Errorf("%v, want ErrGone", got)
				}
				if strings.Contains(held, "zombie") || how != "Rotate" && held != "" {
					t.Errorf("afterwards the client's session holds %q", held)
				}
			})
		}
	}
}
