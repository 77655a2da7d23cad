package ini

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{"[s]\na = b\n c\n", "[DEFAULT]\na=%(b)s\n[x]\nb:1\r\n", "\uFEFF[a]", "[", "a", strings.Join(pieces, "")} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, problems := Parse(data)
		count := 0
		for _, s := range append([]*Section{file.Default}, file.Sections...) {
			if len(s.Keys) != len(s.Values) {
				t.Errorf("%s has %d keys and %d values", s.Name, len(s.Keys), len(s.Values))
			}
			for _, key := range s.Keys {
				count++
				v := s.Values[key]
				if key == "" || strings.TrimSpace(key) != key || strings.ContainsAny(key, "=:\n") {
					t.Errorf("the key %q", key)
				}
				if !utf8.ValidString(v.Text) || v.Line < 1 {
					t.Errorf("the value %q in line %d", v.Text, v.Line)
				}
				_, _ = file.value(s.Name, key)
			}
		}
		last := 0
		for _, p := range problems {
			if p.Line < last || p.Text == "" {
				t.Errorf("problem %v after line %d", p, last)
			}
			last = p.Line
		}
		if count > len(data) {
			t.Errorf("%d values of %d bytes", count, len(data))
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("%(a)s", "%(b)s%%", "x")
	f.Add("%", "%(a)s", "%(b)s")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		values := map[string]string{"a": a, "b": b}
		out, err := Expand(text, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
		switch {
		case err != nil && out != "":
			t.Errorf("%q and an error", out)
		case len(out) > 4*maxExpanded:
			t.Errorf("%d bytes", len(out))
		}
		if same, err := Expand(Escape(text), nil); len(text) < maxExpanded/2 && (same != text || err != nil) {
			t.Errorf("%q came back as %q, %v", text, same, err)
		}
	})
}
