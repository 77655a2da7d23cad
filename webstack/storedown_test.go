package webstack

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// A store that does not answer is no missing session: nobody is sent to the login page, gets a new session, or a page
// that says that something was saved. When the store is back everything is as it was.
func TestStoreDown(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{server.Addr()}, DialTimeout: time.Second, Timeout: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	auth := SessionAuthenticator{}
	var die bool
	a := newTestApp(t, testConfig{store: store, manager: core.Config{CommitTimeout: time.Second, Lease: time.Second}, Config: Config{Resource: &MapResource{
		Mapping: map[string]Resource{
			"login": ResourceFunc(func(tr *Transaction) error { return errors.Join(auth.SetToken(tr, "ada"), setting("a", "before")(tr)) }),
			"get":   getting("a"),
			"set":   setting("a", "after"),
			"create": ResourceFunc(func(tr *Transaction) error {
				if _, err := tr.GetSession(true, core.ReadOnly); err != nil {
					return err
				}
				return write(tr, "an empty session")
			}),
			"expire": ResourceFunc(func(tr *Transaction) error { return tr.ExpireSession() }),
			"slow": ResourceFunc(func(tr *Transaction) error {
				if err := errors.Join(setting("a", "after")(tr), write(tr, "it is saved")); err != nil {
					return err
				}
				if die {
					server.Kill()
				}
				return nil
			}),
			"kept": &LoginRedirectResource{LoginURL: "/login", Resource: ResourceFunc(func(tr *Transaction) error { return write(tr, "hello "+tr.GetUser()) }),
				Authenticator: auth},
		}}}}, nil)
	b := a.browser()
	b.want("/login", 200, "")
	b.want("/kept", 200, "hello ada")
	id := b.id()
	die = true
	refused := func(path string) {
		t.Helper()
		r := b.want(path, http.StatusServiceUnavailable, "")
		if len(r.Header["Set-Cookie"]) > 0 || strings.Contains(r.body, "saved</") || strings.Contains(r.body, "it is saved") || strings.Contains(r.body, id) {
			t.Errorf("%s: %v %q", path, r.Header, r.body)
		}
	}
	refused("/slow") // the store goes down in the middle
	for _, path := range []string{"/kept", "/get", "/set", "/create", "/expire"} {
		refused(path)
	}
	if strings.Contains(a.log.String(), id) {
		t.Error("an id is in the log")
	}
	server.Restart()
	b.want("/kept", 200, "hello ada")
	b.want("/get", 200, "before")
}
