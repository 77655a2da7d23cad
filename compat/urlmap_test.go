package compat_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/compat"
)

// reply is an application that answers with a status and a text.
func reply(status, text string) compat.Application {
	return compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start(status, nil, nil); err != nil {
			return nil, err
		}
		return compat.Text(text), nil
	})
}

// where is an application that answers with its name and where it was found.
func where(name string) compat.Application {
	return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("200 OK", nil, nil); err != nil {
			return nil, err
		}
		return compat.Text(fmt.Sprintf("%s %q %q", name, env.ScriptName(), env.PathInfo())), nil
	})
}

func newMap(t testing.TB, places ...string) *compat.URLMap {
	t.Helper()
	m := new(compat.URLMap)
	for _, place := range places {
		if err := m.Add(place, where(place)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// ask sends a request to an application without a network.
func ask(app compat.Application, method, target string, with ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	for _, f := range with {
		f(r)
	}
	rec := httptest.NewRecorder()
	compat.Handler(app, compat.HandlerConfig{}).ServeHTTP(rec, r)
	return rec
}

func TestURLMapPaths(t *testing.T) {
	m := newMap(t, "", "/foo", "/foo/bar/", "/f", "//shop///tea", "/a%20b%25")
	for _, tt := range []struct{ path, want string }{
		{"/", ` "" "/"`},
		{"", ` "" ""`},
		{"/blah", ` "" "/blah"`},
		{"/foo", `/foo "/foo" ""`},
		{"/foo/", `/foo "/foo" "/"`},
		{"/foo/and/more", `/foo "/foo" "/and/more"`},
		{"/foobar", ` "" "/foobar"`},
		{"/foo/bar", `/foo/bar/ "/foo/bar" ""`},
		{"/foo/bar/baz", `/foo/bar/ "/foo/bar" "/baz"`},
		{"/fffzzz", ` "" "/fffzzz"`},
		{"/f/z/y", `/f "/f" "/z/y"`},
		{"//foo//bar///x//", `/foo/bar/ "/foo/bar" "/x/"`},
		{"/shop/tea/green", `//shop///tea "/shop/tea" "/green"`},
		{"/FOO", ` "" "/FOO"`},
		{"/a b%/c", `/a%20b%25 "/a b%" "/c"`},
		{"/foo/../f", `/foo "/foo" "/../f"`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			if got := ask(m, "GET", tt.path).Body.String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	for _, path := range []string{"*", "foo"} { // OPTIONS *, and what no server lets in
		if rec := ask(m, "OPTIONS", path); rec.Code != 404 {
			t.Errorf("%s: status %d, want 404", path, rec.Code)
		}
	}
}

func TestURLMapHosts(t *testing.T) {
	m := newMap(t, "/", "/any", "http://shop.test", "https://shop.test/deep", "http://shop.test:8080/", "http://[0:0::1]/six",
		"http://[::1]:81/", "http://Upper.Test./", "http://web.test:80", "http://10.0.0.1/four")
	for _, tt := range []struct{ host, path, want string }{
		{"other.test", "/x", "/"},
		{"other.test", "/any", "/any"},
		{"shop.test", "/x", "http://shop.test"},
		{"SHOP.Test", "/x", "http://shop.test"},
		{"shop.test.", "/x", "http://shop.test"},
		{"shop.test", "/any", "http://shop.test"}, // what is mounted on the host comes first
		{"shop.test", "/deep/x", "https://shop.test/deep"},
		{"shop.test:99", "/deep/x", "https://shop.test/deep"},
		{"shop.test:8080", "/deep", "http://shop.test:8080/"},
		{"shop.test:08080", "/", "http://shop.test:8080/"},
		{"notshop.test", "/", "/"},
		{"[::1]", "/six", "http://[0:0::1]/six"},
		{"[::1]:8080", "/six", "http://[0:0::1]/six"},
		{"[0::0:1]:81", "/six", "http://[::1]:81/"},
		{"[::1]", "/any", "/any"}, // nothing on the host: among those for any
		{"[::2]", "/six", "/"},
		{"upper.test", "/", "http://Upper.Test./"},
		{"web.test", "/", "http://web.test:80"},
		{"web.test:80", "/", "http://web.test:80"},
		{"web.test:81", "/", "/"},
		{"10.0.0.1", "/four", "http://10.0.0.1/four"},
		{"", "/four", "http://10.0.0.1/four"}, // the address that the connection came to
		{"shop.test:", "/", "/"},
		{"shop.test:x", "/", "/"},
		{"shop.test:8080:8080", "/", "/"},
		{"::1", "/six", "/"},
		{"[::1", "/six", "/"},
		{"sh op.test", "/", "/"},
		{"shop.test/deep", "/", "/"},
	} {
		t.Run(tt.host+" "+tt.path, func(t *testing.T) {
			rec := ask(m, "GET", tt.path, func(r *http.Request) {
				r.Host = tt.host
				*r = *r.WithContext(contextWithLocalAddr(r.Context(), "10.0.0.1:80"))
			})
			if got, _, _ := strings.Cut(rec.Body.String(), " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// HTTP/1.0 has requests without a host.
func TestURLMapWithoutHostOverTCP(t *testing.T) {
	m := newMap(t, "/", "http://127.0.0.1/here")
	c := dial(t, start(t, compat.Handler(m, compat.HandlerConfig{})))
	c.send("GET /here/x HTTP/1.0\r\n\r\n")
	if _, body := c.response("GET"); body != `http://127.0.0.1/here "/here" "/x"` {
		t.Errorf("%s", body)
	}
}

func TestURLMapMistakes(t *testing.T) {
	for place, want := range map[string]string{
		"shop":                  "begin with a slash",
		"ftp://shop.test/":      "begin with a slash",
		"http://":               "empty host",
		"http:///shop":          "empty host",
		"http://./":             "empty host",
		"http://:80/":           "empty host",
		"/a b":                  "space",
		"/a\tb":                 "control",
		"/shop?x=1":             "query",
		"http://shop.test?x=1":  "query",
		"/shop#top":             "fragment",
		"http://sh op.test/":    "characters",
		"http://bücher.test/":   "xn--",
		"http://*.test/":        "*",
		"http://me@shop.test/":  "user name",
		"http://shop.test:0/":   "port",
		"http://shop.test:/":    "port",
		"http://shop.test:x/":   "port",
		"http://s.test:65536/":  "port",
		"http://::1/":           "brackets",
		"http://[::1/":          "brackets",
		"http://[shop.test]/":   "brackets",
		"http://[fe80::1%eth0]": "brackets",
		"/a%2":                  "%25",
		"/a/../b":               "..",
		"/%2e%2e":               "..",
		"/taken/":               "already",
		"http://TAKEN.test:080": "already",
	} {
		t.Run(place, func(t *testing.T) {
			m := newMap(t, "/taken", "http://taken.test:80/")
			err := m.Add(place, where("x"))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", place)) {
				t.Errorf("error %v, want one with %q", err, want)
			}
			if n := len(m.Places()); n != 2 {
				t.Errorf("%d places after a mistake", n)
			}
		})
	}
	if err := new(compat.URLMap).Add("/", nil); err == nil {
		t.Error("nil was mounted")
	}
}

func TestParsePlace(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                "",
		"/shop":                           "/shop",
		"http://shop.test/":               "http://shop.test/",
		"domain shop.test":                "http://shop.test",
		" domain  shop.test /tea ":        "http://shop.test/tea",
		"/tea port 8080 domain shop.test": "http://shop.test:8080/tea",
		"domain ::1 port 80 /":            "http://[::1]:80/",
		"domain shop.test:81 /":           "http://shop.test:81/",
		"domain":                          "error: nothing after domain",
		"domain a port":                   "error: nothing after port",
		"port 80 /":                       "error: no domain",
		"domain a domain b":               "error: two of domain",
		"/a /b":                           "error: two of path",
		"domain a b":                      "error: slash",
		"domain a http://b/":              "error: slash",
	} {
		got, err := compat.ParsePlace(expression)
		if msg, fails := strings.CutPrefix(want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), msg) {
				t.Errorf("%q: error %v, want %q", expression, err, msg)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", expression, got, err)
		}
	}
}

func TestURLMapNested(t *testing.T) {
	inner := newMap(t, "/deep", "/deep/er")
	outer := newMap(t, "/top")
	if err := outer.Add("/in", inner); err != nil {
		t.Fatal(err)
	}
	var tried []*compat.URLMap
	var path string
	inner.NotFound = compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		v, _ := env.Get(compat.URLMapKey)
		tried, _ = v.([]*compat.URLMap)
		path = env.ScriptName() + "|" + env.PathInfo()
		return reply("410 Gone", "mine").Call(env, start)
	})
	if got := ask(outer, "GET", "/in/deep/er/x").Body.String(); got != `/deep/er "/in/deep/er" "/x"` {
		t.Error(got)
	}
	rec := ask(outer, "GET", "/in//unknown")
	if rec.Code != 410 || path != "/in|/unknown" || !slices.Equal(tried, []*compat.URLMap{outer, inner}) {
		t.Errorf("status %d, path %s, tried %v", rec.Code, path, tried)
	}
	rec = ask(outer, "GET", "/<script>")
	if rec.Code != 404 || strings.Contains(rec.Body.String(), "script") || strings.Contains(rec.Body.String(), "top") {
		t.Errorf("status %d: %s", rec.Code, rec.Body)
	}
}

func TestURLMapPlaces(t *testing.T) {
	m := newMap(t, "/", "/a%20b", "http://B.test:80/x/", "http://b.test", "http://a.test/long", "http://a.test/longer")
	want := []string{"http://a.test/longer", "http://a.test/long", "http://b.test/", "http://b.test:80/x", "/a%20b", "/"}
	if got := m.Places(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestURLMapFromManyGoroutines(t *testing.T) {
	m := newMap(t, "/", "/foo", "http://shop.test/")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if got := ask(m, "GET", "/foo/x").Body.String(); got != `/foo "/foo" "/x"` {
					t.Error(got)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzURLMap(f *testing.F) {
	f.Add("/\n/foo\nhttp://a.test:80/b", "a.test", "//b/c")
	f.Add("\n/a%20b", "", "/a b/")
	f.Add("http://[::1]:8080/x", "[0::1]:8080", "/x")
	f.Add("http://a/\nhttp://a:1/\n/", "A.:1", "*")
	f.Fuzz(func(t *testing.T, places, host, path string) {
		m := new(compat.URLMap)
		for place := range strings.SplitSeq(places, "\n") {
			_ = m.Add(place, where("app"))
		}
		again := new(compat.URLMap)
		for _, place := range m.Places() {
			if err := again.Add(place, where("app")); err != nil {
				t.Fatalf("what Places says can not be added: %v", err)
			}
		}
		if !slices.Equal(m.Places(), again.Places()) {
			t.Fatalf("%q became %q", m.Places(), again.Places())
		}
		m.NotFound = where("nothing")
		rec := ask(m, "GET", "/", func(r *http.Request) { r.Host, r.URL.Path = host, path })
		var name, script, info string
		if _, err := fmt.Sscanf(rec.Body.String(), "%s %q %q", &name, &script, &info); err != nil {
			t.Fatal(err, rec.Body.String())
		}
		if name == "nothing" {
			if script != "" || info != path {
				t.Errorf("the path %q was changed to %q, %q", path, script, info)
			}
			return
		}
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
		if script+info != path || info != "" && info[0] != '/' || strings.HasSuffix(script, "/") {
			t.Errorf("%q became %q, %q", path, script, info)
		}
		for _, place := range m.Places() {
			if p := strings.TrimSuffix(place, "/"); p[:min(len(p), 1)] == "/" && !strings.Contains(p, "%") && len(p) > len(script) &&
				(path == p || strings.HasPrefix(path, p+"/")) && !onAnyHost(m) {
				t.Errorf("%q went to %q, though there is %q", path, script, p)
			}
		}
	})
}

// onAnyHost reports whether the map has places on hosts.
func onAnyHost(m *compat.URLMap) bool {
	return slices.ContainsFunc(m.Places(), func(p string) bool { return strings.HasPrefix(p, "http://") })
}
