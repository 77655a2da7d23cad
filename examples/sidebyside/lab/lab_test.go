package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/configured"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
)

const cookie = "_SID_"

// reply is what a servlet answers, in either form.
type reply struct {
	answer
	Error  string `json:"error"`
	status int
}

// client is a visitor of one policy's application.
type client struct {
	*visitor.Visitor
	t    *testing.T
	path string
}

func (c client) call(servlet string) reply {
	c.t.Helper()
	return c.read(c.Get(c.path + servlet))
}

func (c client) read(r visitor.Reply) reply {
	c.t.Helper()
	got := reply{status: r.Status}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" {
		c.t.Errorf("Content-Type %q", ct)
	}
	decoder := json.NewDecoder(strings.NewReader(r.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		c.t.Errorf("%v in %s", err, r.Body)
	}
	return got
}

func (c client) expect(servlet string, values map[string]any) {
	c.t.Helper()
	r := c.call(servlet)
	if r.status != http.StatusOK {
		c.t.Errorf("%s: status %d, %s", servlet, r.status, r.Error)
		return
	}
	if diff := cmp.Diff(values, r.Values); diff != "" {
		c.t.Errorf("%s: values (-want +got):\n%s", servlet, diff)
	}
}

func newLab(t *testing.T, store core.Store) *deploy.Site {
	t.Helper()
	var mounts, sections strings.Builder
	for _, p := range policies {
		fmt.Fprintf(&mounts, "/lab/%s = lab-%[1]s\n", p.Name)
		fmt.Fprintf(&sections, "[app:lab-%s]\nuse = lab-%[1]s\n", p.Name)
	}
	return configured.Site(t, store, "[composite:main]\nuse = urlmap\n/lab = lab\n"+mounts.String()+"[app:lab]\nuse = lab\n"+
		sections.String(), Register)
}

// visit starts the lab on a store and returns a visitor of the application for a policy.
func visit(t *testing.T, store core.Store, policy string) client {
	t.Helper()
	server := httptest.NewServer(newLab(t, store))
	t.Cleanup(server.Close)
	return client{visitor.New(t, server.URL), t, "/lab/" + policy + "/"}
}

func eachPolicy(t *testing.T, test func(t *testing.T, c client)) {
	for _, p := range policies {
		t.Run(p.Name, func(t *testing.T) { test(t, visit(t, memstore.New(memstore.Config{}), p.Name)) })
	}
}

type values = map[string]any

func TestServlets(t *testing.T) {
	eachPolicy(t, func(t *testing.T, c client) {
		c.expect("show", values{})
		c.expect("slow", values{})
		c.expect("rotate", values{})
		c.expect("logout", values{})
		if c.Cookie(c.path, cookie) != "" {
			t.Error("a cookie for a session in which nothing was stored")
		}
		c.expect("put?name=drink&value=tea", values{"drink": "tea"})
		c.expect("put?name=drink&value=", values{"drink": ""})
		c.expect("incr?name=visits", values{"drink": "", "visits": 1.0})
		c.expect("incr?name=visits&ms=1", values{"drink": "", "visits": 2.0})
		c.expect("append?name=list&value=a", values{"drink": "", "visits": 2.0, "list": []any{"a"}})
		c.expect("append?name=list&value=b", values{"drink": "", "visits": 2.0, "list": []any{"a", "b"}})
		all := values{"drink": "", "visits": 2.0, "list": []any{"a", "b"}}
		c.expect("show", all)
		c.expect("slow?ms=1", all)

		id := c.Cookie(c.path, cookie)
		c.expect("rotate", all)
		c.expect("show", all)
		if c.Cookie(c.path, cookie) == id {
			t.Error("rotate kept the id")
		}
		id = c.Cookie(c.path, cookie)
		c.expect("logout", values{})
		if c.Cookie(c.path, cookie) != "" {
			t.Error("the cookie is still there after logout")
		}
		c.SetCookie(c.path, cookie, id)
		c.expect("show", values{})
	})
}

func TestAnswer(t *testing.T) {
	eachPolicy(t, func(t *testing.T, c client) {
		policy := strings.Split(c.path, "/")[2]
		for _, tt := range []struct {
			servlet string
			dirty   bool
		}{
			{"put?name=a&value=b&ms=20", true}, {"incr?name=n&ms=20", true}, {"append?name=l&value=x", true}, {"append?name=l&value=y", true},
			{"slow?ms=20", false}, {"show", false}, {"rotate", false}, {"logout", false},
		} {
			r := c.read(c.Post(c.path+tt.servlet, nil))
			if r.Policy != policy || r.Dirty != tt.dirty {
				t.Errorf("%s: policy %s, dirty %v", tt.servlet, r.Policy, r.Dirty)
			}
			if strings.HasSuffix(tt.servlet, "ms=20") && r.Took < 20 || r.Waited > r.Took {
				t.Errorf("%s: waited %d ms, took %d ms", tt.servlet, r.Waited, r.Took)
			}
		}
	})
}

func TestBadRequests(t *testing.T) {
	c := visit(t, memstore.New(memstore.Config{}), "merge")
	c.expect("put?name=text&value=v", values{"text": "v"})
	for _, tt := range []struct {
		servlet string
		status  int
		text    string
	}{
		{"put?value=v", 400, "name must be"},
		{"put?name=&value=v", 400, "name must be"},
		{"put?name=a%20b&value=v", 400, "name must be"},
		{"put?name=%00&value=v", 400, "name must be"},
		{"put?name=" + strings.Repeat("n", 65) + "&value=v", 400, "name must be"},
		{"put?name=n", 400, "value must be"},
		{"put?name=n&value=" + strings.Repeat("v", 1001), 400, "value must be"},
		{"put?name=n&value=a%00b", 400, "value must be"},
		{"put?name=n&value=v&ms=soon", 400, "ms must be"},
		{"put?name=n&value=v&ms=-1", 400, "ms must be"},
		{"slow?ms=1.5", 400, "ms must be"},
		{"slow?ms=", 400, "ms must be"},
		{"incr?name=text", 400, "text is no number"},
		{"append?name=text&value=v", 400, "text is no list"},
		{"put?a=%zz", 400, ""},
		{"nowhere", 404, ""},
		{"failure", 404, ""},
		{"put/more", 404, ""},
	} {
		r := c.call(tt.servlet)
		if r.status != tt.status || !strings.Contains(r.Error, tt.text) || r.Error == "" {
			t.Errorf("%.40s: %d %q, want %d %q", tt.servlet, r.status, r.Error, tt.status, tt.text)
		}
	}
	r, err := c.Send(t.Context(), http.MethodDelete, c.path+"put", nil, nil)
	if err != nil || r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") == "" {
		t.Errorf("DELETE: %d, Allow %q, %v", r.Status, r.Header.Get("Allow"), err)
	}
	c.expect("show", values{"text": "v"})
}

func TestBounds(t *testing.T) {
	c := visit(t, memstore.New(memstore.Config{}), "merge")
	for i := range maxNames {
		c.call(fmt.Sprint("put?value=v&name=n", i))
	}
	for _, servlet := range []string{"put?name=more&value=v", "incr?name=more", "append?name=more&value=v"} {
		if r := c.call(servlet); r.status != http.StatusBadRequest || !strings.Contains(r.Error, "32 values") {
			t.Errorf("%s: %d %q", servlet, r.status, r.Error)
		}
	}
	if r := c.call("put?name=n0&value=other"); r.status != http.StatusOK {
		t.Errorf("a name that is there already: %d %q", r.status, r.Error)
	}
	c.call("logout")
	for range maxList {
		c.call("append?name=list&value=v")
	}
	if r := c.call("append?name=list&value=v"); r.status != http.StatusBadRequest || !strings.Contains(r.Error, "100 elements") {
		t.Errorf("a full list: %d %q", r.status, r.Error)
	}
}

func TestParseWait(t *testing.T) {
	for s, want := range map[string]time.Duration{"0": 0, "20": 20 * time.Millisecond, "5000": maxWait, "5001": maxWait, "4294967295": maxWait} {
		if got, err := parseWait(s); got != want || err != nil {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-1", "1.5", "1e3", "soon", "99999999999999999999"} {
		if got, err := parseWait(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// watchedStore tells when a session has been loaded.
type watchedStore struct {
	*memstore.Store
	loaded chan struct{}
}

func (s watchedStore) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	defer s.tell()
	return s.Store.Load(ctx, key, opt)
}

func (s watchedStore) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	defer s.tell()
	return s.Store.Lock(ctx, key, opt)
}

func (s watchedStore) tell() {
	select {
	case s.loaded <- struct{}{}:
	default:
	}
}

func TestRaces(t *testing.T) {
	for _, race := range []struct {
		name          string
		before        []string
		first, second string
		kept, lost    values
		outcome       map[string]string
	}{
		{
			name:   "one reads, one writes",
			before: []string{"put?name=drink&value=water"},
			first:  "slow?ms=500",
			second: "put?name=drink&value=tea",
			kept:   values{"drink": "tea"},
			lost:   values{"drink": "water"},
			outcome: map[string]string{
				"legacy": "lost", "lossy": "kept", "optimistic": "kept", "serialized": "kept", "merge": "kept"},
		},
		{
			name:   "both write",
			before: []string{"put?name=drink&value=water", "put?name=food&value=bread"},
			first:  "put?name=drink&value=tea&ms=500",
			second: "put?name=food&value=cake",
			kept:   values{"drink": "tea", "food": "cake"},
			lost:   values{"drink": "tea", "food": "bread"},
			outcome: map[string]string{
				"legacy": "lost", "lossy": "lost", "optimistic": "refused", "serialized": "kept", "merge": "kept"},
		},
		{
			name:   "both count",
			before: []string{"incr?name=n"},
			first:  "incr?name=n&ms=500",
			second: "incr?name=n",
			kept:   values{"n": 3.0},
			lost:   values{"n": 2.0},
			outcome: map[string]string{
				"legacy": "lost", "lossy": "lost", "optimistic": "refused", "serialized": "kept", "merge": "lost"},
		},
	} {
		for policy, outcome := range race.outcome {
			t.Run(race.name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				store := watchedStore{memstore.New(memstore.Config{}), make(chan struct{}, 1)}
				c := visit(t, store, policy)
				for _, servlet := range race.before {
					c.call(servlet)
				}
				select {
				case <-store.loaded:
				default:
				}
				var first reply
				var running sync.WaitGroup
				running.Go(func() { first = c.call(race.first) })
				<-store.loaded
				if second := c.call(race.second); second.status != http.StatusOK {
					t.Errorf("the second request: %d %s", second.status, second.Error)
				} else if (second.Waited > 0) != (policy == "serialized") {
					t.Errorf("the second request waited %d ms", second.Waited)
				}
				running.Wait()

				status, want := http.StatusOK, race.kept
				switch outcome {
				case "lost":
					want = race.lost
				case "refused":
					status, want = http.StatusConflict, nil
				}
				if first.status != status {
					t.Errorf("the first request: %d %s, want %d", first.status, first.Error, status)
				}
				if want != nil {
					c.expect("show", want)
				}
			})
		}
	}
}

// A request in flight does not bring back a session that was ended meanwhile.
func TestLogoutMeanwhile(t *testing.T) {
	for _, policy := range []string{"legacy", "lossy", "optimistic", "merge"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			store := watchedStore{memstore.New(memstore.Config{}), make(chan struct{}, 1)}
			c := visit(t, store, policy)
			c.call("put?name=drink&value=water")
			id := c.Cookie(c.path, cookie)
			var first reply
			var running sync.WaitGroup
			running.Go(func() { first = c.call("put?name=drink&value=tea&ms=500") })
			<-store.loaded
			c.call("logout")
			running.Wait()
			if first.status != http.StatusConflict || !strings.Contains(first.Error, "ended meanwhile") {
				t.Errorf("the request in flight: %d %s", first.status, first.Error)
			}
			c.SetCookie(c.path, cookie, id)
			c.expect("show", values{})
		})
	}
}

// Reading waits for nobody, and saves nothing over anybody.
func TestShowMeanwhile(t *testing.T) {
	for _, p := range policies {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			store := watchedStore{memstore.New(memstore.Config{}), make(chan struct{}, 1)}
			c := visit(t, store, p.Name)
			c.call("put?name=drink&value=water")
			var running sync.WaitGroup
			running.Go(func() { c.call("put?name=drink&value=tea&ms=500") })
			<-store.loaded
			r := c.call("show")
			if diff := cmp.Diff(values{"drink": "water"}, r.Values); diff != "" || r.Waited > 300 {
				t.Errorf("after %d ms (-want +got):\n%s", r.Waited, diff)
			}
			running.Wait()
			c.expect("show", values{"drink": "tea"})
		})
	}
}

// A client that hangs up while it waits lets others go on at once.
func TestClientGone(t *testing.T) {
	store := watchedStore{memstore.New(memstore.Config{}), make(chan struct{}, 1)}
	c := visit(t, store, "serialized")
	c.call("put?name=drink&value=water")
	ctx, hangUp := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if _, err := c.Send(ctx, http.MethodPost, c.path+"slow?ms=5000", url.Values{}, nil); err == nil {
			t.Error("an answer for nobody")
		}
	})
	<-store.loaded
	hangUp()
	running.Wait()
	r := c.call("put?name=drink&value=tea")
	if r.status != http.StatusOK || r.Waited > 3000 {
		t.Errorf("the next request: %d %s, after %d ms", r.status, r.Error, r.Waited)
	}
}

// Time is not real here, so the test takes none.
func TestLockTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, memstore.New(memstore.Config{}))
		call := func(servlet, id string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/lab/serialized/"+servlet, nil)
			r.AddCookie(&http.Cookie{Name: cookie, Value: id})
			w := httptest.NewRecorder()
			l.ServeHTTP(w, r)
			return w
		}
		id := call("put?name=drink&value=tea", "").Result().Cookies()[0].Value
		var answers [4]*httptest.ResponseRecorder
		var running sync.WaitGroup
		for i := range answers {
			running.Go(func() { answers[i] = call("slow?ms=60000", id) })
			synctest.Wait()
			time.Sleep(time.Second) // so that it is clear who comes first
		}
		running.Wait()
		for i, want := range []int{200, 200, 200, 503} {
			if got := answers[i].Code; got != want {
				t.Errorf("request %d: %d, want %d: %s", i, got, want, answers[i].Body)
			}
		}
		last := answers[3]
		if !strings.Contains(last.Body.String(), `{"error":"the session stayed in use for too long`) || last.Header().Get("Retry-After") == "" {
			t.Errorf("Retry-After %q, %s", last.Header().Get("Retry-After"), last.Body)
		}
	})
}

func TestPage(t *testing.T) {
	c := visit(t, memstore.New(memstore.Config{}), "")
	for path, want := range map[string]string{
		"/lab/":            "text/html; charset=utf-8",
		"/lab/lab.js":      "text/javascript; charset=utf-8",
		"/lab/race.js":     "text/javascript; charset=utf-8",
		"/lab/timeline.js": "text/javascript; charset=utf-8",
	} {
		if r := c.Get(path); r.Status != http.StatusOK || r.Header.Get("Content-Type") != want {
			t.Errorf("%s: %d %s", path, r.Status, r.Header.Get("Content-Type"))
		}
	}
	body := c.Get("/lab/").Body
	for _, p := range policies {
		if !strings.Contains(body, `data-policy="`+p.Name+`"`) {
			t.Errorf("%s is not on the page", p.Name)
		}
	}
}
