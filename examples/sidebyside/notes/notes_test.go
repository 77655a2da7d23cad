package notes_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/configured"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/examples/sidebyside/notes"
)

const cookie = "SID"

// member is a visitor of an application of its own.
type member struct {
	*visitor.Visitor
	t       *testing.T
	site    string
	manager *core.Manager
}

func open(t *testing.T) *member {
	t.Helper()
	site := configured.Site(t, memstore.New(memstore.Config{}), `
[composite:main]
use = urlmap
/notes = notes
[app:notes]
use = notes
`, notes.Register)
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	return &member{visitor.New(t, server.URL), t, server.URL, site.Sessions("notes").Manager()}
}

func (m *member) signIn(user, password string) visitor.Reply {
	m.t.Helper()
	return m.Post("/notes/login", url.Values{"username": {user}, "password": {password}, "login": {"1"}})
}

func signedIn(t *testing.T) *member {
	t.Helper()
	m := open(t)
	expect(t, m.signIn("ada", "engine"), http.StatusSeeOther)
	return m
}

func (m *member) add(name, text string) visitor.Reply {
	m.t.Helper()
	return m.Post("/notes/", url.Values{"name": {name}, "text": {text}, "add": {"1"}})
}

// upload posts a file.
func (m *member) upload(name string, content []byte) visitor.Reply {
	m.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.WriteField("upload", "1")
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, m.site+"/notes/", &body)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.AddCookie(&http.Cookie{Name: cookie, Value: m.Cookie("/notes/", cookie)})
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return visitor.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
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
	m := open(t)
	r := m.Get("/notes/?a=b")
	expect(t, r, http.StatusFound)
	to := r.Header.Get("Location")
	if to != "/notes/login?app=&path=/notes/&qs=%3Fa%3Db" {
		t.Errorf("sent to %q", to)
	}
	expect(t, m.Get(to), http.StatusOK, "<title>Sign in</title>", `name="qs" value="?a=b"`)
	expect(t, m.add("planted", "x"), http.StatusFound)
	if n, err := m.manager.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("there are %d sessions (%v), and nobody has signed in", n, err)
	}
	if m.Cookie("/notes/", cookie) != "" {
		t.Error("a stranger got a cookie")
	}
	for user, password := range map[string]string{"ada": "wrong", "grace": "", "nobody": "engine", `"><b>`: "x"} {
		r := m.signIn(user, password)
		expect(t, r, http.StatusOK, "There is no such user, or the password is wrong.")
		if strings.Contains(r.Body, `"><b>`) {
			t.Error("the user's name is not escaped")
		}
	}
}

func TestSignIn(t *testing.T) {
	m := open(t)
	for query, want := range map[string]string{
		"": "/notes/", "app=&path=/notes/&qs=%3Fa%3Db": "/notes/?a=b", "app=&path=//evil.example/&qs=": "/notes/", "app=https://evil.example&path=/&qs=": "/notes/",
	} {
		r := m.Post("/notes/login?"+query, url.Values{"username": {"ada"}, "password": {"engine"}, "login": {"1"}})
		expect(t, r, http.StatusSeeOther)
		if got := r.Header.Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", query, got, want)
		}
	}
	first := m.Cookie("/notes/", cookie)
	m.signIn("ada", "engine")
	if m.Cookie("/notes/", cookie) == first {
		t.Error("signing in again kept the id")
	}
	m.SetCookie("/notes/", cookie, first)
	expect(t, m.Get("/notes/"), http.StatusFound)
}

func TestNotes(t *testing.T) {
	m := signedIn(t)
	expect(t, m.Get("/notes/"), http.StatusOK, "Signed in as ada", "You have no notes.", "manager notes, serialized")
	r := m.add(" the  <i>shopping</i> ", "tea & 10 €")
	expect(t, r, http.StatusSeeOther)
	expect(t, m.Get(r.Header.Get("Location")), http.StatusOK, "<strong>the &lt;i&gt;shopping&lt;/i&gt;</strong> tea &amp; 10 €", "kept the &lt;i&gt;shopping")
	expect(t, m.add("the <i>shopping</i>", "coffee"), http.StatusSeeOther)
	if r := m.Get("/notes/"); !strings.Contains(r.Body, "</strong> coffee") || strings.Contains(r.Body, "</strong> tea") {
		t.Errorf("the same name again:\n%s", r.Body)
	}
	expect(t, m.Post("/notes/", url.Values{"delete": {"the <i>shopping</i>"}}), http.StatusSeeOther)
	expect(t, m.Get("/notes/"), http.StatusOK, "You have no notes.", "deleted the")
}

func TestUpload(t *testing.T) {
	m := signedIn(t)
	expect(t, m.upload(`C:\docs\list.txt`, []byte("tea\n<b>milk</b>")), http.StatusSeeOther)
	expect(t, m.upload("picture.bin", []byte("\x00\xff")), http.StatusSeeOther)
	expect(t, m.upload("long.txt", bytes.Repeat([]byte("é"), 8000)), http.StatusSeeOther)
	expect(t, m.Get("/notes/"), http.StatusOK, "list.txt</strong> tea\n&lt;b&gt;milk&lt;/b&gt;", "(file, 15 bytes)", "picture.bin</strong> <span", "(file, 2 bytes)", "éé…")
	expect(t, m.upload("large.txt", make([]byte, 16<<10+1)), http.StatusOK, "A file can have 16 KB here.")
	expect(t, m.upload("huge.txt", make([]byte, 100<<10)), http.StatusRequestEntityTooLarge)
	expect(t, m.upload("(user)", []byte("grace")), http.StatusOK, "can not begin with a parenthesis")
	expect(t, m.Post("/notes/", url.Values{"upload": {"1"}, "file": {"no file"}}), http.StatusOK, "Please choose a file first.")
	expect(t, m.Get("/notes/"), http.StatusOK, "Signed in as ada")
}

func TestRefused(t *testing.T) {
	m := signedIn(t)
	long := strings.Repeat("é", 2001)
	for _, tt := range []struct {
		name    string
		form    url.Values
		problem string
	}{
		{"no name", url.Values{"add": {"1"}, "name": {" "}, "text": {"typed"}}, "Please give the note a name."},
		{"long name", url.Values{"add": {"1"}, "name": {long[:122]}}, "A name can have 60 characters."},
		{"long text", url.Values{"add": {"1"}, "name": {"a"}, "text": {long}}, "A text can have 2000 characters."},
		{"the user", url.Values{"add": {"1"}, "name": {"(user)"}, "text": {"grace"}}, "A name can not begin with a parenthesis."},
		{"control character", url.Values{"add": {"1"}, "name": {"a\x00b"}}, "control characters"},
		{"deleting none", url.Values{"delete": {"none"}}, "That note is not there any more."},
		{"deleting the user", url.Values{"delete": {"(user)"}}, "That note is not there any more."},
		{"nothing", url.Values{}, "That was none of the buttons."},
	} {
		r := m.Post("/notes/", tt.form)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, tt.problem) {
			t.Errorf("%s: status %d, and %q is not on the page", tt.name, r.Status, tt.problem)
		}
		if text := tt.form.Get("text"); text != "" && !strings.Contains(r.Body, text) {
			t.Errorf("%s: what was typed is gone", tt.name)
		}
	}
	for i := range 20 {
		expect(t, m.add(fmt.Sprint("note ", i), "x"), http.StatusSeeOther)
	}
	expect(t, m.add("one more", "x"), http.StatusOK, "You have 20 notes")
	expect(t, m.add("note 3", "another text"), http.StatusSeeOther)
	r, err := m.Send(t.Context(), http.MethodDelete, "/notes/", nil, nil)
	if err != nil || r.Status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d, %v", r.Status, err)
	}
	expect(t, m.Get("/notes/nowhere"), http.StatusNotFound)
}

func TestExpire(t *testing.T) {
	m := signedIn(t)
	m.add("secret", "text")
	id := m.Cookie("/notes/", cookie)
	r := m.Post("/notes/", url.Values{"expire": {"1"}})
	expect(t, r, http.StatusSeeOther)
	expect(t, m.Get(r.Header.Get("Location")), http.StatusOK, "Your session has expired, and what was in it is gone.")
	if m.Cookie("/notes/", cookie) != "" {
		t.Error("the cookie is still there")
	}
	m.SetCookie("/notes/", cookie, id)
	expect(t, m.Get("/notes/"), http.StatusFound)
	if n, err := m.manager.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions are left (%v)", n, err)
	}
	m.signIn("grace", "compiler")
	expect(t, m.Get("/notes/"), http.StatusOK, "Signed in as grace", "You have no notes.")
}

// Notes that are added at the same moment are all kept.
func TestTwoTabs(t *testing.T) {
	m := signedIn(t)
	const n = 12
	var tabs sync.WaitGroup
	for i := range n {
		tabs.Go(func() { expect(t, m.add(fmt.Sprint("tab ", i), "x"), http.StatusSeeOther) })
	}
	tabs.Wait()
	if r := m.Get("/notes/"); strings.Count(r.Body, "<strong>tab ") != n {
		t.Errorf("%d of %d notes", strings.Count(r.Body, "<strong>tab "), n)
	}
}
