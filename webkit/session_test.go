package webkit

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// The cases of Webware's TestSession, on a session of a transaction.

// inTransaction runs fn as the servlet of one request.
func inTransaction(t *testing.T, cfg testConfig, fn func(*testing.T, *Transaction)) {
	t.Helper()
	ran := false
	a := newTestApp(t, cfg, map[string]Factory{"/": respond(func(trans *Transaction) error {
		ran = true
		fn(t, trans)
		return nil
	})})
	a.browser().want("/", 200, "")
	if !ran {
		t.Error("the servlet did not run")
	}
}

// withSession runs fn with the new session of one request.
func withSession(t *testing.T, cfg testConfig, fn func(*testing.T, *Session)) {
	t.Helper()
	inTransaction(t, cfg, func(t *testing.T, trans *Transaction) {
		s, err := trans.Session()
		if err != nil {
			t.Error(err)
			return
		}
		fn(t, s)
	})
}

func TestSessionInit(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		if id := s.Identifier(); len(id) != 30 || !s.app.manager.ValidID(id) {
			t.Errorf("the id has %d characters and valid is %v, want 30 and true", len(id), s.app.manager.ValidID(id))
		}
	})
}

func TestSessionUniqueIDs(t *testing.T) {
	settings := Settings{"SessionPrefix": "srv1"}
	cfg, err := settings.ManagerConfig(core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	a := newTestApp(t, testConfig{manager: cfg, Config: Config{Settings: settings}}, map[string]Factory{
		"/": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err == nil {
				seen[s.Identifier()] = true
			}
			return err
		})})
	const n = 20
	for range n {
		a.browser().want("/", 200, "")
	}
	if len(seen) != n {
		t.Errorf("%d sessions have %d ids", n, len(seen))
	}
	for id := range seen {
		if !strings.HasPrefix(id, "srv1-") {
			t.Error("an id does not begin with the SessionPrefix and a dash")
		}
	}
}

func TestSessionCreationAndAccessTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offlineSession(t)
		if !s.CreationTime().Equal(s.LastAccessTime()) {
			t.Errorf("created %v, last access %v; want them equal at birth", s.CreationTime(), s.LastAccessTime())
		}
		time.Sleep(10 * time.Second)
		if err := s.Awake(nil); err != nil {
			t.Fatal(err)
		}
		if d := s.LastAccessTime().Sub(s.CreationTime()); d != 10*time.Second {
			t.Errorf("last access %v after the creation, want 10s", d)
		}
	})
}

// offlineSession is a stored session that belongs to no request.
func offlineSession(t *testing.T) *Session {
	t.Helper()
	app, err := NewApplication(newTestManager(t, nil, core.Config{}), Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := app.Sessions().New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionIsDirty(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		if s.IsDirty() {
			t.Error("a new session is dirty")
		}
		if err := s.SetValue("x", nil); err != nil {
			t.Error(err)
		}
		if !s.IsDirty() {
			t.Error("a session is not dirty after SetValue(x, nil)")
		}
		s.SetDirty(false)
		if s.IsDirty() {
			t.Error("a session is dirty after SetDirty(false)")
		}
		if err := s.SetValue("x", nil); err != nil {
			t.Error(err)
		}
		if !s.IsDirty() {
			t.Error("a session is not dirty after SetDirty(false) and SetValue")
		}
	})
}

func TestSessionIsNew(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		s.awakes = 0
		for awakes, want := range []bool{true, true, false} {
			if got := s.IsNew(); got != want || s.NumTransactions() != awakes {
				t.Errorf("after %d awakes IsNew is %v and NumTransactions %d, want %v and %d",
					awakes, got, s.NumTransactions(), want, awakes)
			}
			if err := s.Awake(s.t); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSessionTimeout(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		want := func(d time.Duration) {
			t.Helper()
			if got := s.Timeout(); got != d {
				t.Errorf("the timeout is %v, want %v", got, d)
			}
		}
		set := func(d time.Duration) {
			t.Helper()
			if err := s.SetTimeout(d); err != nil {
				t.Error(err)
			}
		}
		want(3600 * time.Second)
		set(3700 * time.Second)
		want(3700 * time.Second)
		set(NoTimeout)
		want(NoTimeout)
		set(0)
		want(0)
		if !s.IsExpired() {
			t.Error("a session with timeout 0 is not expired")
		}
		set(time.Minute)
		want(time.Minute)
		if s.IsExpired() {
			t.Error("a session that got a timeout again is expired")
		}
		if err := s.Invalidate(); err != nil {
			t.Error(err)
		}
		want(0)
		if !s.LastAccessTime().IsZero() {
			t.Error("the last access is not 0 after Invalidate")
		}
	})
}

func TestSessionValues(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		if _, err := s.Value("a"); !errors.Is(err, ErrKey) {
			t.Errorf("Value of a missing name: %v, want ErrKey", err)
		}
		for _, otherwise := range []any{nil, 0, "foo"} {
			if v, err := s.ValueDefault("a", otherwise); v != otherwise || err != nil {
				t.Errorf("ValueDefault(%v) of a missing name: %v, %v", otherwise, v, err)
			}
		}
		if s.HasValue("a") {
			t.Error("there is a value that was not set")
		}
		set := func(name string, v any) {
			t.Helper()
			if err := s.SetValue(name, v); err != nil {
				t.Error(err)
			}
		}
		set("a", nil)
		if v, err := s.ValueDefault("a", "foo"); v != nil || err != nil {
			t.Errorf("a stored nil with a default: %v, %v; want nil", v, err)
		}
		if !s.HasValue("a") {
			t.Error("a stored nil is not there")
		}
		if err := s.DelValue("a"); err != nil {
			t.Error(err)
		}
		s.SetDirty(false)
		if err := s.DelValue("a"); !errors.Is(err, ErrKey) {
			t.Errorf("DelValue of a missing name: %v, want ErrKey", err)
		}
		if s.IsDirty() {
			t.Error("DelValue of a missing name made the session dirty")
		}
		set("a", 1)
		set("b", "two")
		values, err := s.Values()
		if want := map[string]any{"a": 1, "b": "two"}; err != nil || !maps.Equal(values, want) {
			t.Errorf("Values: %v, %v; want %v", values, err, want)
		}
	})
}

// TestSessionDirectAccess is [], in and del of Webware's session on the map that Values gives out.
func TestSessionDirectAccess(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		values, err := s.Values()
		if err != nil {
			t.Fatal(err)
		}
		values["x"] = 5
		if v, err := s.Value("x"); v != 5 || err != nil || !s.HasValue("x") {
			t.Errorf("what was put into Values is %v, %v in the session; want 5", v, err)
		}
		if err := s.SetValue("y", 6); err != nil || values["y"] != 6 {
			t.Errorf("what was set is %v, %v in Values; want 6", values["y"], err)
		}
		delete(values, "x")
		if s.HasValue("x") {
			t.Error("what was deleted from Values is in the session")
		}
		if err := s.DelValue("y"); err != nil || len(values) != 0 {
			t.Errorf("what was deleted is in Values: %v, %v", values, err)
		}
	})
}

func TestSessionEncode(t *testing.T) {
	urls := []struct{ url, want string }{
		{"myurl", "myurl?_SID_=%"},
		{"/page?a=1&b=2", "/page?a=1&b=2&_SID_=%"},
		{"http://elsewhere.test/page?a=1&b=2", "http://elsewhere.test/page?a=1&b=2"},
		{"/page?a=1#end", "/page?a=1&_SID_=%#end"},
	}
	withSession(t, testConfig{Config: Config{Quirks: Quirks{FieldSessionID: true}}}, func(t *testing.T, s *Session) {
		for _, u := range urls {
			if got, want := s.SessionEncode(u.url), strings.ReplaceAll(u.want, "%", s.Identifier()); got != want {
				t.Errorf("%s: got %s, want %s", u.url, got, want)
			}
		}
	})
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		for _, u := range urls {
			if got := s.SessionEncode(u.url); got != u.url {
				t.Errorf("%s: without the quirk it became %s", u.url, got)
			}
		}
	})
}

// TestSessionLiveValues proves that changes of the map that Values gives out are stored, whenever the
// response begins.
func TestSessionLiveValues(t *testing.T) {
	change := func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		values, err := s.Values()
		if err != nil {
			return err
		}
		values["new"] = "1"
		delete(values, "old")
		values["list"] = append(values["list"].([]any), "b")
		values["map"].(map[string]any)["k"] = "v"
		return nil
	}
	tests := map[string]Factory{
		"at the end": respond(change),
		"before a flush": respond(func(t *Transaction) error {
			if err := change(t); err != nil {
				return err
			}
			return t.Response().Flush()
		}),
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]Factory{"/change": f,
				"/fill": respond(func(t *Transaction) error {
					s, err := t.Session()
					return errors.Join(err, s.SetValue("old", "1"), s.SetValue("list", []any{"a"}), s.SetValue("map", map[string]any{}))
				}),
			})
			b := a.browser()
			b.want("/fill", 200, "")
			b.want("/change", 200, "")
			if v := a.stored("new"); v != "1" {
				t.Errorf("new is %v", v)
			}
			if v := a.stored("old"); v != nil {
				t.Errorf("old is %v", v)
			}
			if v, _ := a.stored("list").([]any); !slices.Equal(v, []any{"a", "b"}) {
				t.Errorf("list is %v", v)
			}
			if v, _ := a.stored("map").(map[string]any); v["k"] != "v" {
				t.Errorf("map is %v", v)
			}
		})
	}
}

// TestSessionLiveValuesOfNewSession proves that a session which has nothing but what was put into the map is stored,
// and its cookie set, when the response begins early.
func TestSessionLiveValuesOfNewSession(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/get": getting("a"), "/": respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		values, err := s.Values()
		if err != nil {
			return err
		}
		values["a"] = "1"
		return errors.Join(write("begun")(t), t.Response().Flush())
	})})
	b := a.browser()
	b.want("/", 200, "begun")
	b.want("/get", 200, "1")
}

// TestSessionAfterFlush proves that a session which comes too late for its cookie is an error, not a session
// that nobody finds.
func TestSessionAfterFlush(t *testing.T) {
	var late error
	a := newTestApp(t, testConfig{}, map[string]Factory{"/late": respond(func(t *Transaction) error {
		if _, err := t.Response().WriteString("begun"); err != nil {
			return err
		}
		if err := t.Response().Flush(); err != nil {
			return err
		}
		_, late = t.Session()
		return nil
	})})
	a.browser().want("/late", 200, "begun")
	if !errors.Is(late, compat.ErrSent) {
		t.Errorf("a session after the flush: %v, want compat.ErrSent", late)
	}
}

// TestSessionStoredForNobody proves that reading an empty session, and sending it to sleep, stores nothing.
func TestSessionStoredForNobody(t *testing.T) {
	for _, always := range []bool{false, true} {
		a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"AlwaysSaveSessions": always}}}, map[string]Factory{"/get": getting("a")})
		r := a.browser().want("/get", 200, "none")
		if r.Header.Get("Set-Cookie") != "" || a.sessions() != 0 {
			t.Errorf("AlwaysSaveSessions %v: %d sessions and cookie %q for a request that stored nothing",
				always, a.sessions(), r.Header.Get("Set-Cookie"))
		}
	}
}

// TestSessionUnstorable proves that a value which can not be stored is refused where it is set.
func TestSessionUnstorable(t *testing.T) {
	withSession(t, testConfig{}, func(t *testing.T, s *Session) {
		if _, ok := errors.AsType[*core.ValueError](s.SetValue("f", func() {})); !ok {
			t.Error("a function was taken as a value")
		}
		if s.HasValue("f") {
			t.Error("a refused value is there")
		}
	})
}
