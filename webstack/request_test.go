package webstack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// check compares what methods return with what they should.
func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func TestRequest(t *testing.T) {
	req := httptest.NewRequest("PUT", "http://www.example.org:8080/app/d%C3%A9j%C3%A0/vu?a=1&b=%20", strings.NewReader("the body"))
	req.Header.Set("Content-Type", `text/plain; charset="utf-8"; x=y`)
	req.Header.Set("Accept-Charset", "utf-8, iso-8859-1;q=0.5,,")
	req.Header.Set("Accept-Language", "de;q=0.1, en")
	req.Header["X-Many"] = []string{"1", "2"}
	serve(t, testConfig{Config: Config{Prefix: "/app"}}, req, func(tr *Transaction) error {
		check(t, "GetServerName", tr.GetServerName(), "www.example.org")
		check(t, "GetServerPort", tr.GetServerPort(), "8080")
		check(t, "GetRequestMethod", tr.GetRequestMethod(), "PUT")
		check(t, "GetHeaderValues", tr.GetHeaderValues("x-many"), []string{"1", "2"})
		check(t, "GetHeaderValues of none", tr.GetHeaderValues("no"), []string(nil))
		tr.GetHeaders().Set("X-Many", "changed")
		check(t, "GetHeaders", tr.GetHeaders()["X-Many"], []string{"1", "2"})
		check(t, "GetContentType", tr.GetContentType(), ContentType{"text/plain", "utf-8", map[string]string{"x": "y"}})
		check(t, "GetContentCharsets", tr.GetContentCharsets(), []string{"utf-8", "iso-8859-1"})
		check(t, "GetContentLanguages", tr.GetContentLanguages(), []string{"de", "en"})
		check(t, "GetPath", tr.GetPath(UTF8), "/app/déjà/vu?a=1&b=%20")
		check(t, "GetPath, default charset", tr.GetPath(), "/app/dÃ©jÃ\u00a0/vu?a=1&b=%20")
		check(t, "GetPathWithoutQuery", tr.GetPathWithoutQuery(UTF8), "/app/déjà/vu")
		check(t, "GetPathWithoutInfo", tr.GetPathWithoutInfo(), "/app")
		check(t, "GetPathInfo", tr.GetPathInfo(UTF8), "/déjà/vu")
		check(t, "GetQueryString", tr.GetQueryString(), "a=1&b=%20")
		check(t, "GetVirtualPathInfo", tr.GetVirtualPathInfo(UTF8), "/déjà/vu")
		check(t, "GetProcessedVirtualPathInfo", tr.GetProcessedVirtualPathInfo(UTF8), "")
		for virtual, processed := range map[string]string{"/vu": "/déjà", "": "/déjà/vu", "/elsewhere": "/déjà/vu"} {
			tr.SetVirtualPathInfo(virtual)
			check(t, "GetVirtualPathInfo", tr.GetVirtualPathInfo(UTF8), virtual)
			check(t, "GetProcessedVirtualPathInfo", tr.GetProcessedVirtualPathInfo(UTF8), processed)
		}
		fields, err := tr.GetFieldsFromBody()
		check(t, "GetFieldsFromBody of no form", fields, Fields{})
		body, rerr := io.ReadAll(tr.GetRequestStream())
		check(t, "GetRequestStream", string(body), "the body")
		check(t, "GetAttributes", len(tr.GetAttributes()), 0)
		tr.GetAttributes()["a"] = 1
		check(t, "GetAttributes", tr.GetAttributes()["a"], 1)
		return errors.Join(err, rerr)
	})
}

func TestFields(t *testing.T) {
	form := func(query, kind, body string) *http.Request {
		r := httptest.NewRequest("POST", "/?"+query, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		return r
	}
	const urlencoded = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name     string
		req      *http.Request
		encoding []*Charset
		want     map[string]string
	}{
		{"path before body", form("a=1&b=2", urlencoded, "a=3&a=4&c="), nil, map[string]string{"a": "1|3|4", "b": "2", "c": ""}},
		{"blank and odd ones", form("a&=x&&b=%zz%4&c=+%2B", urlencoded, ""), nil, map[string]string{"a": "", "": "x", "b": "%zz%4", "c": " +"}},
		{"default charset", form("a=%E9", urlencoded, "a=%E9&%E9=x"), nil, map[string]string{"a": "é|é", "é": "x"}},
		{"encoding", form("a=%C3%A9", urlencoded, "a=%C3%A9"), []*Charset{UTF8}, map[string]string{"a": "é|é"}},
		{"the request's charset counts more, for the body", form("a=%C3%A9", urlencoded+"; charset=iso-8859-1", "a=%E9"), []*Charset{UTF8}, map[string]string{"a": "é|é"}},
		{"broken UTF-8", form("", urlencoded, "a=%E9"), []*Charset{UTF8}, map[string]string{"a": "\uFFFD"}},
		{"no form", form("a=1", "text/plain", "a=2"), nil, map[string]string{"a": "1"}},
		{"no form, in a charset that is not known here", form("a=1", "text/plain; charset=koi8-r", "a=2"), nil, map[string]string{"a": "1"}},
		{"nothing", form("", "", ""), nil, map[string]string{}},
		{"a semicolon is no end", form("a=1;b=2", urlencoded, ""), nil, map[string]string{"a": "1;b=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve(t, testConfig{}, tt.req, func(tr *Transaction) error {
				for range 2 { // asked for again they are the same
					fields, err := tr.GetFields(tt.encoding...)
					if err != nil {
						return err
					}
					got := make(map[string]string)
					for name, values := range fields {
						var texts []string
						for _, v := range values {
							texts = append(texts, v.Text)
						}
						got[name] = strings.Join(texts, "|")
					}
					if !maps.Equal(got, tt.want) {
						t.Errorf("got %q, want %q", got, tt.want)
					}
					clear(fields)
				}
				return nil
			})
		})
	}
}

// multipartForm makes a form of texts, and of files whose name in the form is "file".
func multipartForm(t *testing.T, texts map[string][]string, files map[string]string) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range texts[name] {
			if err := w.WriteField(name, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/x-test; charset=utf-8"},
			"Content-Disposition": {`form-data; name="file"; filename="` + name + `"`}})
		if err == nil {
			_, err = io.WriteString(p, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func TestUploads(t *testing.T) {
	large := strings.Repeat("x", formMemory+1) // goes to a temporary file
	t.Setenv("TMPDIR", t.TempDir())
	kind, body := multipartForm(t, map[string][]string{"a": {"1", "2"}, "\xe9": {"\xe9"}}, map[string]string{"../../a.txt": "\xff\x00\xe9", "large": large})
	req := httptest.NewRequest("POST", "/?file=text", strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	w := serve(t, testConfig{}, req, func(tr *Transaction) error {
		fields, err := tr.GetFields()
		if err != nil {
			return err
		}
		check(t, "texts", []string{fields["a"][0].Text, fields["a"][1].Text, fields.Text("é")}, []string{"1", "2", "é"})
		check(t, "Text beside files", fields.Text("file"), "text")
		check(t, "Has", []bool{fields.Has("file"), fields.Has("no")}, []bool{true, false})
		check(t, "File of a text", fields.File("a"), (*FileContent)(nil))
		check(t, "Text of none", fields.Text("no"), "")
		f := fields.File("file")
		content, err := f.Content()
		if err != nil {
			return err
		}
		check(t, "Content", string(content), "\xff\x00\xe9")
		check(t, "Filename", f.Filename(), "a.txt")
		check(t, "Size", f.Size(), int64(3))
		check(t, "ContentType", f.ContentType(), ContentType{MediaType: "text/x-test", Charset: "utf-8"})
		check(t, "Headers", f.Headers().Get("Content-Type"), "text/x-test; charset=utf-8")
		content, err = fields["file"][2].File.Content()
		check(t, "a large file", string(content) == large, true)
		return err
	})
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	noFiles(t)
}

func TestRefusedForms(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const urlencoded = "application/x-www-form-urlencoded"
	many, manyBody := multipartForm(t, map[string][]string{"a": {"1", "2", "3", "4", "5", "6"}}, nil)
	large, largeBody := multipartForm(t, nil, map[string]string{"f": strings.Repeat("x", formMemory+10)})
	small := Settings{"max_body_size": 50, "max_fields": 5}
	for _, tt := range []struct {
		name, query, kind, body string
		settings                Settings
		status                  int
	}{
		{"large", "", urlencoded, "a=" + strings.Repeat("x", 50), small, 413},
		{"large upload", "", large, largeBody, Settings{"max_body_size": formMemory + 5}, 413},
		{"too many in the body", "", urlencoded, strings.Repeat("a&", 6), small, 413},
		{"too many in the query", strings.Repeat("a&", 6), "", "", small, 413},
		{"too many in a multipart", "", many, manyBody, Settings{"max_fields": 5}, 413},
		{"broken multipart", "", "multipart/form-data; boundary=x", "--x\r\nbroken", nil, 400},
		{"multipart without boundary", "", "multipart/form-data", "--x\r\n", nil, 400},
		{"unknown charset", "", urlencoded + "; charset=utf-7", "a=1", nil, 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest("POST", "/?"+tt.query, strings.NewReader(tt.body))
			req.Header.Set("Content-Type", tt.kind)
			w := serve(t, testConfig{Config: Config{Settings: tt.settings}}, req, func(tr *Transaction) error {
				_, err := tr.GetFields()
				if _, again := tr.GetFields(); fmt.Sprint(again) != fmt.Sprint(err) {
					t.Errorf("asked again: %v, not %v", again, err)
				}
				return err
			})
			if w.Code != tt.status || strings.Contains(w.Body.String(), "webstack") {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
			noFiles(t)
		})
	}
	req := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 51)))
	w := serve(t, testConfig{Config: Config{Settings: small}}, req, func(tr *Transaction) error {
		_, err := io.ReadAll(tr.GetRequestStream())
		return err
	})
	if w.Code != 413 {
		t.Errorf("stream: %d", w.Code)
	}
}

func FuzzFields(f *testing.F) {
	f.Add("a=1&b=%E9&&c", "x=%C3%A9+%2B", "utf-8")
	f.Fuzz(func(t *testing.T, query, body, charset string) {
		var raw []rawField
		if err := parseForm(&raw, query+"&"+body, 50); err != nil {
			return
		}
		for _, values := range decodeFields(make(Fields), raw, ISO8859_1) {
			if len(values) == 0 || len(values) > 50 {
				t.Errorf("%d values", len(values))
			}
		}
	})
}

func TestUser(t *testing.T) {
	req := func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("eve", "guess")
		return r
	}
	serve(t, testConfig{}, req(), func(tr *Transaction) error {
		check(t, "a name that nobody checked", tr.GetUser(), "")
		tr.Environ().Set("REMOTE_USER", "ada")
		check(t, "REMOTE_USER", tr.GetUser(), "ada")
		tr.SetUser("grace")
		check(t, "SetUser wins", tr.GetUser(), "grace")
		return nil
	})
	authenticator := AuthenticatorFunc(func(tr *Transaction) (bool, error) {
		user, password, _ := tr.Environ().Request().BasicAuth()
		if user == "broken" {
			return false, errWork
		}
		if password == "engine" {
			tr.SetUser(user)
		}
		return password == "engine" || user == "", nil
	})
	for _, tt := range []struct {
		user, password string
		status         int
	}{{"ada", "engine", 200}, {"eve", "guess", 401}, {"", "", 200}, {"broken", "", 500}} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.user != "" {
			r.SetBasicAuth(tt.user, tt.password)
		}
		w := serve(t, testConfig{Config: Config{Authenticator: authenticator, Realm: `the "desk"`}}, r, func(tr *Transaction) error { return write(tr, tr.GetUser()) })
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != tt.status || (w.Code == 401) != (challenge == `Basic realm="the \"desk\"", charset="UTF-8"`) || w.Code == 200 && w.Body.String() != tt.user {
			t.Errorf("%s: %d %q %s", tt.user, w.Code, challenge, w.Body)
		}
	}
}

func TestPaths(t *testing.T) {
	serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
		for _, tt := range []struct{ path, relative, want string }{
			{"/notes/list", "new", "/notes/new"}, {"/notes/list", "", "/notes/"}, {"/notes/", "new", "/notes/new"},
			{"/notes/list", "../help", "/help"}, {"/notes/list", "..", "/"}, {"/notes/list", ".", "/notes/"}, {"/notes/list", "./a/../b", "/notes/b"},
			{"/notes/list", "/top", "/top"}, {"/notes/list", "/", "/"}, {"/a", "../../../b", "/b"}, {"", "a", "a"}, {"a/b", "c", "a/c"},
			{"/a/b", "//evil.example", "/evil.example"}, {"/", "/evil.example", "/evil.example"}, {"//evil.example/x", "y", "/evil.example/y"},
			{"/", `\evil.example`, `/evil.example`},
		} {
			check(t, tt.path+" + "+tt.relative, tr.UpdatePath(tt.path, tt.relative), tt.want)
		}
		for _, tt := range []struct {
			path     string
			encoding *Charset
			want     string
		}{{"/dé jà?/&", UTF8, "/d%C3%A9%20j%C3%A0%3F/%26"}, {"/é", ISO8859_1, "/%E9"}, {"http://x/", nil, "http%3A//x/"}} {
			got, err := tr.EncodePath(tt.path, tt.encoding)
			if got != tt.want || err != nil || tr.DecodePath(got, tt.encoding) != tt.path {
				t.Errorf("%q: %q, %v, and back %q", tt.path, got, err, tr.DecodePath(got, tt.encoding))
			}
		}
		if _, err := tr.EncodePath("/€"); err == nil {
			t.Error("EncodePath wrote a character that the charset does not have")
		}
		check(t, "DecodePath", tr.DecodePath("/%zz%4+%C3%A9", UTF8), "/%zz%4+é")
		return nil
	})
}

func FuzzUpdatePath(f *testing.F) {
	f.Add("/a/b", "../c")
	f.Add("/", "//evil.example")
	f.Fuzz(func(t *testing.T, path, relative string) {
		got := (*Transaction)(nil).UpdatePath(path, relative)
		if strings.HasPrefix(got, "//") || strings.HasPrefix(got, `/\`) || strings.HasPrefix(got, `\\`) || strings.HasPrefix(path, "/") && !strings.HasPrefix(got, "/") {
			t.Errorf("UpdatePath(%q, %q) = %q", path, relative, got)
		}
	})
}
