package webkit

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestSessionIsExpired(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		if s.IsExpired() {
			t.Error("a new session is expired")
		}
		s.Expiring()
		if !s.IsExpired() {
			t.Error("a session is not expired after Expiring")
		}
	})
}

// TestSessionInvalidate proves that the data of an invalidated session is gone, that the session then looks
// empty, and that what is set afterwards is a new session's.
func TestSessionInvalidate(t *testing.T) {
	var ids []string
	again := false
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"),
		"/logout": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			ids = append(ids, s.Identifier())
			if err := s.Invalidate(); err != nil {
				return err
			}
			if s.HasValue("a") || s.IsDirty() || !s.IsExpired() || s.Invalidate() != nil {
				return errors.New("the session does not look empty")
			}
			if values, err := s.Values(); err != nil || len(values) > 0 {
				return errors.New("the session has values")
			}
			if again {
				err = s.SetValue("a", "2")
				ids = append(ids, s.Identifier())
			}
			return err
		}),
	})
	b := a.browser()
	b.want("/set", 200, "")
	r := b.want("/logout", 200, "")
	if c := r.Header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") {
		t.Errorf("the cookie was not taken back: %q", c)
	}
	if n := a.sessions(); n != 0 {
		t.Errorf("%d sessions after the logout", n)
	}
	b.want("/get", 200, "none")

	again = true
	b.want("/set", 200, "")
	b.want("/logout", 200, "")
	b.want("/get", 200, "2")
	if n := len(ids); n != 3 || ids[1] == ids[2] {
		t.Errorf("the session that follows an invalidated one has the same id, among %d", n)
	}
}

// TestSessionExpiring proves that a session marked as over really ends, although the request changed it, and
// although the request failed.
func TestSessionExpiring(t *testing.T) {
	for name, end := range map[string]error{"request succeeds": nil, "request fails": errWork} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"),
				"/logout": respond(func(t *Transaction) error {
					s, err := t.Session()
					if err != nil {
						return err
					}
					s.Expiring()
					return errors.Join(s.SetValue("b", "2"), end)
				}),
			})
			b := a.browser()
			b.want("/set", 200, "")
			b.get("/logout")
			if n := a.sessions(); n != 0 {
				t.Errorf("%d sessions after the logout", n)
			}
			b.want("/get", 200, "none")
		})
	}
}

func TestSessionRotate(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"),
		"/login": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			return s.Rotate(0)
		}),
	})
	b := a.browser()
	old := b.want("/set", 200, "").Header.Get("Set-Cookie")
	if now := b.want("/login", 200, "").Header.Get("Set-Cookie"); now == "" || now == old {
		t.Error("the client got no new id")
	}
	b.want("/get", 200, "1")
	if n := a.sessions(); n != 1 {
		t.Errorf("%d sessions after rotating one", n)
	}
}

// TestSessionTimedOut proves that the clock ends a session on the very request, and that the client is told.
func TestSessionTimedOut(t *testing.T) {
	now := time.Now()
	expired := false
	a := newTestApp(t, testConfig{manager: core.Config{SweepInterval: -1, Now: func() time.Time { return now }}}, map[string]Factory{
		"/set": setting("a", "1"),
		"/get": respond(func(t *Transaction) error {
			s, err := t.Session()
			expired = t.Request().IsSessionExpired()
			if err == nil && s.HasValue("a") {
				err = errors.New("an expired session was served")
			}
			return err
		}),
	})
	b := a.browser()
	b.want("/set", 200, "")
	now = now.Add(time.Hour)
	b.want("/get", 200, "")
	if !expired {
		t.Error("IsSessionExpired is false")
	}
}

// TestSessionSetTimeout proves that a session's own timeout is stored.
func TestSessionSetTimeout(t *testing.T) {
	now := time.Now()
	a := newTestApp(t, testConfig{manager: core.Config{Now: func() time.Time { return now }}}, map[string]Factory{
		"/get": getting("a"),
		"/set": respond(func(t *Transaction) error {
			s, err := t.Session()
			return errors.Join(err, s.SetValue("a", "1"), s.SetTimeout(24*time.Hour))
		}),
	})
	b := a.browser()
	b.want("/set", 200, "")
	now = now.Add(23 * time.Hour)
	b.want("/get", 200, "1")
}
