package albatross

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
	"github.com/holdover-web/holdover/core"
)

func TestHugeForms(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{MaxFormBytes: 10_000, MaxFormFields: 50}})
	b := a.browser()
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for i := range 60 {
		ok(t, w.WriteField(fmt.Sprint("f", i), "x"))
	}
	ok(t, w.Close())
	for name, tt := range map[string]struct {
		kind, body string
		status     int
	}{
		"large":           {urlencoded, "a=" + strings.Repeat("x", 20_000), 413},
		"many fields":     {urlencoded, strings.Repeat("a&", 60), 413},
		"many parts":      {w.FormDataContentType(), parts.String(), 413},
		"large multipart": {w.FormDataContentType(), strings.Repeat("x", 20_000), 400},
		"bad escape":      {urlencoded, "a=%zz", 400},
		"no boundary":     {"multipart/form-data", "x", 400},
		"no form":         {"application/json", strings.Repeat("x", 100), 200},
		"not UTF-8":       {urlencoded, "who=%ff", 200},
	} {
		if got := b.do("POST", "/app/", tt.kind, tt.body); got.status != tt.status {
			t.Errorf("%s: status %d, want %d\n%s", name, got.status, tt.status, got.text)
		}
	}
	if got := b.get("/app/?" + strings.Repeat("a&", 60)); got.status != 413 {
		t.Errorf("many fields in the query: %d", got.status)
	}
}

func TestUpload(t *testing.T) {
	a := newApp(t, appConfig{}, map[string]Page{"start": PageFunc(func(c *Context) error {
		r := c.Request()
		for _, f := range r.Files("photo") {
			fmt.Fprint(c, f.Filename, " ", f.Size, " ", r.HasField("photo"), " ", r.FieldNames(), " ", r.FieldValue("title"))
		}
		return nil
	})})
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	ok(t, w.WriteField("title", "sea"))
	f, err := w.CreateFormFile("photo", "sea.jpg")
	ok(t, err)
	_, err = f.Write(make([]byte, 2<<20)) // in a temporary file
	ok(t, err)
	ok(t, w.Close())
	a.browser().do("POST", "/app/", w.FormDataContentType(), body.String()).want(200, "sea.jpg 2097152 true [photo title] sea")
}

func TestValidateRequestAndLoadPage(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{ValidateRequest: func(c *Context) (bool, error) { return c.Request().Method() == http.MethodPost, nil },
		LoadPage: func(c *Context) (string, error) {
			switch c.Request().PathInfo() {
			case "/wrong":
				return "nowhere", nil
			case "/fails":
				return "", &StatusError{404, "none"}
			}
			return "", nil
		}}})
	b := a.browser()
	b.get("/app/").submit("add", "1", "who", "ada").want(200, "n=1")
	b.get("/app/?add=1").want(200, "n=1")
	b.get("/app/wrong").want(500)
	b.get("/app/fails").want(404)
}

func TestPageThatIsGone(t *testing.T) {
	store := newSpy(t)
	build := func(pages map[string]Page) *testApp { return newApp(t, appConfig{store: store}, pages) }
	say := func(text string) Page {
		return fnPage{display: func(c *Context) error { _, err := c.WriteString(text); return err },
			process: func(c *Context) error {
				if c.ReqEquals("go") {
					return c.SetPage("second")
				}
				return nil
			}}
	}
	old := build(map[string]Page{"start": say("start"), "second": say("second")})
	b := old.browser()
	b.get("/app/?go=1").want(200, "second")
	b.get("/app/").want(200, "second")
	b.site = build(map[string]Page{"start": say("new start")}).url
	b.get("/app/").want(200, "new start")
}

func TestRegisterPage(t *testing.T) {
	app := newApp(t, appConfig{}, map[string]Page{"start": PageFunc(func(*Context) error { return nil })})
	for name, p := range map[string]Page{"": PageFunc(nil), "x": nil, "start": PageFunc(nil)} {
		if err := app.RegisterPage(name, p); err == nil {
			t.Errorf("the page %q was taken", name)
		}
	}
}

func TestLint(t *testing.T) {
	a := counterApp(t, appConfig{Config: Config{Session: BranchingSessionMixin{}}})
	checked := lint.Wrap(a.Application, lint.Config{})
	h := a.HTTPSessions().Middleware(compat.Handler(checked, compat.HandlerConfig{Prefix: "/app", BufferSize: -1}))
	a.url = serve(t, h)
	p := a.browser().get("/app/").want(200)
	p.submit("add", "1", "who", "ada").want(200, "n=1").submit("add", "1", "who", "ada").want(200, "n=2")
}

func TestWithoutSessionsAround(t *testing.T) {
	a := counterApp(t, appConfig{})
	a.url = serve(t, compat.Handler(a.Application, compat.HandlerConfig{Prefix: "/app"}))
	a.browser().get("/app/").want(500)
}

func TestExpiredSession(t *testing.T) {
	now := atomic.Pointer[time.Time]{}
	at := time.Now()
	now.Store(&at)
	a := counterApp(t, appConfig{manager: core.Config{IdleTimeout: time.Hour, Now: func() time.Time { return *now.Load() }}})
	p := a.browser().get("/app/").submit("add", "1", "who", "ada").want(200, "n=1")
	later := at.Add(time.Hour)
	now.Store(&later)
	p.submit("look", "1", "who", "ada").want(200, "n= who= lost=true")
}
