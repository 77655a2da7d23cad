package lint_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type callFunc = func(env *compat.Environ, start compat.StartResponse) (compat.Body, error)

var plain = []compat.Header{{Name: "Content-Type", Value: "text/plain"}}

// body is a body made of functions.
type body struct {
	blocks iter.Seq2[[]byte, error]
	close  func() error
}

func (b body) Blocks() iter.Seq2[[]byte, error] { return b.blocks }

func (b body) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// yields returns a body of the given blocks, behind which compat.Bytes does not show.
func yields(blocks ...string) compat.Body {
	return body{blocks: func(yield func([]byte, error) bool) {
		for _, b := range blocks {
			if !yield([]byte(b), nil) {
				return
			}
		}
	}}
}

// reports collects reports.
type reports struct {
	mu  sync.Mutex
	all []lint.Report
}

func (r *reports) add(_ context.Context, report lint.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

// names returns the checks that were reported, sorted.
func (r *reports) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, report := range r.all {
		names = append(names, report.Name)
	}
	slices.Sort(names)
	return names
}

// request is what tests ask for.
type request struct{ method, path, body string }

func (q request) orGet() request {
	if q.method == "" {
		q.method = "GET"
	}
	if q.path == "" {
		q.path = "/"
	}
	return q
}

// handler serves an application; what it returns is closed when a request has ended in every respect.
func handler(app compat.Application) (http.Handler, <-chan struct{}) {
	ended := make(chan struct{})
	h := compat.Handler(app, compat.HandlerConfig{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h.ServeHTTP(w, r)
	}), ended
}

// direct calls an application without a network, and describes the response.
func direct(t *testing.T, app compat.Application, q request) (got string) {
	t.Helper()
	q = q.orGet()
	rec := httptest.NewRecorder()
	h, _ := handler(app)
	defer func() {
		if v := recover(); v != nil {
			got = fmt.Sprint("failed: ", v)
		}
	}()
	h.ServeHTTP(rec, httptest.NewRequest(q.method, q.path, strings.NewReader(q.body)))
	if q.method == "HEAD" {
		rec.Body.Reset() // a server sends none
	}
	return describe(rec.Result())
}

// overTCP calls an application on a server.
func overTCP(t *testing.T, app compat.Application, q request) string {
	t.Helper()
	q = q.orGet()
	h, ended := handler(app)
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.Start()
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), q.method, srv.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	<-ended
	if err != nil {
		return "failed: " + err.Error()
	}
	return describe(resp)
}

func describe(resp *http.Response) string {
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "failed: " + err.Error()
	case resp.StatusCode == http.StatusInternalServerError && strings.HasPrefix(string(data), "<!DOCTYPE"):
		return "failed: error page"
	}
	if len(data) > 200 {
		return fmt.Sprintf("%d, %d bytes, hash %x", resp.StatusCode, len(data), sha256.Sum256(data))
	}
	return fmt.Sprint(resp.StatusCode, " ", string(data))
}

func failed(got string) bool { return strings.HasPrefix(got, "failed: ") }
