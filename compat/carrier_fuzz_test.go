package compat

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzPathCarrier takes ids off paths: what is left leads nowhere else, and has no id in it.
func FuzzPathCarrier(f *testing.F) {
	m := newTestManager(f)
	s, err := NewSessions(m, SessionsConfig{Carriers: []Carrier{ByPath, ByQuery}})
	if err != nil {
		f.Fatal(err)
	}
	id := m.Config().IDs.New()
	for _, seed := range []string{"/sid=ID/page", "/sid=ID", "/sid=ID//evil.test", "/sid=/", "//sid=ID/x", "/sid%3DID/x", "/sid=ID%2Fx/y", "/sid=ID/sid=ID/", "/a/sid=ID?sid=ID", "/sid=ID/a%2Fb?c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		uri = strings.ReplaceAll(uri, "ID", id)
		u, err := url.ParseRequestURI(uri)
		if err != nil || !strings.HasPrefix(uri, "/") || u.Host != "" {
			t.Skip()
		}
		r := &http.Request{Method: "GET", URL: u, RequestURI: uri, Header: http.Header{}, Body: http.NoBody}
		s.PathIDs(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
			seg, cut := got.Context().Value(pathKey{s}).(pathSegment)
			if cut != strings.HasPrefix(u.Path, "/sid=") {
				t.Errorf("%q: cut %v", uri, cut)
			}
			if !cut {
				return
			}
			if seg.id != "" && seg.id != id && !m.ValidID(seg.id) {
				t.Errorf("%q: the id %q", uri, seg.id)
			}
			if !strings.HasPrefix(got.URL.Path, "/") || strings.HasPrefix(got.URL.Path, "//") || strings.HasPrefix(got.RequestURI, "//") {
				t.Errorf("%q leads to %q, %q", uri, got.URL.Path, got.RequestURI)
			}
			if p, err := url.PathUnescape(got.URL.RawPath); got.URL.RawPath != "" && p != got.URL.Path || err != nil {
				t.Errorf("%q: the path %q, and the escaped one %q", uri, got.URL.Path, got.URL.RawPath)
			}
			if p, err := url.PathUnescape(got.URL.EscapedPath()); err != nil || p != got.URL.Path {
				t.Errorf("%q: the path %q is escaped as %q", uri, got.URL.Path, got.URL.EscapedPath())
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if u.Path != r.URL.Path || r.RequestURI != uri {
			t.Errorf("%q: the caller's request was changed", uri)
		}
	})
}

// FuzzFormCarrier searches bodies for an id, in the middle of their being read.
func FuzzFormCarrier(f *testing.F) {
	f.Add("sid=ID&a=b", "application/x-www-form-urlencoded", 2)
	f.Add("--x\r\nContent-Disposition: form-data; name=\"sid\"\r\n\r\nID\r\n--x--\r\n", "multipart/form-data; boundary=x", 0)
	f.Add("--x\r\nContent-Disposition: form-data; name=\"sid\"; filename=\"f\"\r\n\r\nID\r\n--x--\r\n", "multipart/form-data; boundary=x", 70)
	f.Add("sid=ID", "multipart/form-data", 9)
	f.Fuzz(func(t *testing.T, body, kind string, first int) {
		r := &http.Request{Header: http.Header{"Content-Type": {kind}}}
		form := formOf(r, io.NopCloser(strings.NewReader(body)))
		if form == nil {
			return
		}
		head := make([]byte, min(max(first, 0), len(body)))
		if _, err := io.ReadFull(form, head); err != nil {
			t.Fatal(err)
		}
		id := form.find("sid", func(v string) bool { return v != "" })
		rest, err := io.ReadAll(form)
		if all := append(head, rest...); err != nil || !bytes.Equal(all, []byte(body)) {
			t.Errorf("%q is read as %q, %v", body, all, err)
		}
		if !strings.Contains(body, strings.TrimRight(id, "\r\n")) {
			t.Errorf("%q: the id %q", body, id)
		}
	})
}

// FuzzLink puts an id into links: none with an id leads to another host, by Go's understanding or a browser's.
func FuzzLink(f *testing.F) {
	m := newTestManager(f)
	for _, seed := range []string{"/a", "", "?x", "#y", "//evil.test", "///evil.test", `/\evil.test`, "http://example.test/a", "http:/x", "../../a//b", "/.//x", "a?sid=1&b", "http://example.test\\@evil.test"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, link string, byPath bool) {
		cs := []Carrier{ByQuery}
		if byPath {
			cs = []Carrier{ByPath}
		}
		s, err := NewSessions(m, SessionsConfig{Carriers: cs})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "http://example.test/dir/page?q=1", nil)
		r.RequestURI = "/dir/page?q=1"
		s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			session, err := s.Session(r.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := s.URL(r.Context(), link)
			if got == link {
				return
			}
			if !strings.Contains(got, session.ID()) {
				t.Errorf("%q became %q", link, got)
			}
			u, err := r.URL.Parse(got)
			if err != nil || u.Host != "" && !sameHost(u.Host, "example.test", "http") || strings.ContainsAny(got, "\\ \t\r\n") ||
				strings.HasPrefix(got, "//") && u.Host == "" {
				t.Errorf("%q became %q, which leads to %q, %v", link, got, u, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}
