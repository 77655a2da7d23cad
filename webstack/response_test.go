package webstack

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

// noFiles fails the test for temporary files that are left.
func noFiles(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestResponse(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"x": func(tr *Transaction) error {
		check(t, "GetResponseCode at first", tr.GetResponseCode(), 0)
		err := errors.Join(write(tr, "page"), tr.SetResponseCode(404), tr.SetHeaderValue("x-one", "1"), tr.SetHeaderValue("X-One", "2"))
		check(t, "GetResponseCode", tr.GetResponseCode(), 404)
		for _, code := range []int{0, 100, 199, 600, -1} {
			if tr.SetResponseCode(code) == nil {
				t.Errorf("code %d was taken", code)
			}
		}
		return err
	}, "empty": func(tr *Transaction) error { return tr.SetResponseCode(204) }})
	b := a.browser()
	r := b.want("/x", 404, "page")
	check(t, "headers", r.Header["X-One"], []string{"2"})
	if r := b.want("/empty", 204, ""); r.Header.Get("Content-Type") != "" {
		t.Error("there is a Content-Type for no content")
	}
}

// Nothing that comes from a client can add headers, in whatever place it is put.
func TestHeaderInjection(t *testing.T) {
	const evil = "x\r\nSet-Cookie: SID=planted"
	w := serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
		for what, err := range map[string]error{
			"value":             tr.SetHeaderValue("X-A", evil),
			"name":              tr.SetHeaderValue(evil, "x"),
			"empty name":        tr.SetHeaderValue("", "x"),
			"no ASCII":          tr.SetHeaderValue("X-A", "é"),
			"NUL":               tr.SetHeaderValue("X-A", "a\x00b"),
			"DEL":               tr.SetHeaderValue("X-A", "a\x7fb"),
			"Set-Cookie":        tr.SetHeaderValue("set-cookie", "a=b"),
			"Connection":        tr.SetHeaderValue("Connection", "close"),
			"Transfer-Encoding": tr.SetHeaderValue("Transfer-Encoding", "chunked"),
			"Content-Length":    tr.SetHeaderValue("Content-Length", "many"),
			"content type":      tr.SetHeaderValue("Content-Type", "text/html; a="+evil),
			"cookie path":       tr.SetCookieValue("a", "b", "/; HttpOnly", zeroTime),
			"cookie path line":  tr.SetCookieValue("a", "b", "/"+evil, zeroTime),
			"cookie, no name":   tr.SetCookieValue("", "b", "/", zeroTime),
			"session's cookie":  tr.SetCookieValue("SID", "planted", "/", zeroTime),
			"redirect":          tr.Redirect("/" + evil),
			"redirect NUL":      tr.Redirect("/\x00"),
		} {
			if err == nil || errors.Is(err, ErrEndOfResponse) {
				t.Errorf("%s: %v", what, err)
			}
		}
		return errors.Join(tr.SetCookieValue(evil, evil, "/", zeroTime), write(tr, "fine"))
	})
	if w.Code != 200 || len(w.Result().Cookies()) != 1 || w.Result().Header.Get("X-A") != "" || w.Result().Header.Get("Location") != "" {
		t.Errorf("%d %v", w.Code, w.Result().Header)
	}
}

func TestRedirect(t *testing.T) {
	for _, tt := range []struct {
		path string
		code []int
		want string // "" is refused
	}{
		{"/notes/", nil, "/notes/"}, {"https://www.example.org/a?b=c#d", nil, "https://www.example.org/a?b=c#d"}, {"list?a=%20", []int{303}, "list?a=%20"},
		{"/a b/é<\">", nil, "/a%20b/%C3%A9%3C%22%3E"}, {"?q", nil, "?q"},
		{"", nil, ""}, {"//evil.example/", nil, ""}, {`/\evil.example/`, nil, ""}, {`\\evil.example/`, nil, ""}, {`\/evil.example`, nil, ""}, {`\evil`, nil, ""},
		{"/\t/evil.example", nil, ""}, {"/ok", []int{200}, ""}, {"/ok", []int{304}, ""},
	} {
		w := serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
			err := tr.Redirect(tt.path, tt.code...)
			if (tt.want != "") != errors.Is(err, ErrEndOfResponse) {
				t.Errorf("%q: %v", tt.path, err)
			}
			return err
		})
		want := http.StatusFound
		if len(tt.code) > 0 {
			want = tt.code[0]
		}
		if tt.want == "" {
			want = 500
		}
		if w.Code != want || w.Header().Get("Location") != tt.want {
			t.Errorf("%q: %d %q, want %d %q", tt.path, w.Code, w.Header().Get("Location"), want, tt.want)
		}
	}
}

func TestCookies(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{
		"set": func(tr *Transaction) error {
			return errors.Join(tr.SetCookieValue("plain", "first", "/", zeroTime), tr.SetCookieValue("plain", "value", "/", expires),
				tr.SetCookieValue("Käse; =", "grün; \"x\", €", "/", zeroTime),
				tr.SetCookie(&Cookie{Name: "all", Value: "v", Path: "/", Secure: true, HTTPOnly: true, SameSite: http.SameSiteStrictMode}))
		},
		"get": func(tr *Transaction) error {
			if tr.GetCookie("no") != nil {
				t.Error("there is a cookie that was not sent")
			}
			c := tr.GetCookie("Käse; =")
			if c == nil || len(tr.GetCookies()) != 3 {
				t.Errorf("cookies %v", tr.GetCookies())
				return nil
			}
			c.Value += "!" // is the caller's
			return write(tr, tr.GetCookie("plain").Value+" "+strings.ReplaceAll(tr.GetCookie("Käse; =").Value, "€", "EUR"))
		},
		"delete": func(tr *Transaction) error {
			return errors.Join(tr.DeleteCookie("plain"), tr.DeleteCookie("Käse; =", "/"), tr.DeleteCookie("all"))
		},
		"left": func(tr *Transaction) error { return write(tr, strings.Repeat("x", len(tr.GetCookies()))) },
	})
	b := a.browser()
	r := b.want("/set", 200, "")
	check(t, "Set-Cookie", r.Header["Set-Cookie"], []string{
		"plain=value; Path=/; Expires=" + expires.UTC().Format(http.TimeFormat),
		"K%C3%A4se%3B%20%3D=gr%C3%BCn%3B%20%22x%22%2C%20%E2%82%AC; Path=/",
		"all=v; Path=/; HttpOnly; Secure; SameSite=Strict"})
	if r := b.want("/get", 200, "value gr"); r.body != "value gr\xfcn; \"x\", EUR" {
		t.Errorf("%q", r.body)
	}
	b.want("/delete", 200, "")
	if r := b.want("/left", 200, ""); r.body != "" {
		t.Errorf("%d cookies are left", len(r.body))
	}
}

func TestForeignCookies(t *testing.T) {
	for header, want := range map[string]string{
		`a=1; b="two"; a=3`: "1|two", `;; =x; a; a=1;b=`: "1|", `a=%zz%E9; b=%C3%A9`: "%zz\uFFFD|é", "a = 1 ; b = 2": "1|2", `%61=1; b=a=b`: "1|a=b",
	} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Cookie", header)
		serve(t, testConfig{}, req, func(tr *Transaction) error {
			check(t, header, tr.GetCookie("a").Value+"|"+tr.GetCookie("b").Value, want)
			return nil
		})
	}
}

// What outgrows the buffer is sent on the way, after the session was saved.
func TestLargeResponse(t *testing.T) {
	for name, size := range map[string]int{"none": 0, "small": 100, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"response_buffer_size": size}}}, map[string]ResourceFunc{
				"x": func(tr *Transaction) error {
					if err := setting("a", "kept")(tr); err != nil {
						return err
					}
					for range 100 {
						if err := write(tr, "0123456789"); err != nil {
							return err
						}
					}
					return nil
				}, "get": getting("a"), "late": func(tr *Transaction) error {
					if err := write(tr, strings.Repeat("x", 200)); err != nil {
						return err
					}
					return setting("a", "late")(tr)
				}})
			b := a.browser()
			if r := b.want("/x", 200, ""); r.body != strings.Repeat("0123456789", 100) {
				t.Errorf("%d bytes", len(r.body))
			}
			b.want("/get", 200, "kept")
			b.want("/late", 200, "xxx")
			b.want("/get", 200, "late")
		})
	}
}

// A session that comes into being after the headers have left is refused, not lost.
func TestLateSession(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"response_buffer_size": 0}}}, map[string]ResourceFunc{"x": func(tr *Transaction) error {
		if err := write(tr, "page"); err != nil {
			return err
		}
		if _, err := tr.GetSession(true); err == nil {
			t.Error("GetSession after the headers have left: no error")
		}
		s, err := tr.GetSession(false)
		check(t, "GetSession(false)", s, (*Session)(nil))
		return err
	}})
	a.browser().want("/x", 200, "page")
	if a.sessions() != 0 {
		t.Error("a session was stored without a cookie")
	}
}

func TestErrorPages(t *testing.T) {
	resources := map[string]ResourceFunc{
		"fail":   func(tr *Transaction) error { return errors.Join(write(tr, "half"), errWork) },
		"panic":  func(tr *Transaction) error { panic("secret") },
		"status": func(tr *Transaction) error { return &StatusError{Code: 403, Message: "Not <you>."} },
		"odd":    func(tr *Transaction) error { return &StatusError{Code: 200} },
		"abort":  func(tr *Transaction) error { panic(http.ErrAbortHandler) },
	}
	a := newTestApp(t, testConfig{}, resources)
	b := a.browser()
	for _, path := range []string{"/fail", "/panic", "/odd"} {
		if r := b.want(path, 500, "Something went wrong"); strings.Contains(r.body, "secret") || strings.Contains(r.body, "half") {
			t.Errorf("%s: %q", path, r.body)
		}
	}
	b.want("/status", 403, "Not &lt;you&gt;.")
	b.want("/nowhere", 404, "404 Not Found")
	if _, err := b.c.Get(a.server.URL + "/abort"); err == nil {
		t.Error("the connection was not cut")
	}
	if log := a.log.String(); !strings.Contains(log, "secret") || !strings.Contains(log, "response_test.go") || !strings.Contains(log, errWork.Error()) {
		t.Errorf("the log: %s", log)
	}
	a = newTestApp(t, testConfig{Config: Config{Settings: Settings{"handle_errors": 0}}}, resources)
	a.browser().want("/fail", 500, errWork.Error())
	a.browser().want("/panic", 500, "response_test.go")
}

// The application keeps the rules of PEP 3333, whatever its resources do.
func TestLint(t *testing.T) {
	resources := map[string]Resource{"": paths("top"), "set": setting("a", "1"), "large": ResourceFunc(func(tr *Transaction) error {
		return write(tr, strings.Repeat("x", 200))
	}), "fail": ResourceFunc(func(tr *Transaction) error { return errors.Join(write(tr, "half"), errWork) }),
		"status": ResourceFunc(func(tr *Transaction) error { return &StatusError{Code: 403} }), "empty": ResourceFunc(func(tr *Transaction) error { return tr.SetResponseCode(204) }),
		"unchanged": ResourceFunc(func(tr *Transaction) error { return tr.SetResponseCode(304) }), "to": ResourceFunc(func(tr *Transaction) error { return tr.Redirect("/") }),
		"form": ResourceFunc(func(tr *Transaction) error { _, err := tr.GetFields(); return err })}
	a := newTestApp(t, testConfig{Config: Config{Resource: &MapResource{Mapping: resources}, Settings: Settings{"response_buffer_size": 100}}}, nil)
	checked := lint.Wrap(a.Application, lint.Config{Report: func(_ context.Context, r lint.Report) { t.Errorf("%s: %s", r.Name, r.Problem) }})
	h := a.HTTPSessions().Middleware(compat.Handler(checked, compat.HandlerConfig{}))
	for _, method := range []string{"GET", "HEAD", "POST"} {
		for name := range resources {
			r := httptest.NewRequest(method, "/"+name+"?a=b", strings.NewReader("a=b"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
}
