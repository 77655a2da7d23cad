package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
)

// visit runs the program, but for its process.
func visit(t *testing.T) *visitor.Visitor {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var running sync.WaitGroup
	running.Go(func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-store", "memory:"}, in, t.Output())
		in.CloseWithError(err)
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return visitor.New(t, strings.TrimSpace(strings.TrimPrefix(line, "listening on ")))
}

// ourHosts are the virtual hosts, which the first page links to.
var ourHosts = regexp.MustCompile(`http://(shop|admin)\.localhost:[0-9]+/`)

func TestPages(t *testing.T) {
	v := visit(t)
	for _, tt := range []struct {
		path   string
		status int
		kind   string
		text   string
	}{
		{"/", 200, "text/html; charset=utf-8", `href="/desk/"`},
		{"/", 200, "text/html; charset=utf-8", `href="/lab/"`},
		{"/", 200, "text/html; charset=utf-8", `href="/blog/bob/"`},
		{"/", 200, "text/html; charset=utf-8", `href="/native/"`},
		{"/", 200, "text/html; charset=utf-8", `href="http://shop.localhost:`},
		{"/blog/alice/", 200, "text/html; charset=utf-8", "Alice&#39;s blog"},
		{"/blog/bob/", 200, "text/html; charset=utf-8", "Bob&#39;s blog"},
		{"/blog/bob/nowhere", 404, "text/html; charset=utf-8", "no such page"},
		{"/native/", 200, "text/html; charset=utf-8", "You have not signed in"},
		{"/native/nowhere", 404, "text/plain; charset=utf-8", "Not Found"},
		{"/static/style.css", 200, "text/css; charset=utf-8", "prefers-color-scheme"},
		{"/static/icon.svg", 200, "image/svg+xml", "<svg"},
		{"/desk/", 200, "text/html; charset=utf-8", "Sign in"},
		{"/gallery/", 200, "text/html; charset=utf-8", "Fifteen requests, one session"},
		{"/lab/", 200, "text/html; charset=utf-8", "Who loses the race?"},
		{"/trip/", 200, "text/html; charset=utf-8", "Where do you want to go?"},
		{"/trip/map", 200, "text/html; charset=utf-8", "The map of your pages"},
		{"/trip/nowhere", 404, "text/html; charset=utf-8", "404 Not Found"},
		{"/nowhere", 404, "text/html; charset=utf-8", "404 Not Found"},
		{"/static/nowhere", 404, "text/plain; charset=utf-8", ""},
	} {
		r := v.Get(tt.path)
		if kind := r.Header.Get("Content-Type"); r.Status != tt.status || !strings.EqualFold(kind, tt.kind) || !strings.Contains(r.Body, tt.text) {
			t.Errorf("%s: %d %s\n%s", tt.path, r.Status, kind, r.Body)
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", tt.path, csp)
		}
		if strings.HasSuffix(tt.kind, "html; charset=utf-8") && (strings.Contains(ourHosts.ReplaceAllString(r.Body, ""), "//")) {
			t.Errorf("%s names another site:\n%s", tt.path, r.Body)
		}
	}
	for path, want := range map[string]string{"/desk": "/desk/", "/lab": "/lab/", "/lab/merge": "/lab/merge/",
		"/blog/alice": "/blog/alice/", "/native": "/native/",
		"/notes": "/notes/", "/gallery": "/gallery/", "/trip": "/trip/"} {
		if r := v.Get(path); r.Status/100 != 3 || r.Header.Get("Location") != want {
			t.Errorf("%s: %d, Location %q", path, r.Status, r.Header.Get("Location"))
		}
	}
}

// Another site can not press our buttons.
func TestCrossSite(t *testing.T) {
	v := visit(t)
	signIn(t, v)
	form := url.Values{"title": {"planted"}, "_action_add": {"1"}}
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"https://elsewhere.example"}},
	} {
		r, err := v.Send(t.Context(), http.MethodPost, "/desk/tickets", form, header)
		if err != nil || r.Status != http.StatusForbidden {
			t.Errorf("%v: %d, %v", header, r.Status, err)
		}
	}
	if r := v.Get("/desk/tickets"); !strings.Contains(r.Body, "You have no tickets.") {
		t.Errorf("another site added a ticket:\n%s", r.Body)
	}
}

func TestLargeBody(t *testing.T) {
	v := visit(t)
	r := v.Post("/desk/login", url.Values{"user": {strings.Repeat("x", 64<<10)}, "_action_login": {"1"}})
	if r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d\n%s", r.Status, r.Body)
	}
}

// The applications on one store do not see each other's sessions.
func TestApart(t *testing.T) {
	v := visit(t)
	v.Get("/lab/merge/put?name=user&value=ada")
	id := v.Cookie("/lab/merge/", "_SID_")
	for _, path := range []string{"/desk/", "/lab/lossy/"} {
		v.SetCookie(path, "_SID_", id)
	}
	if r := v.Get("/lab/lossy/show"); !strings.Contains(r.Body, `"values":{}`) {
		t.Errorf("another policy's application: %s", r.Body)
	}
	if r := v.Get("/desk/"); !strings.Contains(r.Body, "Please sign in") {
		t.Errorf("the desk:\n%s", r.Body)
	}
}
