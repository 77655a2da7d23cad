package webkit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdover-web/holdover/compat"
)

const urlencoded = "application/x-www-form-urlencoded"

func TestFields(t *testing.T) {
	url := serveFunc(t, nil, func(t *Transaction) error {
		_, err := fmt.Fprint(t.Response(), t.Request().Fields().Encode())
		return err
	})
	for _, tc := range []struct {
		name, method, query, contentType, body, want string
	}{
		{"query", "GET", "a=1&b=2&a=3", "", "", "a=1&a=3&b=2"},
		{"body", "POST", "", urlencoded, "a=1&b=", "a=1&b="},
		{"body hides the query's field", "POST", "a=query&b=2", urlencoded, "a=body", "a=body&b=2"},
		{"PUT", "PUT", "", urlencoded, "a=1", "a=1"},
		{"DELETE", "DELETE", "", urlencoded, "a=1", "a=1"},
		{"type with a parameter", "POST", "", urlencoded + "; charset=UTF-8", "a=1", "a=1"},
		{"the body of a GET is no form", "GET", "a=1", urlencoded, "b=2", "a=1"},
		{"another type is no form", "POST", "a=1", "text/xml", "<b>2</b>", "a=1"},
		{"no type is no form", "POST", "a=1", "", "b=2", "a=1"},
		{"broken type is no form", "POST", "a=1", "; =", "b=2", "a=1"},
		{"multipart hides the query's field", "POST", "a=query&b=2", "multipart/form-data; boundary=x",
			"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nbody\r\n--x--\r\n", "a=body&b=2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := send(t, newRequest(t, tc.method, url+"?"+tc.query, tc.contentType, tc.body))
			if got.StatusCode != http.StatusOK || got.text != tc.want {
				t.Errorf("%d %q, want %q", got.StatusCode, got.text, tc.want)
			}
		})
	}
}

func TestFieldMethods(t *testing.T) {
	url := serveFunc(t, nil, func(tr *Transaction) error {
		r := tr.Request()
		check := func(what string, got, want any) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		value, err := r.Field("a")
		check("Field, several values", value, "1")
		check("Field, error", err, nil)
		_, err = r.Field("gone")
		check("Field, none", errors.Is(err, ErrKey), true)
		check("FieldDefault", r.FieldDefault("a", "x"), "1")
		check("FieldDefault, none", r.FieldDefault("gone", "x"), "x")
		check("FieldDefault, blank", r.FieldDefault("blank", "x"), "")
		check("FieldList", r.FieldList("a"), []string{"1", "2"})
		check("HasField", r.HasField("blank"), true)
		check("HasField, none", r.HasField("gone"), false)

		check("Value, a field before a cookie", r.ValueDefault("a", ""), "1")
		check("Value, a cookie", r.ValueDefault("c", ""), "cookie")
		check("Value, none", r.ValueDefault("gone", "x"), "x")
		_, err = r.Value("gone")
		check("Value, error", errors.Is(err, ErrKey), true)
		check("HasValue, a cookie", r.HasValue("c"), true)
		_, err = r.Cookie("gone")
		check("Cookie, error", errors.Is(err, ErrKey), true)
		check("Cookies", r.Cookies(), map[string]string{"a": "first", "c": "cookie"})

		r.SetField("new", "n")
		check("SetField", r.FieldDefault("new", ""), "n")
		check("DelField", r.DelField("a"), nil)
		check("DelField, then", r.HasField("a"), false)
		check("DelField, again", errors.Is(r.DelField("a"), ErrKey), true)
		return nil
	})
	r := newRequest(t, http.MethodGet, url+"?a=1&a=2&blank=", "", "")
	r.Header.Set("Cookie", "a=first; a=second; c=cookie; broken")
	if got := send(t, r); got.StatusCode != http.StatusOK {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
}

// part is one part of a multipart form; with a filename it is a file.
type part struct{ name, filename, contents string }

func multipartBody(t *testing.T, parts ...part) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.name)}}
		if p.filename != "" {
			h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.filename))
			h.Set("Content-Type", "text/x-test")
		}
		pw, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(pw, p.contents); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.String()
}

func TestUpload(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 3*formMemory/16)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	temporaryFiles := func() int {
		files, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	url := serveFunc(t, nil, func(tr *Transaction) error {
		r := tr.Request()
		if !r.HasField("doc") || !r.HasField("note") || r.HasField("gone") {
			t.Error("HasField does not see files and values alike")
		}
		if _, err := r.Field("doc"); !errors.Is(err, ErrKey) {
			t.Errorf("Field of a file: %v, want ErrKey", err)
		}
		u, err := r.File("doc")
		if err != nil {
			return err
		}
		if u.Name() != "doc" || u.Filename() != "passwd" || u.Type() != "text/x-test" || u.Size() != int64(len(large)) {
			t.Errorf("upload %q %q %q %d", u.Name(), u.Filename(), u.Type(), u.Size())
		}
		if data, err := u.Value(); err != nil || string(data) != large {
			t.Errorf("Value: %d bytes, %v", len(data), err)
		}
		if temporaryFiles() == 0 {
			t.Error("a large upload is not in a temporary file")
		}
		if files := r.Files("doc"); len(files) != 2 || files[1].Filename() != "b.txt" {
			t.Errorf("Files: %v", files)
		}
		if _, err := r.File("note"); !errors.Is(err, ErrKey) {
			t.Errorf("File of a value: %v, want ErrKey", err)
		}
		_, err = tr.Response().WriteString(r.FieldDefault("note", ""))
		return err
	})
	contentType, body := multipartBody(t, part{"note", "", "ünïcode"}, part{"doc", "../../etc/passwd", large}, part{"doc", "b.txt", "small"})
	got := post(t, url, contentType, body)
	if got.StatusCode != http.StatusOK || got.text != "ünïcode" {
		t.Errorf("%d %q", got.StatusCode, got.text)
	}
	if n := temporaryFiles(); n != 0 {
		t.Errorf("%d temporary files are left after the request", n)
	}
}

func TestFormLimits(t *testing.T) {
	settings := Settings{"MaxFormSize": 1000, "MaxFormFields": 5}
	// The servlet sees an empty form; the answer must be an error all the same.
	url := serveFunc(t, settings, func(t *Transaction) error {
		_, err := fmt.Fprintf(t.Response(), "a=%q", t.Request().FieldDefault("a", "none"))
		return err
	})
	mixed, mixedBody := multipartBody(t, part{"a", "", "1"}, part{"b", "f", "2"}, part{"c", "", "3"}, part{"d", "f", "4"}, part{"e", "", "5"})
	large, largeBody := multipartBody(t, part{"a", "f", strings.Repeat("x", 2000)})
	for _, tc := range []struct {
		name, query, contentType, body string
		want                           int
	}{
		{"as large as allowed", "", urlencoded, "a=" + strings.Repeat("x", 998), 200},
		{"too large", "", urlencoded, "a=" + strings.Repeat("x", 999), 413},
		{"too large, multipart", "", large, largeBody, 413},
		{"as many fields as allowed", "f=1&g=2", urlencoded, "a&b&c", 200},
		{"too many fields in the body", "", urlencoded, "a&b&c&d&e&f", 413},
		{"too many fields in the query", "a&b&c&d&e&f", "", "", 413},
		{"too many fields together", "f=1&g=2", urlencoded, "a&b&c&d", 413},
		{"as many parts as allowed", "", mixed, mixedBody, 200},
		{"too many parts together with the query", "f=1", mixed, mixedBody, 413},
		{"cut off", "", mixed, mixedBody[:len(mixedBody)-20], 400},
		{"no boundary", "", "multipart/form-data", mixedBody, 400},
		{"wrong boundary", "", "multipart/form-data; boundary=other", mixedBody, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := post(t, url+"?"+tc.query, tc.contentType, tc.body)
			if got.StatusCode != tc.want {
				t.Errorf("%d %q, want %d", got.StatusCode, got.text, tc.want)
			}
			if tc.want != 200 && strings.Contains(got.text, "a=") {
				t.Errorf("the answer to a form that can not be read: %q", got.text)
			}
		})
	}
	t.Run("too large, of unknown length", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, io.MultiReader(strings.NewReader("a="+strings.Repeat("x", 2000))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", urlencoded)
		if got := send(t, r); got.StatusCode != 413 {
			t.Errorf("%d %q, want 413", got.StatusCode, got.text)
		}
	})
}

func TestFailedFormLeavesNoFiles(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	url := serveFunc(t, Settings{"MaxFormSize": 4 * formMemory, "MaxFormFields": 1}, func(t *Transaction) error { return t.Request().ParseForm() })
	contentType, body := multipartBody(t, part{"a", "f", strings.Repeat("x", 2*formMemory)}, part{"b", "", "1"})
	if got := post(t, url, contentType, body); got.StatusCode != 413 {
		t.Errorf("%d %q, want 413", got.StatusCode, got.text)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) > 0 {
		t.Errorf("files left: %v, %v", files, err)
	}
}

func TestRawInput(t *testing.T) {
	url := serveFunc(t, Settings{"MaxFormSize": 10}, func(t *Transaction) error {
		_, err := io.Copy(t.Response(), t.Request().RawInput())
		return err
	})
	// A form, and above the limit: nobody asked for fields, so nobody has read it.
	const body = "a=1&b=22222222222222222"
	if got := post(t, url, urlencoded, body); got.StatusCode != 200 || got.text != body {
		t.Errorf("%d %q, want the body", got.StatusCode, got.text)
	}
}

func TestFormReadByMiddleware(t *testing.T) {
	contentType, body := multipartBody(t, part{"a", "", "1"}, part{"doc", "f.txt", "file"})
	for _, tc := range []struct{ name, contentType, body, want string }{
		{"urlencoded", urlencoded, "a=1", "a=1&q=2"},
		{"multipart", contentType, body, "a=1&q=2 file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got string
			app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				f, err := readForm(env, formLimits{size: 1000, fields: 10})
				if err != nil {
					return nil, err
				}
				got = f.values.Encode()
				for _, u := range f.files["doc"] {
					data, err := u.Value()
					if err != nil {
						return nil, err
					}
					got += " " + string(data)
				}
				_, err = start("204 No Content", nil, nil)
				return nil, err
			})
			handler := compat.Handler(app, compat.HandlerConfig{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = r.PostFormValue("csrf_token")
				handler.ServeHTTP(w, r)
			}))
			defer server.Close()
			if resp := post(t, server.URL+"/?q=2&a=query", tc.contentType, tc.body); resp.StatusCode != 204 || got != tc.want {
				t.Errorf("%d, fields %q, want %q", resp.StatusCode, got, tc.want)
			}
		})
	}
}

func TestRequestFacts(t *testing.T) {
	var got []string
	url := serveFunc(t, nil, func(t *Transaction) error {
		r := t.Request()
		got = append([]string{r.Method(), r.Protocol(), r.RemoteAddress(), r.RemoteName(), r.RemoteUser(), fmt.Sprint(r.IsSecure())},
			r.Accept("language")...)
		if r.Time().IsZero() || r.Transaction() != t {
			return errors.New("the request does not know its time or transaction")
		}
		return nil
	})
	r := newRequest(t, http.MethodGet, url, "", "")
	r.Header.Set("Accept-Language", "de, en-GB;q=0.8 ,en;q=0.7,")
	if resp := send(t, r); resp.StatusCode != 200 {
		t.Errorf("%d %q", resp.StatusCode, resp.text)
	}
	want := []string{"GET", "HTTP/1.1", "127.0.0.1", "127.0.0.1", "", "false", "de", "en-GB", "en"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzReadForm checks that no body makes reading it panic, exceed the limits or leave files behind.
func FuzzReadForm(f *testing.F) {
	f.Add(urlencoded, "a=1&b=2", "c=3")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nv\r\n--x--\r\n", "")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\n--x\r\n", "%")
	f.Fuzz(func(t *testing.T, contentType, body, query string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			limits := formLimits{size: 200, fields: 4}
			form, err := readForm(env, limits)
			var exception *HTTPException
			switch {
			case err == nil && form.count() > limits.fields:
				t.Errorf("%d fields are more than %d", form.count(), limits.fields)
			case err != nil && (!errors.As(err, &exception) || exception.Code != 400 && exception.Code != 413):
				t.Errorf("unexpected error %v", err)
			}
			if err := form.close(); err != nil {
				t.Error(err)
			}
			_, err = start("204 No Content", nil, nil)
			return nil, err
		})
		compat.Handler(app, compat.HandlerConfig{}).ServeHTTP(httptest.NewRecorder(), r)
	})
}
