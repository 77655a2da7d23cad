package webstack_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
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
		"cookie_name=x\nsession_cookie_name=y": ":9: session_cookie_name: cookie_name says the same",
		"cookie_path=/\nsession_cookie_path=/": ":9: session_cookie_path: cookie_path says the same",
		"lock_wait = 1s\nlock_timeout = 1":     ":9: lock_timeout: lock_wait says the same",
		"session_cookie_samesite = None":       `:8: session_cookie_samesite: the setting session_cookie_samesite must be "Lax", "Strict" or "None"`,
		"session_cookie_name = a b":            ":6: webstack: ",
		"max_fields = 0":                       ":8: max_fields: the setting max_fields must be a number",
		"max_body_size = nan":                  ":8: max_body_size: the setting max_body_size must be a number",
		"lock_timeout = 1e400":                 ":8: lock_timeout: the setting lock_timeout must be a number",
		"handle_errors = perhaps":              ":8: handle_errors: the setting handle_errors must be true or false",
		"session_cookie_secure = 2":            ":8: session_cookie_secure: the setting session_cookie_secure must be",
		"response_buffer_size = [1]":           ":8: response_buffer_size: a dictionary or list",
		"authenticator = x":                    ":8: authenticator: the setting authenticator is refused: use Config.Authenticator",
		"concurrent = 1":                       ":8: concurrent: the setting concurrent is refused",
		"address = ('', 8080)":                 ":8: address: the setting address is refused",
		"handle_class = x":                     ":8: handle_class: the setting handle_class is refused",
		"path_encoding = utf-8":                ":8: path_encoding: the setting path_encoding is refused",
		"urlencoding = utf-8":                  ":8: urlencoding: the setting urlencoding is refused",
	} {
		_, err := deployed(t, text)
		if err == nil || !strings.Contains(err.Error(), "test"+want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
	for name := range webstack.DefaultSettings() {
		want := "test:8: " + name + ": the "
		if _, err := deployed(t, name+" = 'open"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
}

// The section in the porting guide is one.
func TestDeploySectionOfTheGuide(t *testing.T) {
	text, err := os.ReadFile("../docs/porting-webstack.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "use = notes\n")
	section, _, closed := strings.Cut(section, "```")
	if !ok || !closed {
		t.Fatal("the guide shows no section")
	}
	if _, err := deployed(t, section); err != nil {
		t.Errorf("the section of the guide: %v", err)
	}
}

// Error pages hide what went wrong until the file says otherwise, and quirks are those of the file.
func TestDeploySettingsAndQuirksAreUsed(t *testing.T) {
	for text, want := range map[string]string{
		"": "old=", "quirks = SaveOnError": "old=hello", "handle_errors = no": "old=", "handle_errors = no\nquirks = SaveOnError": "old=hello",
	} {
		l := deploy.NewLoader()
		l.App("greeter", webstack.Deploy(webstack.Config{}, core.Config{}, func(*deploy.Section) (webstack.Resource, error) {
			return webstack.ResourceFunc(func(t *webstack.Transaction) error {
				session, err := t.GetSession(true)
				if err != nil {
					return err
				}
				old, err := core.Get[string](session.Core(), "greeting")
				if err != nil {
					return err
				}
				if err := session.Set("greeting", "hello"); err != nil {
					return err
				}
				if strings.Contains(t.GetQueryString(), "fail") {
					return errors.New("the ink is dry")
				}
				_, err = t.GetResponseStream().WriteString("old=" + old)
				return err
			}), nil
		}))
		site, err := l.Load(t.Context(), deploy.FromText("test", "[store:main]\nurl = memory:\n[app:main]\nuse = greeter\n"+text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/?fail", nil)
		site.ServeHTTP(w, r)
		if told := strings.Contains(w.Body.String(), "the ink is dry"); w.Code != 500 || told != strings.Contains(text, "handle_errors") {
			t.Errorf("%q: %d %s", text, w.Code, w.Body)
		}
		r = httptest.NewRequest("GET", "/", nil)
		for _, ck := range w.Result().Cookies() {
			r.AddCookie(&http.Cookie{Name: ck.Name, Value: ck.Value})
		}
		w = httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%q: got %s, want %s", text, w.Body, want)
		}
		if err := site.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
