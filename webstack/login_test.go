package webstack

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

var secret = []byte(strings.Repeat("secret", 8))

func known(_ *Transaction, user, password string) (bool, error) {
	if user == "broken" {
		return false, errWork
	}
	return user == "ada" && password == "engine", nil
}

// newLoginApp has a members' page under /in/ and a login page under /login.
func newLoginApp(t *testing.T, a TokenAuthenticator, change func(*LoginRedirectResource, *LoginResource)) *testApp {
	t.Helper()
	redirect := &LoginRedirectResource{LoginURL: "/login", Authenticator: a, LogoutParameterName: "logout", LogoutURL: "/bye",
		Resource: ResourceFunc(func(t *Transaction) error { return write(t, "in as "+t.GetUser()) })}
	login := &LoginResource{Authenticator: a, Credentials: known}
	if change != nil {
		change(redirect, login)
	}
	return newTestApp(t, testConfig{Config: Config{Resource: &MapResource{Mapping: map[string]Resource{
		"in": redirect, "login": login, "bye": ResourceFunc(func(t *Transaction) error { return write(t, "bye") }),
		"set": setting("mine", "kept"), "get": getting("mine"),
	}}}}, nil)
}

func authenticators(t *testing.T) map[string]TokenAuthenticator {
	cookies, err := NewLoginAuthenticator(LoginAuthenticatorConfig{SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]TokenAuthenticator{"cookie": cookies, "session": SessionAuthenticator{}}
}

func credentials(user, password string) string {
	return url.Values{"login": {"1"}, "username": {user}, "password": {password}}.Encode()
}

func TestLogin(t *testing.T) {
	for name, authenticator := range authenticators(t) {
		t.Run(name, func(t *testing.T) {
			a := newLoginApp(t, authenticator, nil)
			b := a.browser()
			r := b.want("/in/d%C3%A9j%C3%A0?a=b%26c&d", http.StatusFound, "")
			to := r.Header.Get("Location")
			if want := "/login?app=&path=/in/d%C3%A9j%C3%A0&qs=%3Fa%3Db%2526c%26d"; to != want {
				t.Errorf("sent to %q, want %q", to, want)
			}
			b.want(to, 200, `<form method="post">`)
			for user, password := range map[string]string{"ada": "wrong", "eve": "engine", "": "", `"><b>`: "x"} {
				if r := b.do("POST", to, credentials(user, password)); r.StatusCode != 200 || !strings.Contains(r.body, "the password is wrong") || strings.Contains(r.body, "><b>") {
					t.Errorf("%q: %d %s", user, r.StatusCode, r.body)
				}
			}
			if r := b.do("POST", to, credentials("broken", "")); r.StatusCode != 500 {
				t.Errorf("credentials that can not be asked: %d", r.StatusCode)
			}
			b.want("/in/", http.StatusFound, "")
			r = b.do("POST", to, credentials("ada", "engine"))
			if got, want := r.Header.Get("Location"), "/in/d%C3%A9j%C3%A0?a=b%26c&d"; r.StatusCode != http.StatusSeeOther || got != want {
				t.Errorf("after the login: %d %q, want %q", r.StatusCode, got, want)
			}
			b.want("/in/", 200, "in as ada")
			r = b.want("/in/?logout", http.StatusFound, "")
			if r.Header.Get("Location") != "/bye" {
				t.Errorf("logout leads to %q", r.Header.Get("Location"))
			}
			b.want("/in/", http.StatusFound, "")
		})
	}
}

// A login sends nobody to another site, whatever the address or the form of the login page says.
func TestOpenRedirect(t *testing.T) {
	const app = "https://app.example.org"
	authenticator := authenticators(t)["cookie"]
	a := newLoginApp(t, authenticator, func(_ *LoginRedirectResource, l *LoginResource) { l.AppURLs, l.Home = []string{app}, "/home" })
	for _, tt := range []struct{ app, path, qs, want string }{
		{"", "/in/", "?a=b", "/in/?a=b"}, {app, "/in/", "", app + "/in/"}, {"", "/in/", "a=b", "/in/"}, {"", "/in/", "?a\r\nX: y", "/in/"}, {"", "/in/", "?a#b", "/in/"},
		{"", "", "", "/home"}, {"https://evil.example", "/in/", "", "/home"}, {app + ".evil.example", "/", "", "/home"}, {app + "@evil.example", "/", "", "/home"},
		{app, "@evil.example", "", "/home"}, {app, ".evil.example/", "", "/home"}, {"", "//evil.example", "", "/home"}, {"", `/\evil.example`, "", "/home"},
		{"", `\\evil.example`, "", "/home"}, {"", "https://evil.example", "", "/home"}, {"javascript:alert(1)//", "/", "", "/home"}, {"", "/in\r\nX: y", "", "/in%0D%0AX%3A%20y"},
		{"", "/\t/evil.example", "", "/%09/evil.example"}, {"/", "/evil.example", "", "/home"}, {"", "/a b", "", "/a%20b"},
	} {
		query := url.Values{"app": {tt.app}, "path": {tt.path}, "qs": {tt.qs}}.Encode()
		for from, r := range map[string]reply{
			"address": a.browser().do("POST", "/login?"+query, credentials("ada", "engine")),
			"form":    a.browser().do("POST", "/login", query+"&"+credentials("ada", "engine")),
			"form over address": a.browser().do("POST", "/login?app=https://evil.example&path=//evil.example",
				query+"&"+credentials("ada", "engine")),
		} {
			if got := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || got != tt.want {
				t.Errorf("%+v by %s: %d %q, want %q", tt, from, r.StatusCode, got, tt.want)
			}
		}
	}
}

func TestHiddenFieldsAreEscaped(t *testing.T) {
	a := newLoginApp(t, SessionAuthenticator{}, nil)
	if r := a.browser().want("/login?path=%22%3E%3Cscript%3E", 200, "&#34;&gt;&lt;script&gt;"); strings.Contains(r.body, "<script>") {
		t.Error(r.body)
	}
}

func TestAnonymousAndOtherSite(t *testing.T) {
	for name, authenticator := range authenticators(t) {
		a := newLoginApp(t, authenticator, func(l *LoginRedirectResource, _ *LoginResource) {
			l.AnonymousParameterName, l.AppURL, l.ShowLogout, l.LogoutURL = "guest", "https://app.example.org", true, ""
		})
		b := a.browser()
		if to := b.want("/in/", 302, "").Header.Get("Location"); to != "/login?app=https%3A//app.example.org&path=/in/&qs=" && to != "/login?app=https%3A%2F%2Fapp.example.org&path=/in/&qs=" {
			t.Errorf("%s: sent to %q", name, to)
		}
		b.want("/in/?guest", 200, "in as anonymous")
		b.want("/in/", 200, "in as anonymous")
		b.want("/in/?logout", 200, `href="/"`)
		b.want("/in/", 302, "")
	}
}

func TestLoginAuthenticatorTokens(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	build := func(cfg LoginAuthenticatorConfig) *LoginAuthenticator {
		a, err := NewLoginAuthenticator(cfg)
		if err != nil {
			t.Fatal(err)
		}
		a.now = func() time.Time { return now }
		return a
	}
	a := build(LoginAuthenticatorConfig{SecretKey: secret, MaxAge: time.Hour})
	good := a.token("a:d.ä", now.Add(time.Hour))
	if user, ok := a.check(good); !ok || user != "a:d.ä" {
		t.Errorf("%q, %v", user, ok)
	}
	end, rest, _ := strings.Cut(good, ".")
	name, signature, _ := strings.Cut(rest, ".")
	for what, token := range map[string]string{
		"empty": "", "dots": "..", "WebStack's own": "ada:0cc175b9c0f1b6a831c399e269772661", "no signature": end + "." + name + ".", "half": good[:len(good)-1],
		"another user": end + ".ZXZl." + signature, "longer": "9" + good, "another secret": build(LoginAuthenticatorConfig{SecretKey: secret[1:]}).token("ada", now.Add(time.Hour)),
		"another cookie": build(LoginAuthenticatorConfig{SecretKey: secret, CookieName: "Other"}).token("ada", now.Add(time.Hour)),
		"over":           a.token("ada", now), "no user": a.token("", now.Add(time.Hour)), "padded": good + "=",
	} {
		if user, ok := a.check(token); ok {
			t.Errorf("%s: accepted as %q", what, user)
		}
	}
	for what, cfg := range map[string]LoginAuthenticatorConfig{"no secret": {}, "short": {SecretKey: secret[:31]}, "age": {SecretKey: secret, MaxAge: -1}} {
		if _, err := NewLoginAuthenticator(cfg); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	r := httptest.NewRequest("GET", "https://www.example.org/", nil)
	w := serve(t, testConfig{}, r, func(tr *Transaction) error {
		if a.SetToken(tr, "") == nil || (SessionAuthenticator{}).SetToken(tr, "") == nil {
			t.Error("a user without a name was taken")
		}
		return a.SetToken(tr, "ada")
	})
	if c := w.Result().Cookies(); len(c) != 1 || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Expires.IsZero() {
		t.Errorf("cookies %v", c)
	}
}

// A login gives the session a new id, and what another user left is gone.
func TestSessionAuthenticatorRotates(t *testing.T) {
	a := newLoginApp(t, SessionAuthenticator{}, nil)
	b := a.browser()
	b.want("/set", 200, "")
	before := b.id()
	b.do("POST", "/login", credentials("ada", "engine"))
	after := b.id()
	if after == before || after == "" {
		t.Error("the login kept the session's id")
	}
	b.want("/get", 200, "kept")
	eve := a.browser()
	eve.plant(before)
	eve.want("/in/", 302, "")
	eve.want("/get", 200, "none")

	next := newLoginApp(t, SessionAuthenticator{Key: "who"}, func(_ *LoginRedirectResource, l *LoginResource) {
		l.Credentials = func(*Transaction, string, string) (bool, error) { return true, nil }
	})
	b = next.browser()
	b.do("POST", "/login", credentials("ada", "x"))
	b.want("/set", 200, "")
	b.do("POST", "/login", credentials("ada", "x"))
	b.want("/get", 200, "kept")
	b.do("POST", "/login", credentials("grace", "x"))
	b.want("/get", 200, "missing")
	b.want("/in/", 200, "in as grace")
}
