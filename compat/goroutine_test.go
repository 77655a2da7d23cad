package compat_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// TestGoroutineIsLate proves that a lock which a goroutine of the handler gets after the request's sessions were
// committed is let go all the same when the request ends.
func TestGoroutineIsLate(t *testing.T) {
	afterCommit := func(*http.Request) {}
	st := newSite(t, core.Config{Locking: core.Serialized, LockWait: time.Second}, compat.SessionsConfig{
		Name: "new",
		Scheme: func(r *http.Request) string { // is asked for when the cookie of a stored session is set
			afterCommit(r)
			return "http"
		},
	})
	locked, err := compat.NewSessions(st.manager, compat.SessionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	addr := start(t, st.sessions.Middleware(locked.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := st.sessions.Session(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if err := s.Set("n", 2); err != nil {
			t.Error(err)
		}
		afterCommit = func(r *http.Request) {
			opened := make(chan error)
			go func() {
				_, err := locked.Session(r.Context())
				opened <- err
			}()
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
	}))))
	id := st.seed()
	if resp, body := do(t, addr, "GET", "/", id); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	next, err := st.manager.Open(t.Context(), id)
	if err != nil {
		t.Fatalf("the session stays locked: %v", err)
	}
	if err := next.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}
