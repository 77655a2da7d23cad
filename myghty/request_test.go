package myghty

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
	"github.com/holdover-web/holdover/core"
)

// say makes a component that writes a text.
func say(text string) func(m *Request) error {
	return func(m *Request) error { _, err := m.WriteString(text); return err }
}

// around makes an autohandler that writes what is around the next component.
func around(text string) func(m *Request) error {
	return func(m *Request) error {
		m.Writef("<%s>", text)
		err := m.CallNext(Args{"by": text})
		m.Writef("</%s>", text)
		return err
	}
}

func TestComponents(t *testing.T) {
	b := newTestApp(t, Config{Prefix: "/app"}, core.Config{}, pages{
		"/":                  say("home"),
		"/autohandler":       around("site"),
		"/docs/autohandler":  around("docs"),
		"/docs/":             say("index"),
		"/docs/page":         func(m *Request) error { m.Writef("page by %v at %s", m.Args()["by"], m.Path()); return nil },
		"/docs/dhandler":     func(m *Request) error { m.Writef("[%s]", m.DHandlerArg()); return nil },
		"/docs/old/dhandler": func(m *Request) error { m.Writef("lost"); return ErrDecline },
		"/declined":          func(m *Request) error { return ErrDecline },
		"/docs/inner/comp":   func(m *Request) error { m.Writef("(%v at %s)", m.Args()["n"], m.Path()); return nil },
		"/docs/outer": func(m *Request) error {
			if err := m.Comp("inner/comp", Args{"n": 1}); err != nil {
				return err
			}
			s, err := m.Scomp("/docs/inner/comp", Args{"n": 2})
			m.Writef("%s at %s", strings.ToUpper(s), m.Path())
			return err
		},
		"/missing": func(m *Request) error { return m.Comp("nowhere", nil) },
		"/endless": func(m *Request) error { return m.Comp("/endless", nil) },
	}).browser()
	for _, tt := range []struct {
		path   string
		status int
		body   string
	}{
		{"/app/", 200, "<site>home</site>"},
		{"/app/docs/", 200, "<site><docs>index</docs></site>"},
		{"/app/docs/page", 200, "<site><docs>page by docs at /docs/page</docs></site>"},
		{"/app/docs/x/y", 200, "<site><docs>[x/y]</docs></site>"},
		{"/app/docs/old/z", 200, "<site><docs>[old/z]</docs></site>"},
		{"/app/docs/outer", 200, "<site><docs>(1 at /docs/inner/comp)(2 AT /DOCS/INNER/COMP) at /docs/outer</docs></site>"},
		{"/app/autohandler", 404, "404 Not Found"},
		{"/app/docs/dhandler", 200, "[dhandler]"},
		{"/app/nowhere", 404, "404 Not Found"},
		{"/app/declined", 404, "404 Not Found"},
		{"/app/missing", 404, "There is no component"},
		{"/app/endless", 500, "500"},
	} {
		r := b.want(tt.path, tt.status, tt.body)
		if tt.status == 200 && strings.HasPrefix(tt.body, "<site>") && r.body != tt.body {
			t.Errorf("%s: %q, want %q", tt.path, r.body, tt.body)
		}
	}
}

func TestBadComponents(t *testing.T) {
	app, err := NewApplication(newManager(t, newMemory(t), core.Config{}), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.AddFunc("/twice", say("x")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "x", "/a//b", "/a/../b", "/./a", "/twice"} {
		if app.AddFunc(path, say("x")) == nil {
			t.Errorf("%q was accepted", path)
		}
	}
	if app.Add("/nil", nil) == nil || app.AddFunc("/nil", nil) == nil {
		t.Error("a nil component was accepted")
	}
}

func TestRequestArgs(t *testing.T) {
	a := newTestApp(t, Config{MaxFormBytes: 1000}, core.Config{}, pages{"/": func(m *Request) error {
		m.Writef("%s|%v|%v|%s|%s", m.Arg("a"), m.RequestArgs()["a"], m.HasArg("none"), m.Method(), m.HeadersIn().Get("X-None"))
		if f := m.Environ().Request().MultipartForm; f != nil && len(f.File["file"]) > 0 {
			m.Writef("|%s", f.File["file"][0].Filename)
		}
		return nil
	}})
	b := a.browser()
	b.want("/?a=1&a=2", http.StatusOK, "1|[1 2]|false|GET|")
	b.want("/?a=1&b=%zz", http.StatusOK, "1|[1]|false|GET|")
	if r := b.post("/?a=query", url.Values{"a": {"form"}}); r.body != "form|[form query]|false|POST|" {
		t.Errorf("a form: %q", r.body)
	}
	if r := b.post("/", url.Values{"a": {strings.Repeat("x", 1000)}}); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form that is too large: %d", r.StatusCode)
	}
	if r := b.send(http.MethodPost, "/", "application/x-www-form-urlencoded", strings.NewReader("a=%zz")); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken form: %d", r.StatusCode)
	}
	if r := b.send(http.MethodPost, "/", "application/json", strings.NewReader("{")); r.StatusCode != http.StatusOK {
		t.Errorf("JSON: %d", r.StatusCode)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	f, err := w.CreateFormFile("file", "notes.txt")
	if err == nil {
		_, err = f.Write([]byte("hello"))
	}
	if err = errors.Join(err, w.WriteField("a", "part"), w.Close()); err != nil {
		t.Fatal(err)
	}
	if r := b.send(http.MethodPost, "/", w.FormDataContentType(), &body); r.body != "part|[part]|false|POST||notes.txt" {
		t.Errorf("an upload: %d %q", r.StatusCode, r.body)
	}
}

func TestResponse(t *testing.T) {
	a := newTestApp(t, Config{BufferBytes: 100}, core.Config{}, pages{
		"/html": say("<p>hi"),
		"/headers": func(m *Request) error {
			m.SetContentType("text/plain")
			m.HeadersOut().Add("X-Two", "1")
			m.HeadersOut().Add("X-Two", "2")
			m.Attributes()["seen"] = true
			m.Writef("%v", m.Attributes()["seen"])
			return m.SetStatus(http.StatusTeapot)
		},
		"/clear": func(m *Request) error {
			m.Writef("lost")
			err := m.ClearBuffer()
			m.Writef("kept")
			return err
		},
		"/redirect":  func(m *Request) error { m.Writef("lost"); return m.SendRedirect("/html") },
		"/far":       func(m *Request) error { return m.SendRedirect("/a b/é?x=%20") },
		"/split":     func(m *Request) error { return m.SendRedirect("/a\r\nSet-Cookie: b") },
		"/abort":     func(m *Request) error { m.Writef("lost"); return m.Abort(410, "It <is> gone") },
		"/badabort":  func(m *Request) error { return m.Abort(99, "") },
		"/badstatus": func(m *Request) error { return m.SetStatus(101) },
		"/fail":      func(m *Request) error { m.Writef("lost"); return errors.New("kaput") },
		"/panic":     func(m *Request) error { panic("kaput") },
		"/empty":     func(m *Request) error { return nil },
		"/injected":  func(m *Request) error { m.HeadersOut().Set("X-Evil", "a\r\nSet-Cookie: b"); return nil },
		"/late": func(m *Request) error {
			m.Writef("%s", strings.Repeat("x", 101)) // begins the response
			if err := m.ClearBuffer(); !errors.Is(err, ErrCommitted) {
				return fmt.Errorf("ClearBuffer: %v", err)
			}
			if err := m.SetStatus(201); !errors.Is(err, ErrCommitted) {
				return fmt.Errorf("SetStatus: %v", err)
			}
			m.Writef("last")
			return nil
		},
	})
	b := a.browser()
	if r := b.want("/html", 200, "<p>hi"); r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", r.Header.Get("Content-Type"))
	}
	if r := b.want("/headers", http.StatusTeapot, "true"); r.Header.Get("Content-Type") != "text/plain" || len(r.Header["X-Two"]) != 2 {
		t.Errorf("headers %v", r.Header)
	}
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/clear": {200, "kept"}, "/abort": {410, "410 It &lt;is&gt; gone"}, "/badabort": {500, "500"}, "/badstatus": {500, "500"},
		"/fail": {500, "500"}, "/empty": {200, ""}, "/late": {200, "xlast"}, "/injected": {500, "500"},
	} {
		if r := b.want(path, want.status, want.body); strings.Contains(r.body, "lost") || strings.Contains(r.body, "kaput") {
			t.Errorf("%s: %q", path, r.body)
		}
	}
	if r := b.want("/redirect", http.StatusFound, ""); r.Header.Get("Location") != "/html" || strings.Contains(r.body, "lost") {
		t.Errorf("a redirect to %q with %q", r.Header.Get("Location"), r.body)
	}
	if r := b.want("/far", http.StatusFound, ""); r.Header.Get("Location") != "/a%20b/%C3%A9?x=%20" {
		t.Errorf("a redirect to %q", r.Header.Get("Location"))
	}
	if r := b.get("/split"); r.Header.Get("Set-Cookie") != "" {
		t.Error("a redirect smuggled a header")
	}
	if r := b.post("/redirect", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("a redirect after a POST: %d", r.StatusCode)
	}
	if r := b.send(http.MethodHead, "/html", "", nil); r.StatusCode != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.StatusCode, r.body)
	}
}

// Who declines after a part of the page has left does not get another page behind it.
func TestDeclineTooLate(t *testing.T) {
	a := newTestApp(t, Config{}, core.Config{}, pages{
		"/docs/page":     func(m *Request) error { m.Writef("half of a page"); return errors.Join(m.FlushBuffer(), ErrDecline) },
		"/docs/dhandler": say("another page"),
	})
	resp, err := http.Get(a.server.URL + "/docs/page")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil || string(body) != "half of a page" {
		t.Errorf("%q (%v), want the half, and that the connection is cut", body, err)
	}
	if !strings.Contains(a.log.String(), "declined the request too late") {
		t.Errorf("the log says nothing of it: %s", a.log)
	}
}

// A redirect saves what auto is to save.
func TestAutoAndRedirect(t *testing.T) {
	b := newTestApp(t, Config{Options: Options{"auto": true}}, core.Config{}, pages{
		"/login": with(func(m *Request, s *Session) (any, error) {
			return nil, errors.Join(s.Set("user", "ada"), m.SendRedirect("/show"))
		}),
		"/show": show,
	}).browser()
	b.want("/login", http.StatusFound, "")
	b.want("/show", http.StatusOK, "user=ada;")
}

// The application keeps to the rules of PEP 3333.
func TestLint(t *testing.T) {
	a := newTestApp(t, Config{}, core.Config{}, pages{"/": set, "/abort": func(m *Request) error { return m.Abort(404, "") }})
	checked := lint.Wrap(a.Application, lint.Config{Strict: true})
	h := a.HTTPSessions().Middleware(compat.Handler(checked, compat.HandlerConfig{}))
	for _, path := range []string{"/?a=b", "/abort"} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil)); w.Code >= 500 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
