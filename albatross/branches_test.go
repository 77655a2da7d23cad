package albatross

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestClaimBranch(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		orders := make(chan string, 100)
		shop := fnPage{
			process: func(c *Context) error {
				if !c.ReqEquals("order") {
					return errorsOf(c.DefaultSessionVar("cart", "tea"))
				}
				if err := c.ClaimBranch(); err != nil {
					return err
				}
				orders <- "tea"
				return c.Locals.Set("cart", "ordered")
			},
			display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
		}
		a := newApp(t, appConfig{Config: Config{Session: m, Templates: counterTemplates}}, map[string]Page{"start": shop})
		p := a.browser().get("/app/").submit("add", "1")
		const n = 12
		results := make(chan int, n)
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { results <- p.submit("order", "1").status })
		}
		wg.Wait()
		close(results)
		count := map[int]int{}
		for status := range results {
			count[status]++
		}
		if len(orders) != 1 || count[200] != 1 || count[409] != n-1 {
			t.Errorf("%d orders, answers %v", len(orders), count)
		}
		p.submit("order", "1").want(409, "This page was submitted already.")
		a.browser().post("/app/", url.Values{"order": {"1"}}).want(409, "too old") // nobody knows that page
	})
}

// A page whose claim came to nothing can be submitted once more, if the application says so.
func TestNewBranchAfterClaim(t *testing.T) {
	var answers bool
	shop := fnPage{
		process: func(c *Context) error {
			if !c.ReqEquals("order") {
				return c.DefaultSessionVar("n", 1)
			}
			if err := c.ClaimBranch(); err != nil || answers {
				return err
			}
			return c.NewBranch() // the bank did not answer
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	a := newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates}}, map[string]Page{"start": shop})
	p := a.browser().get("/app/")
	again := p.submit("order", "1").want(200)
	answers = true
	p.submit("order", "1").want(409)
	again.submit("order", "1").want(200, "used=false")
	again.submit("order", "1").want(409)
}

// What a handler that is no page has put into the client's record is kept, and is the same for all branches.
func TestSharedNames(t *testing.T) {
	var a *testApp
	p := fnPage{
		process: func(c *Context) error {
			s, err := a.HTTPSessions().Session(c.Context())
			if err != nil {
				return err
			}
			n, err := core.Get[int](s, "shared")
			if err != nil {
				return err
			}
			fmt.Fprint(c, "shared=", n, " ")
			return errorsOf(s.Set("shared", n+1), counter().(fnPage).process(c))
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	a = newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates}}, map[string]Page{"start": p})
	p1 := a.browser().get("/app/").submit("add", "1", "who", "ada").want(200, "n=1")
	p2 := p1.submit("add", "1", "who", "ada").want(200, "n=2")
	p2.submit("add", "1", "who", "ada").want(200, "n=3", "shared=")
	p1.submit("add", "1", "who", "ada").want(200, "n=2", "shared=")
}

func TestForeignIDs(t *testing.T) {
	a := branching(t, BranchingSessionMixin{})
	ada, eve := a.browser(), a.browser()
	hers := ada.get("/app/").submit("add", "1", "who", "ada")
	his := eve.get("/app/").submit("add", "1", "who", "eve")

	steal := func(name string, p page, id string) {
		t.Helper()
		form := p.fields()
		form.Set(sesidField, id)
		form.Set("add", "1")
		got := p.b.post("/app/", form)
		if got.status != 200 || !strings.Contains(got.text, "n= who= lost=true") {
			t.Errorf("%s: %d\n%s", name, got.status, got.text)
		}
	}
	steal("another client's branch", his, hers.id())
	steal("no such branch", his, strings.Repeat("A", 26))
	steal("malformed", his, "../../etc/passwd")
	steal("over-long", his, strings.Repeat("A", 60000))
	steal("the id of the record", his, cookieOf(eve, "app"))
	stranger := a.browser().get("/app/")
	steal("without the cookie", stranger, hers.id())

	// Of another manager on the same store, with the cookie and all.
	other := counterApp(t, appConfig{store: a.core.Store(), id: "other", Config: Config{AppID: "app", Session: BranchingSessionMixin{}}})
	b := *ada
	b.site = other.url
	steal("another manager's", b.get("/app/"), hers.id())
	hers.submit("add", "1", "who", "ada").want(200, "n=2 who=ada")
}

func TestForeignIDsUnbound(t *testing.T) {
	a := branching(t, BranchingSessionMixin{Unbound: true})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada")
	session, branch, _ := splitRef(p.id())
	for name, ref := range map[string]string{
		"no branch": session, "another branch": session + "." + strings.Repeat("A", 26), "no session": branch,
		"another session": strings.Repeat("A", 30) + "." + branch, "a path": "../../etc/passwd." + branch,
		"over-long": strings.Repeat("A", 60000) + "." + branch,
	} {
		form := p.fields()
		form.Set(sesidField, ref)
		if got := p.b.post("/app/", form); got.status != 200 || !strings.Contains(got.text, "n= who= lost=true") {
			t.Errorf("%s: %d\n%s", name, got.status, got.text)
		}
	}
	if got := p.b.get("/app/?" + url.Values{sesidField: {p.id()}}.Encode()); !strings.Contains(got.text, "n= ") {
		t.Errorf("an unbound id was taken from a URL:\n%s", got.text)
	}
	if cookies := p.header["Set-Cookie"]; len(cookies) != 0 {
		t.Errorf("an unbound branch came with cookies: %v", cookies)
	}
}

func cookieOf(b *browser, name string) string {
	u, _ := url.Parse(b.site + "/app/")
	for _, c := range b.c.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestBranchURL(t *testing.T) {
	list := PageFunc(func(c *Context) error {
		_, err := fmt.Fprintf(c, "link=%s|", c.BranchURL("/app/x?a=1#b"))
		return err
	})
	a := newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates, LoadPage: func(c *Context) (string, error) {
		if c.Request().PathInfo() == "/x" {
			return "list", nil
		}
		return "", nil
	}}}, map[string]Page{"list": list, "start": fnPage{
		process: func(c *Context) error {
			if err := counter().(fnPage).process(c); err != nil || !c.ReqEquals("go") {
				return err
			}
			return c.Redirect(c.BranchURL("/app/"))
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}})
	b := a.browser()
	p := b.get("/app/").submit("add", "1", "who", "ada")
	got := b.get("/app/x?" + sesidField + "=" + p.id()).want(200)
	if want := "link=/app/x?a=1&" + sesidField + "=" + p.id() + "#b|"; got.text != want {
		t.Errorf("got %s, want %s", got.text, want)
	}
	r := p.submit("add", "1", "who", "ada", "go", "1").want(http.StatusSeeOther)
	b.get(r.header.Get("Location")).want(200, "n=2 who=ada")
}

func TestBranchingSettings(t *testing.T) {
	m := newManager(t, "", nil, core.Config{MaxSize: 1000})
	for name, cfg := range map[string]Config{
		"History.Bytes":   {Session: BranchingSessionMixin{}},
		"at least 1":      {Session: BranchingSessionMixin{History: History{Branches: -1, Bytes: 10}}},
		"RandomPages":     {Session: BranchingSessionMixin{History: History{Bytes: 10}}, RandomPages: true},
		"Secrets.Current": {Session: SessionServerContextMixin{}, Secrets: Secrets{Current: bytes.Repeat([]byte("x"), 31)}},
		"Secrets.Old[0]":  {Session: SessionServerContextMixin{}, Secrets: Secrets{Current: testSecrets.Current, Old: [][]byte{nil}}},
		"StartPage":       {Secrets: testSecrets},
		"Prefix":          {StartPage: "x", Secrets: testSecrets, Prefix: "x/"},
		"AppID":           {StartPage: "x", Secrets: testSecrets, AppID: "a b"},
		"HiddenField":     {StartPage: "x", Secrets: testSecrets, Session: HiddenFieldSessionMixin{MaxAge: -1}},
		"with a Hidden":   {StartPage: "x", Secrets: testSecrets, Session: HiddenFieldSessionMixin{}, RandomPages: true},
		"negative":        {StartPage: "x", Secrets: testSecrets, MaxFormBytes: -1},
	} {
		if _, err := NewApplication(m, cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewApplication(nil, Config{}); err == nil {
		t.Error("a nil manager was taken")
	}
}

func FuzzSplitRef(f *testing.F) {
	f.Add(strings.Repeat("A", 30) + "." + strings.Repeat("B", 26))
	f.Add(".")
	f.Fuzz(func(t *testing.T, ref string) {
		session, branch, ok := splitRef(ref)
		if ok && (session == "" || !validBranch(branch) || session+"."+branch != ref) {
			t.Errorf("%q became %q and %q", ref, session, branch)
		}
	})
}

func TestRotateAtSignIn(t *testing.T) {
	for name, m := range map[string]SessionMixin{
		"branching": BranchingSessionMixin{}, "unbound": BranchingSessionMixin{Unbound: true}, "server": SessionServerContextMixin{},
		"hidden": HiddenFieldSessionMixin{},
	} {
		t.Run(name, func(t *testing.T) {
			p := fnPage{
				process: func(c *Context) error {
					if c.ReqEquals("sign in") {
						ok(t, c.RotateSession())
					}
					return counter().(fnPage).process(c)
				},
				display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
			}
			a := newApp(t, appConfig{Config: Config{Session: m, Templates: counterTemplates}}, map[string]Page{"start": p})
			b := a.browser()
			before := b.get("/app/").submit("add", "1", "who", "ada")
			planted := cookieOf(b, "app")
			in := before.submit("sign in", "1", "add", "1", "who", "ada").want(200, "n=2 who=ada")
			if name == "hidden" {
				return
			}
			in.submit("add", "1", "who", "ada").want(200, "n=3 who=ada lost=false")
			if name == "unbound" {
				before.submit("look", "1", "who", "ada").want(200, "lost=true")
				return
			}
			if now := cookieOf(b, "app"); now == planted || now == "" {
				t.Errorf("the cookie is %q, and was %q", now, planted)
			}
			if name == "branching" {
				before.submit("look", "1", "who", "ada").want(200, "n=1 who=ada lost=false") // old pages work on
			}
			eve := a.browser()
			u, err := url.Parse(a.url + "/app/")
			ok(t, err)
			eve.c.Jar.SetCookies(u, []*http.Cookie{{Name: "app", Value: planted, Path: "/app/"}})
			stolen := in
			stolen.b = eve
			stolen.submit("look", "1").want(200, "n= who= lost=true")
		})
	}
}

// What a handler that is no page keeps in the client's session is saved along with the claim, and does not hide that
// another request was faster.
func TestClaimBesideOtherValuesOfTheClient(t *testing.T) {
	orders := 0
	var p page
	var a *testApp
	shop := fnPage{
		process: func(c *Context) error {
			if !c.ReqEquals("order") {
				return errorsOf(c.DefaultSessionVar("cart", "tea"))
			}
			s, err := a.HTTPSessions().Session(c.Context())
			if err != nil {
				return err
			}
			if c.ReqEquals("slow") {
				if err := s.Set("seen", true); err != nil {
					return err
				}
				p.submit("order", "1").want(200)
			}
			if err := c.ClaimBranch(); err != nil {
				return err
			}
			orders++
			return c.Locals.Set("cart", "ordered")
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	a = newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates}}, map[string]Page{"start": shop})
	p = a.browser().get("/app/").submit("add", "1")
	p.submit("order", "1", "slow", "1").want(409, "This page was submitted already.")
	if orders != 1 {
		t.Errorf("%d orders from one page, want 1", orders)
	}
}
