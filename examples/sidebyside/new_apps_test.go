package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
)

func TestBlog(t *testing.T) {
	v := visit(t)
	expectPage(t, v.Get("/blog/alice/"), "Nothing has been published yet.", "")
	if v.Cookie("/blog/alice/", "sid") != "" {
		t.Error("reading gave a cookie")
	}
	form := func(title, text, action string) url.Values {
		return url.Values{"title": {title}, "text": {text}, "action": {action}}
	}
	v.Post("/blog/alice/", form("Half", "not done", "draft"))
	expectPage(t, v.Get("/blog/alice/"), `value="Half"`, "<h2>Half</h2>")
	publish(t, v, "/blog/alice/", "  <b>Bold</b>  title ")
	publish(t, v, "/blog/alice/", "Second")
	r := v.Get("/blog/alice/")
	expectPage(t, r, "<h2>&lt;b&gt;Bold&lt;/b&gt; title</h2>", "Half")
	if strings.Index(r.Body, "Second") > strings.Index(r.Body, "Bold") {
		t.Error("the newest post is not the first")
	}
	expectPage(t, v.Get("/blog/bob/"), "Nothing has been published yet.", "Second")
	v.Post("/blog/alice/", url.Values{"action": {"delete"}, "post": {"0"}})
	expectPage(t, v.Get("/blog/alice/"), "Bold", "Second")

	for name, tt := range map[string]struct {
		form   url.Values
		status int
		text   string
	}{
		"no title":         {form(" ", "kept", "publish"), 400, "kept"},
		"a long title":     {form(strings.Repeat("x", 121), "", "publish"), 400, "120 characters"},
		"a long text":      {form("x", strings.Repeat("ä", 2001), "draft"), 400, "2000"},
		"no such post":     {url.Values{"action": {"delete"}, "post": {"7"}}, 400, "no such post"},
		"a negative post":  {url.Values{"action": {"delete"}, "post": {"-1"}}, 400, "no such post"},
		"far too much":     {form("x", strings.Repeat("x", 100<<10), "draft"), 413, "too large"},
		"an unknown field": {url.Values{"x": {"y"}}, 400, "title"},
	} {
		if r := v.Post("/blog/alice/", tt.form); r.Status != tt.status || !strings.Contains(r.Body, tt.text) {
			t.Errorf("%s: %d\n%s", name, r.Status, r.Body)
		}
	}
	for range 30 {
		v.Post("/blog/alice/", form("again", "", "publish"))
	}
	if n := strings.Count(v.Get("/blog/alice/").Body, "<article"); n != 20 {
		t.Errorf("%d posts", n)
	}
	if r, err := v.Send(t.Context(), http.MethodPut, "/blog/alice/", nil, nil); err != nil || r.Status != 405 || r.Header.Get("Allow") == "" {
		t.Errorf("PUT: %d, %v", r.Status, err)
	}
}

// The pages in plain Echo have the help desk's sessions: they know who has signed in there.
func TestNative(t *testing.T) {
	v := visit(t)
	expectPage(t, v.Get("/native/"), "You have not signed in.", "")
	signIn(t, v)
	expectPage(t, v.Get("/native/"), "as <strong>ada</strong>", "")
	count := func(form url.Values, status int) visitor.Reply {
		t.Helper()
		r := v.Post("/native/", form)
		if r.Status != status {
			t.Errorf("%d, want %d: %s", r.Status, status, r.Body)
		}
		return r
	}
	count(nil, http.StatusSeeOther)
	r := count(url.Values{"fail": {"1"}}, http.StatusTeapot)
	if !strings.Contains(r.Body, "teapot") {
		t.Errorf("the error page: %q", r.Body)
	}
	count(nil, http.StatusSeeOther)
	expectPage(t, v.Get("/native/"), `<p class="number">2</p>`, "")
	expectVisits(t, v, "You have been here once.") // the desk's own counter
	v.Post("/desk/logout", nil)
	expectPage(t, v.Get("/native/"), `<p class="number">0</p>`, "ada")
}

func TestHosts(t *testing.T) {
	v := visit(t)
	base := "http://127.0.0.1:" + strings.Trim(strings.TrimPrefix(v.URL(), "http://127.0.0.1:"), "/")
	shop := v.At(strings.Replace(base, "127.0.0.1", "shop.localhost", 1))
	expectPage(t, shop.Get("/"), "What would you like?", "")
	if r := shop.Post("/", url.Values{"thing": {"gold"}}); r.Status != http.StatusBadRequest {
		t.Errorf("gold: %d", r.Status)
	}
	for range 30 {
		shop.Post("/", url.Values{"thing": {"tea"}})
	}
	if n := strings.Count(shop.Get("/").Body, "<li>tea"); n != 20 {
		t.Errorf("%d teas", n)
	}
	admin := v.At(strings.Replace(base, "127.0.0.1", "admin.localhost", 1))
	expectPage(t, admin.Get("/"), "Back office", "tea")
	if r := admin.Post("/", url.Values{"thing": {"tea"}}); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("a purchase at the back office: %d", r.Status)
	}
}

// The link from the shop takes the basket to the back office, and is good once. It is the program itself that is asked.
func TestHandover(t *testing.T) {
	p := start(t, program.Build(t, folder), "memory:")
	at := func(host string) string { return strings.Replace(p.URL, "127.0.0.1", host, 1) }
	shop := visitor.New(t, at("shop.localhost"))
	admin := shop.At(at("admin.localhost"))
	shop.Post("/", url.Values{"thing": {"tea"}})
	expectPage(t, admin.Get("/"), "It is empty.", "tea")

	linked := regexp.MustCompile(`href="([^"]+handover=[^"]+)">Go to admin`).FindStringSubmatch(shop.Get("/").Body)
	if linked == nil {
		t.Fatalf("no link:\n%s", shop.Get("/").Body)
	}
	var way []string
	for u := html.UnescapeString(linked[1]); ; {
		way = append(way, u)
		r := shop.Get(u)
		if u = r.Header.Get("Location"); u != "" {
			continue
		}
		expectPage(t, r, "<li>tea", "It is empty.")
		break
	}
	if len(way) != 4 || !strings.HasPrefix(way[0], at("admin.localhost")) || !strings.HasPrefix(way[1], at("shop.localhost")) || way[3] != at("admin.localhost") {
		t.Errorf("the way was %q", way)
	}
	expectPage(t, admin.Get("/"), "<li>tea", "")
	shop.Post("/", url.Values{"thing": {"coffee"}})
	expectPage(t, admin.Get("/"), "<li>coffee", "")

	admin.SetCookie("/", "sid", "none")
	if r := admin.Get(way[2]); r.Status != http.StatusSeeOther || r.Header.Get("Location") != way[3] {
		t.Errorf("the ticket again: %d to %q", r.Status, r.Header.Get("Location"))
	}
	expectPage(t, admin.Get("/"), "It is empty.", "tea")
}
