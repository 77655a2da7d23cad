package compat

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// marked writes "v2:" and the name in front of an id, and reads "v1:" too.
type marked struct{}

func (marked) Encode(name, id string) string { return "v2:" + name + ":" + id }

func (marked) Decode(name, value string) (id string, renew, ok bool) {
	if id, ok = strings.CutPrefix(value, "v2:"+name+":"); ok {
		return id, false, true
	}
	id, ok = strings.CutPrefix(value, "v1:")
	return id, true, ok
}

// broken does something wrong.
type broken struct {
	CookieCodec
	encode func(id string) string
	renew  bool
}

func (b broken) Encode(_, id string) string { return b.encode(id) }

func (b broken) Decode(_, value string) (string, bool, bool) { return value, b.renew, true }

func TestBrokenCodecs(t *testing.T) {
	m := newTestManager(t)
	for name, codec := range map[string]CookieCodec{
		"what no cookie carries": broken{encode: func(id string) string { return id + ";" }},
		"another id":             broken{encode: func(id string) string { return id + "x" }},
		"renews its own":         broken{encode: func(id string) string { return id }, renew: true},
	} {
		if _, err := NewSessions(m, SessionsConfig{Codec: codec}); err == nil || !strings.Contains(err.Error(), "Codec") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A cookie in the present form is left alone. One that is to be renewed is sent anew when its session is used, not
// when it is left alone, and is no reason to refuse a connection that is taken over. What the codec refuses is no cookie.
func TestCookieCodec(t *testing.T) {
	m := newTestManager(t)
	s, err := NewSessions(m, SessionsConfig{Codec: marked{}})
	if err != nil {
		t.Fatal(err)
	}
	created, err := m.Create(t.Context())
	if err == nil {
		err = created.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	id := created.ID()
	var client string
	serve := func(cookie string, use, end bool) *httptest.ResponseRecorder {
		h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			client, _ = s.ClientID(r.Context())
			if !use {
				return
			}
			session, err := s.Session(r.Context())
			if err == nil && end {
				err = session.Invalidate(r.Context())
			}
			if err != nil {
				t.Error(err)
			}
			if !end && requestOf(r.Context()).needsCookie() {
				t.Error("a cookie is thought to be needed")
			}
		}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "sid="+cookie)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, tt := range []struct {
		name, cookie string
		use          bool
		id, set      string
	}{
		{"present", "v2:sid:" + id, true, id, ""},
		{"old, left alone", "v1:" + id, false, id, ""},
		{"old", "v1:" + id, true, id, "sid=v2:sid:" + id + ";"},
		{"of another name", "v2:other:" + id, true, "", ""},
		{"bare", id, true, "", ""},
		{"malformed within", "v2:sid:../x", true, "", ""},
	} {
		got := serve(tt.cookie, tt.use, false).Header().Get("Set-Cookie")
		if client != tt.id || !strings.HasPrefix(got, tt.set) || tt.set == "" && got != "" {
			t.Errorf("%s: the client's id is %q, Set-Cookie %q; want %q and %q", tt.name, client, got, tt.id, tt.set)
		}
	}
	if got := serve("v1:"+id, true, true).Header().Get("Set-Cookie"); !strings.HasPrefix(got, "sid=; Max-Age=0") {
		t.Errorf("a session that ended: Set-Cookie %q", got)
	}
}

// Whatever comes, the codec sees at most a few values, and its answer is checked before a store sees it.
func FuzzCookieCodec(f *testing.F) {
	m := newTestManager(f)
	s, err := NewSessions(m, SessionsConfig{Codec: marked{}})
	if err != nil {
		f.Fatal(err)
	}
	id := m.Config().IDs.New()
	for _, seed := range []string{"sid=v2:sid:" + id, "sid=v1:" + id, "sid=" + id, "sid=x; sid=v1:" + id, `sid="v1:` + id + `"`, ";;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, _ := s.findID(http.Header{"Cookie": {header}})
		if got != "" && (!m.ValidID(got) || !strings.Contains(header, "v1:"+got) && !strings.Contains(header, "v2:sid:"+got)) {
			t.Errorf("%q gives %q", header, got)
		}
	})
}
