package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

var plain = []compat.Header{{"Content-Type", "text/plain"}}

// body is a body that counts how often it was closed.
type body struct {
	blocks   iter.Seq2[[]byte, error]
	closed   *int
	closeErr error
}

func (b body) Blocks() iter.Seq2[[]byte, error] { return b.blocks }
func (b body) Close() error                     { *b.closed++; return b.closeErr }

type callFunc = func(env *compat.Environ, start compat.StartResponse) (compat.Body, error)

// serveApp runs an application without a network.
func serveApp(t *testing.T, app callFunc, r *http.Request) (*httptest.ResponseRecorder, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	rec := httptest.NewRecorder()
	h := compat.Handler(compat.ApplicationFunc(app), compat.HandlerConfig{Logger: slog.New(slog.NewTextHandler(log, nil))})
	h.ServeHTTP(rec, r)
	return rec, log
}

func get(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }

func TestApplicationResponses(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name   string
		app    callFunc
		status int
		body   string // of a response that is not an error page
	}{
		{"blocks", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("201 Created", plain, nil)
			return compat.Bytes([]byte("a"), nil, []byte("b")), err
		}, 201, "ab"},
		{"no body", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("204 No Content", nil, nil)
			return nil, err
		}, 204, ""},
		{"only empty blocks", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("202 Accepted", nil, nil)
			return compat.Bytes(nil, []byte{}), err
		}, 202, ""},
		{"write precedes blocks", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			w, err := start("200 OK", plain, nil)
			if err != nil {
				return nil, err
			}
			fmt.Fprint(w, "first ")
			return compat.Text("second"), nil
		}, 200, "first second"},
		{"started by the first block", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			return body{func(yield func([]byte, error) bool) {
				if !yield(nil, nil) {
					return
				}
				_, err := start("203 Fine", plain, nil)
				yield([]byte("late"), err)
			}, new(int), nil}, nil
		}, 203, "late"},
		{"file", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			return compat.File(strings.NewReader("from a file")), err
		}, 200, "from a file"},
		{"file behind middleware", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			return body{compat.File(strings.NewReader("from a file")).Blocks(), new(int), nil}, err
		}, 200, "from a file"},
		{"body of a 304 is dropped", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("304 Not Modified", nil, nil)
			return compat.Text("not seen"), err
		}, 304, ""},
		{"exc_info replaces", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			w, err := start("200 OK", []compat.Header{{"X-First", "1"}}, nil)
			if err != nil {
				return nil, err
			}
			fmt.Fprint(w, "half a page")
			_, err = start("500 Oops", plain, boom)
			return compat.Text("an error page"), err
		}, 500, "an error page"},
		{"exc_info first", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("502 Oops", plain, boom)
			return compat.Text("an error page"), err
		}, 502, "an error page"},
		{"piece by piece", func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
			env.ResponseWriter().WriteHeader(http.StatusAccepted)
			fmt.Fprint(env.ResponseWriter(), "direct")
			env.ResponseWriter().Header().Set("Content-Type", "text/late")
			return nil, nil
		}, 202, "direct"},
		{"error", func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, boom }, 500, "-"},
		{"error with a status", func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, core.ErrLockTimeout }, 503, "-"},
		{"error in the body", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			return body{func(yield func([]byte, error) bool) { _ = yield([]byte("half"), nil) && yield(nil, boom) }, new(int), nil}, err
		}, 500, "-"},
		{"error in close", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			return body{compat.Text("whole").Blocks(), new(int), boom}, err
		}, 500, "-"},
		{"never started", func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, nil }, 500, "-"},
		{"body without a start", func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return compat.Text("x"), nil }, 500, "-"},
		{"started twice", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			if err != nil {
				return nil, err
			}
			_, err = start("200 OK", plain, nil)
			if !errors.Is(err, compat.ErrStarted) {
				t.Errorf("second call: %v, want ErrStarted", err)
			}
			return nil, err
		}, 500, "-"},
		{"started after a failed start", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := start("bad", plain, nil); err == nil {
				t.Error("status accepted")
			}
			_, err := start("200 OK", plain, nil)
			if !errors.Is(err, compat.ErrStarted) {
				t.Errorf("second call: %v, want ErrStarted", err)
			}
			return nil, nil
		}, 500, "-"},
		{"longer than declared", func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", []compat.Header{{"Content-Length", "3"}}, nil)
			return compat.Bytes([]byte("ab"), []byte("cd")), err
		}, 500, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec, log := serveApp(t, tt.app, get("/"))
			got := rec.Body.String()
			if rec.Code != tt.status {
				t.Errorf("status %d, want %d", rec.Code, tt.status)
			}
			if failed := tt.body == "-"; failed {
				if !strings.HasPrefix(got, "<!DOCTYPE html>") || !strings.Contains(log.String(), "the application failed") {
					t.Errorf("body %q, log %q", got, log)
				}
			} else if got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			if rec.Header().Get("X-First") != "" {
				t.Error("a replaced header was sent")
			}
		})
	}
}

func TestStartResponseRefuses(t *testing.T) {
	tests := []struct {
		name, status, header, value string
	}{
		{"empty status", "", "", ""},
		{"status without number", "OK", "", ""},
		{"two digits", "20 OK", "", ""},
		{"four digits", "2000 OK", "", ""},
		{"sign", "+20 OK", "", ""},
		{"informational", "103 Early Hints", "", ""},
		{"control character in the reason", "200 O\nK", "", ""},
		{"header name with blank", "200 OK", "X Y", "1"},
		{"header name with colon", "200 OK", "X:", "1"},
		{"empty header name", "200 OK", "", "1"},
		{"not ASCII", "200 OK", "Xé", "1"},
		{"line feed in a value", "200 OK", "X", "a\nSet-Cookie: b=c"},
		{"carriage return in a value", "200 OK", "X", "a\r"},
		{"NUL in a value", "200 OK", "X", "\x00"},
		{"tab in a value", "200 OK", "X", "a\tb"},
		{"Status", "200 OK", "Status", "200"},
		{"bad length", "200 OK", "Content-Length", "-1"},
		{"Connection", "200 OK", "Connection", "close"},
		{"Keep-Alive", "200 OK", "keep-alive", "1"},
		{"Proxy-Authenticate", "200 OK", "Proxy-Authenticate", "x"},
		{"Proxy-Authorization", "200 OK", "Proxy-Authorization", "x"},
		{"TE", "200 OK", "TE", "x"},
		{"Trailers", "200 OK", "Trailers", "x"},
		{"Transfer-Encoding", "200 OK", "Transfer-Encoding", "chunked"},
		{"Upgrade", "200 OK", "Upgrade", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec, _ := serveApp(t, func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				var headers []compat.Header
				if tt.value != "" {
					headers = append(headers, compat.Header{tt.header, tt.value})
				}
				w, err := start(tt.status, headers, nil)
				var herr *compat.HeaderError
				if w != nil || !errors.As(err, &herr) {
					t.Errorf("got %v, %v, want a *HeaderError", w, err)
				}
				return nil, err
			}, get("/"))
			if rec.Code != http.StatusInternalServerError {
				t.Errorf("status %d", rec.Code)
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", []compat.Header{
			{"content-type", "text/x"}, {"Set-Cookie", "a=1"}, {"set-cookie", "b=2"}, {"Vary", "Cookie"}, {"X-Two", "1"}, {"X-Two", "2"}, {"X-Outer", "app"},
		}, nil)
		return compat.Text("x"), err
	})
	h := compat.Handler(app, compat.HandlerConfig{})
	rec := httptest.NewRecorder()
	rec.Header().Set("Set-Cookie", "outer=1")
	rec.Header().Set("Vary", "Accept")
	rec.Header().Set("X-Outer", "outer")
	rec.Header().Set("X-Frame-Options", "DENY")
	h.ServeHTTP(rec, get("/"))
	want := http.Header{
		"Content-Type": {"text/x"}, "Set-Cookie": {"outer=1", "a=1", "b=2"}, "Vary": {"Accept", "Cookie"},
		"X-Two": {"1", "2"}, "X-Outer": {"app"}, "X-Frame-Options": {"DENY"},
	}
	if diff := cmp.Diff(want, rec.Result().Header); diff != "" {
		t.Error(diff)
	}
}

// TestHeadersWaitForTheBody shows that start_response sends nothing: not before the first byte of body.
func TestHeadersWaitForTheBody(t *testing.T) {
	serveUnbuffered := func(app callFunc) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		compat.Handler(compat.ApplicationFunc(app), compat.HandlerConfig{BufferSize: -1}).ServeHTTP(rec, get("/"))
		return rec
	}
	boom := errors.New("boom")
	rec := serveUnbuffered(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		_, _ = w.Write(nil)
		if env.Response().Sent() {
			t.Error("headers were sent without a byte of body")
		}
		if _, err := start("500 Oops", plain, boom); err != nil {
			t.Errorf("exc_info before the headers: %v", err)
		}
		_, _ = w.Write([]byte("x"))
		if !env.Response().Sent() {
			t.Error("the first byte was held back")
		}
		_, err = start("500 Oops", plain, boom)
		if !errors.Is(err, boom) {
			t.Errorf("exc_info after the headers: %v, want the error itself", err)
		}
		return nil, nil
	})
	if rec.Code != 500 || rec.Body.String() != "x" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
}

func TestCloseExactlyOnce(t *testing.T) {
	boom := errors.New("boom")
	many := func(yield func([]byte, error) bool) {
		for yield([]byte(strings.Repeat("x", 1<<16)), nil) {
		}
	}
	for _, tt := range []struct {
		name   string
		blocks iter.Seq2[[]byte, error]
		err    error
		abort  bool // the server cuts the connection
	}{
		{"normal", compat.Text("x").Blocks(), nil, false},
		{"error from the call", compat.Text("x").Blocks(), boom, false},
		{"error in the body", func(yield func([]byte, error) bool) { yield(nil, boom) }, nil, false},
		{"panic in the body", func(func([]byte, error) bool) { panic("boom") }, nil, true},
		{"client gone", many, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan int, 1)
			app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				if _, err := start("200 OK", plain, nil); err != nil {
					return nil, err
				}
				return body{blocks: tt.blocks, closed: new(int)}, tt.err
			})
			counting := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				b, err := app(env, start)
				inner := b.(body)
				return body{blocks: inner.blocks, closed: inner.closed}, err
			})
			var count *int
			spy := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				b, err := counting(env, start)
				count = b.(body).closed
				return b, err
			})
			h := compat.Handler(spy, compat.HandlerConfig{})
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { closed <- *count }()
				h.ServeHTTP(w, r)
			}))
			c := dial(t, addr)
			c.request("GET", "/", "")
			if _, err := c.r.Peek(1); (err != nil) != tt.abort {
				t.Errorf("first byte: %v", err)
			}
			c.Close()
			if n := <-closed; n != 1 {
				t.Errorf("closed %d times", n)
			}
		})
	}
}

func TestApplicationFailsHalfway(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		s, err := env.Session()
		if err != nil {
			return nil, err
		}
		if err := s.Set("n", 2); err != nil {
			return nil, err
		}
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		fmt.Fprint(w, "half")
		switch env.PathInfo() {
		case "/sent":
			if err := env.Response().FlushError(); err != nil {
				return nil, err
			}
			if err := s.Set("n", 3); err != nil {
				return nil, err
			}
		case "/handled":
			_, err := start("500 Oops", plain, errors.New("boom"))
			return compat.Text("sorry"), err
		}
		return nil, errors.New("boom")
	})
	addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{})))
	id := st.seed()
	resp, page := do(t, addr, "GET", "/", id)
	if resp.StatusCode != 500 || strings.Contains(page, "half") || strings.Contains(page, "boom") || st.n(id) != 1 {
		t.Errorf("nothing sent: %d %q, n = %d", resp.StatusCode, page, st.n(id))
	}
	resp, page = do(t, addr, "GET", "/handled", id)
	if resp.StatusCode != 500 || page != "sorry" || st.n(id) != 1 {
		t.Errorf("handled: %d %q, n = %d", resp.StatusCode, page, st.n(id))
	}
	c := dial(t, addr)
	c.request("GET", "/sent", id)
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if data, err := io.ReadAll(r.Body); string(data) != "half" || err == nil {
		t.Errorf("a cut response looks whole: %q, %v", data, err)
	}
	if n := st.n(id); n != 2 {
		t.Errorf("n = %d, want 2: what was committed at the flush", n)
	}
}

func TestContentLength(t *testing.T) {
	app := func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", []compat.Header{{"Content-Length", "5"}}, nil)
		switch env.PathInfo() {
		case "/short":
			return compat.Text("abc"), err
		case "/file":
			return compat.File(strings.NewReader("abcdefgh")), err
		default:
			return compat.Text("abcde"), err
		}
	}
	log := new(logBuffer)
	addr := start(t, compat.Handler(compat.ApplicationFunc(app), compat.HandlerConfig{Logger: slog.New(slog.NewTextHandler(log, nil))}))
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/", "abcde"}, {"HEAD", "/", ""}, {"HEAD", "/short", ""}, {"GET", "/file", "abcde"},
	} {
		resp, body := do(t, addr, tt.method, tt.path, "")
		if body != tt.want || resp.ContentLength != 5 {
			t.Errorf("%s %s: %q, length %d", tt.method, tt.path, body, resp.ContentLength)
		}
	}
	if log.String() != "" && !strings.Contains(log.String(), "/short") {
		t.Errorf("log: %s", log)
	}
	c := dial(t, addr)
	c.request("GET", "/short", "")
	all, err := io.ReadAll(c.r) // ends because the server closes the connection
	if err != nil || !bytes.HasSuffix(all, []byte("\r\n\r\nabc")) {
		t.Errorf("got %q, %v", all, err)
	}
	if !strings.Contains(log.String(), "shorter than its Content-Length") {
		t.Errorf("log: %s", log)
	}
}

func TestPrefix(t *testing.T) {
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", plain, nil)
		return compat.Text(env.ScriptName() + "|" + env.PathInfo()), err
	})
	h := compat.Handler(app, compat.HandlerConfig{Prefix: "/app"})
	for path, want := range map[string]string{"/app": "/app|", "/app/x": "/app|/x", "/application": "", "/": ""} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, get(path))
		if got := rec.Body.String(); want == "" && rec.Code != http.StatusNotFound || want != "" && got != want {
			t.Errorf("%s: %d %q, want %q", path, rec.Code, got, want)
		}
	}
	for _, bad := range []string{"app", "/app/", "/"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("prefix %q was accepted", bad)
				}
			}()
			compat.Handler(app, compat.HandlerConfig{Prefix: bad})
		}()
	}
}
