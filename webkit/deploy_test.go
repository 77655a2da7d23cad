package webkit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webkit"
)

// tally counts in the session, and tells the setting that was asked for.
type tally struct{ webkit.HTTPServlet }

func (*tally) RespondToGet(t *webkit.Transaction) error {
	s, err := t.Session()
	if err != nil {
		return err
	}
	n, err := core.Get[int](s.Core(), "n")
	if err != nil {
		return err
	}
	if err := s.SetValue("n", n+1); err != nil {
		return err
	}
	if t.Request().HasField("fail") {
		return errors.New("the tape is torn")
	}
	_, err = io.WriteString(t.Response(), strings.Repeat("I", n+1))
	return err
}

func deployed(t *testing.T, text string) (*deploy.Site, error) {
	t.Helper()
	l := deploy.NewLoader()
	l.App("tally", webkit.Deploy(webkit.Config{Settings: webkit.Settings{"SessionName": "program", "SessionTimeout": 5}},
		core.Config{Locking: core.Serialized}, func(app *webkit.Application, s *deploy.Section) error {
			return app.Add(s.String("page", "/tally"), func() webkit.Servlet { return new(tally) })
		}))
	site, err := l.Load(t.Context(), deploy.FromText("test", "[store:main]\nurl = memory:\n[composite:main]\nuse = urlmap\n/old = old\n[app:old]\nuse = tally\n"+text))
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
		want       []string // in the table
		cookie     string   // that is set
	}{
		{"what the program says", "", []string{"locking              serialized", "save                 dirty", "idle_timeout         5m", "manager              old"},
			"program=; Path=/old/; HttpOnly; SameSite=Strict"},
		{"legacy names", "SessionTimeout = 90\nSessionName = '_SID_'\nAlwaysSaveSessions = True\nSameSiteSessionCookie = Lax\nHttpOnlySessionCookie = 0\nSessionPrefix = x\n" +
			"UseSessionSweeper = no\nMaxFormFields = 5\nErrorPage = None\nSessionCookiePath = /",
			[]string{"locking              serialized", "save                 always", "idle_timeout         1h30m"}, "_SID_=; Path=/; SameSite=Lax"},
		{"newer names", "idle_timeout = 2h\nlocking = merge\nmanager = m\ncookie_name = c\ncookie_path = /old\ncookie_samesite = lax\ncookie_http_only = no\n" +
			"cookie_max_age = 1h\ncookie_domain = example.com\nsave = explicit",
			[]string{"locking              merge", "save                 explicit", "idle_timeout         2h", "manager              m"},
			""},
		{"a cookie with a domain", "cookie_domain = example.com\ncookie_max_age = 1h", nil, "program=; Path=/old/; Domain=example.com; Max-Age=3600; HttpOnly; SameSite=Strict"},
		{"another page", "page = /count", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			site, err := deployed(t, tt.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			var table strings.Builder
			if err := site.WriteTable(&table); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(table.String(), "  "+want+"\n") {
					t.Errorf("%q is not in the table:\n%s", want, &table)
				}
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, httptest.NewRequest("GET", "/old/tally", nil))
			if tt.cookie == "" {
				return
			}
			if w.Code != http.StatusOK || w.Body.String() != "I" || len(w.Result().Cookies()) != 1 {
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

// What the program does to the cookie stays, and the file goes before it.
func TestDeployKeepsTheProgramsCookie(t *testing.T) {
	for text, want := range map[string]string{"": "example.com", "cookie_domain = example.org": "example.org"} {
		l := deploy.NewLoader()
		base := webkit.Config{Cookie: func(c *compat.SessionsConfig) { c.Domain = "example.com" }}
		l.App("tally", webkit.Deploy(base, core.Config{}, func(app *webkit.Application, _ *deploy.Section) error {
			return app.Add("/tally", func() webkit.Servlet { return new(tally) })
		}))
		site, err := l.Load(t.Context(), deploy.FromText("test", "[store:main]\nurl = memory:\n[app:main]\nuse = tally\n"+text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("GET", "/tally", nil))
		if set := w.Result().Cookies(); len(set) != 1 || set[0].Domain != want {
			t.Errorf("%q: %v, want the domain %s", text, set, want)
		}
		if err := site.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestDeployQuirksAndErrors(t *testing.T) {
	for text, want := range map[string]string{"": "I", "quirks = SaveOnException, CountTransactions": "II"} {
		site, err := deployed(t, "UserErrorMessage = \"Call the office.\"\nShowDebugInfoOnErrors = yes\n"+text+"\n")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(site)
		get := func(query string, cookies []*http.Cookie) (*http.Response, string) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/old/tally"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cookies {
				r.AddCookie(c)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			page, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp, string(page)
		}
		first, _ := get("", nil)
		failed, page := get("?fail=1", first.Cookies())
		if failed.StatusCode != 500 || !strings.Contains(page, "Call the office.") || !strings.Contains(page, "the tape is torn") {
			t.Errorf("%d %s", failed.StatusCode, page)
		}
		if _, page := get("", first.Cookies()); page != "I"+want {
			t.Errorf("%q: counted %s after a request that failed, want I%s", text, page, want)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestDeployMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"quirks = SaveOnExeption":                  `:8: quirks: there is no "SaveOnExeption"; there are SaveOnException,`,
		"SessionTimeout = 60\nidle_timeout = 1h":   ":8: SessionTimeout: idle_timeout says the same",
		"SessionTimeout = soon":                    ":8: SessionTimeout: the setting SessionTimeout must be a number",
		"SessionStore = File":                      ":8: SessionStore: the section [store:NAME]",
		"RedisHost = localhost":                    ":8: RedisHost: the setting RedisHost is refused: open the store",
		"SesionTimeout = 60":                       ":8: SesionTimeout: there is no option of this name here; did you mean SessionTimeout?",
		"SessionName = 'open":                      ":8: SessionName: the quotes do not match",
		"ErrorPage = {404: '/x'}":                  ":8: ErrorPage: a dictionary",
		"UseCookieSessions = no":                   ":6: webkit: without UseCookieSessions",
		"page = nowhere/../x":                      ":6: webkit:",
		"locking = no\nSessionName = a b\nquirk=x": ":8: locking: ",
	} {
		_, err := deployed(t, text+"\n")
		if err == nil || !strings.Contains(err.Error(), "test"+want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	_, err := deployed(t, "[app:new]\nuse = app:old\n[composite:both]\nuse = urlmap\n/ = old\n")
	if err != nil { // neither is mounted
		t.Error(err)
	}
}
