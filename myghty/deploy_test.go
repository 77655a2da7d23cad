package myghty_test

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
	"github.com/holdover-web/holdover/myghty"
)

// deployed loads a file with one application, which remembers a picture that the section names, and shows it.
func deployed(t *testing.T, base myghty.Config, text string) (*deploy.Site, error) {
	t.Helper()
	l := deploy.NewLoader()
	l.App("gallery", myghty.Deploy(base, core.Config{}, func(app *myghty.Application, s *deploy.Section) error {
		picture := s.String("picture", "dunes")
		return app.AddFunc("/show", func(m *myghty.Request) error {
			session, err := m.GetSession(nil)
			if err != nil {
				return err
			}
			old, err := core.Get[string](session.Core(), "picture")
			if err != nil {
				return err
			}
			if err := session.Core().Set("picture", picture); err != nil {
				return err
			}
			if err := session.Save(); err != nil {
				return err
			}
			if m.HasArg("fail") {
				return errors.New("the canvas is torn")
			}
			_, err = m.WriteString("before: " + old)
			return err
		})
	}))
	site, err := l.Load(t.Context(), deploy.FromText("test",
		"[store:main]\nurl = memory:\n[composite:main]\nuse = urlmap\n/old = old\n[app:old]\nuse = gallery\n"+text+"\n"))
	if err == nil {
		t.Cleanup(func() {
			if err := site.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return site, err
}

var program = myghty.Config{Options: myghty.Options{"session_key": "program", "timeout": 300}}

// ask sends a request with a cookie, which may be nil, and returns the one that is set, or nil.
func ask(t *testing.T, h http.Handler, query string, cookie *http.Cookie) (*httptest.ResponseRecorder, *http.Cookie) {
	t.Helper()
	r := httptest.NewRequest("GET", "/old/show"+query, nil)
	if cookie != nil {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if set := w.Result().Cookies(); len(set) > 0 {
		return w, set[0]
	}
	return w, nil
}

func TestDeploy(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		table      []string // in the table
		cookie     string   // that is set
	}{
		{"what the program says", "", []string{"locking              merge", "idle_timeout         5m", "manager              old"},
			"program=; Path=/; HttpOnly; SameSite=Lax"},
		{"as Myghty has it", "session_timeout = 90\nsession_key = SID\nsession_cookie_path = /old\nsession_cookie_domain = example.com\nsession_cookie_expires = 3600\n" +
			"session_secure = on\nsession_httponly = no\nsession_samesite = Strict\nsession_auto = yes\nsession_use_cookies = yes",
			[]string{"idle_timeout         1m30s"}, "SID=; Path=/old; Domain=example.com; Max-Age=3600; Secure; SameSite=Strict"},
		{"as Beaker has it", "beaker.session.key = SID\nsession.timeout = None\nbeaker.session.invalidate_corrupt = false\nbeaker.session.data_serializer = json",
			[]string{"idle_timeout         never"}, "SID=; Path=/; HttpOnly; SameSite=Lax"},
		{"no time of the last use", "session.save_accessed_time = no\nsession.timeout = None",
			[]string{"idle_timeout         never"}, "program=; Path=/; HttpOnly; SameSite=Lax"},
		{"newer names", "idle_timeout = 2h\nlocking = serialized\nmanager = m\ncookie_name = c\ncookie_path = /old\ncookie_samesite = strict\ncookie_http_only = no\n" +
			"cookie_domain = example.com\ncookie_max_age = 1h\ncookie_secure = on",
			[]string{"locking              serialized", "idle_timeout         2h", "manager              m"},
			"c=; Path=/old; Domain=example.com; Max-Age=3600; Secure; SameSite=Strict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			site, err := deployed(t, program, tt.text)
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
			w, ck := ask(t, site, "", nil)
			if w.Code != 200 || ck == nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			ck.Value = ""
			if got := ck.String(); got != tt.cookie {
				t.Errorf("got %s, want %s", got, tt.cookie)
			}
		})
	}
}

const (
	newSecret = "eighteen-blue-herons-by-the-lake"
	oldSecret = "seventeen-grey-geese-on-the-pond"
)

// secretless fails the test if a text shows one of the secrets.
func secretless(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{newSecret, oldSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown:\n%s", text)
		}
	}
}

// With session_secret cookies are signed. Those of an old secret are taken, those of another or of none are not.
func TestDeploySignsCookies(t *testing.T) {
	site, err := deployed(t, program, "session_secret = "+newSecret+"\nbeaker.session.old_secrets = "+oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := site.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	secretless(t, table.String())
	_, first := ask(t, site, "", nil)
	if w, _ := ask(t, site, "", first); w.Body.String() != "before: dunes" {
		t.Errorf("a signed cookie: %s", w.Body)
	}
	id, _, signed := strings.Cut(first.Value, ".")
	if !signed {
		t.Fatal("the cookie has no signature")
	}
	signature := func(secret string) string {
		s, err := myghty.NewSignature([]string{secret})
		if err != nil {
			t.Fatal(err)
		}
		return s.Encode(first.Name, id)
	}
	for value, want := range map[string]string{id: "before: ", signature(oldSecret): "before: dunes", signature(newSecret[1:]): "before: "} {
		w, _ := ask(t, site, "", &http.Cookie{Name: first.Name, Value: value})
		if w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
	}
}

// With the quirk DeferredSave a request that fails saves nothing; without it what it has saved stays.
func TestDeployQuirks(t *testing.T) {
	for text, want := range map[string]string{"": "before: dunes", "quirks = DeferredSave, WholeSaves": "before: "} {
		site, err := deployed(t, program, text)
		if err != nil {
			t.Fatal(err)
		}
		_, cookie := ask(t, site, "?fail=1", nil)
		if w, _ := ask(t, site, "", cookie); w.Body.String() != want {
			t.Errorf("%q: got %q, want %q", text, w.Body, want)
		}
	}
}

func TestDeployMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"quirks = DeferedSave":                                    `:8: quirks: there is no "DeferedSave"; there are WholeSaves,`,
		"session_timeout = 60\nidle_timeout = 1h":                 ":8: session_timeout: idle_timeout says the same",
		"picture = x\nbeaker.session.key = a\ncookie_name = b":    ":9: beaker.session.key: cookie_name says the same",
		"session_timeout = soon":                                  ":8: session_timeout: the option session_timeout must be a number",
		"session_secure = perhaps":                                ":8: session_secure: the option session_secure must be true",
		"session_samesite = Loose":                                ":8: session_samesite: the option session_samesite must be",
		"session_cookie_expires = tomorrow":                       ":8: session_cookie_expires: the option",
		"session.data_serializer = pickle":                        ":8: session.data_serializer: the option session.data_serializer must not be pickle",
		"session_type = file":                                     ":8: session_type: the section [store:NAME]",
		"session_data_dir = /tmp":                                 ":8: session_data_dir: the section [store:NAME]",
		"beaker.session.url = localhost:6379":                     ":8: beaker.session.url: the section [store:NAME]",
		"beaker.session.lock_dir = /tmp":                          ":8: beaker.session.lock_dir: the option beaker.session.lock_dir is refused: take it away",
		"session_class = x":                                       ":8: session_class: the option session_class is refused: use the fields",
		"session_encrypt_key = " + newSecret:                      ":8: session_encrypt_key: the option session_encrypt_key is refused",
		"session_timout = 60":                                     ":8: session_timout: there is no option of this name here; did you mean session_timeout?",
		"session_secret = " + newSecret + "\nsession.secret = x":  ":8: session_secret: it is given as session.secret too",
		"session_old_secrets = " + oldSecret:                      ":6: myghty: the option old_secrets needs secret",
		"session_id = " + oldSecret:                               ":6: myghty: the option id is for Request.GetSession",
		"session_legacy_signatures = " + newSecret:                ":8: session_legacy_signatures: the option session_legacy_signatures must be",
		"session_save_accessed_time = no\nsession_timeout = 5":    ":6: myghty: the option timeout needs save_accessed_time",
		"session_save_accessed_time = no\nidle_timeout = 5m":      ":9: idle_timeout: with save_accessed_time = no nobody knows",
		"session_timeout = soon\nlocking = no\nsession_auto = oh": ":10: session_auto: the option session_auto must be",
	} {
		_, err := deployed(t, program, text)
		if err == nil || !strings.Contains(err.Error(), "test"+want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
			continue
		}
		secretless(t, err.Error())
		if lines := strings.Count(err.Error(), "\n") + 1; lines > strings.Count(text, "\n")+1 {
			t.Errorf("%s: %d mistakes:\n%v", text, lines, err)
		}
	}
}

// The section in the porting guide is one.
func TestDeploySectionOfTheGuide(t *testing.T) {
	text, err := os.ReadFile("../docs/porting-myghty.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## From a configuration file\n")
	if !ok {
		t.Fatal("the guide has no such part")
	}
	_, section, ok := strings.Cut(part, "```ini\n")
	section, _, closed := strings.Cut(section, "```")
	if !ok || !closed {
		t.Fatal("the guide shows no section")
	}
	_, section, _ = strings.Cut(section, "use = gallery\n")
	if _, err := deployed(t, myghty.Config{}, section); err != nil {
		t.Errorf("the section of the guide: %v", err)
	}
}
