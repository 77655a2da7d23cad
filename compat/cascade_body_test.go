package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
)

// The spool folder is empty after every request.
func spoolFolder(t *testing.T) func() int {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() int {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
}

// readsAll fails after it has read the body, half of it, or a line of it.
func readsAll(how, status string, got *[]string) appFunc {
	return func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		var data []byte
		var err error
		switch how {
		case "all":
			data, err = env.Input().ReadAll()
		case "line":
			data, err = env.Input().ReadLine(0)
		case "request":
			data, err = io.ReadAll(env.Request().Body)
		case "some":
			data = make([]byte, 3)
			_, err = io.ReadFull(env.Input(), data)
		}
		if err != nil {
			return nil, err
		}
		*got = append(*got, string(data))
		return reply(status, "read "+fmt.Sprint(len(data))).Call(env, start)
	}
}

func TestCascadeReplaysTheBody(t *testing.T) {
	files := spoolFolder(t)
	small, large := "line one\nand two", "first\n"+strings.Repeat("0123456789", 50_000)
	for _, body := range []string{"", small, large} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, chunked %v", len(body), chunked), func(t *testing.T) {
				var got []string
				losers := []compat.Application{readsAll("none", "404 No", &got)}
				if body != "" {
					losers = append(losers, readsAll("line", "404 No", &got), readsAll("some", "404 No", &got), readsAll("all", "404 No", &got))
				}
				app := newCascade(t, compat.CascadeConfig{}, append(losers, readsAll("request", "200 OK", &got))...)
				addr := start(t, compat.Handler(app, compat.HandlerConfig{}))
				resp, text := post(t, addr, body, chunked)
				if resp.StatusCode != 200 || got[len(got)-1] != body {
					t.Errorf("%d %q; the last got %d bytes", resp.StatusCode, text, len(got[len(got)-1]))
				}
				if n := len(got); body != "" && (got[n-2] != body || !strings.HasPrefix(body, got[n-3]) || got[n-4] != body[:strings.IndexByte(body, '\n')+1]) {
					t.Errorf("the losers got %.40q", got)
				}
				eventually(t, "no temporary files", func() bool { return files() == 0 })
			})
		}
	}
}

// post sends a body over a connection of its own.
func post(t testing.TB, addr, body string, chunked bool, id ...string) (*http.Response, string) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	head := "POST /x HTTP/1.1\r\nHost: example.test\r\n"
	if len(id) > 0 {
		head += "Cookie: sid=" + id[0] + "\r\n"
	}
	go func() { // the server may answer before it has read everything
		if chunked {
			fmt.Fprintf(c.Conn, "%sTransfer-Encoding: chunked\r\n\r\n", head)
			for part := body; part != ""; part = part[min(len(part), 1000):] {
				fmt.Fprintf(c.Conn, "%x\r\n%s\r\n", min(len(part), 1000), part[:min(len(part), 1000)])
			}
			fmt.Fprint(c.Conn, "0\r\n\r\n")
		} else {
			fmt.Fprintf(c.Conn, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		}
	}()
	return c.response("POST")
}

func TestCascadeBodyLimit(t *testing.T) {
	body := strings.Repeat("x", 300)
	for name, tt := range map[string]struct {
		limit  int64
		apps   func(got *[]string) []compat.Application
		status int
	}{
		"a loser reads too much": {100, func(got *[]string) []compat.Application {
			return []compat.Application{readsAll("all", "404 No", got), readsAll("all", "200 OK", got)}
		}, 413},
		"no limit": {-1, func(got *[]string) []compat.Application {
			return []compat.Application{readsAll("all", "404 No", got), readsAll("all", "200 OK", got)}
		}, 200},
		"exactly the limit": {300, func(got *[]string) []compat.Application {
			return []compat.Application{readsAll("all", "404 No", got), readsAll("all", "200 OK", got)}
		}, 200},
		"only the last reads": {100, func(got *[]string) []compat.Application {
			return []compat.Application{readsAll("some", "404 No", got), readsAll("all", "200 OK", got)}
		}, 200},
		"it answers that itself": {100, func(*[]string) []compat.Application {
			return []compat.Application{appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				if _, err := env.Input().ReadAll(); err == nil {
					return nil, errors.New("no error")
				}
				return reply("400 Bad", "").Call(env, start)
			}), reply("200 OK", "")}
		}, 400},
	} {
		for _, memory := range []int64{0, -1} {
			t.Run(fmt.Sprintf("%s, memory %d", name, memory), func(t *testing.T) {
				files := spoolFolder(t)
				var got []string
				app := newCascade(t, compat.CascadeConfig{MaxBody: tt.limit, Memory: memory}, tt.apps(&got)...)
				resp, text := post(t, start(t, compat.Handler(app, compat.HandlerConfig{})), body, false)
				if resp.StatusCode != tt.status {
					t.Errorf("%d %q, want %d", resp.StatusCode, text, tt.status)
				}
				if tt.status == 200 && got[len(got)-1] != body {
					t.Errorf("the last got %d bytes", len(got[len(got)-1]))
				}
				eventually(t, "no temporary files", func() bool { return files() == 0 })
			})
		}
	}
}

// A loser that parsed a form leaves neither the form nor its files.
func TestCascadeForms(t *testing.T) {
	files := spoolFolder(t)
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "a.txt")
	if err == nil {
		_, err = part.Write(bytes.Repeat([]byte("x"), 100_000))
	}
	if err := errors.Join(err, mw.WriteField("name", "value"), mw.Close()); err != nil {
		t.Fatal(err)
	}
	seen := 0
	parse := func(status string) compat.Application {
		return appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			r := env.Request()
			if r.MultipartForm != nil {
				return nil, errors.New("the form of another application")
			}
			if err := r.ParseMultipartForm(10); err != nil {
				return nil, err
			}
			if files() == 0 {
				t.Error("the test needs files")
			}
			seen++
			return reply(status, r.FormValue("name")).Call(env, start)
		})
	}
	app := newCascade(t, compat.CascadeConfig{}, parse("404 No"), parse("404 No"), parse("200 OK"), reply("200 OK", "nobody asks"))
	srv := start(t, compat.Handler(app, compat.HandlerConfig{}))
	resp, err := browser(t).Post("http://"+srv, mw.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "value" || seen != 3 {
		t.Errorf("%d %q after %d, %v", resp.StatusCode, text, seen, err)
	}
	eventually(t, "no temporary files", func() bool { return files() == 0 })
}

// A loser's goroutine that reads on does not take the winner's bytes.
func TestCascadeLeftoverReader(t *testing.T) {
	var loser *compat.Input
	app := newCascade(t, compat.CascadeConfig{},
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			loser = env.Input()
			return reply("404 No", "").Call(env, start)
		}),
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if n, err := loser.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("the loser read %d, %v", n, err)
			}
			data, err := env.Input().ReadAll()
			if err != nil {
				return nil, err
			}
			return reply("200 OK", string(data)).Call(env, start)
		}))
	if _, body := post(t, start(t, compat.Handler(app, compat.HandlerConfig{})), "hello", false); body != "hello" {
		t.Errorf("%q", body)
	}
}

// A body that middleware has put in place of the client's is read again, too.
func TestCascadeReplaysAnotherBody(t *testing.T) {
	var got []string
	cascade := newCascade(t, compat.CascadeConfig{}, readsAll("all", "404 No", &got), readsAll("some", "404 No", &got),
		readsAll("all", "200 OK", &got))
	app := appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Set("wsgi.input", compat.NewInput(strings.NewReader("another")))
		return cascade.Call(env, start)
	})
	post(t, start(t, compat.Handler(app, compat.HandlerConfig{})), "the client's", false)
	if !slices.Equal(got, []string{"another", "ano", "another"}) {
		t.Errorf("%q", got)
	}
}

// A limit that somebody else has set is not the cascade's.
func TestCascadeInsideOfAnotherLimit(t *testing.T) {
	var got []string
	app := newCascade(t, compat.CascadeConfig{}, readsAll("all", "404 No", &got), reply("200 OK", "nobody asks"))
	addr := start(t, http.MaxBytesHandler(compat.Handler(app, compat.HandlerConfig{}), 3))
	if resp, _ := post(t, addr, "too much", false); resp.StatusCode != 413 || len(got) != 0 {
		t.Errorf("status %d, %q", resp.StatusCode, got)
	}
}
