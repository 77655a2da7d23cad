package deploy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

func TestStatic(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"public/a.txt": "a", "public/sub/b.txt": "b", "public/with/index.html": "<p>index",
		"public/.secret": "no", "public/.git/config": "no", "outside.txt": "no"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "outside.txt"), filepath.Join(dir, "public/link.txt")); err != nil {
		t.Fatal(err)
	}
	c := client{h: load(t, "[composite:main]\nuse = urlmap\n/files = files\n[app:files]\nuse = static\ndir = "+dir+"/public\n")}
	for path, want := range map[string]string{"/files/a.txt": "a", "/files/sub/b.txt": "b", "/files/with/": "<p>index", "/files/": "", "/files/sub/": "",
		"/files/.secret": "", "/files/.git/config": "", "/files/link.txt": "", "/files/../outside.txt": "", "/files/%2e%2e/outside.txt": "", "/files/x": ""} {
		res := c.get(path)
		got := body(res)
		if want != "" && (res.StatusCode != 200 || got != want) || want == "" && res.StatusCode/100 == 2 {
			t.Errorf("%s: %d %q, want %q", path, res.StatusCode, got, want)
		}
	}
	// What redirects say is below the folder's own place.
	if res := c.get("/files/with"); res.StatusCode != 301 || res.Header.Get("Location") != "with/" {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

// A conflict of the optimistic policy runs the request again, wherever in the site it happened.
func TestRetryFilter(t *testing.T) {
	l := loader(t)
	tries := 0
	l.App("conflict", func(s *deploy.Section) (compat.Application, error) {
		if _, err := s.Sessions(core.Config{Locking: core.Optimistic}, compat.SessionsConfig{}); err != nil {
			return nil, err
		}
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if tries++; tries < 3 {
				return nil, core.ErrConflict
			}
			_, err := start("200 OK", nil, nil)
			return compat.Text("done"), err
		}), nil
	})
	site, err := l.Load(t.Context(), deploy.FromFile(write(t, "[composite:main]\nuse = urlmap\nfilter-with = again\n/ = a\n[filter:again]\nuse = retry\ntries = 5\n"+
		"[app:a]\nuse = conflict\n"+stores)))
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close(t.Context())
	c := client{h: site}
	if res := c.get("/"); res.StatusCode != 200 || body(res) != "done" || tries != 3 {
		t.Errorf("%d after %d tries", res.StatusCode, tries)
	}
}

func TestLintFilter(t *testing.T) {
	l := loader(t)
	l.App("wrong", func(*deploy.Section) (compat.Application, error) {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", []compat.Header{{Name: "Bad_", Value: "x"}}, nil)
			return compat.Text("x"), err
		}), nil
	})
	text := "[app:main]\nuse = wrong\nfilter-with = watch\n[filter:watch]\nuse = lint\nstrict = yes\n"
	for more, want := range map[string]int{"": 500, "ignore = header-name, content-type-missing\n": 200} {
		site, err := l.Load(t.Context(), deploy.FromFile(write(t, text+more)))
		if err != nil {
			t.Fatal(err)
		}
		c := client{h: site}
		if res := c.get("/"); res.StatusCode != want {
			t.Errorf("%q: %d, want %d: %s", strings.TrimSpace(more), res.StatusCode, want, body(res))
		}
		_ = site.Close(t.Context())
	}
}

// An application's failures are shown by its own error page, and by nobody else's.
func TestErrorPages(t *testing.T) {
	l := loader(t)
	l.App("broken", func(s *deploy.Section) (compat.Application, error) {
		if s.Bool("page", false) {
			s.ErrorPage(func(w http.ResponseWriter, _ *http.Request, err error) { w.WriteHeader(599) })
		}
		return compat.ApplicationFunc(func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, os.ErrInvalid }), nil
	})
	site, err := l.Load(t.Context(), deploy.FromFile(write(t, "[composite:main]\nuse = urlmap\n/a = a\n/b = b\n[app:a]\nuse = broken\npage = yes\n[app:b]\nuse = broken\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close(t.Context())
	c := client{h: site}
	if a, b := c.get("/a").StatusCode, c.get("/b").StatusCode; a != 599 || b != 500 {
		t.Errorf("%d and %d", a, b)
	}
}
