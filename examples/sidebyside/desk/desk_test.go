package desk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/examples/sidebyside/desk"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/configured"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
)

const cookie = "_SID_"

// open starts the desk on a store of its own.
func open(t *testing.T) (*visitor.Visitor, *core.Manager) {
	t.Helper()
	site := configured.Site(t, memstore.New(memstore.Config{}), `
[composite:main]
use = urlmap
/desk = desk
[app:desk]
use = desk
`, desk.Register)
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	return visitor.New(t, server.URL), site.Sessions("desk").Manager()
}

func signIn(v *visitor.Visitor, user, password string) visitor.Reply {
	return v.Post("/desk/login", url.Values{"user": {user}, "password": {password}, "_action_login": {"1"}})
}

func expect(t *testing.T, r visitor.Reply, status int, texts ...string) {
	t.Helper()
	if r.Status != status {
		t.Errorf("status %d, want %d", r.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(r.Body, text) {
			t.Errorf("%q is not on the page:\n%s", text, r.Body)
		}
	}
}

func TestStrangersSignInFirst(t *testing.T) {
	v, m := open(t)
	for _, path := range []string{"/desk/", "/desk/counter", "/desk/tickets"} {
		expect(t, v.Get(path), http.StatusOK, "<title>Sign in</title>", "Please sign in to see this page.")
	}
	expect(t, v.Post("/desk/tickets", url.Values{"title": {"x"}, "_action_add": {"1"}}), http.StatusOK, "Please sign in")
	if n, err := m.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("there are %d sessions (%v), and nobody has signed in", n, err)
	}
	if id := v.Cookie("/desk/", cookie); id != "" {
		t.Error("a stranger got a cookie")
	}
}

func TestSignInLeadsToThePageAskedFor(t *testing.T) {
	v, _ := open(t)
	expect(t, v.Get("/desk/tickets"), http.StatusOK, `name="next" value="/tickets"`)
	for next, want := range map[string]string{
		"/tickets": "/desk/tickets", "": "/desk/", "//elsewhere.example/": "/desk/", "/logout": "/desk/",
	} {
		r := v.Post("/desk/login", url.Values{"user": {"ada"}, "password": {"engine"}, "next": {next}, "_action_login": {"1"}})
		expect(t, r, http.StatusSeeOther)
		if got := r.Header.Get("Location"); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	v, _ := open(t)
	for user, password := range map[string]string{"ada": "wrong", "grace": "", "nobody": "engine", `"><b>`: "x"} {
		r := signIn(v, user, password)
		expect(t, r, http.StatusOK, "There is no such user, or the password is wrong.")
		if strings.Contains(r.Body, `"><b>`) {
			t.Error("the user's name is not escaped")
		}
	}
	expect(t, v.Get("/desk/"), http.StatusOK, "Please sign in")
}

func TestSignInChangesTheID(t *testing.T) {
	v, m := open(t)
	planted := m.Config().IDs.New()
	v.SetCookie("/desk/", cookie, planted)
	expect(t, signIn(v, "ada", "engine"), http.StatusSeeOther)
	first := v.Cookie("/desk/", cookie)
	if first == planted || first == "" {
		t.Fatal("the id that the client brought was adopted")
	}
	expect(t, signIn(v, "ada", "engine"), http.StatusSeeOther)
	if v.Cookie("/desk/", cookie) == first {
		t.Error("signing in again kept the id")
	}
	v.SetCookie("/desk/", cookie, first)
	expect(t, v.Get("/desk/"), http.StatusOK, "Please sign in")
}

func TestAnotherUserFindsNothing(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	v.Post("/desk/tickets", url.Values{"title": {"secret"}, "_action_add": {"1"}})
	signIn(v, "ada", "engine")
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "1. secret")
	signIn(v, "grace", "compiler")
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "Signed in as grace", "You have no tickets.")
}

func TestSignOut(t *testing.T) {
	v, m := open(t)
	signIn(v, "ada", "engine")
	id := v.Cookie("/desk/", cookie)
	expect(t, v.Get("/desk/logout"), http.StatusMethodNotAllowed)
	expect(t, v.Get("/desk/"), http.StatusOK, "Welcome, ada")
	r := v.Post("/desk/logout", nil)
	expect(t, r, http.StatusSeeOther)
	expect(t, v.Get(r.Header.Get("Location")), http.StatusOK, "You have signed out.")
	if v.Cookie("/desk/", cookie) != "" {
		t.Error("the cookie is still there")
	}
	v.SetCookie("/desk/", cookie, id)
	expect(t, v.Get("/desk/"), http.StatusOK, "Please sign in")
	if n, err := m.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions are left (%v)", n, err)
	}
}

func TestCounter(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	expect(t, v.Get("/desk/counter"), http.StatusOK, "You have been here once.")
	expect(t, v.Get("/desk/counter"), http.StatusOK, "You have been here 2 times.")
	r := v.Post("/desk/counter", url.Values{"_action_reset": {"1"}})
	expect(t, r, http.StatusSeeOther)
	expect(t, v.Get(r.Header.Get("Location")), http.StatusOK, "You have been here once.")
}

func TestTickets(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	act := func(action, field, value string) visitor.Reply {
		return v.Post("/desk/tickets", url.Values{field: {value}, "_action_" + action: {"1"}})
	}
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "You have no tickets.")
	expect(t, act("add", "title", " the  <i>printer</i> "), http.StatusSeeOther)
	expect(t, act("add", "title", "the tea"), http.StatusSeeOther)
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "1. the &lt;i&gt;printer&lt;/i&gt;", "2. the tea")
	expect(t, v.Get("/desk/"), http.StatusOK, "2 open tickets")

	expect(t, act("close", "number", "1"), http.StatusSeeOther)
	expect(t, v.Get("/desk/tickets"), http.StatusOK, `<span class="title closed">1. `)
	expect(t, v.Get("/desk/"), http.StatusOK, "1 open ticket.")

	expect(t, act("delete", "number", "1"), http.StatusSeeOther)
	if r := v.Get("/desk/tickets"); strings.Contains(r.Body, "printer") || !strings.Contains(r.Body, "2. the tea") {
		t.Errorf("after deleting ticket 1:\n%s", r.Body)
	}
	expect(t, act("add", "title", "another"), http.StatusSeeOther)
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "3. another")
}

func TestTicketsRefused(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	long := strings.Repeat("é", 121)
	for _, tt := range []struct{ name, action, field, value, problem string }{
		{"no title", "add", "title", " ", "Please say what the ticket is about."},
		{"long title", "add", "title", long, "A title can have 120 characters."},
		{"closing none", "close", "number", "7", "That ticket is not there any more."},
		{"deleting none", "delete", "number", "", "That ticket is not there any more."},
	} {
		r := v.Post("/desk/tickets", url.Values{tt.field: {tt.value}, "_action_" + tt.action: {"1"}})
		if r.Status != http.StatusOK || !strings.Contains(r.Body, tt.problem) {
			t.Errorf("%s: status %d, and %q is not on the page", tt.name, r.Status, tt.problem)
		}
		if tt.value == long && !strings.Contains(r.Body, long) {
			t.Errorf("%s: what was typed is gone", tt.name)
		}
	}
	for i := range 20 {
		r := v.Post("/desk/tickets", url.Values{"title": {fmt.Sprint("ticket ", i)}, "_action_add": {"1"}})
		expect(t, r, http.StatusSeeOther)
	}
	r := v.Post("/desk/tickets", url.Values{"title": {"one more"}, "_action_add": {"1"}})
	expect(t, r, http.StatusOK, "You have 20 tickets")
}

func TestActionsArePosted(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	expect(t, v.Get("/desk/tickets?title=planted&_action_add=1"), http.StatusMethodNotAllowed)
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "You have no tickets.")
}

// Two pages that are saved at the same moment both count.
func TestTwoTabs(t *testing.T) {
	v, _ := open(t)
	signIn(v, "ada", "engine")
	const n = 12
	var tabs sync.WaitGroup
	for i := range n {
		tabs.Go(func() {
			expect(t, v.Post("/desk/tickets", url.Values{"title": {fmt.Sprint("tab ", i)}, "_action_add": {"1"}}), http.StatusSeeOther)
		})
	}
	tabs.Wait()
	expect(t, v.Get("/desk/tickets"), http.StatusOK, fmt.Sprintf("%d. tab ", n))
}

func TestSidebarIsNoPage(t *testing.T) {
	v, _ := open(t)
	expect(t, v.Get("/desk/sidebar"), http.StatusNotFound)
	expect(t, v.Get("/desk/nowhere"), http.StatusNotFound)
	signIn(v, "ada", "engine")
	expect(t, v.Get("/desk/tickets"), http.StatusOK, "Signed in as ada", `<a href="/desk/tickets" aria-current="page">`)
}
