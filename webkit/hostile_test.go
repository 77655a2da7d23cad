package webkit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// A failed request that had called Invalidate and then used Values saves nothing.
func TestFailureAfterInvalidate(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/set": setting("a", "1"), "/fail": respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		if err := s.Invalidate(); err != nil {
			return err
		}
		v, err := s.Values()
		if err != nil {
			return err
		}
		v["half"] = "done"
		return errWork
	})})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/fail", 500, "")
	if v := a.stored("half"); v != nil {
		t.Errorf("a failed request saved %v", v)
	}
}

// Expiring "really ends when the request does, even if the request fails".
func TestExpiringFails(t *testing.T) {
	for _, where := range []string{"awake", "sleep", "hook", "panicsleep"} {
		t.Run(where, func(t *testing.T) {
			on := false
			logout := func(t *Transaction) error {
				s, err := t.Session()
				if err == nil {
					s.Expiring()
				}
				return err
			}
			hooks := SessionHooks{Sleep: func(*Session, *Transaction) error {
				if on && where == "hook" {
					return errWork
				}
				return nil
			}}
			a := newTestApp(t, testConfig{Config: Config{SessionHooks: hooks}}, map[string]Factory{"/set": setting("a", "1"), "/get": getting("a"),
				"/logout": func() Servlet {
					on = true
					s := &servlet{respond: logout}
					switch where {
					case "awake":
						s.awake = func(t *Transaction) error { return errors.Join(logout(t), errWork) }
					case "sleep":
						s.sleep = func(*Transaction) error { return errWork }
					case "panicsleep":
						s.sleep = func(*Transaction) error { panic("x") }
					}
					return s
				}})
			b := a.browser()
			b.want("/set", 200, "")
			b.want("/logout", 500, "")
			on = false
			b.want("/get", 200, "none")
		})
	}
}

// errors.Join(work, ErrEndResponse) must not hide that the work failed.
func TestJoinedEndResponse(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		s, err := t.Session()
		if err != nil {
			return err
		}
		return errors.Join(s.SetValue("a", "1"), s.SetValue("b", make(chan int)), ErrEndResponse)
	})})
	a.browser().want("/", 500, "")
	if v := a.stored("a"); v != nil {
		t.Errorf("saved %v", v)
	}
}

// An error page answers a form that can not be read, also for POST.
func TestErrorPageForBrokenForm(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"MaxFormSize": 10, "ErrorPage": "/oops"}}}, map[string]Factory{
		"/":     func() Servlet { return new(Page) },
		"/oops": func() Servlet { return new(oopsPage) },
	})
	r := a.browser().do("POST", "/", "a="+strings.Repeat("x", 100))
	if r.StatusCode != 413 || !strings.Contains(r.body, "our own page") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

type oopsPage struct{ Page }

func (p *oopsPage) WriteContent() error {
	p.Write("our own page")
	return nil
}

// An error page is run whatever the method was, and when it can not be, the first status stays.
func TestErrorPageMethods(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"ErrorPage": "/oops"}}}, map[string]Factory{
		"/":     func() Servlet { return putter{&servlet{}} },
		"/oops": func() Servlet { return new(oopsPage) },
	})
	r := a.browser().do("PUT", "/", "")
	if r.StatusCode != 500 {
		t.Errorf("PUT: %d %s", r.StatusCode, r.body)
	}
}

type putter struct{ *servlet }

func (putter) RespondToPut(*Transaction) error { return errWork }

// After a session was found gone, an error page can begin anew and sees nothing of the old one.
func TestErrorPageAfterGone(t *testing.T) {
	var seen any
	var serr error
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"ErrorPage": "/oops"}}}, map[string]Factory{
		"/set": setting("a", "1"),
		"/slow": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			if err := s.SetValue("b", "2"); err != nil {
				return err
			}
			return t.Application().Sessions().Del(t.Context(), s.Identifier()) // another request's logout
		}),
		"/oops": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			seen, _ = s.ValueDefault("a", nil)
			serr = s.SetValue("flash", "1")
			return serr
		}),
	})
	b := a.browser()
	b.want("/set", 200, "")
	r := b.get("/slow")
	t.Log(r.StatusCode, r.Header["Set-Cookie"])
	if seen != nil || serr != nil {
		t.Errorf("the error page sees %v of a session that is gone; SetValue: %v", seen, serr)
	}
}

// SessionStore.Update: Expiring and SetTimeout(0) end the session.
func TestUpdateExpiring(t *testing.T) {
	for name, fn := range map[string]func(s *Session) error{
		"expiring": func(s *Session) error { s.Expiring(); return nil },
		"timeout":  func(s *Session) error { return s.SetTimeout(0) },
	} {
		a := newTestApp(t, testConfig{}, nil)
		s, err := a.Sessions().New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Sessions().Update(t.Context(), s.Identifier(), fn); err != nil {
			t.Error(name, err)
		}
		if a.sessions() != 0 {
			t.Errorf("%s: the session is still there", name)
		}
	}
}

// A Cookie header of separators costs no more than its size, roughly.
func TestCookieHeaderMemory(t *testing.T) {
	header := strings.Repeat(";", 900<<10)
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	parseCookies(header)
	runtime.ReadMemStats(&m1)
	if n := m1.TotalAlloc - m0.TotalAlloc; n > 4<<20 {
		t.Errorf("900 KiB of Cookie header make the server allocate %d MiB", n>>20)
	}
}

// SameSite None is one of the documented values.
func TestSameSiteNone(t *testing.T) {
	m := newTestManager(t, nil, core.Config{})
	if _, err := NewApplication(m, Config{Settings: Settings{"SameSiteSessionCookie": "None"}}); err != nil {
		t.Error(err)
	}
}

// A prefix or path that needs escaping works: cookie path and redirects are what browsers send.
func TestEscapedPrefix(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Prefix: "/my app"}}, map[string]Factory{
		"/set": setting("a", "1"), "/get": getting("a"), "/50%/": getting("a")})
	b := a.browser()
	if c := b.get("/my%20app/set").Header.Get("Set-Cookie"); c != "" && !strings.Contains(c, "; Path=/my%20app/;") {
		t.Errorf("Set-Cookie %q", c)
	}
	if loc := b.get("/my%20app/50%25").Header.Get("Location"); loc != "/my%20app/50%25/" {
		t.Errorf("Location %q", loc)
	}
	if _, err := NewApplication(newTestManager(t, nil, core.Config{}), Config{Prefix: "/café"}); err != nil {
		t.Error(err)
	}
}

// Content types with a broken parameter are still forms.
func TestContentTypeParameter(t *testing.T) {
	got := ""
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		got = t.Request().FieldDefault("a", "none")
		return t.Request().ParseForm()
	})})
	req, _ := http.NewRequest("POST", a.server.URL+"/", strings.NewReader("a=1"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset")
	r := a.browser().send(req)
	if got != "1" {
		t.Errorf("field %q, status %d", got, r.StatusCode)
	}
}

// Uploads leave nothing behind, whatever the way the servlet ends in.
func TestTempFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		if err := t.Request().ParseForm(); err != nil {
			return err
		}
		if n, _ := filepath.Glob(dir + "/multipart-*"); len(n) == 0 {
			return errors.New("no temp file to begin with")
		}
		panic(http.ErrAbortHandler)
	}), "/cut": respond(func(t *Transaction) error { return t.Request().ParseForm() })})
	for _, path := range []string{"/", "/cut"} {
		pr, pw := io.Pipe()
		go func() {
			_, _ = io.WriteString(pw, "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n"+strings.Repeat("x", 14<<20/2))
			if path == "/" {
				_, _ = io.WriteString(pw, "\r\n--b--\r\n")
			}
			_ = pw.Close()
		}()
		req, _ := http.NewRequest("POST", a.server.URL+path, pr)
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		tr := new(http.Transport)
		if resp, err := tr.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			t.Log(path, resp.StatusCode)
		}
		tr.CloseIdleConnections()
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s left %v", path, left)
		}
	}
}

// An overridden RunTransaction that awakes and panics leaves the includer's nesting as it was.
func TestRunnerPanicsAwake(t *testing.T) {
	slept := 0
	a := newTestApp(t, testConfig{Config: Config{SessionHooks: SessionHooks{Sleep: func(*Session, *Transaction) error {
		slept++
		return nil
	}}}}, map[string]Factory{
		"/": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			_ = t.Application().IncludeURL(t, "/bad")
			return s.SetValue("a", "1")
		}),
		"/bad": func() Servlet { return &badRunner{} },
	})
	a.browser().want("/", 200, "")
	if slept != 1 {
		t.Errorf("the session slept %d times", slept)
	}
}

type badRunner struct{ servlet }

func (b *badRunner) RunTransaction(t *Transaction) error {
	if err := t.Awake(); err != nil {
		return err
	}
	panic("oops")
}

// Forward after a flush says what its comment promises.
func TestForwardTooLate(t *testing.T) {
	var got error
	a := newTestApp(t, testConfig{}, map[string]Factory{"/b": write2("b"), "/": respond(func(t *Transaction) error {
		got = errors.Join(write("x")(t), t.Response().Flush())
		got = errors.Join(got, t.Application().Forward(t, "/b"))
		return nil
	})})
	a.browser().get("/")
	if !errors.Is(got, ErrCommitted) {
		t.Errorf("Forward: %v", got)
	}
}

func write2(s string) Factory { return respond(write(s)) }

func TestHTTPExceptionCode(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		s, err := t.Session()
		return errors.Join(err, s.SetValue("a", "1"), &HTTPException{Message: "no code"})
	})})
	r := a.browser().get("/")
	if v := a.stored("a"); r.StatusCode >= 400 && v != nil {
		t.Errorf("status %d, but saved %v", r.StatusCode, v)
	}
}

// Open redirects and forged headers by the path.
func TestRedirects(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"UseAutomaticPathSessions": true, "SecureSessionCookie": false}}}, map[string]Factory{"/": getting("a"), "/x": getting("a"), "/d/": getting("a")})
	for _, p := range []string{"/_SID_=abc//evil.test/", "/_SID_=abc/\\evil.test", "//evil.test/..", "/_SID_=abc/%2f%2fevil.test/", "//evil.test", "/d?x=%0d%0aA:b", "/x/%0d%0aSet-Cookie:%20a=b", "/_SID_=%00/x"} {
		for _, cookie := range []string{"", "_SID_=aaaaaaaaaaaaaaaaaaaaaaaaaa", "_SID_=AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			req, err := http.NewRequest("GET", a.server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			path, q, _ := strings.Cut(p, "?")
			req.URL.Opaque = "//" + req.URL.Host + path
			req.URL.RawQuery = q
			if cookie != "" {
				req.Header.Set("Cookie", cookie)
			}
			resp, err := new(http.Transport).RoundTrip(req)
			if err != nil {
				t.Log(p, err)
				continue
			}
			_ = resp.Body.Close()
			loc := resp.Header.Get("Location")
			if strings.HasPrefix(loc, "//") || strings.HasPrefix(loc, "/\\") || strings.Contains(loc, "evil") && !strings.HasPrefix(loc, "/") {
				t.Errorf("%s: %d to %q", p, resp.StatusCode, loc)
			}
		}
	}
}

// flakyStore fails to save while it is told to.
type flakyStore struct {
	*memstore.Store
	down atomic.Bool
}

func (s *flakyStore) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	if s.down.Load() {
		return 0, errDown
	}
	return s.Store.Save(ctx, key, c)
}

// A page that goes on after its early commit failed does not save the second half of its work.
func TestNothingIsSavedAfterAFailedCommit(t *testing.T) {
	store := &flakyStore{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { _ = store.Close() })
	a := newTestApp(t, testConfig{store: store}, map[string]Factory{
		"/set": setting("a", "1"), "/get": getting("a"),
		"/": respond(func(t *Transaction) error {
			s, err := t.Session()
			if err != nil {
				return err
			}
			if err := s.SetValue("a", "2"); err != nil {
				return err
			}
			store.down.Store(true)
			_, _ = t.Response().Write(make([]byte, 100<<10)) // as Page.Write does
			store.down.Store(false)
			return s.SetValue("a", "3")
		}),
	})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/", 503, "")
	b.want("/get", 200, "1")
}

// A header that the server refuses is refused before the session is saved.
func TestHeaderRefusedBeforeSave(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]Factory{"/": respond(func(t *Transaction) error {
		s, err := t.Session()
		return errors.Join(err, s.SetValue("a", "1"), t.Response().SetHeader("Connection", "close"))
	})})
	r := a.browser().get("/")
	if v := a.stored("a"); r.StatusCode >= 400 && v != nil {
		t.Errorf("status %d, but saved %v", r.StatusCode, v)
	}
}

// An error page is not left out because the client has an old copy of it.
func TestErrorPageIsNever304(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"ErrorPage": "/oops"}}}, map[string]Factory{
		"/": respond(func(*Transaction) error { return errWork }), "/oops": func() Servlet { return new(oldPage) }})
	req, err := http.NewRequest(http.MethodGet, a.server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-Modified-Since", time.Now().UTC().Format(http.TimeFormat))
	if r := a.browser().send(req); r.StatusCode != 500 {
		t.Errorf("status %d", r.StatusCode)
	}
}

type oldPage struct{ Page }

func (*oldPage) LastModified(*Transaction) time.Time { return time.Unix(1e9, 0) }

// A form that could not be read is an error also if the servlet ends with a redirect.
func TestBrokenFormThenRedirect(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Settings: Settings{"MaxFormSize": 10}}}, map[string]Factory{"/": respond(func(t *Transaction) error {
		s, err := t.Session()
		return errors.Join(err, s.SetValue("a", t.Request().FieldDefault("a", "empty")), t.Response().SendRedirect("/x"), ErrEndResponse)
	})})
	r := a.browser().do("POST", "/", "a="+strings.Repeat("x", 100))
	if v := a.stored("a"); r.StatusCode != 413 || v != nil {
		t.Errorf("status %d, saved %v", r.StatusCode, v)
	}
}
