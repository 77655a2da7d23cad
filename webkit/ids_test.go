package webkit

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// hostileIDs are what strangers send in place of a session id.
var hostileIDs = map[string]string{
	"traversal":         "../../etc/passwd",
	"traversal, .ses":   "../x",
	"absolute":          "/etc/passwd",
	"too long":          strings.Repeat("A", 5000),
	"too short":         "b",
	"control character": "AAAAAAAAAAAAAAAAAAAAAAAAA\x01",
	"command":           "A\r\nFLUSHALL\r\n",
	"legacy shape":      "20261120143000-0123456789abcdef0123456789abcdef",
	"unknown":           "AAAAAAAAAAAAAAAAAAAAAAAAAA",
}

// loadSpy notes which ids reach a store.
type loadSpy struct {
	*memstore.Store
	mu  sync.Mutex
	ids map[string]bool
}

func (s *loadSpy) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	s.mu.Lock()
	s.ids[key.ID] = true
	s.mu.Unlock()
	return s.Store.Load(ctx, key, opt)
}

func (s *loadSpy) saw(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id]
}

func newIDApp(t *testing.T, cfg Config) *testApp {
	return newTestApp(t, testConfig{Config: cfg}, map[string]Factory{
		"/set": setting("a", "1"), "/get": getting("a"), "/": getting("a"),
		"/fail": respond(func(*Transaction) error { return errWork }),
		"/given": respond(func(t *Transaction) error {
			if err := t.Request().SetSessionID(t.Request().FieldDefault("arg", "")); err != nil {
				return write(err.Error())(t)
			}
			s, err := t.Session()
			if err != nil {
				return err
			}
			v, err := s.ValueDefault("a", "none")
			if err != nil {
				return err
			}
			return write(v.(string))(t)
		}),
		"/has": respond(func(t *Transaction) error {
			has, err := t.HasSession()
			if err != nil {
				return err
			}
			if has {
				return write("has")(t)
			}
			return write("has not")(t)
		}),
	})
}

// begin begins a session and returns its id.
func (b *browser) begin() string {
	b.t.Helper()
	for _, c := range b.want("/set", 200, "").Cookies() {
		if c.Name == "_SID_" && len(c.Value) > 20 {
			return c.Value
		}
	}
	b.t.Fatal("there is no session cookie")
	return ""
}

// TestRefusedIDs proves that ids which are not ours are never adopted, from wherever they come: the client gets
// another id.
func TestRefusedIDs(t *testing.T) {
	for name, id := range hostileIDs {
		t.Run(name, func(t *testing.T) {
			store := &loadSpy{Store: memstore.New(memstore.Config{}), ids: make(map[string]bool)}
			t.Cleanup(func() { _ = store.Close() })
			a := newTestApp(t, testConfig{store: store, Config: Config{Quirks: Quirks{FieldSessionID: true}}},
				map[string]Factory{"/set": setting("a", "1")})
			req, err := http.NewRequest(http.MethodGet, a.server.URL+"/set", nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.ContainsAny(id, "\r\n\x01") { // which no header can carry
				req.Header.Set("Cookie", "_SID_="+id)
			}
			cookie := a.browser().send(req)
			field := a.browser().get("/set?_SID_=" + url.QueryEscape(id))
			for from, r := range map[string]reply{"cookie": cookie, "field": field} {
				got := r.Header.Get("Set-Cookie")
				if r.StatusCode != 200 || got == "" || strings.Contains(got, id) {
					t.Errorf("by %s: status %d, Set-Cookie %q; want a new id", from, r.StatusCode, got)
				}
			}
			if n := a.sessions(); n != 2 {
				t.Errorf("%d sessions, want the two new ones", n)
			}
			if ok, err := a.HasSession(t.Context(), id); ok || err != nil {
				t.Errorf("the id names a session: %v, %v", ok, err)
			}
			if name != "unknown" && store.saw(id) {
				t.Error("the id reached the store")
			}
		})
	}
}

// TestIDInQuery proves that an id in a URL or a form means nothing, and that the quirk makes it win over the
// cookie, without becoming one.
func TestIDInQuery(t *testing.T) {
	for _, quirk := range []bool{false, true} {
		a := newIDApp(t, Config{Quirks: Quirks{FieldSessionID: quirk}})
		victim := a.browser().begin()
		stranger := a.browser()
		want := map[bool]string{false: "none", true: "1"}[quirk]
		r := stranger.want("/get?_SID_="+victim, 200, want)
		if r.Header.Get("Set-Cookie") != "" {
			t.Errorf("quirk %v: another one's id in the query became a cookie", quirk)
		}
		if private := r.Header.Get("Referrer-Policy") == "same-origin"; private != quirk {
			t.Errorf("quirk %v: headers %v", quirk, r.Header)
		}
		if r := stranger.do(http.MethodPost, "/get", "_SID_="+victim); r.body != want {
			t.Errorf("quirk %v: another one's id in a form reads %q, want %q", quirk, r.body, want)
		}
		own := a.browser()
		own.begin()
		own.want("/get?_SID_="+a.manager.Config().IDs.New(), 200, map[bool]string{false: "1", true: "none"}[quirk])
	}
}

// TestSetSessionID proves that an application can pass an id on, and that it is not adopted either.
func TestSetSessionID(t *testing.T) {
	a := newIDApp(t, Config{})
	id := a.browser().begin()
	a.browser().want("/given?arg="+id, 200, "1")
	a.browser().want("/given?arg="+a.manager.Config().IDs.New(), 200, "none")
	a.browser().want("/given?arg=../x", 200, core.ErrBadID.Error())
	if n := a.sessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// TestHasSession proves that asking creates nothing.
func TestHasSession(t *testing.T) {
	a := newIDApp(t, Config{})
	b := a.browser()
	if r := b.want("/has", 200, "has not"); r.Header.Get("Set-Cookie") != "" {
		t.Error("HasSession set a cookie")
	}
	b.begin()
	b.want("/has", 200, "has")
	if err := a.Sessions().Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.want("/has", 200, "has not")
	if n := a.sessions(); n != 0 {
		t.Errorf("HasSession made %d sessions", n)
	}
}

// TestIgnoreInvalidSession proves that with the setting off a client whose session is over is told so, once.
func TestIgnoreInvalidSession(t *testing.T) {
	for _, ignore := range []bool{true, false} {
		a := newIDApp(t, Config{Settings: Settings{"IgnoreInvalidSession": ignore}})
		b := a.browser()
		b.begin()
		if err := a.Sessions().Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ignore {
			b.want("/get", 200, "none")
			continue
		}
		b.want("/get", 401, "Session Expired")
		b.want("/get", 200, "none")
	}
}

// TestSessionCookie holds the cookie to Application.config.
func TestSessionCookie(t *testing.T) {
	tests := []struct {
		name   string
		cfg    Config
		cookie string // after the id
	}{
		{"default", Config{}, "; Path=/; HttpOnly; SameSite=Strict"},
		{"mounted", Config{Prefix: "/shop"}, "; Path=/shop/; HttpOnly; SameSite=Strict"},
		{"settings", Config{Prefix: "/shop", Settings: Settings{"SessionName": "S", "SessionCookiePath": "/", "HttpOnlySessionCookie": 0,
			"SameSiteSessionCookie": "Lax"}}, "; Path=/; SameSite=Lax"},
		{"HTTPS", Config{Scheme: func(*http.Request) string { return "https" }}, "; Path=/; HttpOnly; Secure; SameSite=Strict"},
		{"HTTPS, insecure", Config{Scheme: func(*http.Request) string { return "https" },
			Settings: Settings{"SecureSessionCookie": false}}, "; Path=/; HttpOnly; SameSite=Strict"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newIDApp(t, test.cfg)
			b := a.browser()
			r := b.want(test.cfg.Prefix+"/set", 200, "")
			name := "_SID_="
			if n, ok := test.cfg.Settings["SessionName"]; ok {
				name = n.(string) + "="
			}
			got := r.Header.Get("Set-Cookie")
			if !strings.HasPrefix(got, name) || len(got) < len(name)+30 || got[len(name)+30:] != test.cookie {
				t.Errorf("Set-Cookie %q, want %s<id>%s", got, name, test.cookie)
			}
			if again := b.get(test.cfg.Prefix + "/get"); again.Header.Get("Set-Cookie") != "" {
				t.Error("the cookie was set again")
			}
		})
	}
}

// TestPathSessions runs a client without cookies, and one with, under UseAutomaticPathSessions.
func TestPathSessions(t *testing.T) {
	a := newIDApp(t, Config{Prefix: "/shop", Settings: Settings{"UseAutomaticPathSessions": true}})
	b := a.browser()
	r := b.want("/shop/get?a=1", 302, "")
	where := r.Header.Get("Location")
	if !strings.HasPrefix(where, "/shop/_SID_=") || !strings.HasSuffix(where, "/get?a=1") {
		t.Fatalf("the first request was sent to %q", where)
	}
	path, _, _ := strings.Cut(where, "/get")

	without := a.browser()
	without.c.Jar = nil // a client without cookies
	without.want(path+"/set", 200, "")
	without.want(path+"/get", 200, "1")
	without.want(path+"/", 200, "1")
	without.want("/shop/_SID_=../get", 302, "")

	// A client that has the cookie needs no id in its URLs.
	if r := b.want(path+"/get?b=2", 302, ""); r.Header.Get("Location") != "/shop/get?b=2" {
		t.Errorf("with a cookie: sent to %q", r.Header.Get("Location"))
	}
	b.want("/shop/get", 200, "1")

	id, _, _ := strings.Cut(strings.TrimPrefix(where, "/shop/_SID_="), "/")
	without.want(path+"/fail", 500, "")
	if log := a.log.String(); strings.Contains(log, id) || !strings.Contains(log, errWork.Error()) {
		t.Error("the log of a failure has the session's id, or not the error")
	}

	plain := newIDApp(t, Config{})
	id = plain.browser().begin()
	plain.browser().want("/_SID_="+id+"/get", 404, "")
}

// TestPathSessionRedirect proves that nobody can have us send a client to another host.
func TestPathSessionRedirect(t *testing.T) {
	a := newIDApp(t, Config{Settings: Settings{"UseAutomaticPathSessions": true}, Quirks: Quirks{IndexTakesExtraPath: true}})
	b := a.browser()
	id := b.want("/set", 302, "").Cookies()[0].Value
	if r := b.want("/_SID_="+id+"//evil.example/%0d%0aX:%20y", 302, ""); r.Header.Get("Location") != "/evil.example/%0D%0AX:%20y" {
		t.Errorf("sent to %q", r.Header.Get("Location"))
	}
}

// TestWithoutCookies proves that UseCookieSessions off sets none, and reads none.
func TestWithoutCookies(t *testing.T) {
	a := newIDApp(t, Config{Settings: Settings{"UseCookieSessions": false}, Quirks: Quirks{FieldSessionID: true}})
	b := a.browser()
	if r := b.want("/set", 200, ""); r.Header.Get("Set-Cookie") != "" {
		t.Error("a cookie was set")
	}
	id := ""
	for key, err := range a.Sessions().Keys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		id = key
	}
	b.want("/get?_SID_="+id, 200, "1")
	b.want("/get", 200, "none")
	req, err := http.NewRequest(http.MethodGet, a.server.URL+"/get", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "_SID_="+id)
	if r := b.send(req); r.body != "none" {
		t.Errorf("a cookie was taken: %q", r.body)
	}
}

// TestCountTransactions proves what the quirk counts, and what is counted without it.
func TestCountTransactions(t *testing.T) {
	for _, quirk := range []bool{false, true} {
		var counts []int
		see := func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			if values, err := s.Values(); err != nil || len(values) > 1 {
				return err
			}
			counts = append(counts, s.NumTransactions())
			return nil
		}
		a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{CountTransactions: quirk}}}, map[string]Factory{
			"/see": respond(see),
			"/set": respond(func(t *Transaction) error {
				if err := see(t); err != nil {
					return err
				}
				return t.first.SetValue("a", "1")
			}),
		})
		b := a.browser()
		for _, path := range []string{"/set", "/see", "/see", "/see"} {
			b.want(path, 200, "")
		}
		want := [4]int{1, 2, 2, 2}
		if quirk {
			want = [4]int{1, 2, 3, 4}
		}
		if len(counts) != 4 || [4]int(counts) != want {
			t.Errorf("quirk %v: NumTransactions was %v, want %v", quirk, counts, want)
		}
	}
}
