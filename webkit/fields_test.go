package webkit

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseURLEncoded(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     url.Values
	}{
		{"empty", "", url.Values{}},
		{"several values in order", "a=1&b=2&a=3", url.Values{"a": {"1", "3"}, "b": {"2"}}},
		{"blank values stay", "a=&b", url.Values{"a": {""}, "b": {""}}},
		{"nothing between ampersands", "&&a=1&", url.Values{"a": {"1"}}},
		{"plus and percent", "a+b=c%20d%2B", url.Values{"a b": {"c d+"}}},
		{"UTF-8", "a=%C3%A9", url.Values{"a": {"é"}}},
		{"not UTF-8", "a=%E9", url.Values{"a": {"\uFFFD"}}},
		{"a percent sign that escapes nothing", "discount=100%&b=%zz%4", url.Values{"discount": {"100%"}, "b": {"%zz%4"}}},
		{"a semicolon separates nothing", "a=1;b=2", url.Values{"a": {"1;b=2"}}},
		{"equals sign in the value", "a=b=c", url.Values{"a": {"b=c"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := make(url.Values)
			if err := parseURLEncoded(got, tc.in, 10); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseURLEncodedLimit(t *testing.T) {
	for in, limit := range map[string]int{"a=1&a=2&b=3": 2, "a": 0} {
		if err := parseURLEncoded(make(url.Values), in, limit); err != errFields {
			t.Errorf("%q with limit %d: error %v, want %v", in, limit, err, errFields)
		}
	}
	if err := parseURLEncoded(make(url.Values), "a=1&b=2", 2); err != nil {
		t.Errorf("as many fields as allowed: %v", err)
	}
}

// FuzzParseURLEncoded checks that any input gives valid text, and the same fields as net/url where that
// finds nothing wrong.
func FuzzParseURLEncoded(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=%", "%zz=%4&%E9", "a+b=c%20d", "&=&==&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := make(url.Values)
		if err := parseURLEncoded(got, in, len(in)+1); err != nil {
			t.Fatal(err)
		}
		for name, values := range got {
			if !utf8.ValidString(name + "\n" + strings.Join(values, "\n")) {
				t.Fatalf("field %q: %q is not UTF-8", name, values)
			}
		}
		want, err := url.ParseQuery(in)
		if err != nil || strings.Contains(in, ";") {
			return
		}
		for name, values := range want {
			if !utf8.ValidString(name + "\n" + strings.Join(values, "\n")) {
				return // net/url leaves that as it is
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
