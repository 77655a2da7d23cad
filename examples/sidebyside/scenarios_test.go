package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/internal/redistest"
)

// The five ways to deploy two applications of one kind that the authors of WSGI told apart when they discussed sessions,
// in 2005: one blog program, twice.
func TestScenarios(t *testing.T) {
	bin := program.Build(t, folder)
	for name, test := range map[string]func(t *testing.T, bin string){
		"1 one dispatcher": oneDispatcher, "2 pool of processes": poolOfProcesses, "3 separate handlers": separateHandlers,
		"4 virtual hosts": virtualHosts, "5 separate servers": separateServers,
	} {
		t.Run(name, func(t *testing.T) { test(t, bin) })
	}
}

// shared makes two blogs have one session.
const shared = "manager = blog\nshare = yes\ncookie_path = /blog\n"

// blogs is a configuration that mounts some of the blogs, with more lines in each one's section.
func blogs(store, more string, names ...string) string {
	var mounts, apps strings.Builder
	for _, name := range names {
		mounts.WriteString("/blog/" + name + " = " + name + "\n")
		apps.WriteString("[app:" + name + "]\nuse = blog\nfilter-with = addslash\n" + more + "\n")
	}
	return "[composite:main]\nuse = urlmap\n" + mounts.String() + apps.String() + "[store:main]\nurl = " + store + "\n"
}

func startBlogs(t *testing.T, bin, text string) *program.Program {
	t.Helper()
	return program.Start(t, bin, "-config", config(t, text), "-addr", "127.0.0.1:0")
}

// bothBlogs publishes in alice's blog and in bob's, and expects each to have its own posts alone, or both to have both.
func bothBlogs(t *testing.T, alice, bob *visitor.Visitor, apart bool) {
	t.Helper()
	publish(t, alice, "/blog/alice/", "Tea")
	publish(t, bob, "/blog/bob/", "Milk")
	inAlice, inBob := alice.Get("/blog/alice/"), bob.Get("/blog/bob/")
	if apart {
		expectPage(t, inAlice, ">Tea<", "Milk")
		expectPage(t, inBob, ">Milk<", "Tea")
		return
	}
	expectPage(t, inAlice, ">Milk<", "")
	expectPage(t, inBob, ">Tea<", "")
}

// Scenario 1: one process, one dispatcher.
func oneDispatcher(t *testing.T, bin string) {
	for _, tt := range []struct {
		name, more string
		apart      bool
	}{{"a manager each", "", true}, {"one manager", shared, false}} {
		t.Run(tt.name, func(t *testing.T) {
			v := visitor.New(t, startBlogs(t, bin, blogs("file:"+t.TempDir(), tt.more, "alice", "bob")).URL)
			bothBlogs(t, v, v, tt.apart)
		})
	}
}

// Scenario 2: a pool of processes, each of which serves both.
func poolOfProcesses(t *testing.T, bin string) {
	pool := func(t *testing.T, store string) {
		for _, tt := range []struct {
			name, more string
			apart      bool
		}{{"a manager each", "", true}, {"one manager", shared, false}} {
			t.Run(tt.name, func(t *testing.T) {
				a := visitor.New(t, startBlogs(t, bin, blogs(store, tt.more, "alice", "bob")).URL)
				b := a.At(startBlogs(t, bin, blogs(store, tt.more, "alice", "bob")).URL)
				bothBlogs(t, a, b, tt.apart)
				publish(t, b, "/blog/alice/", "More tea")
				expectPage(t, a.Get("/blog/alice/"), ">More tea<", "")
				expectPage(t, a.Get("/blog/alice/"), ">Tea<", "")
			})
		}
	}
	t.Run("folder", func(t *testing.T) { pool(t, "file:"+t.TempDir()) })
	t.Run("Redis", func(t *testing.T) { pool(t, redistest.Start(t).URL()+"/0") })
}

// Scenario 3: a process each, with one cookie name and one store.
func separateHandlers(t *testing.T, bin string) {
	for _, tt := range []struct {
		name, more string
		apart      bool
	}{{"a manager each", "", true}, {"one manager", "manager = blog\ncookie_path = /blog\n", false}} {
		t.Run(tt.name, func(t *testing.T) {
			store := "file:" + t.TempDir()
			alice := visitor.New(t, startBlogs(t, bin, blogs(store, tt.more, "alice")).URL)
			bob := alice.At(startBlogs(t, bin, blogs(store, tt.more, "bob")).URL) // cookies do not care about ports
			bothBlogs(t, alice, bob, tt.apart)
		})
	}
	// Even if one cookie goes to both, an id means nothing under another manager: nobody sees the other's data, although
	// the browser can hold one session only.
	t.Run("one cookie for both", func(t *testing.T) {
		store := "file:" + t.TempDir()
		alice := visitor.New(t, startBlogs(t, bin, blogs(store, "cookie_path = /blog", "alice")).URL)
		bob := alice.At(startBlogs(t, bin, blogs(store, "cookie_path = /blog", "bob")).URL)
		publish(t, alice, "/blog/alice/", "Tea")
		expectPage(t, bob.Get("/blog/bob/"), "Nothing has been published", "Tea")
		publish(t, bob, "/blog/bob/", "Milk")
		expectPage(t, alice.Get("/blog/alice/"), "Nothing has been published", "Milk")
	})
}

// Scenario 4: two virtual hosts of one server.
func virtualHosts(t *testing.T, bin string) {
	p := start(t, bin, "memory:")
	shop := visitor.New(t, strings.Replace(p.URL, "127.0.0.1", "shop.localhost", 1))
	admin := shop.At(strings.Replace(p.URL, "127.0.0.1", "admin.localhost", 1))
	if r := shop.Post("/", url.Values{"thing": {"tea"}}); r.Status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", r.Status, r.Body)
	}
	expectPage(t, shop.Get("/"), "<li>tea</li>", "")
	expectPage(t, admin.Get("/"), "It is empty.", "tea")
	// Whoever carries the id over finds the same session, for both hosts have one manager.
	admin.SetCookie("/", "sid", shop.Cookie("/", "sid"))
	expectPage(t, admin.Get("/"), "<li>tea</li>", "")
	if r := visitor.New(t, p.URL).Get("/"); !strings.Contains(r.Body, "side by side") {
		t.Errorf("another host: %s", r.Body)
	}
}

// Scenario 5: two servers, a store each.
func separateServers(t *testing.T, bin string) {
	alice := visitor.New(t, startBlogs(t, bin, blogs("file:"+t.TempDir(), "cookie_path = /blog", "alice")).URL)
	bob := alice.At(startBlogs(t, bin, blogs("file:"+t.TempDir(), "cookie_path = /blog", "bob")).URL)
	publish(t, alice, "/blog/alice/", "Tea")
	before := alice.Cookie("/blog/", "sid")
	expectPage(t, bob.Get("/blog/bob/"), "Nothing has been published", "Tea")
	publish(t, bob, "/blog/bob/", "Milk")
	if after := bob.Cookie("/blog/", "sid"); after == before || before == "" {
		t.Error("a server has taken the id of another one")
	}
}
