package compat_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// TestNothingIsSavedAfterAFailedCommit proves that a handler which goes on after the client was told that nothing
// was saved does not save the second half of its work.
func TestNothingIsSavedAfterAFailedCommit(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 2)
			st.store.breakOn("Save", errors.New("down"))
			w.(http.Flusher).Flush() // which has no error to look at
			st.store.breakOn("", nil)
			set(t, r, 3)
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		if resp, _ := do(t, addr, "GET", "/", id); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", resp.StatusCode)
		}
		if n := st.n(id); n != 1 {
			t.Errorf("n = %d, want 1", n)
		}
	})
}
