package albatross

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// Both ways to bind branches keep these promises.
func eachBinding(t *testing.T, test func(t *testing.T, m BranchingSessionMixin)) {
	for name, m := range map[string]BranchingSessionMixin{"cookie": {}, "unbound": {Unbound: true}} {
		t.Run(name, func(t *testing.T) { test(t, m) })
	}
}

func branching(t testing.TB, m BranchingSessionMixin) *testApp {
	t.Helper()
	return counterApp(t, appConfig{Config: Config{Session: m}})
}

func TestBackMeetsTheStateOfThePage(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		p0 := branching(t, m).browser().get("/app/").want(200, "n= who= lost=false")
		p1 := p0.submit("add", "1", "who", "ada").want(200, "n=1 who=ada")
		p2 := p1.submit("add", "1", "who", "grace").want(200, "n=2 who=grace")
		p3 := p2.submit("add", "1", "who", "x").want(200, "n=3 who=x")

		// Back to p1, and on from there.
		b2 := p1.submit("add", "1", "who", "bob").want(200, "n=2 who=bob", "used=true")
		b2.submit("add", "1", "who", "bob").want(200, "n=3 who=bob", "used=false")
		// The other way was not disturbed.
		p3.submit("add", "1", "who", "x").want(200, "n=4 who=x", "used=false")
		p2.submit("add", "1", "who", "y").want(200, "n=3 who=y", "used=true")
	})
}

func TestReloadAndDoubleSubmit(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		p1 := branching(t, m).browser().get("/app/").submit("add", "1", "who", "ada")
		first := p1.submit("add", "1", "who", "ada").want(200, "n=2", "used=false")
		again := p1.submit("add", "1", "who", "ada").want(200, "n=2", "used=true")
		if first.id() == again.id() || first.id() == p1.id() {
			t.Error("a double submit made no sibling")
		}
	})
}

func TestUnchangedWritesNothingAndKeepsItsID(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		store := newSpy(t)
		a := counterApp(t, appConfig{store: store, Config: Config{Session: m}})
		b := a.browser()
		p0 := b.get("/app/").want(200)
		if store.counts() != [4]int64{} || p0.id() != "" || len(p0.header["Set-Cookie"]) != 0 {
			t.Errorf("a visitor who did nothing made %v store calls, has the id %q and cookies %v", store.counts(), p0.id(), p0.header["Set-Cookie"])
		}
		p1 := p0.submit("add", "1", "who", "ada")
		if got, want := store.counts(), [4]int64{0, 0, 1, 0}; got != want {
			t.Errorf("the first branch made %v store calls, want %v", got, want)
		}
		store.reset()
		look := p1.submit("look", "1", "who", "ada").want(200, "n=1")
		if got, want := store.counts(), [4]int64{1, 0, 0, 0}; got != want {
			t.Errorf("looking made %v store calls, want %v", got, want)
		}
		if look.id() != p1.id() {
			t.Error("a request that changed nothing has another branch")
		}
		store.reset()
		p1.submit("add", "1", "who", "ada").want(200, "n=2")
		if got, want := store.counts(), [4]int64{1, 1, 0, 0}; got != want {
			t.Errorf("a change made %v store calls, want %v", got, want)
		}
	})
}

func TestTwoTabs(t *testing.T) {
	store := newSpy(t)
	a := counterApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}}})
	b := a.browser()
	tab1 := b.get("/app/").submit("add", "1", "who", "one")
	tab2 := b.get("/app/").want(200, "n= who=").submit("add", "1", "who", "two")
	for i := range 5 {
		tab1 = tab1.submit("add", "1", "who", "one").want(200, fmt.Sprintf("n=%d who=one", i+2))
		tab2 = tab2.submit("add", "1", "who", "two").want(200, fmt.Sprintf("n=%d who=two", i+2))
	}
	if n, err := a.core.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("one browser has %d records, %v", n, err)
	}
}

// Requests from one page at the same moment each make a branch of their own, and none is lost.
func TestConcurrentSubmits(t *testing.T) {
	store := memstore.New(memstore.Config{})
	t.Cleanup(func() { ok(t, store.Close()) })
	// Two applications on one store stand for two hosts.
	hosts := []*testApp{
		counterApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}}}),
		counterApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}}}),
	}
	b := hosts[0].browser()
	p1 := b.get("/app/").submit("add", "1", "who", "ada")
	const n = 16
	pages := make([]page, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			other := *b
			other.site = hosts[i%2].url
			from := p1
			from.b = &other
			pages[i] = from.submit("add", "1", "who", fmt.Sprint("w", i)).want(200, fmt.Sprintf("n=2 who=w%d", i))
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for i, p := range pages {
		ids[p.id()] = true
		p.submit("add", "1", "who", fmt.Sprint("w", i)).want(200, fmt.Sprintf("n=3 who=w%d", i), "lost=false")
	}
	if len(ids) != n {
		t.Errorf("%d branches for %d requests", len(ids), n)
	}
}

// Of any number of requests from one page one gets the claim.
// What an old page's user sees when it was pruned: the start page, and the application knows why.
func TestPruned(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		m.History = History{Branches: 3}
		pages := []page{branching(t, m).browser().get("/app/").submit("add", "1", "who", "ada")}
		for range 5 {
			pages = append(pages, pages[len(pages)-1].submit("add", "1", "who", "ada"))
		}
		for i, p := range pages {
			got := p.submit("look", "1", "who", "ada").want(200)
			kept := i >= len(pages)-3
			if want := fmt.Sprintf("n=%d who=ada lost=false", i+1); kept != strings.Contains(got.text, want) {
				t.Errorf("page %d of %d: %s", i, len(pages), got.text)
			}
			if !kept && !strings.Contains(got.text, "n= who= lost=true") {
				t.Errorf("page %d: %s", i, got.text)
			}
		}
	})
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		clock := func() time.Time { return now }
		store := memstore.New(memstore.Config{})
		m, err := core.New("app", store, core.Config{IdleTimeout: 100 * time.Hour, Now: clock})
		ok(t, err)
		defer func() { ok(t, m.Close(context.Background())); ok(t, store.Close()) }()
		list := new(tree)
		first := list.add(nil, strings.Repeat("A", 26), now, nil, nil)
		now = now.Add(23 * time.Hour)
		last := list.add(first, strings.Repeat("B", 26), now, nil, nil)
		now = now.Add(time.Hour)
		if !list.old(first, clock(), 24*time.Hour) || list.old(first, clock(), -1) {
			t.Error("the age of a branch is not counted from when it was made")
		}
		now = now.Add(100 * time.Hour)
		if list.old(last, clock(), 24*time.Hour) {
			t.Error("the latest page is too old")
		}
	})
}

// A 100 KB session with 50 interactions that change 100 bytes each.
func TestBranchCostsWhatItChanged(t *testing.T) {
	for _, names := range []int{1, 10, 1000} {
		store := newSpy(t)
		grow := fnPage{
			process: func(c *Context) error {
				if c.ReqEquals("fill") {
					for i := range names {
						name := fmt.Sprint("v", i)
						ok(t, c.Locals.Set(name, strings.Repeat("x", 100_000/names)))
						ok(t, c.AddSessionVars(name))
					}
					return nil
				}
				return errorsOf(c.Locals.Set("small", strings.Repeat(c.Request().FieldValue("i"), 100)), c.AddSessionVars("small"))
			},
			display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
		}
		a := newApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates}},
			map[string]Page{"start": grow})
		b := a.browser()
		p := b.get("/app/").submit("fill", "1").want(200)
		for i := range 50 {
			p = p.submit("i", string(rune('A'+i%26))).want(200)
		}
		rec, err := store.Store.Load(t.Context(), core.Key{Manager: "app", ID: cookieOf(b, "app")}, core.LoadOptions{Now: time.Now(), Touch: core.NoTouch})
		ok(t, err)
		if size := rec.Values.Size(); size < 100_000 || size > 150_000 {
			t.Errorf("%d names: 51 branches of a 100 KB session take %d bytes", names, size)
		}
	}
}

func TestRemoveSessionEndsAllBranches(t *testing.T) {
	out := fnPage{
		process: func(c *Context) error {
			if c.ReqEquals("out") {
				return c.RemoveSession()
			}
			return counter().(fnPage).process(c)
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	run := func(t *testing.T, m BranchingSessionMixin, q Quirks) (a *testApp, old, last page) {
		a = newApp(t, appConfig{Config: Config{Session: m, Templates: counterTemplates, Quirks: q}}, map[string]Page{"start": out})
		old = a.browser().get("/app/").submit("add", "1", "who", "ada")
		last = old.submit("add", "1", "who", "ada")
		last.submit("out", "1").want(200, "n= who= lost=false")
		return a, old, last
	}
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		a, old, last := run(t, m, Quirks{})
		old.submit("add", "1", "who", "ada").want(200, "n= who= lost=true")
		last.submit("add", "1", "who", "ada").want(200, "n= who= lost=true")
		if n, err := a.core.Count(t.Context()); n != 0 || err != nil {
			t.Errorf("%d records are left, %v", n, err)
		}
		_, old, last = run(t, m, Quirks{RemoveOneBranch: true})
		last.submit("add", "1", "who", "ada").want(200, "n= who= lost=true")
		old.submit("add", "1", "who", "ada").want(200, "n=2 who=ada lost=false")
	})
}

// A request in flight does not bring a session back that ended meanwhile, and its user is told.
func TestNoResurrection(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		inside, leave := make(chan struct{}), make(chan struct{})
		slow := fnPage{
			process: func(c *Context) error {
				switch {
				case c.ReqEquals("slow"):
					close(inside)
					<-leave
				case c.ReqEquals("out"):
					return c.RemoveSession()
				}
				return counter().(fnPage).process(c)
			},
			display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
		}
		a := newApp(t, appConfig{Config: Config{Session: m, Templates: counterTemplates}}, map[string]Page{"start": slow})
		p := a.browser().get("/app/").submit("add", "1", "who", "ada")
		done := make(chan page)
		go func() { done <- p.submit("slow", "1", "add", "1", "who", "ada") }()
		<-inside
		p.submit("out", "1").want(200)
		close(leave)
		(<-done).want(409, "session ended")
		if n, err := a.core.Count(t.Context()); n != 0 || err != nil {
			t.Errorf("%d records are left, %v", n, err)
		}
	})
}

// A page that was pruned by others while its request ran goes on all the same: nothing is lost.
func TestPrunedWhileInFlight(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	slow := fnPage{
		process: func(c *Context) error {
			if c.ReqEquals("slow") {
				close(inside)
				<-leave
			}
			return errorsOf(c.DefaultSessionVar("kept", fmt.Sprint("since ", c.fresh)), counter().(fnPage).process(c))
		},
		display: func(c *Context) error {
			kept, err := Get[string](c, "kept")
			ok(t, err)
			fmt.Fprint(c, kept, " ")
			return c.RunTemplate("count.html", nil)
		},
	}
	a := newApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{History: History{Branches: 2}}, Templates: counterTemplates}},
		map[string]Page{"start": slow})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada")
	done := make(chan page)
	go func() { done <- p.submit("slow", "1", "add", "1", "who", "ada") }()
	<-inside
	on := p
	for range 4 {
		on = on.submit("add", "1", "who", "ada")
	}
	close(leave)
	got := (<-done).want(200, "n=2 who=ada")
	on.submit("add", "1", "who", "ada").want(200, "n=6 who=ada lost=false", "since true")
	got.submit("add", "1", "who", "ada").want(200, "n=3 who=ada lost=false", "since true")
}

func TestUnreadableTree(t *testing.T) {
	eachBinding(t, func(t *testing.T, m BranchingSessionMixin) {
		a := branching(t, m)
		p := a.browser().get("/app/").submit("add", "1", "who", "ada")
		id := cookieOf(p.b, "app")
		if m.Unbound {
			id, _, _ = splitRef(p.id())
		}
		ok(t, a.core.Update(t.Context(), id, func(s *core.Session) error { return s.Set(treeName, "nonsense") }))
		p.submit("add", "1", "who", "ada").want(200, "n= who= lost=true").submit("add", "1", "who", "x").want(200, "n=1 who=x")
		if has, err := a.core.Has(t.Context(), id); has || err != nil {
			t.Error("the record that can not be read is still there")
		}
		if !strings.Contains(a.log.String(), "could not be read") || strings.Contains(a.log.String(), id) {
			t.Errorf("the log:\n%s", a.log)
		}
	})
}

// The same for one who comes without a page.
func TestUnreadableTreeOfNewPage(t *testing.T) {
	a := branching(t, BranchingSessionMixin{})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada")
	for _, nonsense := range []any{"nonsense", 7} {
		id := cookieOf(p.b, "app")
		ok(t, a.core.Update(t.Context(), id, func(s *core.Session) error { return s.Set(treeName, nonsense) }))
		p = p.b.get("/app/").want(200, "n= who= lost=false").submit("add", "1", "who", "eve").want(200, "n=1 who=eve")
		p.submit("look", "1", "who", "eve").want(200, "n=1 who=eve lost=false")
		if cookieOf(p.b, "app") == id {
			t.Error("the record that can not be read is still in use")
		}
	}
}

// A value that can not be decoded costs this branch, and the user begins anew.
func TestUnreadableValue(t *testing.T) {
	for name, m := range map[string]SessionMixin{"branching": BranchingSessionMixin{}, "server": SessionServerContextMixin{}} {
		t.Run(name, func(t *testing.T) {
			began := 0
			a := counterApp(t, appConfig{Config: Config{Session: m, NewSession: func(*Context) error { began++; return nil }}})
			p := a.browser().get("/app/").submit("add", "1", "who", "ada")
			id := cookieOf(p.b, "app")
			ok(t, a.core.Update(t.Context(), id, func(s *core.Session) error {
				for _, name := range s.Keys() {
					if name == "n" || strings.HasSuffix(name, "/n") {
						return s.Set(name, core.Raw("\xff\xff"))
					}
				}
				return errors.New("there is no n")
			}))
			before := began
			p.submit("add", "1", "who", "ada").want(200, "n= who= lost=true").submit("add", "1", "who", "x").want(200, "n=1 who=x")
			if began == before {
				t.Error("NewSession was not asked for the new session")
			}
			p.submit("look", "1").want(200)
		})
	}
}

func TestDecodeSessionHook(t *testing.T) {
	for name, m := range map[string]SessionMixin{"branching": BranchingSessionMixin{}, "server": SessionServerContextMixin{}} {
		t.Run(name, func(t *testing.T) {
			bad := false
			a := counterApp(t, appConfig{Config: Config{Session: m, DecodeSession: func(c *Context) error {
				if n, err := Get[int](c, "n"); err != nil || bad && n == 1 {
					return errors.Join(err, errors.New("of an old version"))
				}
				return nil
			}}})
			p := a.browser().get("/app/").submit("add", "1", "who", "ada").want(200, "n=1")
			bad = true
			p.submit("add", "1", "who", "ada").want(200, "n= who= lost=true")
			bad = false
			if name == "branching" {
				p.submit("look", "1").want(200, "lost=true") // it was deleted
			}
		})
	}
}

func TestSessionThatIsNotSaved(t *testing.T) {
	shop := fnPage{
		process: func(c *Context) error {
			c.SetSaveSession(!c.ReqEquals("nosave"))
			return counter().(fnPage).process(c)
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	for name, m := range map[string]SessionMixin{
		"branching": BranchingSessionMixin{}, "unbound": BranchingSessionMixin{Unbound: true}, "server": SessionServerContextMixin{},
		"hidden": HiddenFieldSessionMixin{},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appConfig{Config: Config{Session: m, Templates: counterTemplates}}, map[string]Page{"start": shop})
			p1 := a.browser().get("/app/").submit("add", "1", "who", "ada")
			p2 := p1.submit("add", "1", "who", "ada", "nosave", "1").want(200, "n=2")
			if p2.id() != p1.id() {
				t.Error("a request that saved nothing leads to another branch")
			}
			p2.submit("add", "1", "who", "ada").want(200, "n=2")
		})
	}
}

func TestStoreDown(t *testing.T) {
	store := &failing{spy: newSpy(t)}
	a := counterApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}}})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada")
	store.failSaves.Store(true)
	p.submit("add", "1", "who", "ada").want(503)
	store.failLoads.Store(true)
	p.submit("add", "1", "who", "ada").want(503)
	store.failLoads.Store(false)
	store.failSaves.Store(false)
	p.submit("add", "1", "who", "ada").want(200, "n=2 who=ada", "used=false")
}

// Who planted a cookie, and has seen a page, has nothing after the user has signed in.
