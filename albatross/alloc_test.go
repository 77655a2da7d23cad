package albatross

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// discard is a ResponseWriter that keeps nothing but the headers.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// TestAllocationsAndStoreCalls holds requests to what they may cost. The session has ten names, of 1 KB together.
func TestAllocationsAndStoreCalls(t *testing.T) {
	read := func(c *Context) error {
		v, err := Get[string](c, "v3")
		if err == nil && len(v) != 100 {
			t.Error("the session does not hold what it should")
		}
		return err
	}
	write := func(c *Context) error {
		n, err := Get[int](c, "n")
		return errorsOf(err, c.Locals.Set("n", n+1))
	}
	for name, tt := range map[string]struct {
		session SessionMixin
		random  bool
		work    func(*Context) error
		allocs  float64 // at most
		calls   [4]int64
	}{
		"untouched":       {SessionServerContextMixin{}, true, func(*Context) error { return nil }, 14, [4]int64{}},
		"server, read":    {SessionServerContextMixin{}, true, read, 16, [4]int64{1, 0, 0, 0}},
		"server, write":   {SessionServerContextMixin{}, true, write, 21, [4]int64{1, 1, 0, 0}},
		"branching, read": {BranchingSessionMixin{}, false, read, 28, [4]int64{1, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			store := newSpy(t)
			fill := true
			a := newApp(t, appConfig{store: store, Config: Config{Session: tt.session, RandomPages: tt.random}}, map[string]Page{"start": PageFunc(func(c *Context) error {
				if !fill {
					return tt.work(c)
				}
				ok(t, c.DefaultSessionVar("n", 0))
				for i := range 9 {
					ok(t, c.DefaultSessionVar("v"+string(rune('0'+i)), strings.Repeat("x", 100)))
				}
				_, err := c.WriteString(c.BranchURL("/app/"))
				return err
			})})
			b := a.browser()
			path := b.get("/app/").text
			fill = false
			u, err := url.Parse(path)
			ok(t, err)
			req, err := http.NewRequest(http.MethodGet, path, nil)
			ok(t, err)
			req.URL, req.RequestURI = u, path
			req.Header.Set("Cookie", "app="+cookieOf(b, "app"))
			h := a.Handler()
			w := &discard{make(http.Header)}
			serve := func() {
				clear(w.header)
				h.ServeHTTP(w, req)
			}
			serve()
			store.reset()
			serve()
			if got := store.counts(); got != tt.calls {
				t.Errorf("%v store calls, want %v", got, tt.calls)
			}
			if allocs := testing.AllocsPerRun(200, serve); allocs > tt.allocs && !raceDetector {
				t.Errorf("%v allocations, want at most %v", allocs, tt.allocs)
			} else {
				t.Logf("%v allocations", allocs)
			}
		})
	}
}
