package webkit

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCookieHeaderValue(t *testing.T) {
	deleted := &Cookie{Name: "a", Value: "secret", Path: "/app"}
	deleted.Delete()
	for _, tc := range []struct {
		name   string
		cookie *Cookie
		want   string
	}{
		{"plain", &Cookie{Name: "a", Value: "b"}, "a=b"},
		{"empty", &Cookie{Name: "a"}, "a="},
		{"as Python quotes", &Cookie{Name: "a", Value: `x; y="1",\`}, `a="x\073 y=\"1\"\054\\"`},
		{"line break", &Cookie{Name: "a", Value: "x\r\nSet-Cookie: b=c"}, `a="x\015\012Set-Cookie: b=c"`},
		{"not ASCII", &Cookie{Name: "a", Value: "é"}, `a="\303\251"`},
		{"all attributes", &Cookie{Name: "a", Value: "b", Path: "/p", Domain: "example.com", MaxAge: 60,
			Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Secure: true, HTTPOnly: true, SameSite: http.SameSiteStrictMode},
			"a=b; Domain=example.com; expires=Wed, 02-Jan-2030 03:04:05 GMT; HttpOnly; Max-Age=60; Path=/p; SameSite=Strict; Secure"},
		{"deleted, as Webware sends it", deleted, "a=None; expires=Mon, 01-Jan-1900 00:00:00 GMT; Max-Age=0; Path=/app"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.cookie.HeaderValue()
			if err != nil || got != tc.want {
				t.Errorf("HeaderValue() = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestCookieRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cookie Cookie
	}{
		{"no name", Cookie{Value: "b"}},
		{"name with a space", Cookie{Name: "a b"}},
		{"name with a line break", Cookie{Name: "a\r\nX"}},
		{"path with an attribute", Cookie{Name: "a", Path: "/; Domain=evil.example"}},
		{"path with a line break", Cookie{Name: "a", Path: "/\r\nX: y"}},
		{"domain with an attribute", Cookie{Name: "a", Domain: "example.com; Secure"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := tc.cookie.HeaderValue(); err == nil {
				t.Errorf("HeaderValue() = %q, want an error", got)
			}
		})
	}
}

func TestCookieExpires(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		in   string
		want time.Time
	}{
		{"", time.Time{}},
		{"ONCLOSE", time.Time{}},
		{"NEVER", now.AddDate(10, 0, 0)},
		{"+90s", now.Add(90 * time.Second)},
		{"+3h46m", now.Add(3*time.Hour + 46*time.Minute)},
		{"+1W2D", now.Add(9 * 24 * time.Hour)},
		{"+1y1b", now.Add((365 + 30) * 24 * time.Hour)},
	} {
		t.Run(tc.in, func(t *testing.T) {
			if got, err := cookieExpires(tc.in, now); err != nil || !got.Equal(tc.want) {
				t.Errorf("cookieExpires(%q) = %v, %v, want %v", tc.in, got, err, tc.want)
			}
		})
	}
	for _, bad := range []string{"never", "+", "+1", "+d", "+1x", "+1.5d", "+-1d", "3d", "+101y", "+9223372036854775807s", "+99999999999999999999s",
		"+60y60y"} {
		if got, err := cookieExpires(bad, now); err == nil {
			t.Errorf("cookieExpires(%q) = %v, want an error", bad, got)
		}
	}
}

func TestParseCookies(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		want         map[string]string
	}{
		{"none", "", map[string]string{}},
		{"several", "a=1; b=2", map[string]string{"a": "1", "b": "2"}},
		{"first duplicate wins", "a=1; a=2; b=3; a=4", map[string]string{"a": "1", "b": "3"}},
		{"no blank after the semicolon", "a=1;b=2", map[string]string{"a": "1", "b": "2"}},
		{"equals sign in the value", "a=b=c", map[string]string{"a": "b=c"}},
		{"quoted", `a="b c"`, map[string]string{"a": "b c"}},
		{"Python's escapes", `a="x\073 y=\"1\"\054\\"`, map[string]string{"a": `x; y="1",\`}},
		{"an escape cut off", `a="x\07"`, map[string]string{"a": "x07"}},
		{"octal above a byte", `a="\777"`, map[string]string{"a": "777"}},
		{"one quote", `a="`, map[string]string{"a": `"`}},
		{"not UTF-8", "a=\xff", map[string]string{"a": "\uFFFD"}},
		{"broken ones are dropped, the rest stays", "nonsense; =1; a b=2; c=3\x00; (d)=4; e=5", map[string]string{"e": "5"}},
		{"a broken one does not hide a good one", "a=\x01; a=2", map[string]string{"a": "2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseCookies(tc.header)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzParseCookies checks that any header can be read and that what is read can be sent and read again.
func FuzzParseCookies(f *testing.F) {
	for _, seed := range []string{"", "a=1; a=2", `a="x\073\"";b`, "=;;=", `a="\`, "a=\xff\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for name, value := range parseCookies(header) {
			if !utf8.ValidString(value) {
				t.Fatalf("cookie %q: %q is not UTF-8", name, value)
			}
			if strings.Contains(name, ":") {
				continue // Python reads such names, but they can not be sent
			}
			sent, err := (&Cookie{Name: name, Value: value}).HeaderValue()
			if err != nil {
				t.Fatalf("cookie %q=%q: %v", name, value, err)
			}
			if got := parseCookies(sent); got[name] != value || len(got) != 1 {
				t.Fatalf("sent %q and read %q, want %q=%q", sent, got, name, value)
			}
		}
	})
}
