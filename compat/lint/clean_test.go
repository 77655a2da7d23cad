package lint_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

// cleanApps break no rule.
func cleanApps(t *testing.T) map[string]callFunc {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(strings.Repeat("0123456789", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]callFunc{
		"one block":      hello,
		"several blocks": says("200 OK", plain, yields("one", "", "two")),
		"no content":     says("204 No Content", nil, nil),
		"not modified":   says("304 Not Modified", []compat.Header{{Name: "ETag", Value: `"1"`}, {Name: "Content-Length", Value: "10"}}, nil),
		"only written":   writes,
		"started late":   startsLate,
		"error page":     errorPage,
		"piece by piece": direct200,
		"reads all":      reads(func(in *compat.Input) ([]byte, error) { return in.ReadAll() }),
		"reads lines": reads(func(in *compat.Input) ([]byte, error) {
			lines, err := in.ReadLines(0)
			return bytes.Join(lines, nil), err
		}),
		"reads one line":  reads(func(in *compat.Input) ([]byte, error) { return in.ReadLine(0) }),
		"parses the form": parses,
		"logs":            logs,
		"returns an error": func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			return nil, errBoom
		},
		"yields an error": says("200 OK", plain, body{blocks: func(yield func([]byte, error) bool) {
			if yield([]byte("half"), nil) {
				yield(nil, errBoom)
			}
		}}),
		"file":                    sendsFile(name, ""),
		"range of a file":         sendsFile(name, "4"),
		"long range of a file":    sendsFile(name, "99999"),
		"range within two blocks": sendsFile(name, "40000"),
		"a file and its length":   sendsFile(name, "100000"),
		"answers HEAD with nobody": func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			body, err := hello(env, start)
			if env.Method() == "HEAD" {
				body = nil
			}
			return body, err
		},
	}
}

func writes(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, "written")
	return nil, err
}

func startsLate(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	return body{blocks: func(yield func([]byte, error) bool) {
		if !yield(nil, nil) {
			return
		}
		_, err := start("200 OK", plain, nil)
		if err != nil {
			yield(nil, err)
			return
		}
		yield([]byte("late"), nil)
	}}, nil
}

func errorPage(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	w, err := start("200 OK", append(plain, compat.Header{Name: "Content-Length", Value: "100"}), nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, "half"); err != nil {
		return nil, err
	}
	_, err = start("500 Oops", append(plain, compat.Header{Name: "Content-Length", Value: "5"}), errBoom)
	return compat.Text("sorry"), err
}

func direct200(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
	_, err := io.WriteString(env.ResponseWriter(), "direct")
	return nil, err
}

func reads(read func(*compat.Input) ([]byte, error)) callFunc {
	return func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		data, err := read(env.Input())
		if err != nil && err != io.EOF {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return compat.Bytes(data), err
	}
}

func parses(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if err := env.Request().ParseForm(); err != nil {
		return nil, err
	}
	_, err := start("200 OK", plain, nil)
	return compat.Text(fmt.Sprint(len(env.Request().Form))), err
}

func logs(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if err := env.Errors().WriteLines("one\n", "café "+strings.Repeat("é", 10_000)+"\n", "unfinished"); err != nil {
		return nil, err
	}
	return hello(env, start)
}

func sendsFile(name, length string) callFunc {
	return func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		headers := slices.Clone(plain)
		if length != "" {
			headers = append(headers, compat.Header{Name: "Content-Length", Value: length})
		}
		_, err = start("206 Partial Content", headers, nil)
		return compat.File(f), err
	}
}

// TestCleanApplications are reported by nobody and answer as they do unwatched, with middleware in between as well.
func TestCleanApplications(t *testing.T) {
	passing := with(func(b compat.Body) compat.Body { return b })
	upper := with(func(b compat.Body) compat.Body {
		return body{close: b.Close, blocks: func(yield func([]byte, error) bool) {
			for block, err := range b.Blocks() {
				if !yield(bytes.ToUpper(block), err) {
					return
				}
			}
		}}
	})
	for name, f := range cleanApps(t) {
		t.Run(name, func(t *testing.T) {
			app := compat.ApplicationFunc(f)
			for _, q := range []request{{}, {method: "HEAD"}, post, {path: "/caf%C3%A9?q=1"}} {
				r := new(reports)
				strict := lint.Config{Report: r.add, Strict: true}
				for _, tt := range []struct {
					name string
					app  compat.Application
					bare compat.Application
				}{
					{"alone", lint.Wrap(app, strict), app},
					{"twice", lint.Wrap(lint.Wrap(app, strict), strict), app},
					{"behind middleware", upper(lint.Wrap(app, strict)), upper(app)},
					{"as middleware", lint.Middleware(upper, strict)(lint.Middleware(passing, strict)(app)), upper(app)},
				} {
					if strings.Contains(name, "range") && strings.HasSuffix(tt.name, "middleware") {
						continue // middleware hides from the server that it is a file
					}
					want := direct(t, tt.bare, q)
					if got := direct(t, tt.app, q); got != want && !(failed(got) && failed(want)) {
						t.Errorf("%s, %v: got %q, want %q", tt.name, q, got, want)
					}
				}
				if q.method != "HEAD" {
					overTCP(t, lint.Wrap(app, strict), q)
					overTCP(t, lint.Middleware(upper, strict)(lint.Wrap(app, strict)), q)
				}
				if names := r.names(); len(names) > 0 {
					t.Errorf("%v: reported %v", q, r.all)
				}
			}
		})
	}
}

// TestManyRequestsAtOnce is for the race detector.
func TestManyRequestsAtOnce(t *testing.T) {
	r := new(reports)
	app := lint.Middleware(with(func(b compat.Body) compat.Body { return b }), lint.Config{Report: r.add})(compat.ApplicationFunc(
		func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if env.PathInfo() == "/bad" {
				return says("200 OK", nil, yields("x"))(env, start)
			}
			return reader(env, start)
		}))
	srv := httptest.NewServer(compat.Handler(app, compat.HandlerConfig{}))
	defer srv.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			path := "/good"
			if i%4 == 0 {
				path = "/bad"
			}
			resp, err := srv.Client().Post(srv.URL+path, "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%d, %v", resp.StatusCode, err)
			}
		})
	}
	wg.Wait()
	if names := r.names(); len(names) != 8 { // once by the application, once by the middleware that passes it on
		t.Errorf("reported %v", names)
	}
}

// TestOthersReadTheRest shows that who has the environ after the call finds the rest of the input, also what was
// read ahead for a line, and the error stream, and is not taken for the application.
func TestOthersReadTheRest(t *testing.T) {
	r := new(reports)
	app := compat.Application(compat.ApplicationFunc(reads(func(in *compat.Input) ([]byte, error) { return in.ReadLine(0) })))
	for range 2 { // then around the watch, too
		app = lint.Wrap(app, lint.Config{Report: r.add})
		if rest := readRest(t, app); rest != "two\n" {
			t.Errorf("rest %q", rest)
		}
	}
	if names := r.names(); len(names) > 0 {
		t.Errorf("reported %v", names)
	}
}

// readRest calls app from middleware that reads on when it was closed.
func readRest(t *testing.T, app compat.Application) (rest string) {
	t.Helper()
	direct(t, around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		was := env.Request().Body
		b, err := app.Call(env, start)
		return body{blocks: b.Blocks(), close: func() error {
			err := b.Close()
			data, rerr := env.Input().ReadAll()
			rest = string(data)
			_, _ = env.Errors().WriteString("still here\n")
			if env.Request().Body != was {
				t.Error("the request has another Body")
			}
			if err != nil {
				return err
			}
			return rerr
		}}, err
	})(app), post)
	return rest
}

// TestErrorStreamStaysWhole shows that the watch adds nothing to wsgi.errors and loses nothing.
func TestErrorStreamStaysWhole(t *testing.T) {
	var want string
	for _, app := range []compat.Application{compat.ApplicationFunc(logs), lint.Wrap(compat.ApplicationFunc(logs), lint.Config{})} {
		var log bytes.Buffer
		noTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				a = slog.Attr{}
			}
			return a
		}
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: noTime}))
		compat.Handler(app, compat.HandlerConfig{Logger: logger}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if want == "" {
			want = log.String()
		}
		if got := log.String(); got != want || !strings.Contains(got, "unfinished") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestOneReportForOneBreach(t *testing.T) {
	r := new(reports)
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		for range 200 {
			_, _ = env.Errors().WriteString("\xff\n")
		}
		for i := range 200 {
			_, _ = start(fmt.Sprint(i%3, " bad"), plain, errBoom)
		}
		return nil, errBoom
	})
	direct(t, lint.Wrap(app, lint.Config{Report: r.add}), request{})
	if want := []string{"errors-not-text", "status", "status", "status"}; !slices.Equal(r.names(), want) {
		t.Errorf("reported %v, want %v", r.names(), want)
	}
}

func TestIgnore(t *testing.T) {
	r := new(reports)
	cfg := lint.Config{Report: r.add, Strict: true, Ignore: []string{"content-type-missing"}}
	app := compat.ApplicationFunc(says("200 OK", []compat.Header{{Name: "Status", Value: "1"}}, nil))
	direct(t, lint.Wrap(app, cfg), request{})
	if want := []string{"header-status"}; !slices.Equal(r.names(), want) {
		t.Errorf("reported %v, want %v", r.names(), want)
	}
	for name, f := range map[string]func(){
		"unknown check":  func() { lint.Wrap(app, lint.Config{Ignore: []string{"no-such-check"}}) },
		"no application": func() { lint.Wrap(nil, lint.Config{}) },
		"middleware":     func() { lint.Middleware(nil, lint.Config{Ignore: []string{"no-such-check"}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			f()
		}()
	}
}

func TestReportsHoldNoSecrets(t *testing.T) {
	r := new(reports)
	secret := "s3cret"
	app := compat.ApplicationFunc(says("200 OK", []compat.Header{
		{Name: "Set-Cookie", Value: "sid=" + secret + "\n"}, {Name: "Status", Value: secret}, {Name: "Content-Length", Value: secret},
	}, compat.Text(secret)))
	mw := setting("REMOTE_USER", []string{secret})
	direct(t, setting("PATH_INFO", secret)(mw(lint.Wrap(app, lint.Config{Report: r.add}))), request{path: "/" + secret})
	if len(r.all) < 5 {
		t.Errorf("reported %v", r.names())
	}
	for _, report := range r.all {
		if strings.Contains(report.String(), secret) {
			t.Errorf("%s tells the secret: %s", report.Name, report)
		}
	}
}

func TestDefaultIsTheLog(t *testing.T) {
	var log bytes.Buffer
	was := slog.Default()
	defer slog.SetDefault(was)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	direct(t, lint.Wrap(compat.ApplicationFunc(says("200", nil, nil)), lint.Config{Name: "shop"}), request{})
	got := log.String()
	for _, want := range []string{`level=WARN msg="wsgi: the status \"200\"`, "check=status-reason",
		`level=ERROR msg="wsgi: there is no Content-Type" check=content-type-missing by=application name=shop rule=`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestPanicPassesThrough(t *testing.T) {
	r := new(reports)
	app := compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) { panic("boom") })
	got := direct(t, lint.Wrap(app, lint.Config{Report: r.add}), request{})
	if got != "failed: boom" || len(r.names()) > 0 {
		t.Errorf("got %q, reported %v", got, r.names())
	}
}
