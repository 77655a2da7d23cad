package albatross_test

import (
	"context"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
)

const (
	newSecret = "eighteen-blue-herons-by-the-lake"
	oldSecret = "seventeen-grey-geese-on-the-pond"
)

// steps counts the forms that were sent.
type steps struct{ start int }

func (p steps) PageEnter(ctx *albatross.Context, _ ...any) error {
	return ctx.DefaultSessionVar("n", p.start)
}

func (steps) PageProcess(ctx *albatross.Context) error {
	n, err := albatross.Get[int](ctx, "n")
	if err != nil || !ctx.ReqEquals("step") {
		return err
	}
	if err := ctx.AddSessionVars("n"); err != nil {
		return err
	}
	return ctx.Locals.Set("n", n+1)
}

func (steps) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("steps.html", nil) }

var pages = template.Must(template.New("").Parse(
	`{{define "steps.html"}}n={{.Get "n"}};{{.Form}}{{.Input "type" "submit" "name" "step" "value" "Step"}}{{.FormClose}}{{end}}`))

// deployed loads a file with one application, which has the page steps.
func deployed(t *testing.T, base albatross.Config, text string) (*deploy.Site, error) {
	t.Helper()
	base.Templates = pages
	l := deploy.NewLoader()
	l.App("trip", albatross.Deploy(base, core.Config{}, func(app *albatross.Application, s *deploy.Section) error {
		return app.RegisterPage("steps", steps{s.Int("start", 0, 0)})
	}))
	site, err := l.Load(t.Context(), deploy.FromText("test",
		"[store:main]\nurl = memory:\n[composite:main]\nuse = urlmap\n/old = old\n[app:old]\nuse = trip\n"+text+"\n"))
	if err == nil {
		t.Cleanup(func() {
			if err := site.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return site, err
}

var program = albatross.Config{StartPage: "steps", AppID: "program", Secrets: albatross.Secrets{Current: []byte(newSecret)}}

// visitor is a browser that shows a page, and sends its form.
type visitor struct {
	h       http.Handler
	cookies map[string]*http.Cookie
}

// shown is a page, with the hidden fields of its form.
type shown struct {
	code   int
	text   string
	fields url.Values
}

var hiddenField = regexp.MustCompile(`<input[^>]*name="(__[a-z]+__)"[^>]*value="([^"]*)"`)

// open gets the page, or sends a form if there is one.
func (v *visitor) open(form url.Values) shown {
	r := httptest.NewRequest("GET", "/old/", nil)
	if form != nil {
		r = httptest.NewRequest("POST", "/old/", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, ck := range v.cookies {
		r.AddCookie(&http.Cookie{Name: ck.Name, Value: ck.Value})
	}
	w := httptest.NewRecorder()
	v.h.ServeHTTP(w, r)
	for _, ck := range w.Result().Cookies() {
		if v.cookies == nil {
			v.cookies = map[string]*http.Cookie{}
		}
		v.cookies[ck.Name] = ck
	}
	text, _, _ := strings.Cut(w.Body.String(), ";")
	page := shown{w.Code, text, url.Values{"step": {"Step"}}}
	for _, m := range hiddenField.FindAllStringSubmatch(w.Body.String(), -1) {
		page.fields.Set(m[1], m[2])
	}
	return page
}

func TestDeploy(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		table      []string // in the table
		cookie     string   // that is set
		page       string
	}{
		{"what the program says", "", []string{"locking              merge", "idle_timeout         1h", "manager              old"},
			"program=; Path=/old/; HttpOnly; SameSite=Lax", "n=0"},
		{"as Albatross has it", "session_appid = trip\nsession_age = 600\nstart = 7", []string{"idle_timeout         10m"},
			"trip=; Path=/old/; HttpOnly; SameSite=Lax", "n=7"},
		{"as its smaller classes have it", "appid = trip\nage = 600", []string{"idle_timeout         10m"},
			"trip=; Path=/old/; HttpOnly; SameSite=Lax", "n=0"},
		{"newer names", "cookie_name = c\nidle_timeout = 2h\nlocking = serialized\nmanager = m\ncookie_path = /old/\ncookie_samesite = strict\n" +
			"cookie_http_only = no\ncookie_domain = example.com\ncookie_max_age = 1h\ncookie_secure = on",
			[]string{"locking              serialized", "idle_timeout         2h", "manager              m"},
			"c=; Path=/old/; Domain=example.com; Max-Age=3600; Secure; SameSite=Strict", "n=0"},
		{"a client's cookie", "session = hidden\ncookie_max_age = 1h\ncookie_samesite = strict", nil,
			"program=; Path=/old/; Max-Age=3600; HttpOnly; SameSite=Strict", "n=0"},
		{"every other option", "secret = " + oldSecret + "\nold_secrets = " + newSecret + ", " + oldSecret + "\nrecorder = name\nsession = file\nrandom_pages = no\n" +
			"max_form = 64KiB\nmax_form_fields = 50\nstart_page = steps\nquirks = ProcessLostForms, RemoveOneBranch", nil,
			"program=; Path=/old/; HttpOnly; SameSite=Lax", "n=0"},
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
			secretless(t, table.String())
			for _, want := range tt.table {
				if !strings.Contains(table.String(), "  "+want+"\n") {
					t.Errorf("%q is not in the table:\n%s", want, &table)
				}
			}
			v := &visitor{h: site}
			if page := v.open(nil); page.code != 200 || page.text != tt.page || len(v.cookies) != 1 {
				t.Fatalf("%d %s, %d cookies; want %s", page.code, page.text, len(v.cookies), tt.page)
			}
			for _, ck := range v.cookies {
				ck.Value = ""
				if got := ck.String(); got != tt.cookie {
					t.Errorf("got %s, want %s", got, tt.cookie)
				}
			}
		})
	}
}

func secretless(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{newSecret, oldSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown:\n%s", text)
		}
	}
}

// Each kind of session counts; a form that is sent a second time tells the kinds apart.
func TestDeploySessions(t *testing.T) {
	for _, tt := range []struct {
		text    string
		again   string // what the first form comes to when it is sent again after another
		cookies int
	}{
		{"session = server", "n=3", 1},
		{"session = file", "n=3", 1},
		{"session = branching\nhistory_branches = 50\nhistory_bytes = 64KiB\nhistory_age = never", "n=1", 1},
		{"session = branching\nhistory_branches = 1", "n=0", 1}, // it is forgotten
		{"session = branching\nunbound = yes", "n=1", 0},
		{"session = hidden\nstate_age = 10m\nstate_size = 4KiB", "n=1", 1},
		{"session = hidden\nunbound = yes", "n=1", 0},
	} {
		t.Run(tt.text, func(t *testing.T) {
			site, err := deployed(t, program, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			v := &visitor{h: site}
			page := v.open(nil)
			forms := []url.Values{page.fields}
			for i := range 2 {
				if page = v.open(page.fields); page.code != 200 || page.text != fmt.Sprintf("n=%d", i+1) {
					t.Fatalf("step %d: %d %s", i+1, page.code, page.text)
				}
			}
			if page = v.open(forms[0]); page.text != tt.again {
				t.Errorf("the first form again: %s, want %s", page.text, tt.again)
			}
			if len(v.cookies) != tt.cookies {
				t.Errorf("%d cookies, want %d", len(v.cookies), tt.cookies)
			}
		})
	}
}

// A form that was made with an old secret is taken as long as the file has that secret.
func TestDeploySecrets(t *testing.T) {
	before, err := deployed(t, program, "session = hidden\nunbound = yes\nsecret = "+oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	form := (&visitor{h: before}).open(nil).fields
	for text, want := range map[string]string{
		"": "n=0", // the program's
		"secret = " + newSecret + "\nold_secrets = " + oldSecret: "n=1",
		"old_secrets = " + oldSecret:                             "n=1", // beside the program's
		"secret = " + newSecret:                                  "n=0",
	} {
		site, err := deployed(t, program, "session = hidden\nunbound = yes\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		if page := (&visitor{h: site}).open(form); page.text != want {
			t.Errorf("%s: %s, want %s", text, page.text, want)
		}
	}
}

// Options of one kind of session keep what the program says about the same kind, and nothing of another.
func TestDeployKeepsTheProgramsSession(t *testing.T) {
	base := program
	base.Session = albatross.BranchingSessionMixin{Unbound: true}
	for text, cookies := range map[string]int{"": 0, "session = branching": 0, "unbound = no": 1, "session = server": 1} {
		site, err := deployed(t, base, text)
		if err != nil {
			t.Fatal(err)
		}
		v := &visitor{h: site}
		v.open(v.open(nil).fields)
		if len(v.cookies) != cookies {
			t.Errorf("%q: %d cookies, want %d", text, len(v.cookies), cookies)
		}
	}
}

func TestDeployMistakes(t *testing.T) {
	short := oldSecret[:20]
	for text, want := range map[string]string{
		"quirks = ProcesLostForms":                        `:8: quirks: there is no "ProcesLostForms"; there are ProcessLostForms,`,
		"session_appid = a\ncookie_name = b":              ":8: session_appid: cookie_name says the same",
		"session_age = 60\nidle_timeout = 1h":             ":8: session_age: idle_timeout says the same",
		"session_age = 60\nage = 70":                      ":8: session_age: age says the same",
		"session_appid = a\nappid = b":                    ":8: session_appid: appid says the same",
		"session_age = soon":                              `:8: session_age: "soon" is no number`,
		"session_age = 0":                                 `:8: session_age: "0" is no number`,
		"session_dir = /tmp":                              ":8: session_dir: the section [store:NAME]",
		"session_server = localhost":                      ":8: session_server: the section [store:NAME]",
		"server_port = 34343":                             ":8: server_port: the section [store:NAME]",
		"base_url = /x":                                   ":8: base_url: the application's URL",
		"template_path = x":                               ":8: template_path: templates are Config.Templates",
		"base_dir = x":                                    ":8: base_dir: pages are registered",
		"module_path = x":                                 ":8: module_path: pages are registered",
		"session = cookie":                                `:8: session: "cookie" is none of server, file, hidden`,
		"recorder = all":                                  `:8: recorder: "all" is none of name, stub`,
		"start_page =":                                    ":8: start_page: name the page",
		"secret = " + short:                               ":8: secret: it has 20 bytes, at least 32 are needed",
		"secret =":                                        ":8: secret: it has 0 bytes",
		"old_secrets = " + short:                          ":8: old_secrets: one of them has 20 bytes",
		"old_secrets = " + oldSecret + " " + short:        ":8: old_secrets: one of them has 20 bytes",
		"history_branches = 3":                            ":8: history_branches: it is for session = branching alone",
		"session = server\nstate_age = 1h":                ":9: state_age: it is for session = hidden alone",
		"session = hidden\nhistory_age = 1h":              ":9: history_age: it is for session = branching alone",
		"session = branching\nstate_size = 1KiB":          ":9: state_size: it is for session = hidden alone",
		"unbound = yes":                                   ":8: unbound: it is for session = branching and",
		"session = branching\nhistory_branches = 0":       `:9: history_branches: "0" is no number of at least 1`,
		"session = branching\nhistory_bytes = big":        `:9: history_bytes: "big" is no size`,
		"session = branching\nhistory_bytes = 8MiB":       ":6: albatross: History.Bytes is 8388608",
		"session = hidden\nstate_age = never":             ":9: state_age: it can not be never",
		"session = hidden\nrandom_pages = yes":            ":6: albatross: RandomPages do not go with",
		"random_pages = perhaps":                          `:8: random_pages: "perhaps" is neither yes nor no`,
		"max_form = 0":                                    `:8: max_form: "0" is no size`,
		"max_form_fields = 0":                             `:8: max_form_fields: "0" is no number`,
		"cookie_path = /":                                 ":8: cookie_path: the cookie goes where the application is mounted",
		"strat_page = steps":                              ":8: strat_page: there is no option of this name here; did you mean start_page?",
		"cookie_name = a b":                               ":6: albatross: the session cookie is named",
		"locking = no\nsecret = " + short + "\nage = old": `:10: age: "old" is no number`,
	} {
		_, err := deployed(t, program, text)
		if err == nil || !strings.Contains(err.Error(), "test"+want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), short) {
			t.Errorf("a secret is shown:\n%v", err)
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines > strings.Count(text, "\n")+1 {
			t.Errorf("%s: %d mistakes:\n%v", text, lines, err)
		}
	}
}

func TestDeployNeedsStartPageAndSecret(t *testing.T) {
	_, err := deployed(t, albatross.Config{}, "")
	want := "test:6: start_page: name the page where a session begins\n" +
		"test:6: secret: forms need one, at least 32 bytes that only the servers know; make it with crypto/rand"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := deployed(t, albatross.Config{}, "start_page = steps\nrecorder = stub"); err != nil {
		t.Errorf("nothing is signed, and yet: %v", err)
	}
	_, err = deployed(t, albatross.Config{}, "start_page = steps\nrecorder = stub\nsession = hidden")
	if err == nil || !strings.Contains(err.Error(), "test:6: secret: forms need one") {
		t.Errorf("state in the form without a secret: %v", err)
	}
}

// The table of the porting guide has the options that sections may have, and its section is one.
func TestDeployOptionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/porting-albatross.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## From a configuration file\n")
	if !ok {
		t.Fatal("the guide has no such part")
	}
	part, _, _ = strings.Cut(part, "\n## ")
	_, section, _ := strings.Cut(part, "use = trip\n")
	section, _, _ = strings.Cut(section, "```")
	if _, err := deployed(t, albatross.Config{}, section); err != nil {
		t.Errorf("the section of the guide: %v", err)
	}
	var documented []string
	for line := range strings.Lines(part) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.Contains(cells[1], "`") {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	slices.Sort(documented)
	if known := slices.Sorted(maps.Keys(asked(t))); !slices.Equal(documented, known) {
		t.Errorf("the guide has %v\nthe code  %v", documented, known)
	}
}

// asked returns the options that the adapter itself asks a section for, other than those it refuses.
func asked(t *testing.T) map[string]bool {
	t.Helper()
	code, err := os.ReadFile("deploy.go")
	if err != nil {
		t.Fatal(err)
	}
	_, asks, _ := strings.Cut(string(code), "\nvar sameThing")
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`s\.(?:String|Int|Bool|Size|Duration|Choice|List|Lookup)\("([a-z_]+)"`).FindAllStringSubmatch(asks, -1) {
		names[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`"([a-z_]+)": +"(?:cookie_name|idle_timeout)"`).FindAllStringSubmatch(asks, -1) {
		names[m[1]] = true
	}
	delete(names, "cookie_name") // docs/config.md has it
	return names
}
