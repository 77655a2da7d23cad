package compat_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// each runs a test of one handler under every mount, over TCP.
func each(t *testing.T, cfg core.Config, scfg compat.SessionsConfig, handler func(*testing.T, *site) http.HandlerFunc, check func(t *testing.T, st *site, addr string)) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			st := newSite(t, cfg, scfg)
			check(t, st, start(t, m.wrap(st.sessions, handler(t, st))))
		})
	}
}

func TestHandlerReturns(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-App", "yes")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, "hello")
			set(t, r, 5) // after the body was written, which is in time as long as it is held back
		}
	}, func(t *testing.T, st *site, addr string) {
		resp, body := do(t, addr, "GET", "/", "")
		if resp.StatusCode != http.StatusCreated || body != "hello" || resp.Header.Get("X-App") != "yes" {
			t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
		}
		c := sid(resp)
		if c == nil {
			t.Fatal("no cookie for a new session")
		}
		if !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 0 {
			t.Errorf("cookie %+v", c)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q, want no-store", got)
		}
		if n := st.n(c.Value); n != 5 {
			t.Errorf("stored n = %d, want 5", n)
		}
		resp, _ = do(t, addr, "GET", "/", c.Value)
		wantNoCookie(t, resp)
		if got := resp.Header.Get("Cache-Control"); got != "" {
			t.Errorf("Cache-Control %q without a cookie", got)
		}
	})
}

func TestNothingForNobody(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/open":
				if _, err := compat.FromContext(r.Context()); err != nil {
					t.Error(err)
				}
			case "/existing":
				for range 2 { // the second time the answer is known
					if _, err := compat.ExistingFromContext(r.Context()); !errors.Is(err, core.ErrNotFound) {
						t.Errorf("Existing: %v, want core.ErrNotFound", err)
					}
				}
			}
			fmt.Fprint(w, "hello")
		}
	}, func(t *testing.T, st *site, addr string) {
		stranger := strings.Repeat("A", len(st.seed()))
		for _, tt := range []struct {
			path, id string
			calls    int64
		}{
			{"/", "", 0},
			{"/", stranger, 0},
			{"/open", "", 0},
			{"/open", "../../etc/passwd", 0},
			{"/open", stranger, 1},
			{"/existing", "", 0},
			{"/existing", stranger, 1},
		} {
			before := st.store.calls.Load()
			resp, _ := do(t, addr, "GET", tt.path, tt.id)
			wantNoCookie(t, resp)
			if calls := st.store.calls.Load() - before; calls != tt.calls {
				t.Errorf("%s with id %q: %d store calls, want %d", tt.path, tt.id, calls, tt.calls)
			}
		}
		if n := st.count(); n != 1 {
			t.Errorf("%d sessions, want the one that was there", n)
		}
	})
}

func TestEmptyHandler(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { set(t, r, 1) }
	}, func(t *testing.T, st *site, addr string) {
		resp, body := do(t, addr, "GET", "/", "")
		if resp.StatusCode != http.StatusOK || body != "" || sid(resp) == nil {
			t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
		}
		if n := st.count(); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
	})
}

func TestBufferOverflow(t *testing.T) {
	goOn := make(chan struct{}, 1)
	each(t, core.Config{}, compat.SessionsConfig{BufferSize: 1000}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 7)
			fmt.Fprint(w, strings.Repeat("a", 1000))
			if compat.ResponseOf(r.Context()).Sent() || st.count() != 0 {
				t.Error("committed although the buffer is just full")
			}
			fmt.Fprint(w, "b")
			if !compat.ResponseOf(r.Context()).Sent() || st.count() != 1 {
				t.Error("not committed although the buffer ran over")
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-goOn
			fmt.Fprint(w, "c")
		}
	}, func(t *testing.T, st *site, addr string) {
		c := dial(t, addr)
		c.request("GET", "/", "")
		if _, err := c.r.Peek(1); err != nil {
			t.Fatal(err)
		}
		if n := st.count(); n != 1 {
			t.Errorf("the first byte left before the commit: %d sessions", n)
		}
		goOn <- struct{}{}
		resp, body := c.response("GET")
		if sid(resp) == nil || body != strings.Repeat("a", 1000)+"bc" {
			t.Errorf("got %v, %d bytes", resp.Header, len(body))
		}
	})
}

func TestFlush(t *testing.T) {
	goOn := make(chan struct{}, 1)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 7)
			if r.URL.Path == "/body" {
				fmt.Fprintln(w, "first")
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-goOn
			fmt.Fprintln(w, "second")
		}
	}, func(t *testing.T, st *site, addr string) {
		for i, path := range []string{"/headers", "/body"} {
			c := dial(t, addr)
			c.request("GET", path, "")
			head := c.head()
			if !strings.HasPrefix(head, "HTTP/1.1 200 OK\n") || !strings.Contains(head, "Set-Cookie: sid=") {
				t.Errorf("%s: head %q", path, head)
			}
			if n := st.count(); n != i+1 {
				t.Errorf("%s: flushed before the commit", path)
			}
			goOn <- struct{}{}
		}
	})
}

func TestServerSentEvents(t *testing.T) {
	goOn := make(chan int)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, 0)
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range goOn {
				if i == 0 {
					return
				}
				if err := s.Set("n", i); err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, "data: %d\n\n", i)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		c := dial(t, addr)
		c.request("GET", "/", "")
		goOn <- 1
		head := c.head()
		_, rest, ok := strings.Cut(head, "Set-Cookie: sid=")
		id, _, _ := strings.Cut(rest, ";")
		if !ok || st.n(id) != 1 {
			t.Fatalf("at the first event: n = %d, head %q", st.n(id), head)
		}
		for i := 2; i < 4; i++ {
			goOn <- i
		}
		seen := 0
		for seen < 3 {
			if strings.HasPrefix(c.line(), "data: ") {
				seen++
			}
		}
		goOn <- 0
		eventually(t, "late changes are committed at the end", func() bool { return st.n(id) == 3 })
	})
}

func TestHeadAndBodiless(t *testing.T) {
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 1)
			switch r.URL.Path {
			case "/204":
				w.WriteHeader(http.StatusNoContent)
			case "/304":
				w.WriteHeader(http.StatusNotModified)
			default:
				w.Header().Set("Content-Length", "5")
			}
			_, err := io.WriteString(w, "hello")
			if r.URL.Path == "/" && err != nil || r.URL.Path != "/" && !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("%s: Write: %v", r.URL.Path, err)
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		for i, tt := range []struct {
			method, path string
			status       int
		}{{"HEAD", "/", 200}, {"GET", "/204", 204}, {"GET", "/304", 304}} {
			c := dial(t, addr)
			c.request(tt.method, tt.path, "")
			head := c.head()
			if !strings.Contains(head, fmt.Sprintf(" %d ", tt.status)) || !strings.Contains(head, "Set-Cookie: sid=") {
				t.Errorf("%s %s: %q", tt.method, tt.path, head)
			}
			if n := st.count(); n != i+1 {
				t.Errorf("%s %s: %d sessions", tt.method, tt.path, n)
			}
			// A body would be taken for the beginning of the next response.
			c.request("HEAD", "/", "")
			if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 200 OK\n") {
				t.Errorf("%s %s: what follows is %q", tt.method, tt.path, head)
			}
			for id, err := range st.manager.IDs(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if st.count() > i+1 {
					if err := st.manager.Delete(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func TestEarlyHints(t *testing.T) {
	goOn := make(chan struct{}, 1)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 1)
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			<-goOn
			if n := st.count(); n != 0 {
				t.Errorf("103 committed: %d sessions", n)
			}
			w.Header().Set("X-App", "yes")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "tea")
		}
	}, func(t *testing.T, st *site, addr string) {
		c := dial(t, addr)
		c.request("GET", "/", "")
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 103 ") || !strings.Contains(head, "Link: ") || strings.Contains(head, "Cookie") {
			t.Errorf("early hints %q", head)
		}
		goOn <- struct{}{}
		resp, body := c.response("GET")
		if resp.StatusCode != http.StatusTeapot || body != "tea" || sid(resp) == nil {
			t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
		}
	})
}

func TestHijack(t *testing.T) {
	goOn := make(chan struct{}, 1)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, 2)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if errors.Is(err, compat.ErrCookieNeeded) {
				if n := st.count(); n != 1 {
					t.Errorf("a refused hijack has committed: %d sessions", n)
				}
				http.Error(w, "begin elsewhere", http.StatusUpgradeRequired)
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			_ = rw.Flush()
			line, err := rw.ReadString('\n')
			fmt.Fprint(rw, "you said ", line)
			_ = rw.Flush()
			if err := errors.Join(err, s.Set("n", 3)); err != nil {
				t.Error(err)
			}
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Write after Hijack: %v", err)
			}
			<-goOn
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		c := dial(t, addr)
		c.request("GET", "/", id)
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Errorf("head %q", head)
		}
		if n := st.n(id); n != 2 {
			t.Errorf("n = %d when the connection changed hands, want 2", n)
		}
		c.send("ping\n")
		if line := c.line(); line != "you said ping" {
			t.Errorf("got %q", line)
		}
		goOn <- struct{}{}
		eventually(t, "the late change is committed", func() bool { return st.n(id) == 3 })

		resp, _ := do(t, addr, "GET", "/", "")
		if resp.StatusCode != http.StatusUpgradeRequired || sid(resp) == nil {
			t.Errorf("after a refused hijack: %d %v", resp.StatusCode, resp.Header)
		}
	})
}

func TestLateChanges(t *testing.T) {
	done := make(chan struct{}, 1)
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			defer func() { done <- struct{}{} }()
			flush := func() {
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
			switch r.URL.Path {
			case "/known":
				flush()
				s := set(t, r, 9)
				if err := s.Rotate(r.Context(), 0); !errors.Is(err, compat.ErrSent) {
					t.Errorf("Rotate after the headers: %v, want ErrSent", err)
				}
			case "/new":
				flush()
				if _, err := compat.FromContext(r.Context()); !errors.Is(err, compat.ErrSent) {
					t.Errorf("a new session after the headers: %v, want ErrSent", err)
				}
			case "/empty":
				s, err := compat.FromContext(r.Context())
				if err != nil {
					t.Error(err)
				}
				flush()
				if err := s.Set("n", 1); !errors.Is(err, compat.ErrSent) {
					t.Errorf("Set on a session the client does not hold: %v, want ErrSent", err)
				}
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		id := st.seed()
		do(t, addr, "GET", "/known", id)
		<-done
		eventually(t, "the late change is committed", func() bool { return st.n(id) == 9 })
		for _, path := range []string{"/new", "/empty"} {
			resp, _ := do(t, addr, "GET", path, "")
			<-done
			wantNoCookie(t, resp)
		}
		if n := st.count(); n != 1 {
			t.Errorf("%d sessions: one was stored where nobody finds it", n)
		}
	})
}

func TestFile(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	name := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, core.Config{}, compat.SessionsConfig{}, func(t *testing.T, st *site) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(t, r, 1)
			switch r.URL.Path {
			case "/serve":
				http.ServeFile(w, r, name)
			case "/copy":
				f, err := os.Open(name)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				if n, err := io.Copy(w, f); err != nil || n != int64(len(big)) {
					t.Errorf("copied %d, %v", n, err)
				}
			case "/small":
				if n, err := io.Copy(w, io.LimitReader(strings.NewReader(big), 100)); err != nil || n != 100 {
					t.Errorf("copied %d, %v", n, err)
				}
				if compat.ResponseOf(r.Context()).Sent() {
					t.Error("100 bytes were not held back")
				}
			}
		}
	}, func(t *testing.T, st *site, addr string) {
		for path, want := range map[string]string{"/serve": big, "/copy": big, "/small": big[:100]} {
			resp, body := do(t, addr, "GET", path, "")
			if sid(resp) == nil || resp.StatusCode != 200 {
				t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
			}
			if body != want {
				t.Errorf("%s: body differs (%d bytes): %s", path, len(body), cmp.Diff(len(want), len(body)))
			}
		}
	})
}
