package gallery_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/examples/sidebyside/gallery"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/configured"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
)

// open starts the gallery on a store of its own.
func open(t *testing.T) (*visitor.Visitor, *core.Manager) {
	t.Helper()
	site := configured.Site(t, memstore.New(memstore.Config{}), `
[composite:main]
use = urlmap
/gallery = gallery
[app:gallery]
use = gallery
session_key = gallery_session_id
cookie_path = /gallery/
`, gallery.Register)
	around := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		site.ServeHTTP(w, r)
	})
	server := httptest.NewServer(around)
	t.Cleanup(server.Close)
	return visitor.New(t, server.URL), site.Sessions("gallery").Manager()
}

// load asks for the page and then for all that is on it at once, as a browser does.
func load(t *testing.T, v *visitor.Visitor, query string) {
	t.Helper()
	if r := v.Get("/gallery/"); r.Status != http.StatusOK || strings.Count(r.Body, "<img ") != 12 || strings.Count(r.Body, "<iframe ") != 3 {
		t.Fatalf("%d\n%s", r.Status, r.Body)
	}
	var parts sync.WaitGroup
	for kind, n := range map[string]int{"picture": 12, "frame": 3} {
		for i := range n {
			parts.Go(func() {
				if r := v.Get(fmt.Sprintf("/gallery/%s?n=%d%s", kind, i+1, query)); r.Status != http.StatusOK {
					t.Errorf("%s %d: %d\n%s", kind, i+1, r.Status, r.Body)
				}
			})
		}
	}
	parts.Wait()
}

func TestEachPartCounts(t *testing.T) {
	v, m := open(t)
	load(t, v, "")
	load(t, v, "&hold=1")
	r := v.Get("/gallery/times")
	if !strings.Contains(r.Body, `"views":2,"seen":30,"expected":30`) || strings.Count(r.Body, `"view":2`) != 15 {
		t.Errorf("%s", r.Body)
	}
	if n, err := m.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
}

func TestPolicyAllowsItsFrames(t *testing.T) {
	v, _ := open(t)
	v.Get("/gallery/")
	for _, path := range []string{"/gallery/", "/gallery/frame?n=1"} {
		if csp := v.Get(path).Header["Content-Security-Policy"]; len(csp) != 1 || !strings.Contains(csp[0], "frame-ancestors 'self'; frame-src 'self'") {
			t.Errorf("%s: %q", path, csp)
		}
	}
	if csp := v.Get("/gallery/picture?n=1").Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("a picture: %q", csp)
	}
}

func TestRefused(t *testing.T) {
	v, m := open(t)
	for path, status := range map[string]int{
		"/gallery/picture?n=1": http.StatusConflict, // nobody has opened the gallery
		"/gallery/picture":     http.StatusNotFound, "/gallery/picture?n=13": http.StatusNotFound, "/gallery/frame?n=x": http.StatusNotFound,
		"/gallery/again": http.StatusMethodNotAllowed, "/gallery/nowhere": http.StatusNotFound, "/gallery/times": http.StatusOK,
	} {
		if r := v.Get(path); r.Status != status {
			t.Errorf("%s: %d, want %d", path, r.Status, status)
		}
	}
	if n, err := m.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions, %v, and nobody has opened the gallery", n, err)
	}
}

func TestStartOver(t *testing.T) {
	v, m := open(t)
	v.Get("/gallery/")
	before := v.Cookie("/gallery/", "gallery_session_id")
	r := v.Post("/gallery/again", nil)
	if r.Status != http.StatusSeeOther || r.Header.Get("Location") != "/gallery/" {
		t.Errorf("%d to %q", r.Status, r.Header.Get("Location"))
	}
	if n, err := m.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
	if r := v.Get("/gallery/"); !strings.Contains(r.Body, "This is view 1.") {
		t.Errorf("%s", r.Body)
	}
	if v.Cookie("/gallery/", "gallery_session_id") == before {
		t.Error("the id is the old one")
	}
}
