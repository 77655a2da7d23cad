package webstack

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func newManager(t *testing.T, cfg core.Config) *core.Manager {
	t.Helper()
	store := memstore.New(memstore.Config{})
	m, err := core.New("app", store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = store.Close()
	})
	return m
}

var nothing = ResourceFunc(func(*Transaction) error { return nil })

// Every mistake is named, all at once, with what to do instead.
func TestBadConfigurations(t *testing.T) {
	m := newManager(t, core.Config{})
	for name, tt := range map[string]struct {
		cfg  Config
		want []string
	}{
		"refused and unknown": {Config{Resource: nothing, Settings: Settings{"delay": 1, "concurrent": 0, "sesion_cookie_name": "x", "authenticator": nil}},
			[]string{"delay is refused", "lock_timeout", "concurrent is refused", "Locking", `no setting "sesion_cookie_name"`, "Config.Authenticator"}},
		"types": {Config{Resource: nothing, Settings: Settings{"session_cookie_name": 1, "handle_errors": "no", "max_fields": 0, "max_body_size": "big", "default_charset": "ebcdic",
			"session_cookie_samesite": "Sometimes"}},
			[]string{"session_cookie_name must be", "handle_errors must be", "max_fields must be", "max_body_size must be", "ebcdic", "session_cookie_samesite must be"}},
		"nothing": {Config{Prefix: "app/", Quirks: Quirks{AfterExpire: 7}, Realm: "a\r\nb"}, []string{"Config.Resource", "Config.Prefix", "AfterExpire", "Config.Realm"}},
		"resources": {Config{Resource: &MapResource{
			Mapping: map[string]Resource{"a/b": nothing, "no": nil, "in": &LoginRedirectResource{Resource: &LoginResource{}}},
			Default: &MapResource{Mapping: map[string]Resource{"x": nil}}}},
			[]string{`Config.Resource.Mapping["a/b"]: no part`, `Config.Resource.Mapping["no"] is nil`, `Mapping["in"].Authenticator is not set`, `Mapping["in"].LoginURL`,
				`Mapping["in"].Resource.Credentials`, `Config.Resource.Default.Mapping["x"] is nil`}},
		"the cookie's name":        {Config{Resource: nothing, Settings: Settings{"session_cookie_name": "a b"}}, []string{"session cookie"}},
		"the manager was not told": {Config{Resource: nothing, Settings: Settings{"session_timeout": 5, "lock_timeout": 1}}, []string{"session_timeout", "lock_timeout", "ManagerConfig"}},
	} {
		_, err := NewApplication(m, tt.cfg)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %q in it", name, err, want)
			}
		}
	}
	if _, err := NewApplication(nil, Config{Resource: nothing}); err == nil {
		t.Error("no manager: no error")
	}
	bad := Settings{"delay": 1}
	if _, err := bad.ManagerConfig(core.Config{}); err == nil {
		t.Error("ManagerConfig: no error")
	}
	if _, err := bad.StoreURL(); err == nil {
		t.Error("StoreURL: no error")
	}
}

func TestSettings(t *testing.T) {
	s := Settings{"session_timeout": 0.5, "lock_timeout": 2, "session_cookie_name": "NOTES", "session_cookie_path": "/shared/", "session_cookie_samesite": "None", "session_directory": "a%b?c"}
	cfg, err := s.ManagerConfig(core.Config{MaxSize: 77})
	if err != nil || cfg.IdleTimeout != 30*time.Second || cfg.LockWait != 2*time.Second || cfg.MaxSize != 77 || cfg.Locking != core.Serialized {
		t.Errorf("%+v, %v", cfg, err)
	}
	if url, err := s.StoreURL(); url != "file:a%25b%3Fc" || err != nil {
		t.Errorf("%q, %v", url, err)
	}
	if url, err := Settings(nil).StoreURL(); url != "file:WebStack-sessions" || err != nil {
		t.Errorf("%q, %v", url, err)
	}
	if _, err := (Settings{"session_directory": ""}).StoreURL(); err == nil {
		t.Error("an empty session_directory was taken")
	}
	a, err := NewApplication(newManager(t, cfg), Config{Resource: setting("a", 1), Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	w := newRecorder(t, a, "/")
	c := w.Result().Cookies()
	if len(c) != 1 || c[0].Name != "NOTES" || c[0].Path != "/shared/" || c[0].SameSite != http.SameSiteNoneMode || !c[0].Secure {
		t.Errorf("cookies %v", c)
	}
}

// An idle session ends, which WebStack's never did; and it is not served once.
func TestSessionTimeout(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := newTestApp(t, testConfig{manager: core.Config{Now: func() time.Time { return now }, SweepInterval: -1},
		Config: Config{Settings: Settings{"session_timeout": 10}}}, map[string]ResourceFunc{"set": setting("a", "1"), "get": getting("a")})
	b := a.browser()
	b.get("/set")
	now = now.Add(9 * time.Minute)
	b.want("/get", 200, "1")
	now = now.Add(10 * time.Minute)
	b.want("/get", 200, "none")
}
