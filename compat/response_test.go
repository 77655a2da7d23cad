package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

func TestBeforeCommit(t *testing.T) {
	boom := errors.New("boom")
	var order []string
	each(t, core.Config{}, compat.SessionsConfig{BufferSize: 100}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			order = nil
			rw := compat.ResponseOf(r.Context())
			s := set(t, r, 2)
			rw.BeforeCommit(func() error {
				order = append(order, "first")
				if rw.Sent() {
					t.Error("called after the headers left")
				}
				return s.Set("n", 5)
			})
			rw.BeforeCommit(func() error {
				order = append(order, "second")
				fmt.Fprint(w, strings.Repeat("x", 200)) // more than fits: still held back
				if err := rw.FlushError(); err != nil || rw.Sent() {
					t.Errorf("a flush inside: %v, sent %v", err, rw.Sent())
				}
				if n, err := rw.ReadFrom(strings.NewReader("end")); n != 3 || err != nil {
					t.Errorf("ReadFrom inside: %d, %v", n, err)
				}
				if r.URL.Path == "/fails" {
					return boom
				}
				return nil
			})
			switch r.URL.Path {
			case "/overflow":
				fmt.Fprint(w, strings.Repeat("y", 200))
				if len(order) != 2 {
					t.Error("not called at the overflow")
				}
			case "/rollback":
				if err := rw.Rollback(); err != nil {
					t.Error(err)
				}
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		for _, tt := range []struct {
			path, calls string
			status, n   int
		}{
			{"/", "first second", 200, 5}, {"/overflow", "first second", 200, 5}, {"/rollback", "", 200, 1}, {"/fails", "first second", 500, 1},
		} {
			id := st.seed()
			resp, body := do(t, addr, "GET", tt.path, id)
			if got := strings.Join(order, " "); got != tt.calls || resp.StatusCode != tt.status || st.n(id) != tt.n {
				t.Errorf("%s: called %q, status %d, n = %d", tt.path, got, resp.StatusCode, st.n(id))
			}
			if tt.path == "/overflow" && !strings.HasPrefix(body, "xxx") || tt.path == "/" && !strings.HasSuffix(body, "xend") {
				t.Errorf("%s: body %q", tt.path, body)
			}
		}
	})
}

func TestResetAndRollback(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			rw := compat.ResponseOf(r.Context())
			set(t, r, 2)
			w.Header().Set("X-First", "1")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "first")
			if rw.Status() != http.StatusTeapot || rw.Buffered() != 5 {
				t.Errorf("status %d, %d bytes held back", rw.Status(), rw.Buffered())
			}
			do := rw.Reset
			if r.URL.Path == "/rollback" {
				do = rw.Rollback
			}
			if err := do(); err != nil || rw.Status() != 0 || rw.Buffered() != 0 {
				t.Errorf("%v, then status %d, %d bytes", err, rw.Status(), rw.Buffered())
			}
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, "second")
			if err := rw.FlushError(); err != nil {
				t.Error(err)
			}
			if n := rw.Buffered(); n != 0 {
				t.Errorf("%d bytes held back after a flush", n)
			}
			if err := rw.Reset(); !errors.Is(err, compat.ErrSent) {
				t.Errorf("Reset after the headers: %v", err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		for path, want := range map[string]int{"/reset": 2, "/rollback": 1} {
			id := st.seed()
			resp, body := do(t, addr, "GET", path, id)
			if resp.StatusCode != http.StatusAccepted || body != "second" || resp.Header.Get("X-First") != "" || st.n(id) != want {
				t.Errorf("%s: %d %q %v, n = %d", path, resp.StatusCode, body, resp.Header, st.n(id))
			}
		}
	})
}

func TestHeadersOfOuterMiddlewareStay(t *testing.T) {
	headers := func(resp *http.Response) string {
		return fmt.Sprint(resp.Header["Vary"], resp.Header["X-Frame-Options"], resp.Header["X-Request-Id"])
	}
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			st := newSite(t, core.Config{}, compat.SessionsConfig{})
			inner := m.wrap(st.sessions, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Vary", "Cookie")
				w.Header().Set("X-Frame-Options", "ALLOW")
				w.Header().Del("X-Request-Id")
				set(t, r, 1)
			}))
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Vary", "Accept")
				w.Header().Set("X-Frame-Options", "DENY")
				w.Header().Set("X-Request-Id", "7")
				inner.ServeHTTP(w, r)
			}))
			if resp, _ := do(t, addr, "GET", "/", ""); headers(resp) != "[Accept Cookie] [ALLOW] []" {
				t.Errorf("the handler's headers are %s", headers(resp))
			}
			st.store.breakOn("Create", errors.New("disk full"))
			if resp, _ := do(t, addr, "GET", "/", ""); headers(resp) != "[Accept] [DENY] [7]" {
				t.Errorf("the error page's headers are %s", headers(resp))
			}
		})
	}
}

// readFromSpy is a server's writer that has a ReadFrom, as net/http's has for sendfile.
type readFromSpy struct {
	*httptest.ResponseRecorder
	src  io.Reader
	left int64 // of a limited src, when the server got it
}

func (w *readFromSpy) ReadFrom(src io.Reader) (int64, error) {
	w.src = src
	if l, ok := src.(*io.LimitedReader); ok {
		w.left = l.N
	}
	return io.Copy(w.ResponseRecorder, src)
}

func TestLargeFilesGoToTheServersReadFrom(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{BufferSize: 1000})
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat("x", 5000)); err != nil {
		t.Fatal(err)
	}
	limited := io.LimitReader(f, 4000)
	for name, src := range map[string]io.Reader{"file": f, "limited": limited} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		spy := &readFromSpy{ResponseRecorder: httptest.NewRecorder()}
		st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := w.(io.ReaderFrom).ReadFrom(src); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(spy, get("/"))
		want := map[string]int{"file": 5000, "limited": 4000}[name]
		if spy.Body.Len() != want {
			t.Errorf("%s: %d bytes, want %d", name, spy.Body.Len(), want)
		}
		if name == "limited" && spy.left != 4000 {
			t.Errorf("limited: the server got the last %d bytes, want all", spy.left)
		}
		if spy.src == nil {
			t.Errorf("%s: the server's ReadFrom was not used", name)
		}
	}
}

func TestBrokenSourceIsTheApplicationsFailure(t *testing.T) {
	boom := errors.New("boom")
	app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", plain, nil)
		return compat.File(io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), failingReader{boom})), err
	})
	c := dial(t, start(t, compat.Handler(app, compat.HandlerConfig{})))
	c.request("GET", "/", "")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("a cut response looks whole: %d bytes", n)
	}
}

func TestInvalidStatusPanics(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	defer func() {
		if recover() == nil {
			t.Error("WriteHeader(1000) was accepted")
		}
	}()
	st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(1000) })).
		ServeHTTP(httptest.NewRecorder(), get("/"))
}

func TestUnwrapReachesTheServer(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, st *site, addr string) { do(t, addr, "GET", "/", "") })
}

func TestFlushOnAWriterThatCanNot(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	w := struct{ http.ResponseWriter }{httptest.NewRecorder()}
	st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Flush: %v", err)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		fmt.Fprint(w, "goes on")
	})).ServeHTTP(w, get("/"))
}

func TestUploadsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Errorf("%d files in the handler, %v", len(files), err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		var form bytes.Buffer
		mw := multipart.NewWriter(&form)
		part, err := mw.CreateFormFile("file", "name")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(part, strings.Repeat("x", 100_000))
		if err := mw.Close(); err != nil {
			t.Fatal(err)
		}
		resp, err := browser(t).Post("http://"+addr+"/", mw.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		eventually(t, "the server removes the upload", func() bool {
			files, err := os.ReadDir(dir)
			return err == nil && len(files) == 0
		})
	})
}

func TestGoroutinesOfOneRequest(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					s, err := compat.FromContext(r.Context())
					if err != nil {
						t.Error(err)
						return
					}
					if err := s.Set(fmt.Sprint("k", i), i); err != nil {
						t.Error(err)
					}
					_ = r.Context().Done()
					_ = r.Context().Err()
				})
			}
			wg.Wait()
		}
	}, func(t *testing.T, st *site, addr string) {
		resp, _ := do(t, addr, "GET", "/", "")
		s, err := st.manager.Open(t.Context(), sid(resp).Value)
		if err != nil || s.Len() != 8 {
			t.Errorf("%d values, %v", s.Len(), err)
		}
	})
}

func TestLogsHaveNoIDs(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { set(t, r, 2) }
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		st.store.breakOn("Save", errors.New("disk full"))
		do(t, addr, "GET", "/_SID_="+id+"/page", id)
		if log := st.log.String(); strings.Contains(log, id) || !strings.Contains(log, "/page") {
			t.Errorf("log: %s", log)
		}
	})
}
