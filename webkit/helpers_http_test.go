package webkit

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// servletFunc is a servlet that answers every request with a function.
type servletFunc struct {
	HTTPServlet
	respond func(*Transaction) error
}

func (s *servletFunc) Respond(t *Transaction) error { return s.respond(t) }

// serveFunc serves respond under every path of an application at /app and returns the application's URL.
func serveFunc(t *testing.T, settings Settings, respond func(*Transaction) error) string {
	t.Helper()
	return serveServlet(t, settings, func() Servlet { return &servletFunc{respond: respond} })
}

// serveServlet does so for a servlet.
func serveServlet(t *testing.T, settings Settings, f Factory) string {
	t.Helper()
	return serveServlets(t, settings, map[string]Factory{"/": f})
}

// serveServlets does so for several.
func serveServlets(t *testing.T, settings Settings, servlets map[string]Factory) string {
	t.Helper()
	store := memstore.New(memstore.Config{})
	manager, err := core.New("test", store, core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	app, err := NewApplication(manager, Config{Prefix: "/app", Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range servlets {
		if err := app.Add(path, f); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(app.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := manager.Close(context.Background()); err != nil {
			t.Log(err)
		}
		if err := store.Close(); err != nil {
			t.Log(err)
		}
	})
	return server.URL + "/app/"
}

// client follows no redirects, and no test waits for ever.
var client = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	text string
}

func send(t *testing.T, r *http.Request) answer {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return send(t, newRequest(t, http.MethodGet, url, "", ""))
}

func post(t *testing.T, url, contentType, body string) answer {
	t.Helper()
	return send(t, newRequest(t, http.MethodPost, url, contentType, body))
}

func newRequest(t *testing.T, method, url, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}
