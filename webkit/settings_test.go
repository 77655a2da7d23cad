package webkit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/guide"
)

// The table of legacy names in docs/config.md has the settings that have newer names.
func TestGuideLegacyNames(t *testing.T) { guide.Legacy(t, "../docs/config.md", "webkit", sameThing) }

func TestSettingsRefused(t *testing.T) {
	tests := []struct {
		name  string
		given Settings
		want  []string // in the error
	}{
		{"unknown", Settings{"SessionTimout": 60}, []string{`no setting "SessionTimout"`}},
		{"refused", Settings{"SessionModule": "MySession"}, []string{"SessionModule", "SessionHooks"}},
		{"refused with its store", Settings{"RedisHost": "localhost"}, []string{"RedisHost", "core.OpenStore"}},
		{"kind", Settings{"SessionTimeout": "60"}, []string{"SessionTimeout", "a number"}},
		{"zero timeout", Settings{"SessionTimeout": 0}, []string{"SessionTimeout", "at least"}},
		{"negative buffer", Settings{"ResponseBufferSize": -1}, []string{"ResponseBufferSize"}},
		{"not a bool", Settings{"UseCookieSessions": 2}, []string{"UseCookieSessions", "true or false"}},
		{"not a string", Settings{"SessionName": 1}, []string{"SessionName", "a string"}},
		{"SameSite", Settings{"SameSiteSessionCookie": "Weak"}, []string{"SameSiteSessionCookie"}},
		{"foreign store class", Settings{"SessionStore": "MyStore.MyStore"}, []string{"SessionStore", "core.Store"}},
		{"error page", Settings{"ErrorPage": 5}, []string{"ErrorPage", "Config.ErrorPages"}},
		{"two mistakes", Settings{"SessionName": 1, "Unknown": 1}, []string{"SessionName", "Unknown"}},
		{"cookie", Settings{"SessionName": "a b"}, []string{"cookie", `"a b"`}},
		{"SameSite None without HTTPS", Settings{"SameSiteSessionCookie": "None", "SecureSessionCookie": false}, []string{"SameSite"}},
		{"no way to carry the id", Settings{"UseCookieSessions": false}, []string{"UseCookieSessions", "FieldSessionID"}},
		{"timeout the manager does not know", Settings{"SessionTimeout": 5}, []string{"SessionTimeout", "ManagerConfig"}},
		{"prefix the manager does not know", Settings{"SessionPrefix": "x"}, []string{"SessionPrefix", "ManagerConfig"}},
	}
	m := newTestManager(t, nil, core.Config{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewApplication(m, Config{Settings: test.given})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not mention %q: %v", want, err)
				}
			}
		})
	}
	for _, prefix := range []string{"app", "/app/", "/"} {
		if _, err := NewApplication(m, Config{Prefix: prefix}); err == nil {
			t.Errorf("Prefix %q was accepted", prefix)
		}
	}
	if _, err := NewApplication(nil, Config{}); err == nil {
		t.Error("a nil manager was accepted")
	}
}

// TestSettingsTable holds the porting guide's list of settings to the code's.
func TestSettingsTable(t *testing.T) {
	guide := readGuide(t)
	for name := range DefaultSettings() {
		if !strings.Contains(guide, "`"+name+"`") {
			t.Errorf("the porting guide does not mention the setting %s", name)
		}
	}
	for name := range refused {
		if !strings.Contains(guide, "`"+name+"`") {
			t.Errorf("the porting guide does not mention the refused setting %s", name)
		}
	}
}

func TestManagerConfig(t *testing.T) {
	cfg, err := Settings{"SessionTimeout": 1.5, "SessionPrefix": "web1", "UseSessionSweeper": false}.ManagerConfig(core.Config{Locking: core.Serialized})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.IdleTimeout != 90*time.Second || cfg.SweepInterval >= 0 || cfg.Locking != core.Serialized || !strings.HasPrefix(cfg.IDs.New(), "web1-") {
		t.Errorf("IdleTimeout %v, SweepInterval %v, Locking %v", cfg.IdleTimeout, cfg.SweepInterval, cfg.Locking)
	}
	cfg, err = Settings(nil).ManagerConfig(core.Config{IdleTimeout: time.Minute})
	if err != nil || cfg.IdleTimeout != time.Minute {
		t.Errorf("settings that say nothing changed IdleTimeout to %v, %v", cfg.IdleTimeout, err)
	}
	if cfg, err = (Settings{"SessionPrefix": "hostname"}).ManagerConfig(core.Config{}); err != nil {
		t.Fatal(err)
	}
	if prefix, _, ok := strings.Cut(cfg.IDs.New(), "-"); !ok || prefix == "hostname" || prefix == "" {
		t.Errorf("SessionPrefix hostname gives %q", prefix)
	}
}

func TestStoreURL(t *testing.T) {
	for want, s := range map[string]Settings{
		"memory:":       {"SessionStore": "Memory"},
		"file:Sessions": {"SessionStore": "File"},
		"file:/var/x":   {"SessionStoreDir": "/var/x"},
		"file:a%25b%3F": {"SessionStoreDir": "a%b?"},
		"":              {"SessionStore": "Redis"},
	} {
		if got, err := s.StoreURL(); got != want || (err == nil) != (want != "") {
			t.Errorf("%v: %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestSetting(t *testing.T) {
	app, err := NewApplication(newTestManager(t, nil, core.Config{}), Config{Prefix: "/a", Settings: Settings{"SessionName": "S"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"SessionName": "S", "SessionTimeout": 60} {
		if v, err := app.Setting(name); v != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", name, v, err, want)
		}
	}
	if _, err := app.Setting("Nonsense"); err == nil {
		t.Error("an unknown setting has a value")
	}
	if app.SessionName() != "S" || app.SessionPrefix() != "" || app.SessionTimeout() != time.Hour || app.SessionCookiePath() != "/a/" {
		t.Errorf("hooks: %q %q %v %q", app.SessionName(), app.SessionPrefix(), app.SessionTimeout(), app.SessionCookiePath())
	}
	if app.Manager() == nil || app.HTTPSessions().CookieName() != "S" {
		t.Error("the application's manager or HTTPSessions are others")
	}
}

// TestResponseBufferSize proves that the setting decides when the session is saved.
func TestResponseBufferSize(t *testing.T) {
	for size, want := range map[int]bool{0: true, 1000: false} {
		committed := false
		a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"ResponseBufferSize": size}}}, map[string]Factory{
			"/": respond(func(t *Transaction) error {
				err := write("some text")(t)
				committed = t.Response().IsCommitted()
				return err
			})})
		a.browser().want("/", http.StatusOK, "some text")
		if committed != want {
			t.Errorf("ResponseBufferSize %d: committed after 9 bytes is %v", size, committed)
		}
	}
}
