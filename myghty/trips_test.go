package myghty

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// A read is one trip to a real Redis, and a write two.
func TestRedisTrips(t *testing.T) {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{proxy.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	var do func(s *Session) error
	app, err := NewApplication(newManager(t, store, core.Config{SweepInterval: -1}), Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = app.AddFunc("/", func(m *Request) error {
		if do == nil {
			return nil
		}
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		return do(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := app.Manager().Create(t.Context())
	if err == nil {
		err = errors.Join(s.Set("n", 0), s.Commit(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	read := func(s *Session) error { _, err := core.Get[int](s.Core(), "n"); return err }
	add := func(s *Session) error {
		n, err := core.Get[int](s.Core(), "n")
		return errors.Join(err, s.Set("n", n+1), s.Save())
	}
	for _, tt := range []struct {
		name  string
		do    func(s *Session) error
		trips int
	}{
		{"untouched", nil, 0},
		{"read", read, 1},
		{"write", add, 2},
		{"saved, unchanged", func(s *Session) error { return errors.Join(read(s), s.Save()) }, 1},
		{"write under a lock", func(s *Session) error { return errors.Join(s.Lock(), add(s), s.Unlock()) }, 4}, // and one to unlock
		{"two writes under a lock", func(s *Session) error { return errors.Join(s.Lock(), add(s), add(s), s.Unlock()) }, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			do = tt.do
			serve := func() {
				req := httptest.NewRequest(http.MethodGet, "/", nil)
				req.AddCookie(&http.Cookie{Name: app.HTTPSessions().CookieName(), Value: s.ID()})
				w := httptest.NewRecorder()
				if app.Handler().ServeHTTP(w, req); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			serve() // the first request may have to bring the scripts along
			proxy.Reset()
			serve()
			if n := int(proxy.Trips()); n != tt.trips {
				t.Errorf("%d trips, want %d: %v", n, tt.trips, proxy.Names())
			}
		})
	}
}
