package webstack_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webstack"
)

// deployed loads a file with one application, which remembers a greeting that the section gives.
func deployed(t *testing.T, text string) (*deploy.Site, error) {
	t.Helper()
	l := deploy.NewLoader()
	base := webstack.Config{Settings: webstack.Settings{"session_cookie_name": "program", "session_timeout": 5}}
	l.App("greeter", webstack.Deploy(base, core.Config{}, func(s *deploy.Section) (webstack.Resource, error) {
		greeting := s.String("greeting", "hello")
		return webstack.ResourceFunc(func(t *webstack.Transaction) error {
			session, err := t.GetSession(true)
			if err != nil {
				return err
			}
			return session.Set("greeting", greeting)
		}), nil
	}))
	site, err := l.Load(t.Context(), deploy.FromText("test",
		"[store:main]\nurl = memory:\n[composite:main]\nuse = urlmap\n/old = old\n[app:old]\nuse = greeter\n"+text+"\n"))
	if err == nil {
		t.Cleanup(func() {
			if err := site.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return site, err
}

func TestDeploy(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		table      []string // in the table
		cookie     string   // that is set
	}{
		{"what the program says", "", []string{"locking              serialized", "idle_timeout         5m", "manager              old"},
			"program=; Path=/old/; HttpOnly; SameSite=Lax"},
		{"legacy names", "session_timeout = 90\nsession_cookie_name = 'SID'\nsession_cookie_samesite = Strict\nlock_timeout = 7\nmax_fields = 9\n" +
			"default_charset = utf-8\nhandle_errors = 0\nsession_cookie_path = /\nquirks = AlwaysCreate, MissingIsNil\nafter_expire = stays",
			[]string{"idle_timeout         1h30m", "lock_wait            7s"}, "SID=; Path=/; HttpOnly; SameSite=Strict"},
		{"newer names", "idle_timeout = 2h\nlocking = merge\nmanager = m\ncookie_name = c\ncookie_path = /old\ncookie_samesite = strict\ncookie_http_only = no",
			[]string{"locking              merge", "idle_timeout         2h", "manager              m"}, "c=; Path=/old; SameSite=Strict"},
		{"a cookie with a domain and an age", "cookie_domain = example.com\ncookie_max_age = 1h", nil,
			"program=; Path=/old/; Domain=example.com; Max-Age=3600; HttpOnly; SameSite=Lax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			site, err := deployed(t, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var table strings.Builder
			if err := site.WriteTable(&table); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.table {
				if !strings.Contains(table.String(), "  "+want+"\n") {
					t.Errorf("%q is not in the table:\n%s", want, &table)
				}
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, httptest.NewRequest("GET", "/old/", nil))
			if w.Code != 200 || len(w.Result().Cookies()) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			ck := w.Result().Cookies()[0]
			ck.Value = ""
			if got := ck.String(); got != tt.cookie {
				t.Errorf("got %s, want %s", got, tt.cookie)
			}
		})
	}
}

func TestDeployMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"quirks = AlwaysCreat":                 `:8: quirks: there is no "AlwaysCreat"; there are SaveOnError,`,
		"after_expire = never":                 `:8: after_expire: "never" is none of gone, stays, goes_on`,
		"session_timeout = 5\nidle_timeout=1h": ":8: session_timeout: idle_timeout says the same",
		"session_timeout = soon":               ":8: session_timeout: the setting session_timeout must be a number",
		"session_directory = x":                ":8: session_directory: the section [store:NAME]",
		"delay = 1":                            ":8: delay: the setting delay is refused: nobody polls",
		"sesion_timeout = 60":                  ":8: sesion_timeout: there is no option of this name here; did you mean session_timeout?",
		"default_charset = klingon":            ":8: default_charset: the setting default_charset",
		"locking = no\ngreting = x":            ":8: locking: ",
	} {
		_, err := deployed(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}
