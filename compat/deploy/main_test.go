package deploy_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/filestore"
	_ "github.com/holdover-web/holdover/core/redisstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notes is an application that keeps one note in its session: ?note=TEXT puts it, anything shows it. It is plain WSGI in style.
func notes(s *deploy.Section) (compat.Application, error) {
	if _, err := s.Sessions(core.Config{}, compat.SessionsConfig{}); err != nil {
		return nil, err
	}
	greeting := s.String("greeting", "note")
	return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		session, err := env.Session()
		if err != nil {
			return nil, err
		}
		if note := env.Request().URL.Query().Get("note"); note != "" {
			if err := session.Set("note", note); err != nil {
				return nil, err
			}
		}
		note, err := core.Get[string](session, "note")
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/plain"}}, nil)
		return compat.Text(s.Name() + " " + greeting + ": " + note), err
	}), nil
}

// hello answers where it is.
func hello(s *deploy.Section) (compat.Application, error) {
	word := s.String("word", "hello")
	return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", nil, nil)
		return compat.Text(word + " script=" + env.ScriptName() + " path=" + env.PathInfo()), err
	}), nil
}

// missing answers 404.
func missing(*deploy.Section) (compat.Application, error) {
	return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("404 Not Found", nil, nil)
		return nil, err
	}), nil
}

// tag puts a header on responses.
func tag(s *deploy.Section) (compat.Middleware, error) {
	word := s.String("word", s.Name())
	return func(next compat.Application) compat.Application {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			env.ResponseWriter().Header().Add("X-Tag", word)
			return next.Call(env, start)
		})
	}, nil
}

func loader(t testing.TB) *deploy.Loader {
	l := deploy.NewLoader()
	l.App("notes", notes)
	l.App("hello", hello)
	l.App("missing", missing)
	l.Filter("tag", tag)
	l.App("panics", func(*deploy.Section) (compat.Application, error) { panic("oops") })
	l.Filter("panics", func(*deploy.Section) (compat.Middleware, error) { panic("oops") })
	l.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	return l
}

// write puts a configuration into a file of its own.
func write(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "apps.ini")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// load makes a site, which is closed when the test ends.
func load(t testing.TB, text string) *deploy.Site {
	t.Helper()
	site, err := loader(t).Load(t.Context(), deploy.FromFile(write(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return site
}

// client keeps cookies for a handler.
type client struct {
	h       http.Handler
	cookies []*http.Cookie
}

// get sends a request as a browser that has the cookies for its path.
func (c *client) get(url string) *http.Response {
	r := httptest.NewRequest("GET", url, nil)
	for _, ck := range c.cookies {
		if p := strings.TrimRight(ck.Path, "/"); strings.HasPrefix(r.URL.Path+"/", p+"/") {
			r.AddCookie(&http.Cookie{Name: ck.Name, Value: ck.Value})
		}
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	res := w.Result()
	c.cookies = append(res.Cookies(), c.cookies...)
	return res
}

func body(res *http.Response) string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}
