package compat_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// withEnviron runs check inside a call of an application.
func withEnviron(t *testing.T, r *http.Request, check func(env *compat.Environ)) {
	t.Helper()
	called := false
	rec, log := serveApp(t, func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		called = true
		check(env)
		_, err := start("200 OK", nil, nil)
		return nil, err
	}, r)
	if !called || rec.Code != http.StatusOK {
		t.Errorf("status %d, log %s", rec.Code, log)
	}
}

// plainValues returns what has a comparable value.
func plainValues(env *compat.Environ) map[string]any {
	all := maps.Collect(env.All())
	for _, key := range []string{"wsgi.input", "wsgi.errors", "wsgi.file_wrapper"} {
		delete(all, key)
	}
	return all
}

func TestEnviron(t *testing.T) {
	r := httptest.NewRequest("POST", "http://shop.test:8080/caf%C3%A9/a%2Fb?x=1&y", strings.NewReader("body!"))
	r.RemoteAddr = "[2001:db8::1]:4321"
	r.Header = http.Header{
		"Content-Type": {"text/plain"}, "Content-Length": {"5"}, "Accept": {"a", "b"}, "Cookie": {"a=1", "b=2"},
		"X_Forged": {"1"}, "Proxy": {"http://evil.test"}, "Accept-Language": {"de"},
	}
	withEnviron(t, r, func(env *compat.Environ) {
		want := map[string]any{
			"REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/caf\xc3\xa9/a/b", "QUERY_STRING": "x=1&y",
			"REQUEST_URI": "http://shop.test:8080/caf%C3%A9/a%2Fb?x=1&y", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5",
			"SERVER_NAME": "shop.test", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "holdover",
			"GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "2001:db8::1", "REMOTE_PORT": "4321",
			"HTTP_HOST": "shop.test:8080", "HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "a=1; b=2", "HTTP_ACCEPT_LANGUAGE": "de",
			"wsgi.version": [2]int{1, 0}, "wsgi.url_scheme": "http", "wsgi.multithread": true, "wsgi.multiprocess": false, "wsgi.run_once": false,
		}
		if diff := cmp.Diff(want, plainValues(env)); diff != "" {
			t.Error(diff)
		}
		keys := slices.Collect(maps.Keys(maps.Collect(env.All())))
		for _, key := range []string{"wsgi.input", "wsgi.errors", "wsgi.file_wrapper"} {
			if !slices.Contains(keys, key) {
				t.Errorf("%s is missing", key)
			}
		}
		if env.Method() != "POST" || env.PathInfo() != "/caf\xc3\xa9/a/b" || env.QueryString() != "x=1&y" || env.Request().URL.Path != r.URL.Path {
			t.Error("the accessors say something else")
		}
		if in, _ := env.Get("wsgi.input"); in != env.Input() {
			t.Error("wsgi.input is another stream than Input")
		}
	})
}

func TestEnvironAbsentThings(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RemoteAddr, r.Header = "", "", http.Header{}
	withEnviron(t, r, func(env *compat.Environ) {
		for _, key := range []string{"CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS", "REMOTE_ADDR", "REMOTE_PORT", "HTTP_HOST", "HTTP_COOKIE",
			"HTTP_CONTENT_TYPE", "HTTP_PROXY", "HTTP_", compat.SessionKey, "NO_SUCH_KEY", "wsgi.nothing", ""} {
			if v, ok := env.Get(key); ok {
				t.Errorf("%s is %v", key, v)
			}
		}
		for _, key := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} {
			if env.String(key) == "" {
				t.Errorf("%s is empty", key)
			}
		}
		if got := env.RequestURL(); got != "http://localhost/" {
			t.Errorf("URL %q", got)
		}
	})
}

func TestEnvironIsPrivateAndMutable(t *testing.T) {
	h := compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, ok := env.Get("my.key"); ok || env.String("QUERY_STRING") != "q" {
			t.Error("another request's environ shows through")
		}
		env.Set("my.key", []int{1})
		env.Set("QUERY_STRING", "changed")
		env.Set("HTTP_X", "1")
		env.Delete("HTTP_HOST")
		env.Delete("wsgi.run_once")
		env.Delete("never there")
		if v, _ := env.Get("my.key"); !slices.Equal(v.([]int), []int{1}) {
			t.Errorf("my.key is %v", v)
		}
		if env.QueryString() != "changed" || env.String("HTTP_X") != "1" || env.String("HTTP_HOST") != "" || env.String("my.key") != "" {
			t.Error("changes do not hold")
		}
		all := maps.Collect(env.All())
		for _, gone := range []string{"HTTP_HOST", "wsgi.run_once", "never there"} {
			if v, ok := all[gone]; ok {
				t.Errorf("%s is still %v", gone, v)
			}
		}
		for range env.All() {
			break // an iteration can be left
		}
		env.Set("HTTP_HOST", "back")
		if env.String("HTTP_HOST") != "back" {
			t.Error("a deleted key can not be set again")
		}
		_, err := start("200 OK", nil, nil)
		return nil, err
	}), compat.HandlerConfig{})
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), get("/?q"))
	}
}

func TestShiftPathInfo(t *testing.T) {
	withEnviron(t, get("/a//b/c"), func(env *compat.Environ) {
		for _, want := range []struct{ segment, script, path string }{
			{"a", "/a", "//b/c"}, {"b", "/a/b", "/c"}, {"c", "/a/b/c", ""},
		} {
			segment, ok := env.ShiftPathInfo()
			if !ok || segment != want.segment || env.ScriptName() != want.script || env.PathInfo() != want.path {
				t.Errorf("got %q, %v: %q %q, want %v", segment, ok, env.ScriptName(), env.PathInfo(), want)
			}
		}
		if segment, ok := env.ShiftPathInfo(); ok || segment != "" || env.ScriptName() != "/a/b/c" {
			t.Errorf("at the end: %q, %v", segment, ok)
		}
		if got := env.ApplicationURL(); got != "http://example.com/a/b/c" {
			t.Errorf("ApplicationURL %q", got)
		}
	})
}

func TestURLs(t *testing.T) {
	withEnviron(t, get("/caf%C3%A9/a%20b?x=%20"), func(env *compat.Environ) {
		if got := env.RequestURL(); got != "http://example.com/caf%C3%A9/a%20b?x=%20" {
			t.Errorf("RequestURL %q", got)
		}
		if got := env.ApplicationURL(); got != "http://example.com/" {
			t.Errorf("ApplicationURL %q", got)
		}
		env.Delete("HTTP_HOST")
		env.Set("SERVER_NAME", "::1")
		for _, tt := range []struct{ scheme, port, want string }{
			{"http", "80", "http://[::1]/"}, {"http", "8080", "http://[::1]:8080/"}, {"https", "443", "https://[::1]/"}, {"https", "80", "https://[::1]:80/"},
		} {
			env.Set("wsgi.url_scheme", tt.scheme)
			env.Set("SERVER_PORT", tt.port)
			if got := env.ApplicationURL(); got != tt.want {
				t.Errorf("%s, port %s: %q, want %q", tt.scheme, tt.port, got, tt.want)
			}
		}
	})
}

// TestEnvironOverTCP sends bytes that httptest would not.
func TestEnvironOverTCP(t *testing.T) {
	addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", plain, nil)
		_, length := env.Get("CONTENT_LENGTH")
		body, rerr := env.Input().ReadAll()
		if !length {
			body = append(body, " without a length"...)
		}
		return compat.Bytes([]byte(env.PathInfo()+"|"+env.String("HTTP_X_NAME")+"|"+env.String("SERVER_PORT")+"|"), body), errors.Join(err, rerr)
	}), compat.HandlerConfig{}))
	_, port, _ := strings.Cut(addr, ":")
	c := dial(t, addr)
	c.send("POST /caf%E9 HTTP/1.1\r\nHost: a\r\nX-Name: caf\xe9\r\nContent-Length: 4\r\n\r\nbodyGET /next")
	if _, body := c.response("POST"); body != "/caf\xe9|caf\xe9|"+port+"|body" {
		t.Errorf("got %q", body)
	}
	c = dial(t, addr)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
	if _, body := c.response("POST"); body != "/||"+port+"|body without a length" {
		t.Errorf("chunked: %q", body)
	}
	c = dial(t, addr)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	if head := c.head(); head != "HTTP/1.1 100 Continue\n" {
		t.Errorf("expecting: %q", head)
	}
	c.send("body")
	if _, body := c.response("POST"); !strings.HasSuffix(body, "|body") {
		t.Errorf("after 100: %q", body)
	}
}

func TestEnvironSession(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		v, _ := env.Get(compat.SessionKey)
		open, ok := v.(compat.SessionFunc)
		if !ok {
			t.Fatalf("the environ has %T", v)
		}
		s, err := open(env, core.Optimistic)
		if err != nil {
			return nil, err
		}
		again, err := env.Session()
		if again != s || s.Locking() != core.Optimistic {
			t.Errorf("got %v and %v, %v", s, again, s.Locking())
		}
		if err := errors.Join(err, s.Set("n", 3)); err != nil {
			return nil, err
		}
		_, err = start("200 OK", nil, nil)
		return nil, err
	})
	resp, _ := do(t, start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{}))), "GET", "/", "")
	if c := sid(resp); c == nil || st.n(c.Value) != 3 {
		t.Errorf("cookie %v", c)
	}
}

func TestInput(t *testing.T) {
	input := func(body string) *compat.Input {
		var in *compat.Input
		withEnviron(t, httptest.NewRequest("POST", "/", strings.NewReader(body)), func(env *compat.Environ) { in = env.Input() })
		return in
	}
	long := strings.Repeat("x", 10_000)

	in := input("one\ntwo\r\n" + long + "\nlast")
	for _, want := range []string{"one\n", "two\r\n", long + "\n", "last"} {
		if line, err := in.ReadLine(0); string(line) != want || err != nil {
			t.Errorf("ReadLine: %d bytes, %v, want %d", len(line), err, len(want))
		}
	}
	for range 2 {
		if line, err := in.ReadLine(0); len(line) != 0 || err != io.EOF {
			t.Errorf("ReadLine at the end: %q, %v", line, err)
		}
	}

	in = input("abcdef\ngh")
	for _, want := range []string{"abcd", "ef\n", "gh"} {
		if line, err := in.ReadLine(4); string(line) != want || err != nil {
			t.Errorf("ReadLine(4): %q, %v, want %q", line, err, want)
		}
	}

	in = input("a\nb\nc\nd\n")
	lines, err := in.ReadLines(3)
	if got := bytes.Join(lines, nil); string(got) != "a\nb\n" || err != nil {
		t.Errorf("ReadLines(3): %q, %v", got, err)
	}
	p := make([]byte, 2)
	if n, err := in.Read(p); n != 2 || string(p) != "c\n" || err != nil {
		t.Errorf("Read after ReadLines: %q, %v", p[:n], err)
	}
	if rest, err := in.ReadAll(); string(rest) != "d\n" || err != nil {
		t.Errorf("ReadAll: %q, %v", rest, err)
	}
	if lines, err := in.ReadLines(0); len(lines) != 0 || err != nil {
		t.Errorf("ReadLines at the end: %q, %v", lines, err)
	}

	boom := errors.New("boom")
	withEnviron(t, httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("a\nb"), failingReader{boom})), func(env *compat.Environ) {
		lines, err := env.Input().ReadLines(0)
		if got := bytes.Join(lines, nil); string(got) != "a\n" || !errors.Is(err, boom) {
			t.Errorf("broken body: %q, %v", got, err)
		}
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestErrorStream(t *testing.T) {
	log := new(logBuffer)
	h := compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		e := env.Errors()
		_, _ = e.WriteString("one\ntw")
		_ = e.WriteLines("o\n", "three\r\n\n")
		_ = e.Flush()
		_, _ = io.WriteString(e, strings.Repeat("y", 20_000)+"\n")
		_, _ = e.Write([]byte("unfinished"))
		_, err := start("200 OK", nil, nil)
		return nil, err
	}), compat.HandlerConfig{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))})
	h.ServeHTTP(httptest.NewRecorder(), get("/"))
	line := func(msg string) string { return "level=ERROR msg=" + msg + " stream=wsgi.errors\n" }
	y := strings.Repeat("y", 8<<10)
	want := line("one") + line("two") + line("three") + line(y) + line(y) + line(y[:20_000-2*len(y)]) + line("unfinished")
	if got := log.String(); got != want {
		t.Error(cmp.Diff(want, got))
	}
}
