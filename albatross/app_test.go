package albatross

import (
	"bytes"
	"context"
	"html"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testSecrets = Secrets{Current: bytes.Repeat([]byte("s"), 32)}

// spy is a memory store that counts calls.
type spy struct {
	*memstore.Store
	loads, saves, creates, others atomic.Int64
}

func newSpy(t testing.TB) *spy {
	s := &spy{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *spy) reset() {
	for _, n := range []*atomic.Int64{&s.loads, &s.saves, &s.creates, &s.others} {
		n.Store(0)
	}
}

func (s *spy) counts() [4]int64 {
	return [4]int64{s.loads.Load(), s.saves.Load(), s.creates.Load(), s.others.Load()}
}

func (s *spy) Create(ctx context.Context, k core.Key, r core.Record) error {
	s.creates.Add(1)
	return s.Store.Create(ctx, k, r)
}

func (s *spy) Load(ctx context.Context, k core.Key, o core.LoadOptions) (core.Record, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, k, o)
}

func (s *spy) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	s.saves.Add(1)
	return s.Store.Save(ctx, k, c)
}

func (s *spy) Touch(ctx context.Context, k core.Key, now time.Time) error {
	s.others.Add(1)
	return s.Store.Touch(ctx, k, now)
}

func (s *spy) Delete(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
	s.others.Add(1)
	return s.Store.Delete(ctx, k, now)
}

// lockedBuffer is a log that requests write to while tests read it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// testApp is an application at /app, served over TCP.
type testApp struct {
	*Application
	t    testing.TB
	url  string
	log  *lockedBuffer
	core *core.Manager
}

type appConfig struct {
	Config
	store   core.Store
	manager core.Config
	id      string // of the manager; default "app"
}

func newManager(t testing.TB, id string, store core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	if store == nil {
		store = newSpy(t)
	}
	if id == "" {
		id = "app"
	}
	m, err := core.New(id, store, cfg)
	ok(t, err)
	t.Cleanup(func() { ok(t, m.Close(context.Background())) })
	return m
}

// newApp serves pages, the first of which is the start page, under the names p0, p1 and so on unless cfg says more.
func newApp(t testing.TB, cfg appConfig, pages map[string]Page) *testApp {
	t.Helper()
	a := &testApp{t: t, log: new(lockedBuffer)}
	cfg.Prefix, cfg.Secrets = "/app", testSecrets
	if cfg.StartPage == "" {
		cfg.StartPage = "start"
	}
	cfg.Logger = slog.New(slog.NewTextHandler(a.log, nil))
	a.core = newManager(t, cfg.id, cfg.store, cfg.manager)
	app, err := NewApplication(a.core, cfg.Config)
	ok(t, err)
	for name, p := range pages {
		ok(t, app.RegisterPage(name, p))
	}
	a.Application = app
	a.url = serve(t, app.Handler())
	return a
}

// browser keeps cookies and follows no redirects.
type browser struct {
	t    testing.TB
	site string
	c    *http.Client
}

func (a *testApp) browser() *browser {
	jar, err := cookiejar.New(nil)
	ok(a.t, err)
	return &browser{a.t, a.url, &http.Client{
		Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is what a browser shows.
type page struct {
	b      *browser
	status int
	header http.Header
	text   string
}

func (b *browser) do(method, path, kind, body string) page {
	b.t.Helper()
	req, err := http.NewRequest(method, b.site+path, strings.NewReader(body))
	ok(b.t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.t.Errorf("no answer: %v", err)
		return page{b: b}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Errorf("the answer is cut: %v", err)
	}
	return page{b, resp.StatusCode, resp.Header, string(data)}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do("GET", path, "", "") }

const urlencoded = "application/x-www-form-urlencoded"

func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	return b.do("POST", path, urlencoded, form.Encode())
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// fields are the hidden fields of the page.
func (p page) fields() url.Values {
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(p.text, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}

// id is the branch that the page leads to.
func (p page) id() string { return p.fields().Get(sesidField) }

// submit sends the page's form, with more fields, given as name and value.
func (p page) submit(pairs ...string) page {
	p.b.t.Helper()
	form := p.fields()
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return p.b.post("/app/", form)
}

// want checks what the page says.
func (p page) want(status int, texts ...string) page {
	p.b.t.Helper()
	if p.status != status {
		p.b.t.Errorf("status %d, want %d:\n%s", p.status, status, p.text)
	}
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			p.b.t.Errorf("%q is not on the page:\n%s", text, p.text)
		}
	}
	return p
}

// fnPage is a Page made of functions.
type fnPage struct {
	enter, leave, process, display func(*Context) error
}

func call(fn func(*Context) error, c *Context) error {
	if fn == nil {
		return nil
	}
	return fn(c)
}

func (p fnPage) PageEnter(c *Context, _ ...any) error { return call(p.enter, c) }
func (p fnPage) PageLeave(c *Context) error           { return call(p.leave, c) }
func (p fnPage) PageProcess(c *Context) error         { return call(p.process, c) }
func (p fnPage) PageDisplay(c *Context) error         { return call(p.display, c) }

var counterTemplates = template.Must(template.New("count.html").Parse(
	`n={{.Get "n"}} who={{.Get "who"}} lost={{.Context.SessionLost}} used={{.Context.BranchUsed}}
{{.Form}}{{.Input "name" "who"}}{{.Input "type" "submit" "name" "add" "value" "add"}}{{.Input "type" "submit" "name" "look" "value" "look"}}{{.FormClose}}`))

// counter is a page that counts how often its button was pressed, and remembers a name.
func counter() Page {
	return fnPage{
		process: func(c *Context) error {
			if !c.ReqEquals("add") {
				return nil
			}
			if err := c.DefaultSessionVar("n", 0); err != nil {
				return err
			}
			n, err := Get[int](c, "n")
			if err != nil {
				return err
			}
			return errorsOf(c.Locals.Set("n", n+1), c.AddSessionVars("who"))
		},
		display: func(c *Context) error { return c.RunTemplate("count.html", nil) },
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func counterApp(t testing.TB, cfg appConfig) *testApp {
	t.Helper()
	cfg.Templates = counterTemplates
	return newApp(t, cfg, map[string]Page{"start": counter()})
}

// serve serves a handler over TCP and returns its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
