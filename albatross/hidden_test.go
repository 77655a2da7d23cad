package albatross

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestHiddenState(t *testing.T) {
	for name, m := range map[string]HiddenFieldSessionMixin{"cookie": {}, "unbound": {Unbound: true}} {
		t.Run(name, func(t *testing.T) {
			store := newSpy(t)
			a := counterApp(t, appConfig{store: store, Config: Config{Session: m}})
			p1 := a.browser().get("/app/").submit("add", "1", "who", "ada").want(200, "n=1 who=ada")
			p2 := p1.submit("add", "1", "who", "grace").want(200, "n=2 who=grace")
			p1.submit("add", "1", "who", "bob").want(200, "n=2 who=bob") // Back
			p2.submit("add", "1", "who", "x").want(200, "n=3 who=x")
			if store.counts() != [4]int64{} {
				t.Errorf("state in forms made %v store calls", store.counts())
			}
			state := p2.fields().Get(stateField)
			data, _ := base64.RawURLEncoding.DecodeString(state)
			if bytes.Contains(data, []byte("grace")) || strings.Contains(p2.text, ">grace<") {
				t.Error("the state can be read")
			}
			if p1.submit("look", "1", "who", "ada").fields().Get(stateField) == p1.fields().Get(stateField) {
				t.Error("two states of the same values are the same bytes")
			}
		})
	}
}

func TestHostileState(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{Session: HiddenFieldSessionMixin{MaxSize: 2000}}})
	ada := a.browser()
	p := ada.get("/app/").submit("add", "1", "who", "ada").want(200, "n=1")
	state := p.fields().Get(stateField)
	try := func(name string, b *browser, state string) {
		t.Helper()
		form := p.fields()
		form.Set(stateField, state)
		form.Set("add", "1")
		got := b.post("/app/", form)
		if got.status != 200 || !strings.Contains(got.text, "n= who= lost=true") {
			t.Errorf("%s: %d\n%s", name, got.status, got.text)
		}
	}
	for i := range len(state) {
		if i%7 == 0 {
			flipped := []byte(state)
			flipped[i] ^= 1
			try("a flipped bit", ada, string(flipped))
		}
	}
	try("cut", ada, state[:len(state)-4])
	try("no base64", ada, "!!!!")
	try("too long", ada, strings.Repeat("A", 9000))
	try("another client", a.browser(), state)
	eve := a.browser()
	eve.get("/app/").submit("add", "1", "who", "eve")
	try("another client with a cookie", eve, state)

	other := counterApp(t, appConfig{id: "other", Config: Config{Session: HiddenFieldSessionMixin{Unbound: true}}})
	mine := other.browser().get("/app/").submit("add", "1", "who", "ada")
	third := counterApp(t, appConfig{id: "third", Config: Config{Session: HiddenFieldSessionMixin{Unbound: true}}})
	try("another application", third.browser(), mine.fields().Get(stateField))
	form := url.Values{stateField: {mine.fields().Get(stateField)}}
	if got := other.browser().get("/app/?" + form.Encode()); !strings.Contains(got.text, "n= ") {
		t.Error("state was taken from a URL")
	}
	if strings.Contains(a.log.String(), state[:20]) {
		t.Error("the log has state in it")
	}
	p.submit("add", "1", "who", "ada").want(200, "n=2 who=ada lost=false")
}

func TestStateIsTooLargeToBeSent(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{Session: HiddenFieldSessionMixin{MaxSize: 2000}}})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada").want(200)
	p.submit("add", "1", "who", strings.Repeat("x", 3000)).want(500)
	if !strings.Contains(a.log.String(), "MaxSize is 2000") {
		t.Errorf("the log:\n%s", a.log)
	}
}

func TestStateAgesAndKeysRotate(t *testing.T) {
	now := time.Now()
	m := newManager(t, "", nil, core.Config{Now: func() time.Time { return now }})
	build := func(s Secrets) *HiddenFieldSessionMixin {
		app, err := NewApplication(m, Config{StartPage: "x", Secrets: s, Session: HiddenFieldSessionMixin{MaxAge: time.Hour, Unbound: true}})
		ok(t, err)
		return app.session.(*HiddenFieldSessionMixin)
	}
	first, second := Secrets{Current: bytes.Repeat([]byte("1"), 32)}, Secrets{Current: bytes.Repeat([]byte("2"), 32)}
	old := build(first)
	c := &Context{app: old.app, session: m.Draft(t.Context(), core.Values{{Name: "a", Data: "b"}})}
	c.out.ref()
	ok(t, old.SaveSession(c))
	token := c.out.final
	for name, tt := range map[string]struct {
		secrets Secrets
		later   time.Duration
		good    bool
	}{
		"fresh":       {first, 0, true},
		"nearly old":  {first, time.Hour - time.Second, true},
		"old":         {first, time.Hour, false},
		"from before": {first, -10 * time.Minute, false},
		"rotated":     {Secrets{Current: second.Current, Old: [][]byte{first.Current}}, 0, true},
		"dropped":     {second, 0, false},
	} {
		start := now
		now = now.Add(tt.later)
		values, id, err := build(tt.secrets).open(c, token)
		now = start
		if (err == nil) != tt.good || err != nil && !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.good && (len(values) != 1 || len(id) != stateNameLength) {
			t.Errorf("%s: got %v, %q", name, values, id)
		}
	}
}

// A replay has the name of the state that it repeats.
func TestReplayHasTheSameName(t *testing.T) {
	names := make(chan string, 10)
	p := fnPage{
		process: func(c *Context) error { names <- c.SesID(); return counter().(fnPage).process(c) },
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
	a := newApp(t, appConfig{Config: Config{Session: HiddenFieldSessionMixin{}, Templates: counterTemplates}}, map[string]Page{"start": p})
	p1 := a.browser().get("/app/").submit("add", "1", "who", "ada")
	p1.submit("add", "1", "who", "ada")
	p1.submit("add", "1", "who", "ada")
	p1.submit("look", "1", "who", "ada").submit("add", "1", "who", "ada")
	var got []string
	for range 6 {
		got = append(got, <-names)
	}
	if got[0] != "" || got[1] != "" || got[2] == "" || got[2] != got[3] || got[4] != got[2] || got[5] == got[2] {
		t.Errorf("names %q", got)
	}
}

func TestHiddenStateCookie(t *testing.T) {
	b := counterApp(t, appConfig{Config: Config{Session: HiddenFieldSessionMixin{}}}).browser()
	p := b.get("/app/")
	if len(p.header["Set-Cookie"]) != 0 {
		t.Error("a page without state set a cookie")
	}
	p = p.submit("add", "1", "who", "ada")
	set := p.header.Get("Set-Cookie")
	for _, want := range []string{"app=", "Path=/app/", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(set, want) {
			t.Errorf("Set-Cookie %q lacks %s", set, want)
		}
	}
	if p.header.Get("Cache-Control") != "no-store" {
		t.Error("a page that sets the cookie may be cached")
	}
	if again := p.submit("add", "1", "who", "ada"); again.header.Get("Set-Cookie") != "" || again.status != http.StatusOK {
		t.Error("the cookie was set again")
	}
}

func FuzzOpenState(f *testing.F) {
	m := newManager(f, "fuzz", nil, core.Config{})
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // so that what the other processes of the fuzzer made does not open here
	app, err := NewApplication(m, Config{StartPage: "x", Secrets: Secrets{Current: secret}, Session: HiddenFieldSessionMixin{Unbound: true}})
	ok(f, err)
	mixin := app.session.(*HiddenFieldSessionMixin)
	c := &Context{app: app, session: m.Draft(f.Context(), core.Values{{Name: "a", Data: "b"}})}
	c.out.ref()
	ok(f, mixin.SaveSession(c))
	f.Add(c.out.final)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := mixin.open(c, token); err == nil && token != c.out.final {
			t.Errorf("a state that nobody made was opened: %q", token)
		}
	})
}

func FuzzReadValues(f *testing.F) {
	f.Add(string(appendValues(nil, core.Values{{Name: "a", Data: "1"}, {Name: "b", Data: ""}})))
	f.Fuzz(func(t *testing.T, s string) {
		values, err := readValues(s)
		if err != nil {
			if !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("%v does not match ErrCorrupt", err)
			}
			return
		}
		if again, err := readValues(string(appendValues(nil, values))); err != nil || len(again) != len(values) {
			t.Errorf("%q: read back %d of %d, %v", s, len(again), len(values), err)
		}
	})
}
