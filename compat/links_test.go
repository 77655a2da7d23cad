package compat_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		carriers []compat.Carrier
		path     string // of the cookie
		links    map[string]string
	}{
		{[]compat.Carrier{compat.ByQuery, compat.ByPath, compat.ByField}, "/", map[string]string{
			"/a":                         "/a?sid=ID",
			"a?x=1&sid=OLD&y#f":          "a?x=1&y&sid=ID#f",
			"":                           "?q=1&sid=ID",
			"?":                          "?sid=ID",
			"#f":                         "#f",
			"../b;p=1":                   "../b;p=1?sid=ID",
			"http://example.test/a":      "http://example.test/a?sid=ID",
			"http://EXAMPLE.test:80":     "http://EXAMPLE.test:80?sid=ID",
			"//example.test/a":           "//example.test/a?sid=ID",
			"https://example.test/a":     "", // "" means: as it was
			"http://example.test:81/a":   "",
			"http://example.test.evil/a": "",
			"http://u@example.test/a":    "",
			"//evil.test/a":              "",
			"///evil.test/a":             "",
			`/\evil.test/a`:              "",
			"\t//evil.test/a":            "",
			" //evil.test/a":             "",
			"/\t/evil.test":              "",
			"http:/evil.test":            "",
			"http:evil.test":             "",
			"/.//evil.test":              "",
			"mailto:a@example.test":      "",
			"javascript:alert(1)":        "",
			"/%zz":                       "",
			"/a/%2e%2e/b":                "",
		}},
		{[]compat.Carrier{compat.ByQuery}, "/shop", map[string]string{
			"/shop":            "/shop?sid=ID",
			"/shop/a":          "/shop/a?sid=ID",
			"/shopping":        "",
			"/shop/../b":       "",
			"/shop/%2E%2E/b":   "",
			"a":                "", // below /dir
			"../shop/./a/../b": "../shop/./a/../b?sid=ID",
		}},
		{[]compat.Carrier{compat.ByPath}, "/", map[string]string{
			"/a":                    "/sid=ID/a",
			"a?x=1#f":               "/sid=ID/dir/a?x=1#f",
			"/sid=OLD/a":            "/sid=ID/a",
			"":                      "/sid=ID/dir/page",
			"http://example.test/a": "http://example.test/sid=ID/a",
			"http://example.test":   "http://example.test/sid=ID/",
			"//evil.test/a":         "",
		}},
		{[]compat.Carrier{compat.ByField}, "/", map[string]string{"/a": ""}},
		{nil, "/", map[string]string{"/a": ""}},
	} {
		st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: tt.carriers, Path: tt.path})
		id := ""
		got := make(map[string]string)
		field := ""
		addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			id = set(t, r, 1).ID()
			for link := range tt.links {
				got[link] = st.sessions.URL(r.Context(), link)
			}
			field = compat.FormField(r.Context())
		})))
		resp, _ := do(t, addr, "GET", "/dir/page?q=1", "")
		for link, want := range tt.links {
			if want == "" && link != "" {
				want = link
			}
			if want = strings.ReplaceAll(want, "ID", id); got[link] != want {
				t.Errorf("%v %q: got %q, want %q", tt.carriers, link, got[link], want)
			}
		}
		want := ""
		if len(tt.carriers) > 0 && tt.carriers[len(tt.carriers)-1] == compat.ByField {
			want = `<input type="hidden" name="sid" value="` + id + `">`
		}
		if field != want {
			t.Errorf("%v: field %q, want %q", tt.carriers, field, want)
		}
		if len(tt.carriers) > 0 && resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: headers %v", tt.carriers, resp.Header)
		}
	}
}

// TestLinksOfAClientWithCookies have no id, and those of one that may have none do.
func TestLinksOfAClientWithCookies(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/use" {
			set(t, r, 1)
		}
		fmt.Fprint(w, compat.LinkURL(r.Context(), "/a"), compat.FormField(r.Context()))
	})))
	id := st.seed()
	for _, path := range []string{"/use", "/idle"} {
		before := st.store.calls.Load()
		if _, text := do(t, addr, "GET", path, id); text != "/a" {
			t.Errorf("%s with a cookie: %q", path, text)
		}
		if _, text := do(t, addr, "GET", path+"?sid="+id, ""); !strings.HasPrefix(text, "/a?sid="+id+"<input") {
			t.Errorf("%s with an id in the URL: %q", path, text)
		}
		if path == "/idle" && st.store.calls.Load() != before {
			t.Error("links cost a store call")
		}
	}
	for _, junk := range []string{"%22%3E%3Cscript%3E", "\"><script>", strings.Repeat("A", 5000), "..%2f", "short"} {
		if _, text := do(t, addr, "GET", "/idle?sid="+junk, ""); text != "/a" {
			t.Errorf("what can be no id is in the page: %q", text)
		}
	}
	resp, text := do(t, addr, "GET", "/use", "")
	if c := sid(resp); c == nil || !strings.HasPrefix(text, "/a?sid="+c.Value) {
		t.Errorf("a first visit: %q, cookie %v", text, c)
	}
	if _, text := do(t, addr, "GET", "/idle", ""); text != "/a" {
		t.Errorf("without a session: %q", text)
	}
}

// TestReferrerPolicyOfTheApplication stays if it keeps URLs from other sites.
func TestReferrerPolicyOfTheApplication(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", r.URL.Query().Get("policy"))
		w.Header().Set("Cache-Control", "private")
	})))
	for policy, want := range map[string]string{"no-referrer": "no-referrer", "unsafe-url": "same-origin", "": "same-origin"} {
		resp, _ := do(t, addr, "GET", "/?policy="+url.QueryEscape(policy)+"&sid=x", "")
		if got := resp.Header.Get("Referrer-Policy"); got != want || resp.Header.Get("Cache-Control") != "private" {
			t.Errorf("%q: headers %v", policy, resp.Header)
		}
	}
}
