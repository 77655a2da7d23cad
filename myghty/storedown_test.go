package myghty

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// A store that does not answer is no missing session: nobody gets a new one, or a page that says that something was
// saved. When the store is back everything is as it was.
func TestStoreDown(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{server.Addr()}, DialTimeout: time.Second, Timeout: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a := &testApp{t: t, log: new(lockedBuffer)}
	if a.Application, err = NewApplication(newManager(t, store, core.Config{CommitTimeout: time.Second, Lease: time.Second}), Config{}); err != nil {
		t.Fatal(err)
	}
	die := false
	for path, f := range (pages{"/set": set, "/show": show,
		"/slow": with(func(_ *Request, s *Session) (any, error) {
			if die {
				server.Kill()
			}
			err := errors.Join(s.Set("user", "bob"), s.Save())
			if err == nil {
				t.Error("Save to a store that is down is no error")
			}
			return "it is saved", nil // who does not look at the error
		}),
		"/lock":    with(func(_ *Request, s *Session) (any, error) { return "locked", s.Lock() }),
		"/delete":  with(func(_ *Request, s *Session) (any, error) { return "deleted", s.Delete() }),
		"/auto":    func(m *Request) error { _, err := m.GetSession(Options{"auto": true}); return err },
		"/nothing": say("no session here"),
	}) {
		if err := a.AddFunc(path, f); err != nil {
			t.Fatal(err)
		}
	}
	a.server = httptest.NewServer(a.Handler())
	t.Cleanup(a.server.Close)
	b := a.browser()
	b.want("/set?user=ada", http.StatusOK, "saved")
	id := b.cookie()
	die = true
	b.get("/slow")
	for _, path := range []string{"/show", "/set?user=bob", "/lock", "/delete", "/auto"} {
		r := b.want(path, http.StatusServiceUnavailable, "")
		if len(r.Header["Set-Cookie"]) > 0 || strings.Contains(r.body, id) || strings.Contains(r.body, "saved</") {
			t.Errorf("%s: %v %q", path, r.Header, r.body)
		}
	}
	b.want("/nothing", http.StatusOK, "no session here")
	server.Restart()
	b.want("/show", http.StatusOK, "user=ada;")
	if b.cookie() != id {
		t.Error("the client has another id")
	}
}
