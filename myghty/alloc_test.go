package myghty

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// TestAllocationsAndStoreCalls holds requests to what they may cost. That a read decodes only what it gets shows in its
// allocations: the session has a thousand names.
func TestAllocationsAndStoreCalls(t *testing.T) {
	read := func(s *Session) error { _, err := core.Get[string](s.Core(), "user"); return err }
	write := func(s *Session) error { return errors.Join(s.Set("n", 1), s.Save()) }
	tests := []struct {
		name   string
		do     func(s *Session) error // nil to leave the session alone
		cfg    Config
		allocs float64 // at most
		calls  int64
	}{
		{"untouched", nil, Config{}, 7, 0},
		{"read", read, Config{}, 8, 1},
		{"write", write, Config{}, 10, 2},
		{"read under auto", read, Config{Options: Options{"auto": true}}, 8, 1},
		{"write under auto", func(s *Session) error { return s.Set("n", 1) }, Config{Options: Options{"auto": true}}, 10, 2},
		{"read, signed", read, Config{Options: Options{"secret": "hush"}}, 17, 1},
		{"saved, unchanged", func(s *Session) error { return s.Save() }, Config{}, 8, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newTestApp(t, tt.cfg, core.Config{}, pages{
				"/fill": with(func(_ *Request, s *Session) (any, error) {
					for i := range 1000 {
						if err := s.Set("name"+string(rune('a'+i%26))+string(rune('a'+i/26)), []string{"a", "b"}); err != nil {
							return nil, err
						}
					}
					return "", errors.Join(s.Set("user", "ada"), s.Save())
				}),
				"/": func(m *Request) error {
					if tt.do != nil {
						s, err := m.GetSession(nil)
						if err != nil {
							return err
						}
						if err := tt.do(s); err != nil {
							return err
						}
					}
					_, err := m.WriteString("ok")
					return err
				},
			})
			b := a.browser()
			b.want("/fill", http.StatusOK, "")
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.AddCookie(&http.Cookie{Name: a.HTTPSessions().CookieName(), Value: b.cookie()})
			h, w := a.Handler(), &discard{make(http.Header)}
			serve := func() {
				clear(w.header)
				h.ServeHTTP(w, req)
			}
			serve() // fill the pools
			before := a.store.calls.Load()
			serve()
			if n := a.store.calls.Load() - before; n != tt.calls {
				t.Errorf("%d store calls, want %d", n, tt.calls)
			}
			if allocs := testing.AllocsPerRun(500, serve); allocs > tt.allocs && !raceDetector {
				t.Errorf("%v allocations, want at most %v", allocs, tt.allocs)
			}
		})
	}
}
