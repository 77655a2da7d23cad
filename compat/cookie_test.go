package compat

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func newTestManager(t testing.TB) *core.Manager {
	t.Helper()
	store := memstore.New(memstore.Config{})
	m, err := core.New("test", store, core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestCookieAttributes(t *testing.T) {
	m := newTestManager(t)
	tests := []struct {
		name  string
		cfg   SessionsConfig
		https bool
		want  string
	}{
		{"default over http", SessionsConfig{}, false, "sid=ID; Path=/; HttpOnly; SameSite=Lax"},
		{"default over https", SessionsConfig{}, true, "sid=ID; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"secure", SessionsConfig{Secure: SecureOn}, false, "__Host-sid=ID; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"secure, name kept", SessionsConfig{Secure: SecureOn, KeepName: true}, false, "sid=ID; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"secure below a path", SessionsConfig{Secure: SecureOn, Path: "/app"}, false, "sid=ID; Path=/app; HttpOnly; Secure; SameSite=Lax"},
		{"secure for a domain", SessionsConfig{Secure: SecureOn, Domain: ".example.test"}, false, "sid=ID; Path=/; Domain=example.test; HttpOnly; Secure; SameSite=Lax"},
		{"own prefix", SessionsConfig{Secure: SecureOn, Name: "__Secure-x", Path: "/a"}, false, "__Secure-x=ID; Path=/a; HttpOnly; Secure; SameSite=Lax"},
		{"never secure", SessionsConfig{Secure: SecureOff}, true, "sid=ID; Path=/; HttpOnly; SameSite=Lax"},
		{"strict", SessionsConfig{Name: "_SID_", SameSite: http.SameSiteStrictMode}, false, "_SID_=ID; Path=/; HttpOnly; SameSite=Strict"},
		{"elsewhere", SessionsConfig{Secure: SecureOn, SameSite: http.SameSiteNoneMode, Partitioned: true}, false,
			"__Host-sid=ID; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		{"for a while", SessionsConfig{MaxAge: 90*time.Second + time.Millisecond}, false, "sid=ID; Max-Age=90; Path=/; HttpOnly; SameSite=Lax"},
		{"for scripts", SessionsConfig{ReadableByScripts: true}, false, "sid=ID; Path=/; SameSite=Lax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewSessions(m, tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			h := make(http.Header)
			s.cookie.give(h, "ID", tt.https)
			if got := h.Get("Set-Cookie"); got != tt.want {
				t.Errorf("given as %q\nwant     %q", got, tt.want)
			}
			given := parseSetCookie(t, h)
			if err := given.Valid(); err != nil {
				t.Errorf("net/http says: %v", err)
			}
			h = make(http.Header)
			s.cookie.take(h, tt.https)
			taken := parseSetCookie(t, h)
			if taken.MaxAge >= 0 || taken.Value != "" || !taken.Expires.Before(time.Now()) {
				t.Errorf("taken by %q", h.Get("Set-Cookie"))
			}
			if taken.Name != given.Name || taken.Path != given.Path || taken.Domain != given.Domain || taken.Secure != given.Secure {
				t.Errorf("%v does not remove %v", taken, given)
			}
		})
	}
}

func parseSetCookie(t *testing.T, h http.Header) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: h}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies in %v", len(cookies), h)
	}
	return cookies[0]
}

func TestContradictorySettings(t *testing.T) {
	m := newTestManager(t)
	tests := []struct {
		name string
		cfg  SessionsConfig
		want []string // all of these are named
	}{
		{"SameSite=None in the open", SessionsConfig{SameSite: http.SameSiteNoneMode}, []string{"SameSite", "SecureOn"}},
		{"Partitioned in the open", SessionsConfig{Partitioned: true, Secure: SecureOff}, []string{"Partitioned", "SecureOn"}},
		{"__Host- in the open", SessionsConfig{Name: "__Host-x"}, []string{"Name __Host-x", "SecureOn"}},
		{"__host- in the open", SessionsConfig{Name: "__host-x"}, []string{"Name __host-x", "SecureOn"}},
		{"__Host- below a path", SessionsConfig{Name: "__Host-x", Secure: SecureOn, Path: "/app"}, []string{"Name __Host-x", "Path /, not /app"}},
		{"__Host- for a domain", SessionsConfig{Name: "__Host-x", Secure: SecureOn, Domain: "a.test"}, []string{"Name __Host-x", "Domain, not a.test"}},
		{"__Secure- in the open", SessionsConfig{Name: "__Secure-x"}, []string{"Name __Secure-x", "SecureOn"}},
		{"no cookie name", SessionsConfig{Name: "a b"}, []string{`Name "a b"`}},
		{"injected path", SessionsConfig{Path: "/; Domain=evil.test"}, []string{"Path"}},
		{"relative path", SessionsConfig{Path: "app"}, []string{`Path "app"`}},
		{"no domain", SessionsConfig{Domain: "ex ample"}, []string{`Domain "ex ample"`}},
		{"age", SessionsConfig{MaxAge: time.Millisecond}, []string{"MaxAge 1ms"}},
		{"modes", SessionsConfig{Secure: 9, SameSite: 9}, []string{"Secure: there is no mode 9", "SameSite: there is no mode 9"}},
		{"all at once", SessionsConfig{Name: "=", Path: "x"}, []string{"Name", "Path"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewSessions(m, tt.cfg)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %q", err, want)
				}
			}
		})
	}
	if _, err := NewSessions(nil, SessionsConfig{}); err == nil {
		t.Error("a nil manager was accepted")
	}
}

func TestHostileCookieHeaders(t *testing.T) {
	m := newTestManager(t)
	s, err := NewSessions(m, SessionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	id := m.Config().IDs.New()
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"none", nil, ""},
		{"plain", []string{"sid=" + id}, id},
		{"among others", []string{"a=b; sid=" + id + "; c=d"}, id},
		{"several lines", []string{"a=b", "sid=" + id}, id},
		{"quoted", []string{`sid="` + id + `"`}, id},
		{"first well-formed of many", []string{"sid=; sid=x; sid=" + id + "; sid=" + m.Config().IDs.New()}, id},
		{"another name", []string{"xsid=" + id + "; sidx=" + id + "; SID=" + id}, ""},
		{"no value", []string{"sid"}, ""},
		{"NUL", []string{"sid=" + id + "\x00"}, ""},
		{"half a quote", []string{`sid="` + id}, ""},
		{"too long", []string{"sid=" + id + strings.Repeat("A", 1<<16)}, ""},
		{"too short", []string{"sid=" + id[1:]}, ""},
		{"a path", []string{"sid=../../etc/passwd"}, ""},
		{"several others before it", []string{strings.Repeat("sid=x;", 7) + "sid=" + id}, id},
		{"very many", []string{strings.Repeat("sid=x;", 1<<17) + "sid=" + id}, ""},
		{"very many of others", []string{strings.Repeat("a=b;", 1<<17) + "sid=" + id}, id},
		{"only separators", []string{strings.Repeat("; ", 1<<17)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Cookie": tt.lines}
			got := s.cookie.find(h, m.ValidID)
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			asked := 0
			valid := func(v string) bool {
				asked++
				return v == id
			}
			if allocs := testing.AllocsPerRun(1, func() { asked = 0; s.cookie.find(h, valid) }); allocs > 0 {
				t.Errorf("%v allocations", allocs)
			}
			if asked > maxCookies {
				t.Errorf("%d values were looked at", asked)
			}
		})
	}
}

func FuzzCookie(f *testing.F) {
	for _, seed := range []string{"sid=a", "a=b; sid=c", `sid="q"; sid=`, "sid", "sid=a=b", "sid= a ", "\tsid\t=a", "sid=\x00", `sid="`, `sid=a\`, ";;=;", "sid=é"} {
		f.Add(seed, "")
		f.Add(seed, "sid=second")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.Count(first+second, ";") > 1000 {
			t.Skip("net/http refuses headers with thousands of cookies")
		}
		h := http.Header{"Cookie": {first, second}}
		var got []string
		(&cookie{name: "sid"}).find(h, func(v string) bool {
			got = append(got, v)
			return false
		})
		var want []string
		for _, c := range (&http.Request{Header: h}).CookiesNamed("sid") {
			want = append(want, c.Value)
		}
		if len(want) > maxCookies {
			want = want[:maxCookies]
		}
		if strings.Join(got, "\xff") != strings.Join(want, "\xff") || len(got) != len(want) {
			t.Errorf("%q: found %q, net/http finds %q", h["Cookie"], got, want)
		}
	})
}
