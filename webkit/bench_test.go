package webkit

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// discard is a ResponseWriter that keeps nothing but the headers.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// measured is an application whose one session holds 10 names and 1 KB, a request that carries its id, and a
// count of store calls.
func measured(tb testing.TB, fn func(*Transaction) error) (http.Handler, *http.Request, *atomic.Int64) {
	tb.Helper()
	store := &callSpy{Store: memstore.New(memstore.Config{})}
	tb.Cleanup(func() { _ = store.Close() })
	m := newTestManager(tb, store, core.Config{})
	app, err := NewApplication(m, Config{})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := m.Create(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range strings.Fields("a b c d e f g h i") {
		if err := s.Set(name, strings.Repeat(name, 105)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Set("n", 1); err != nil {
		tb.Fatal(err)
	}
	if err := s.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := app.Add("/page", respond(fn)); err != nil {
		tb.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, "/page", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.RequestURI = "/page"
	req.Header.Set("Cookie", "_SID_="+s.ID())
	return app.Handler(), req, &store.calls
}

func readOne(t *Transaction) error {
	s, err := t.Session()
	if err != nil {
		return err
	}
	v, err := s.Value("c")
	if err != nil {
		return err
	}
	_, err = t.Response().WriteString(v.(string)[:2])
	return err
}

func writeOne(t *Transaction) error {
	s, err := t.Session()
	if err != nil {
		return err
	}
	n, err := s.Value("n")
	if err != nil {
		return err
	}
	if err := s.SetValue("n", n.(int)+1); err != nil {
		return err
	}
	_, err = t.Response().WriteString("ok")
	return err
}

func untouched(t *Transaction) error {
	_, err := t.Response().WriteString("ok")
	return err
}

func BenchmarkRequest(b *testing.B) {
	for _, bench := range []struct {
		name string
		fn   func(*Transaction) error
	}{{"untouched", untouched}, {"read", readOne}, {"write", writeOne}} {
		b.Run(bench.name, func(b *testing.B) {
			h, req, _ := measured(b, bench.fn)
			w := &discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, req)
			}
		})
	}
}
