package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// everyWay are carriers with the cookie first, as the documentation advises.
var everyWay = []compat.Carrier{compat.ByCookie, compat.ByQuery, compat.ByPath, compat.ByField}

// counting counts the visits of a session and says which path it saw.
func counting(t testing.TB, s *compat.Sessions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := s.Session(r.Context())
		if err != nil {
			http.Error(w, err.Error(), compat.StatusOf(err))
			return
		}
		n, err := core.Get[int](session, "n")
		if err == nil {
			err = session.Set("n", n+1)
		}
		if err != nil {
			t.Error(err)
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "n=%d path=%s uri=%s body=%s", n+1, r.URL.Path, r.RequestURI, body)
	})
}

// carried sends a request with an id by a carrier.
func carried(t testing.TB, addr string, by compat.Carrier, id, cookie string) (*http.Response, string) {
	t.Helper()
	head := "GET /page HTTP/1.1\r\n"
	body := ""
	switch by {
	case compat.ByQuery:
		head = "GET /page?a=1&sid=" + id + " HTTP/1.1\r\n"
	case compat.ByPath:
		head = "GET /sid=" + id + "/page HTTP/1.1\r\n"
	case compat.ByField:
		body = "sid=" + id + "&a=1"
		head = fmt.Sprintf("POST /page HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body))
	case compat.ByCookie:
		cookie = id
	}
	if cookie != "" {
		head += "Cookie: sid=" + cookie + "\r\n"
	}
	c := dial(t, addr)
	defer c.Close()
	c.send(head + "Host: example.test\r\nConnection: close\r\n\r\n" + body)
	return c.response("GET")
}

func TestCarriers(t *testing.T) {
	stranger := newSite(t, core.Config{}, compat.SessionsConfig{}).seed() // well-formed, and of no living session
	for _, by := range everyWay {
		t.Run(by.String(), func(t *testing.T) {
			off := newSite(t, core.Config{}, compat.SessionsConfig{})
			on := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
			only := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: []compat.Carrier{by}})
			for _, mt := range mounts {
				offAddr := start(t, mt.wrap(off.sessions, counting(t, off.sessions)))
				onAddr := start(t, on.sessions.PathIDs(mt.wrap(on.sessions, counting(t, on.sessions))))
				onlyAddr := start(t, only.sessions.PathIDs(mt.wrap(only.sessions, counting(t, only.sessions))))

				id := off.seed()
				_, text := carried(t, offAddr, by, id, "")
				if got := strings.HasPrefix(text, "n=2 "); got != (by == compat.ByCookie) {
					t.Errorf("%s: without opting in: %q", mt.name, text)
				}

				id = on.seed()
				resp, text := carried(t, onAddr, by, id, "")
				wantBody := ""
				if by == compat.ByField {
					wantBody = "sid=" + id + "&a=1"
				}
				if !strings.HasPrefix(text, "n=2 path=/page uri=/page") || !strings.HasSuffix(text, "body="+wantBody) {
					t.Errorf("%s: %q", mt.name, text)
				}
				wantNoCookie(t, resp)          // it is known by cookie, or must not become one
				inURL := by != compat.ByCookie // a field's page may have links with the id
				if got := resp.Header.Get("Referrer-Policy"); (got == "same-origin") != inURL {
					t.Errorf("%s: Referrer-Policy %q", mt.name, got)
				}
				if got := resp.Header.Get("Cache-Control"); inURL && got != "no-store" {
					t.Errorf("%s: Cache-Control %q", mt.name, got)
				}

				before := on.count()
				resp, text = carried(t, onAddr, by, stranger, "")
				if c := sid(resp); !strings.HasPrefix(text, "n=1 ") || c == nil || c.Value == stranger {
					t.Errorf("%s: a stranger's id: %q, cookie %v", mt.name, text, c)
				}
				if on.count() != before+1 || on.n(stranger) != 0 {
					t.Errorf("%s: the stranger's id was adopted", mt.name)
				}
				carried(t, onAddr, by, "../../etc/passwd%00", "")

				mine := on.seed()
				if by != compat.ByCookie {
					if _, text = carried(t, onAddr, by, id, mine); on.n(mine) != 2 {
						t.Errorf("%s: a planted id counts more than the cookie: %q", mt.name, text)
					}
				}
				if by == compat.ByCookie {
					continue
				}
				id = only.seed()
				if _, text := carried(t, onlyAddr, by, id, mine); !strings.HasPrefix(text, "n=2 ") {
					t.Errorf("%s: alone: %q", mt.name, text)
				}
				resp, _ = carried(t, onlyAddr, compat.ByCookie, id, "")
				wantNoCookie(t, resp)
				if only.n(id) != 2 {
					t.Errorf("%s: the cookie counts without being a carrier", mt.name)
				}
			}
			if log := on.log.String() + only.log.String(); log != "" {
				t.Errorf("log %s", log)
			}
		})
	}
}

// TestLaterCarrierWhenTheFirstIsStale tries what the client sent, one after the other.
func TestLaterCarrierWhenTheFirstIsStale(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	stale, id := st.seed(), st.seed()
	if err := st.manager.Delete(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	addr := start(t, st.sessions.Middleware(counting(t, st.sessions)))
	for _, by := range everyWay[1:] {
		resp, text := carried(t, addr, by, id, stale)
		if !strings.HasPrefix(text, "n=") || strings.HasPrefix(text, "n=1 ") {
			t.Errorf("%v: %q", by, text)
		}
		wantNoCookie(t, resp)
	}
	if st.n(id) != 4 {
		t.Errorf("n = %d", st.n(id))
	}
}

// TestNoCookieForAnIDFromTheURL holds also when the session gets a new id, or ends and is followed by another.
func TestNoCookieForAnIDFromTheURL(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := set(t, r, 5)
		switch r.URL.Path {
		case "/rotate":
			if err := s.Rotate(r.Context(), 0); err != nil {
				t.Error(err)
			}
		case "/logout":
			if err := s.Invalidate(r.Context()); err != nil {
				t.Error(err)
			}
			set(t, r, 6)
		}
		fmt.Fprint(w, compat.LinkURL(r.Context(), "/next"))
	})))
	for _, path := range []string{"/rotate", "/logout"} {
		id := st.seed()
		resp, text := do(t, addr, "GET", path+"?sid="+id, "")
		wantNoCookie(t, resp)
		next, ok := strings.CutPrefix(text, "/next?sid=")
		if !ok || next == id || st.n(id) != 0 || st.n(next) == 0 {
			t.Errorf("%s: link %q, n of the old id %d", path, text, st.n(id))
		}
		victim := st.seed()
		resp, _ = do(t, addr, "GET", path+"?sid="+st.seed(), victim)
		if c := sid(resp); c == nil || c.Value == victim {
			t.Errorf("%s: with a cookie of one's own: %v", path, c)
		}
	}
}

// TestFieldWhereverItIsRead shows that an application may read its form before it asks for the session or after, and
// that the id is found in front of a file.
func TestFieldWhereverItIsRead(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByField}})
	file := strings.Repeat("x", 200<<10)
	form := func(fileFirst bool) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		parts := []func(){
			func() { _ = w.WriteField("sid", "ID") },
			func() { f, _ := w.CreateFormFile("up", "f.txt"); _, _ = io.WriteString(f, file) },
		}
		if fileFirst {
			parts[0], parts[1] = parts[1], parts[0]
		}
		parts[0]()
		parts[1]()
		_ = w.Close()
		return w.FormDataContentType(), b.String()
	}
	multi, multiBody := form(false)
	late, lateBody := form(true)
	order := map[string]func(r *http.Request){
		"session first": func(r *http.Request) { set(t, r, 2) },
		"form first":    func(r *http.Request) { _ = r.ParseMultipartForm(1 << 20); set(t, r, 2) },
		"a bit of it": func(r *http.Request) {
			first := make([]byte, 3)
			_, _ = io.ReadFull(r.Body, first)
			set(t, r, 2)
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(first), r.Body))
		},
	}
	for how, read := range order {
		for _, tt := range []struct {
			name, kind, body string
			found            bool
		}{
			{"urlencoded", "application/x-www-form-urlencoded", "sid=ID&up=" + file, true},
			{"urlencoded, last", "application/x-www-form-urlencoded; charset=utf-8", "up=small&sid=ID", true},
			{"multipart", multi, multiBody, true},
			{"multipart, behind the file", late, lateBody, false},
			{"no form", "text/plain", "sid=ID", false},
		} {
			id := st.seed()
			addr := start(t, st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				read(r)
				_ = r.ParseMultipartForm(1 << 20)
				got := len(r.PostFormValue("up"))
				if f, _, err := r.FormFile("up"); err == nil {
					all, _ := io.ReadAll(f)
					got = len(all)
				}
				fmt.Fprint(w, r.PostFormValue("sid") == id, got)
			})))
			c := dial(t, addr)
			body := strings.Replace(tt.body, "ID", id, 1)
			c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", tt.kind, len(body), body))
			_, text := c.response("POST")
			if (st.n(id) == 2) != tt.found {
				t.Errorf("%s, %s: n = %d", tt.name, how, st.n(id))
			}
			want := "true 204800"
			switch tt.name {
			case "urlencoded, last":
				want = "true 5"
			case "no form":
				want = "false 0"
			}
			if text != want {
				t.Errorf("%s, %s: the handler sees %q, want %q", tt.name, how, text, want)
			}
			c.Close()
		}
	}
}

// TestPathOfAnApplication has the id after the application's own path, however that is mounted.
func TestPathOfAnApplication(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByPath}})
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		s, err := env.Session()
		if err != nil {
			return nil, err
		}
		n, err := core.Get[int](s, "n")
		if err != nil {
			return nil, err
		}
		if err := s.Set("n", n+1); err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		text := fmt.Sprint(n+1, " ", env.ScriptName(), " ", env.PathInfo(), " ", env.String("REQUEST_URI"), " ", env.Request().URL.Path,
			" ", compat.LinkURL(env.Context(), "other?x=1#y"), " ", compat.LinkURL(env.Context(), "/shop/top"), " ", compat.LinkURL(env.Context(), "/away"))
		return compat.Text(text), err
	})
	var urlmap compat.URLMap
	if err := urlmap.Add("/shop", st.sessions.Wrap(app)); err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	compat.EchoMount(e, "/shop", app, compat.HandlerConfig{}, compat.Echo(st.sessions))
	for name, h := range map[string]http.Handler{
		"Handler":     st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{Prefix: "/shop"})),
		"StripPrefix": http.StripPrefix("/shop", st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{}))),
		"Echo":        e,
		"URLMap":      compat.Handler(&urlmap, compat.HandlerConfig{}),
	} {
		id := st.seed()
		resp, text := do(t, start(t, h), "GET", "/shop/sid="+id+"/a/page?q=1", "")
		script := "/shop"
		if name == "StripPrefix" {
			script = ""
		}
		want := fmt.Sprintf("2 %s /a/page /shop/a/page?q=1 %s/a/page /shop/sid=%s/a/other?x=1#y /shop/sid=%s/top /away", script, script, id, id)
		if name != "StripPrefix" && text != want {
			t.Errorf("%s: got  %s\nwant %s", name, text, want)
		}
		if name == "StripPrefix" && !strings.HasPrefix(text, "2  /a/page /shop/a/page?q=1 /a/page ") {
			t.Errorf("%s: %s", name, text)
		}
		wantNoCookie(t, resp)
	}
}

// TestPathKeepsItsHost has no request lead to another host by two slashes behind the id, nor to different paths for those
// who look at the escaped one, and none keeps the id because it was escaped.
func TestPathKeepsItsHost(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	h := st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, " ", r.RequestURI, " ", r.URL.EscapedPath())
		if raw, err := url.PathUnescape(r.URL.RawPath); raw != "" && raw != r.URL.Path || err != nil { // which routers go by
			fmt.Fprint(w, " or ", raw)
		}
	}))
	for path, want := range map[string]string{
		"/sid=x//evil.example/": "/evil.example/ /evil.example/ /evil.example/",
		"/sid=x":                "/ / /",
		"/sid=x/a%2Fb":          "/a/b /a%2Fb /a%2Fb",
		"/sid=/":                "/ / /",
		"/sidx=1/a":             "/sidx=1/a /sidx=1/a /sidx=1/a",
		"/sid=x%2Fadmin":        "/admin /admin /admin",
		"/sid=x%2Fadmin%2Fa/b":  "/admin/a/b /admin/a/b /admin/a/b",
		"/sid=x/%2Fadmin":       "/admin /%2Fadmin /admin",
		"/%73id=x/a":            "/a /a /a",
		"/sid%3Dx/a?b":          "/a /a?b /a",
	} {
		if _, got := do(t, start(t, h), "GET", path, ""); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestCarrierSettings(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	for _, tt := range []struct {
		cfg  compat.SessionsConfig
		want string
	}{
		{compat.SessionsConfig{Carriers: []compat.Carrier{9}}, "there is no carrier 9"},
		{compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByQuery, compat.ByQuery}}, "query is there twice"},
		{compat.SessionsConfig{Carriers: everyWay, CarrierName: "a b"}, `CarrierName "a b"`},
	} {
		if _, err := compat.NewSessions(st.manager, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.cfg.Carriers, err)
		}
	}
	for _, by := range everyWay {
		if got, err := compat.ParseCarrier(by.String()); got != by || err != nil {
			t.Errorf("%v: %v, %v", by, got, err)
		}
	}
	if _, err := compat.ParseCarrier("url"); err == nil {
		t.Error("url is a carrier")
	}
}

// TestNoIDInTheLog of an application that fails, wherever the id travelled.
func TestNoIDInTheLog(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	st.store.breakOn("Load", io.ErrUnexpectedEOF)
	app := compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		_, err := env.Session()
		return nil, err
	})
	id := st.manager.Config().IDs.New()
	for _, h := range []http.Handler{
		st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{Logger: st.logger()})),
		compat.Handler(st.sessions.Wrap(app), compat.HandlerConfig{Logger: st.logger()}),
	} {
		addr := start(t, h)
		for _, by := range everyWay {
			if resp, text := carried(t, addr, by, id, ""); resp.StatusCode != 503 || strings.Contains(text, id) {
				t.Errorf("%v: %d %q", by, resp.StatusCode, text)
			}
		}
	}
	if log := st.log.String(); strings.Contains(log, id) || strings.Count(log, "the application failed") != 8 {
		t.Errorf("log %s", log)
	}
}

// TestCarriersInACascade: an application that has looked at the session and lost leaves the id to the next one.
func TestCarriersInACascade(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	page := func(status string) compat.Application {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			s, err := env.Session()
			if err != nil {
				return nil, err
			}
			n, err := core.Get[int](s, "n")
			if err != nil {
				return nil, err
			}
			if err := s.Set("n", n+1); err != nil {
				return nil, err
			}
			_, err = start(status, plain, nil)
			return compat.Text(compat.LinkURL(env.Context(), "/x")), err
		})
	}
	apps := []compat.Application{page("404 Not Found"), page("200 OK")}
	cascade, err := compat.NewCascade(compat.CascadeConfig{}, apps...)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := compat.NewCascade(compat.CascadeConfig{}, st.sessions.Wrap(apps[0]), st.sessions.Wrap(apps[1]))
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Handler{
		"around":    st.sessions.Middleware(compat.Handler(cascade, compat.HandlerConfig{})),
		"inside":    compat.Handler(inner, compat.HandlerConfig{}),
		"both ways": st.sessions.Middleware(compat.Handler(inner, compat.HandlerConfig{})),
	} {
		addr := start(t, h)
		for _, by := range everyWay {
			id := st.seed()
			resp, text := carried(t, addr, by, id, "")
			if st.n(id) != 2 || resp.StatusCode != 200 || by != compat.ByCookie && !strings.Contains(text, id) {
				t.Errorf("%s, %v: n = %d, %d %q", name, by, st.n(id), resp.StatusCode, text)
			}
			wantNoCookie(t, resp)
		}
	}
}

// TestCarriersAllocateNothing where the session is not used: no store call, and no more memory than the cookie alone.
func TestCarriersAllocateNothing(t *testing.T) {
	cost := func(cs []compat.Carrier, path string) float64 {
		st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: cs})
		h := st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
		r := get(path)
		r.Header.Set("Cookie", "sid="+st.seed())
		w := &nullWriter{h: make(http.Header)}
		before := st.store.calls.Load()
		allocs := testing.AllocsPerRun(200, func() {
			clear(w.h)
			h.ServeHTTP(w, r)
		})
		if calls := st.store.calls.Load() - before; calls != 0 {
			t.Errorf("%v: %d store calls", cs, calls)
		}
		return allocs
	}
	if raceDetector {
		t.Skip("it allocates by itself")
	}
	if cookie, all := cost(nil, "/page?a=1"), cost(everyWay, "/page?a=1"); all > cookie {
		t.Errorf("%v allocations, and %v with the cookie alone", all, cookie)
	}
}

// TestFieldForSeveralSessions: whoever searches the form after it was read finds its id, too.
func TestFieldForSeveralSessions(t *testing.T) {
	outer := newSite(t, core.Config{}, compat.SessionsConfig{Name: "a", Carriers: []compat.Carrier{compat.ByField}})
	inner := newSite(t, core.Config{}, compat.SessionsConfig{Name: "b", Carriers: []compat.Carrier{compat.ByField}})
	addr := start(t, outer.sessions.Middleware(inner.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, errA := outer.sessions.Existing(r.Context())
		errForm := r.ParseForm()
		_, errB := inner.sessions.Existing(r.Context())
		fmt.Fprint(w, errors.Join(errA, errForm, errB), " ", len(r.PostForm.Get("text")))
	}))))
	for _, size := range []int{10, 100 << 10} {
		resp, err := http.PostForm("http://"+addr+"/", url.Values{"a": {outer.seed()}, "b": {inner.seed()}, "text": {strings.Repeat("x", size)}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprint("<nil> ", size); string(text) != want || err != nil {
			t.Errorf("got %q, %v, want %q", text, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
