package webstack

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// paths is a resource that writes what it finds of the path.
func paths(name string) ResourceFunc {
	return func(t *Transaction) error {
		return write(t, name+" "+t.GetProcessedVirtualPathInfo(UTF8)+" | "+t.GetVirtualPathInfo(UTF8))
	}
}

func TestMapResource(t *testing.T) {
	birds := &MapResource{Mapping: map[string]Resource{"": paths("all birds"), "owl": paths("owl")}, Charset: UTF8}
	mapping := map[string]Resource{"mammals": paths("mammals"), "birds": birds, "é": paths("accent"), "": paths("top")}
	top := func(m MapResource) *MapResource {
		m.Mapping, m.Charset = mapping, UTF8
		return &m
	}
	for _, tt := range []struct {
		name   string
		m      *MapResource
		path   string
		status int
		want   string // of the body, or the Location
	}{
		{"name", top(MapResource{}), "/mammals/cat", 200, "mammals /mammals | /cat"},
		{"name alone", top(MapResource{}), "/mammals", 200, "mammals /mammals | "},
		{"name with slash", top(MapResource{}), "/mammals/", 200, "mammals /mammals | /"},
		{"rest", top(MapResource{}), "/mammals/cat//x", 200, "mammals /mammals | /cat//x"},
		{"top", top(MapResource{}), "/", 200, "top / | "},
		{"no ASCII", top(MapResource{}), "/%C3%A9/x", 200, "accent /é | /x"},
		{"nested", top(MapResource{}), "/birds/owl/x", 200, "owl /birds/owl | /x"},
		{"nested top", top(MapResource{}), "/birds/", 200, "all birds /birds/ | "},
		{"nested redirect", top(MapResource{}), "/birds?a=b", 302, "/birds/?a=b"},
		{"nested unknown", top(MapResource{}), "/birds/crow", 404, "nothing under this address"},
		{"unknown", top(MapResource{}), "/creatures/goblin", 404, "nothing under this address"},
		{"case counts", top(MapResource{}), "/Mammals", 404, ""},
		{"default", top(MapResource{Default: paths("default")}), "/creatures/goblin", 200, "default /creatures | /goblin"},
		{"pass through", top(MapResource{Default: paths("default"), PassThrough: true}), "/creatures/goblin", 200, "default  | /creatures/goblin"},
		{"a slash in a name", top(MapResource{}), "/mammals%2Fcat", 200, "mammals /mammals | /cat"}, // as everywhere in WSGI
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, testConfig{Config: Config{Prefix: "/app", Resource: tt.m}}, httptest.NewRequest("GET", "/app"+tt.path, nil), tt.m.Respond)
			got := w.Body.String()
			if tt.status == 302 {
				got, tt.want = w.Header().Get("Location"), "/app"+tt.want
			}
			body := strings.ReplaceAll(got, "\xe9", "é")
			if w.Code != tt.status || body != tt.want && (tt.status != 404 || !strings.Contains(body, tt.want)) {
				t.Errorf("%s: %d %q, want %d %q", tt.path, w.Code, body, tt.status, tt.want)
			}
		})
	}
	w := serve(t, testConfig{Config: Config{Prefix: "/app"}}, httptest.NewRequest("POST", "/app/birds", nil), top(MapResource{}).Respond)
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "all birds") {
		t.Errorf("POST without the slash: %d %q", w.Code, w.Body)
	}
	w = serve(t, testConfig{}, httptest.NewRequest("GET", "/birds", nil), (&MapResource{Mapping: map[string]Resource{
		"birds": &MapResource{Mapping: birds.Mapping, NoDirectoryRedirects: true}}}).Respond)
	if w.Code != 200 {
		t.Errorf("NoDirectoryRedirects: %d", w.Code)
	}
}

// A redirect to the slash stays on this site, whatever the path looks like.
func TestDirectoryRedirectStaysHere(t *testing.T) {
	for _, path := range []string{"//evil.example", "/%5Cevil.example", "/%2Fevil.example", "///evil.example"} {
		for prefix, m := range map[string]*MapResource{
			"any depth": {Default: ResourceFunc(func(t *Transaction) error {
				t.SetVirtualPathInfo("")
				return (&MapResource{}).Respond(t)
			})},
		} {
			r := httptest.NewRequest("GET", "http://www.example.org"+path, nil)
			w := serve(t, testConfig{}, r, m.Respond)
			to := w.Header().Get("Location")
			if w.Code != 302 || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || !strings.HasPrefix(to, "/") {
				t.Errorf("%s, %s: %d %q", path, prefix, w.Code, to)
			}
		}
	}
}

func directory(t *testing.T, cfg DirectoryConfig, files map[string]string) (*DirectoryResource, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "static")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	files["../secret"] = "secret"
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewDirectoryResource(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, dir
}

func TestDirectoryResource(t *testing.T) {
	d, _ := directory(t, DirectoryConfig{ContentTypes: map[string]ContentType{"txt": {MediaType: "text/plain", Charset: "iso-8859-1"}, "ru": {MediaType: "text/plain", Charset: "koi8-r"}}, Charset: UTF8},
		map[string]string{"a.txt": "caf\xe9", "b.html": "<p>é", "c.odd": "\x00\xff", "d": "", "e.ru": "\xc4\xc1", "déjà.txt": "vu"})
	for _, tt := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/a.txt", 200, "text/plain; charset=iso-8859-1", "caf\xe9"},
		{"GET", "/a.txt/ignored", 200, "text/plain; charset=iso-8859-1", "caf\xe9"},
		{"GET", "/b.html", 200, "text/html; charset=utf-8", "<p>é"},
		{"GET", "/c.odd", 200, "application/octet-stream", "\x00\xff"},
		{"GET", "/e.ru", 200, "text/plain; charset=koi8-r", "\xc4\xc1"}, // is sent as it is, so that any charset will do
		{"GET", "/d", 200, "application/octet-stream", ""},
		{"GET", "/d%C3%A9j%C3%A0.txt", 200, "text/plain; charset=iso-8859-1", "vu"},
		{"HEAD", "/a.txt", 200, "text/plain; charset=iso-8859-1", ""},
		{"GET", "/nowhere", 404, "text/html; charset=utf-8", ""},
		{"GET", "/", 404, "text/html; charset=utf-8", ""},
		{"POST", "/a.txt", 405, "text/html; charset=utf-8", ""},
	} {
		w := serve(t, testConfig{}, httptest.NewRequest(tt.method, tt.path, nil), d.Respond)
		if got := w.Header().Get("Content-Type"); w.Code != tt.status || got != tt.kind || tt.status == 200 && w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q %q", tt.method, tt.path, w.Code, got, w.Body)
		}
		if w.Code == 200 && (w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Length") == "") {
			t.Errorf("%s: %v", tt.path, w.Header())
		}
	}
	w := serve(t, testConfig{}, httptest.NewRequest("GET", "/a.txt", nil), d.Respond)
	for since, status := range map[string]int{w.Header().Get("Last-Modified"): 304, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 200, "never": 200} {
		r := httptest.NewRequest("GET", "/a.txt", nil)
		r.Header.Set("If-Modified-Since", since)
		if w := serve(t, testConfig{}, r, d.Respond); w.Code != status {
			t.Errorf("since %s: %d, want %d", since, w.Code, status)
		}
	}
	d.cfg.NotFound = ResourceFunc(func(t *Transaction) error { return errors.Join(t.SetResponseCode(404), write(t, "ours")) })
	if w := serve(t, testConfig{}, httptest.NewRequest("GET", "/no", nil), d.Respond); w.Code != 404 || w.Body.String() != "ours" {
		t.Errorf("NotFound: %d %q", w.Code, w.Body)
	}
}

// No name leads out of the directory.
func TestDirectoryTraversal(t *testing.T) {
	d, dir := directory(t, DirectoryConfig{}, map[string]string{".hidden": "secret"})
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	for name, err := range map[string]error{
		"link":  os.Symlink("../secret", filepath.Join(dir, "link")),
		"abs":   os.Symlink(filepath.Join(dir, "../secret"), filepath.Join(dir, "abs")),
		"sub":   os.Mkdir(filepath.Join(dir, "sub"), 0o700),
		"inner": os.WriteFile(filepath.Join(dir, "sub", "inner"), []byte("secret"), 0o600),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	for _, path := range []string{"/../secret", "/..", "/.", "/%2e%2e/secret", "/%2e%2e%2fsecret", "/..%2fsecret", "/..%5csecret", "//secret", "/sub%2finner", "/sub/inner",
		"/link", "/abs", "/sub", "/socket", "/.hidden", "/secret%00", "/%00", "/" + strings.Repeat("a", 5000), "/..%c0%af..%c0%afsecret"} {
		r := httptest.NewRequest("GET", "http://www.example.org/", nil)
		r.URL.Path, r.URL.RawPath = "", ""
		u, err := r.URL.Parse("http://www.example.org" + path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		if w := serve(t, testConfig{}, r, d.Respond); w.Code != 404 || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestNewDirectoryResource(t *testing.T) {
	if _, err := NewDirectoryResource(filepath.Join(t.TempDir(), "nowhere"), DirectoryConfig{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	_, err := NewDirectoryResource(t.TempDir(), DirectoryConfig{ContentTypes: map[string]ContentType{"a": {MediaType: "x"}}, Unrecognised: ContentType{MediaType: "y"}})
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("bad types: %v", err)
	}
}
