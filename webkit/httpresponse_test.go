package webkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdover-web/holdover/compat"
)

func TestResponseHeaders(t *testing.T) {
	for _, tc := range []struct {
		name   string
		do     func(*HTTPResponse) error
		status int
		header string
		want   []string
	}{
		{"content type by default", func(*HTTPResponse) error { return nil }, 200, "Content-Type", []string{"text/html; charset=utf-8"}},
		{"set, in any case", func(r *HTTPResponse) error {
			return errors.Join(r.SetHeader("x-a", "1"), r.SetHeader("X-A", "2"))
		}, 200, "X-A", []string{"2"}},
		{"set replaces all that were added", func(r *HTTPResponse) error {
			return errors.Join(r.AddHeader("X-A", "1"), r.AddHeader("X-A", "2"), r.SetHeader("X-A", "3"))
		}, 200, "X-A", []string{"3"}},
		{"add", func(r *HTTPResponse) error {
			return errors.Join(r.AddHeader("X-A", "1"), r.AddHeader("x-a", "2"))
		}, 200, "X-A", []string{"1", "2"}},
		{"delete", func(r *HTTPResponse) error {
			return errors.Join(r.AddHeader("X-A", "1"), r.DelHeader("x-a"))
		}, 200, "X-A", nil},
		{"clear", func(r *HTTPResponse) error {
			return errors.Join(r.SetStatus(404, ""), r.SetHeader("X-A", "1"), r.ClearHeaders())
		}, 200, "X-A", nil},
		{"merge", func(r *HTTPResponse) error {
			return r.MergeTextHeaders("X-B: 1\r\nno header\nX-A:2\nStatus: 404 Not Found\n")
		}, 404, "X-A", []string{"2"}},
		{"status", func(r *HTTPResponse) error { return r.SetStatus(404, "") }, 404, "X-A", nil},
		{"status of sendError", func(r *HTTPResponse) error { return r.SendError(503, "Too Busy") }, 503, "X-A", nil},
		{"status as a header", func(r *HTTPResponse) error { return r.SetHeader("Status", "410 Gone") }, 410, "Status", nil},
		{"status as a header, deleted", func(r *HTTPResponse) error {
			return errors.Join(r.SetHeader("Status", "410 Gone"), r.DelHeader("status"))
		}, 200, "Status", nil},
		{"a location without a status", func(r *HTTPResponse) error { return r.SetHeader("Location", "/x") }, 302, "Location", []string{"/x"}},
		{"a location with a status", func(r *HTTPResponse) error {
			return errors.Join(r.SetHeader("Location", "/x"), r.SetStatus(201, ""))
		}, 201, "Location", []string{"/x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := get(t, serveFunc(t, nil, func(t *Transaction) error { return tc.do(t.Response()) }))
			if got.StatusCode != tc.status {
				t.Errorf("status %d %q, want %d", got.StatusCode, got.text, tc.status)
			}
			if diff := cmp.Diff(tc.want, got.Header.Values(tc.header)); diff != "" {
				t.Errorf("header %s: %s", tc.header, diff)
			}
		})
	}
}

func TestResponseHeaderMethods(t *testing.T) {
	url := serveFunc(t, nil, func(tr *Transaction) error {
		r := tr.Response()
		if err := errors.Join(r.SetHeader("X-A", "1"), r.AddHeader("X-A", "2"), r.SetStatus(404, "Nowhere")); err != nil {
			return err
		}
		for name, want := range map[string]string{"x-a": "1", "status": "404 Nowhere"} {
			if got, err := r.Header(name); err != nil || got != want || !r.HasHeader(name) {
				t.Errorf("Header(%q) = %q, %v, want %q", name, got, err, want)
			}
		}
		if _, err := r.Header("X-B"); !errors.Is(err, ErrKey) || r.HasHeader("X-B") || r.HeaderDefault("X-B", "x") != "x" {
			t.Errorf("Header of none: %v", err)
		}
		if err := r.DelHeader("X-B"); !errors.Is(err, ErrKey) {
			t.Errorf("DelHeader of none: %v", err)
		}
		r.Headers()[0].Value = "changed"
		if got := r.HeaderDefault("Content-Type", ""); got != defaultContentType {
			t.Errorf("a change to the copy that Headers returns went through: %q", got)
		}
		return nil
	})
	get(t, url)
}

func TestResponseRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*HTTPResponse) error
	}{
		{"line break in a value", func(r *HTTPResponse) error { return r.SetHeader("X-A", "1\r\nX-B: 2") }},
		{"line feed in an added value", func(r *HTTPResponse) error { return r.AddHeader("X-A", "1\nX-B: 2") }},
		{"line break in a name", func(r *HTTPResponse) error { return r.SetHeader("X-A: 1\r\nX-B", "2") }},
		{"colon in a name", func(r *HTTPResponse) error { return r.SetHeader("X:A", "2") }},
		{"no name", func(r *HTTPResponse) error { return r.SetHeader("", "2") }},
		{"line break in a status", func(r *HTTPResponse) error { return r.SetStatus(404, "x\r\nX-B: 2") }},
		{"status that is none", func(r *HTTPResponse) error { return r.SetStatus(42, "") }},
		{"informational status", func(r *HTTPResponse) error { return r.SetStatus(103, "") }},
		{"status as a header that is none", func(r *HTTPResponse) error { return r.SetHeader("Status", "fine") }},
		{"line break in a redirect", func(r *HTTPResponse) error { return r.SendRedirect("/x\r\nX-B: 2") }},
		{"line break in a cookie's path", func(r *HTTPResponse) error { return r.SetCookie("a", "1", "/\r\n", "", false) }},
		{"cookie without a name", func(r *HTTPResponse) error { return r.AddCookie(&Cookie{Value: "1"}) }},
		{"time that a cookie can not have", func(r *HTTPResponse) error { return r.SetCookie("a", "1", "/", "soon", false) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var refused error
			got := get(t, serveFunc(t, nil, func(t *Transaction) error {
				refused = tc.do(t.Response())
				return nil
			}))
			if refused == nil || errors.Is(refused, ErrCommitted) {
				t.Errorf("error %v, want one about the argument", refused)
			}
			if got.StatusCode != 200 || got.Header.Get("X-B") != "" || len(got.Cookies()) > 0 || got.Header.Get("Location") != "" {
				t.Errorf("the refused call had an effect: %v %v", got.Status, got.Header)
			}
		})
	}
}

func TestResponseCookies(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*HTTPResponse) error
		want []string
	}{
		{"set", func(r *HTTPResponse) error { return r.SetCookie("a", "1", "/", ExpiresOnClose, true) }, []string{"a=1; Path=/; Secure"}},
		{"the last of a name counts", func(r *HTTPResponse) error {
			return errors.Join(r.SetCookie("a", "1", "/", "", false), r.SetCookie("b", "2", "", "", false), r.SetCookie("a", "3", "/", "", false))
		}, []string{"a=3; Path=/", "b=2"}},
		{"expires now", func(r *HTTPResponse) error { return r.SetCookie("a", "1", "/", ExpiresNow, false) },
			[]string{"a=None; expires=Mon, 01-Jan-1900 00:00:00 GMT; Max-Age=0; Path=/"}},
		{"delete", func(r *HTTPResponse) error { return r.DelCookie("a", "/x", true) },
			[]string{"a=None; expires=Mon, 01-Jan-1900 00:00:00 GMT; Max-Age=0; Path=/x; Secure"}},
		{"delete one that was set", func(r *HTTPResponse) error {
			return errors.Join(r.AddCookie(&Cookie{Name: "a", Value: "secret", Path: "/y", Domain: "example.com"}), r.DelCookie("a", "/", false))
		}, []string{"a=None; Domain=example.com; expires=Mon, 01-Jan-1900 00:00:00 GMT; Max-Age=0; Path=/y"}},
		{"clear", func(r *HTTPResponse) error {
			return errors.Join(r.SetCookie("a", "1", "/", "", false), r.ClearCookies())
		}, nil},
		{"changed after it was added", func(r *HTTPResponse) error {
			if err := r.SetCookie("a", "1", "/", "", false); err != nil {
				return err
			}
			c, err := r.Cookie("a")
			if err == nil {
				c.Value = "2"
			}
			return err
		}, []string{"a=2; Path=/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := get(t, serveFunc(t, nil, func(t *Transaction) error { return tc.do(t.Response()) }))
			if diff := cmp.Diff(tc.want, got.Header.Values("Set-Cookie")); got.StatusCode != 200 || diff != "" {
				t.Errorf("%d: %s", got.StatusCode, diff)
			}
		})
	}
}

// TestResponseCommitted checks every method that comes too late, after a flush and after an overflow.
func TestResponseCommitted(t *testing.T) {
	for _, commit := range []struct {
		name string
		do   func(*HTTPResponse) error
	}{
		{"flush", (*HTTPResponse).Flush},
		{"overflow", func(r *HTTPResponse) error {
			_, err := io.WriteString(r, strings.Repeat("x", 90))
			return err
		}},
	} {
		for name, late := range map[string]func(*HTTPResponse) error{
			"SetHeader":        func(r *HTTPResponse) error { return r.SetHeader("X-B", "2") },
			"SetHeader Status": func(r *HTTPResponse) error { return r.SetHeader("Status", "404 Not Found") },
			"AddHeader":        func(r *HTTPResponse) error { return r.AddHeader("X-B", "2") },
			"DelHeader":        func(r *HTTPResponse) error { return r.DelHeader("X-A") },
			"ClearHeaders":     (*HTTPResponse).ClearHeaders,
			"MergeTextHeaders": func(r *HTTPResponse) error { return r.MergeTextHeaders("X-B: 2") },
			"SetStatus":        func(r *HTTPResponse) error { return r.SetStatus(404, "") },
			"SendError":        func(r *HTTPResponse) error { return r.SendError(404, "") },
			"SetCookie":        func(r *HTTPResponse) error { return r.SetCookie("b", "2", "/", "", false) },
			"AddCookie":        func(r *HTTPResponse) error { return r.AddCookie(&Cookie{Name: "b"}) },
			"DelCookie":        func(r *HTTPResponse) error { return r.DelCookie("a", "/", false) },
			"ClearCookies":     (*HTTPResponse).ClearCookies,
			"SendRedirect":     func(r *HTTPResponse) error { return r.SendRedirect("/elsewhere") },
			"Reset":            (*HTTPResponse).Reset,
		} {
			t.Run(commit.name+"/"+name, func(t *testing.T) {
				var late1 error
				var committed bool
				got := get(t, serveFunc(t, Settings{"ResponseBufferSize": 100}, func(t *Transaction) error {
					r := t.Response()
					err := errors.Join(r.SetHeader("X-A", "1"), r.SetCookie("a", "1", "/", "", false))
					if err != nil {
						return err
					}
					if _, err := r.WriteString("first part, "); err != nil {
						return err
					}
					if r.IsCommitted() {
						return errors.New("committed too early")
					}
					if err := commit.do(r); err != nil {
						return err
					}
					committed, late1 = r.IsCommitted(), late(r)
					return nil
				}))
				if !committed || !errors.Is(late1, ErrCommitted) {
					t.Errorf("committed: %v, error %v, want ErrCommitted", committed, late1)
				}
				if got.StatusCode != 200 || got.Header.Get("X-A") != "1" || got.Header.Get("X-B") != "" ||
					len(got.Header["Set-Cookie"]) != 1 || !strings.HasPrefix(got.text, "first part") || strings.Contains(got.text, "redirected") {
					t.Errorf("the late call had an effect: %v %v %q", got.Status, got.Header, got.text)
				}
			})
		}
	}
}

func TestResponseOutput(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	for _, tc := range []struct {
		name string
		do   func(*HTTPResponse) error
		want string
	}{
		{"nothing", func(*HTTPResponse) error { return nil }, ""},
		{"fits", func(r *HTTPResponse) error { _, err := fmt.Fprint(r, long[:100]); return err }, long[:100]},
		{"outgrows at once", func(r *HTTPResponse) error { _, err := r.Write([]byte(long)); return err }, long},
		{"outgrows in small pieces", func(r *HTTPResponse) error {
			for i := range len(long) {
				if _, err := r.WriteString(long[i : i+1]); err != nil {
					return err
				}
			}
			return nil
		}, long},
		{"goes on after a flush", func(r *HTTPResponse) error {
			_, err1 := r.WriteString("a")
			err2 := r.Flush()
			_, err3 := r.Write([]byte("b"))
			_, err4 := r.WriteString(long)
			return errors.Join(err1, err2, err3, err4)
		}, "ab" + long},
		{"flush before any output", func(r *HTTPResponse) error {
			err := r.Flush()
			_, err2 := r.WriteString("a")
			return errors.Join(err, err2)
		}, "a"},
		{"reset", func(r *HTTPResponse) error {
			_, err := r.WriteString("gone")
			err2 := errors.Join(r.SetStatus(404, ""), r.SetCookie("a", "1", "/", "", false), r.SetHeader("X-A", "1"), r.Reset())
			_, err3 := r.WriteString("a")
			return errors.Join(err, err2, err3)
		}, "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var size int64
			got := get(t, serveFunc(t, Settings{"ResponseBufferSize": 100}, func(t *Transaction) error {
				err := tc.do(t.Response())
				size = t.Response().Size()
				return err
			}))
			if got.StatusCode != 200 || got.text != tc.want || len(got.Header["Set-Cookie"]) > 0 || got.Header.Get("X-A") != "" {
				t.Errorf("%v %v %q, want %q", got.Status, got.Header, got.text, tc.want)
			}
			if size != int64(len(tc.want)) {
				t.Errorf("Size() = %d, want %d", size, len(tc.want))
			}
		})
	}
}

// TestResponseFlush checks that a client has what was flushed while the servlet still works.
func TestResponseFlush(t *testing.T) {
	seen := make(chan struct{})
	url := serveFunc(t, nil, func(t *Transaction) error {
		r := t.Response()
		if _, err := r.WriteString("first"); err != nil {
			return err
		}
		if err := r.Flush(); err != nil {
			return err
		}
		select {
		case <-seen:
		case <-t.Context().Done():
			return t.Context().Err()
		}
		_, err := r.WriteString(", second")
		return err
	})
	resp, err := client.Do(newRequest(t, http.MethodGet, url, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	close(seen)
	rest, err := io.ReadAll(resp.Body)
	if got := string(first) + string(rest); err != nil || got != "first, second" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRedirect(t *testing.T) {
	for _, tc := range []struct {
		name     string
		do       func(*HTTPResponse, string) error
		url      string
		status   int
		location string
	}{
		{"found", (*HTTPResponse).SendRedirect, "Main?a=1&b=2", 302, "Main?a=1&b=2"},
		{"permanent", (*HTTPResponse).SendRedirectPermanent, "/x", 301, "/x"},
		{"see other", (*HTTPResponse).SendRedirectSeeOther, "/x", 303, "/x"},
		{"temporary", (*HTTPResponse).SendRedirectTemporary, "https://example.com/", 307, "https://example.com/"},
		{"blank and umlaut", (*HTTPResponse).SendRedirect, "/a b/ü", 302, "/a%20b/%C3%BC"},
		{"markup", (*HTTPResponse).SendRedirect, `/"><script>`, 302, `/"><script>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := get(t, serveFunc(t, nil, func(t *Transaction) error {
				r := t.Response()
				return errors.Join(r.SetCookie("a", "1", "/", "", false), tc.do(r, tc.url))
			}))
			if got.StatusCode != tc.status || got.Header.Get("Location") != tc.location || len(got.Cookies()) != 1 {
				t.Errorf("%v %v, want %d to %s with the cookie", got.Status, got.Header, tc.status, tc.location)
			}
			if !strings.Contains(got.text, "redirected") || strings.Contains(got.text, "<script>") {
				t.Errorf("page %q", got.text)
			}
		})
	}
}

func TestResponseRestart(t *testing.T) {
	cause := errors.New("what is answered")
	for _, tc := range []struct {
		name   string
		before func(*HTTPResponse) error
		want   error
	}{
		{"before the commit", func(r *HTTPResponse) error { _, err := r.WriteString("old"); return err }, nil},
		{"committed, nothing sent", (*HTTPResponse).Flush, nil},
		{"sent", func(r *HTTPResponse) error {
			_, err := r.WriteString("old")
			return errors.Join(err, r.Flush())
		}, compat.ErrSent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var restarted error
			got := get(t, serveFunc(t, nil, func(t *Transaction) error {
				r := t.Response()
				if err := errors.Join(r.SetHeader("X-A", "1"), tc.before(r)); err != nil {
					return err
				}
				if restarted = r.restart(cause); restarted != nil {
					return nil
				}
				_, err := r.WriteString("new")
				return errors.Join(err, r.SetStatus(500, ""))
			}))
			if !errors.Is(restarted, tc.want) {
				t.Errorf("restart: %v, want %v", restarted, tc.want)
			}
			want, status, header := "new", 500, ""
			if tc.want != nil {
				want, status, header = "old", 200, "1"
			}
			if got.text != want || got.StatusCode != status || got.Header.Get("X-A") != header {
				t.Errorf("%v %v %q, want %d %q", got.Status, got.Header, got.text, status, want)
			}
		})
	}
}

// TestResponseKeepsFailure checks that a page which ignores a failure to commit can not hide it.
func TestResponseKeepsFailure(t *testing.T) {
	broken := errors.New("no sessions today")
	r := &HTTPResponse{}
	r.init(&Transaction{}, func(string, []compat.Header, error) (io.Writer, error) { return nil, broken }, 3)
	_, err1 := r.WriteString("too long")
	_, err2 := r.Write([]byte("x"))
	if err3 := r.Deliver(); !errors.Is(err1, broken) || !errors.Is(err2, broken) || !errors.Is(err3, broken) {
		t.Errorf("errors %v, %v, %v, want %v each time", err1, err2, err3, broken)
	}
	if r.EndTime().IsZero() {
		t.Error("Deliver did not record the end")
	}
}
