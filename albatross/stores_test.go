package albatross

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/filestore"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// kinds are the stores that there are, each with how many bytes it holds.
var kinds = map[string]func(t *testing.T) (core.Store, func() int){
	"memory": func(t *testing.T) (core.Store, func() int) {
		store := memstore.New(memstore.Config{})
		t.Cleanup(func() { ok(t, store.Close()) })
		return store, func() (n int) {
			for id, err := range store.IDs(t.Context(), "app", time.Now()) {
				ok(t, err)
				rec, err := store.Load(t.Context(), core.Key{Manager: "app", ID: id}, core.LoadOptions{Now: time.Now(), Touch: core.NoTouch})
				ok(t, err)
				n += rec.Values.Size()
			}
			return n
		}
	},
	"file": func(t *testing.T) (core.Store, func() int) {
		dir := t.TempDir()
		store, err := core.OpenStore(t.Context(), "file:"+dir+"?durability=none")
		ok(t, err)
		t.Cleanup(func() { ok(t, store.Close()) })
		if _, is := store.(*filestore.Store); !is {
			t.Fatalf("the store is a %T", store)
		}
		return store, func() (n int) {
			ok(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				info, err := d.Info()
				if err == nil {
					n += int(info.Size())
				}
				return err
			}))
			return n
		}
	},
	"redis": func(t *testing.T) (core.Store, func() int) {
		srv := redistest.Start(t)
		store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{srv.Addr()}})
		ok(t, err)
		t.Cleanup(func() { ok(t, store.Close()) })
		return store, func() (n int) {
			conn, err := redistest.Dial(srv.Addr())
			ok(t, err)
			defer conn.Close()
			keys, err := conn.Do("KEYS", "*")
			ok(t, err)
			for _, key := range keys.([]any) {
				used, err := conn.Do("MEMORY", "USAGE", key, "SAMPLES", "0")
				ok(t, err)
				n += int(used.(int64))
			}
			return n
		}
	},
}

// On every store a 100 KB session with 50 interactions that change 100 bytes each takes less than 300 KB, and every one
// of the pages can be gone on from.
func TestBytesStored(t *testing.T) {
	grow := fnPage{
		process: func(c *Context) error {
			if c.ReqEquals("fill") {
				for i := range 20 {
					name := fmt.Sprint("v", i)
					ok(t, c.Locals.Set(name, strings.Repeat("x", 5000)))
					ok(t, c.AddSessionVars(name))
				}
				return nil
			}
			return errorsOf(c.Locals.Set("small", strings.Repeat(c.Request().FieldValue("i"), 100)), c.AddSessionVars("small"))
		},
		display: func(c *Context) error {
			small, err := Get[string](c, "small")
			ok(t, err)
			v, err := Get[string](c, "v7")
			ok(t, err)
			if len(small) > 1 {
				fmt.Fprint(c, "small=", small[:1])
			}
			fmt.Fprint(c, " v7=", len(v), " ")
			return c.RunTemplate("count.html", nil)
		},
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			store, size := open(t)
			a := newApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{}, Templates: counterTemplates}},
				map[string]Page{"start": grow})
			p := a.browser().get("/app/").submit("fill", "1").want(200)
			var pages []page
			for i := range 50 {
				p = p.submit("i", string(rune('A'+i%26))).want(200)
				pages = append(pages, p)
			}
			if n := size(); n < 100_000 || n > 300_000 {
				t.Errorf("51 branches of a 100 KB session take %d bytes", n)
			} else {
				t.Logf("%d bytes", n)
			}
			for i, p := range pages {
				letter := string(rune('A' + i%26))
				p.submit("i", letter).want(200, "small="+letter+" v7=5000 ", "lost=false")
			}
		})
	}
}

// A request that reads makes one trip to Redis, one that writes two, whatever keeps the session.
func TestTrips(t *testing.T) {
	for name, m := range map[string]SessionMixin{
		"server": SessionServerContextMixin{}, "branching": BranchingSessionMixin{}, "unbound": BranchingSessionMixin{Unbound: true},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
			store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{proxy.Addr()}})
			ok(t, err)
			t.Cleanup(func() { ok(t, store.Close()) })
			a := counterApp(t, appConfig{store: store, manager: core.Config{SweepInterval: -1}, Config: Config{Session: m}})
			p := a.browser().get("/app/").submit("add", "1", "who", "ada")
			p = p.submit("add", "1", "who", "ada") // scripts are loaded
			trips := func(what string, want int, do func()) {
				t.Helper()
				proxy.Reset()
				do()
				if got := proxy.Trips(); got != want {
					t.Errorf("%s: %d trips, want %d (%v)", what, got, want, proxy.Names())
				}
			}
			trips("read", 1, func() { p.submit("look", "1", "who", "ada").want(200, "n=2 who=ada") })
			trips("write", 2, func() { p.submit("add", "1", "who", "ada").want(200, "n=3 who=ada") })
			trips("a double submit", 2, func() { p.submit("add", "1", "who", "ada").want(200) })
			trips("nothing", 0, func() { a.browser().get("/app/").want(200) })
		})
	}
}

// History that is pruned with each write is still two trips, and no branch is lost on any store.
func TestPruningOnEveryStore(t *testing.T) {
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			store, _ := open(t)
			a := counterApp(t, appConfig{store: store, Config: Config{Session: BranchingSessionMixin{History: History{Branches: 5}}}})
			p := a.browser().get("/app/").submit("add", "1", "who", "ada")
			for i := range 20 {
				p = p.submit("add", "1", "who", fmt.Sprint("w", i)).want(200, fmt.Sprintf("n=%d who=w%d", i+2, i), "lost=false")
			}
			if n, err := a.core.Count(t.Context()); n != 1 || err != nil {
				t.Errorf("%d records, %v", n, err)
			}
		})
	}
}
