package ini

import (
	"strings"
	"testing"
)

// value returns an expanded value of a file.
func (f *File) value(section, key string) (string, error) {
	s := f.Default
	for _, other := range f.Sections {
		if other.Name == section {
			s = other
		}
	}
	lookup := func(name string) (string, bool) {
		if v, ok := s.Values[name]; ok {
			return v.Text, true
		}
		v, ok := f.Default.Values[name]
		return v.Text, ok
	}
	text, ok := lookup(key)
	if !ok {
		return "", nil
	}
	return Expand(text, lookup)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string // want is the value of key in section s
	}{
		{"plain", "[s]\nkey = value", "value"},
		{"colon", "[s]\nkey: value", "value"},
		{"the first delimiter counts", "[s]\nkey = a:b=c", "a:b=c"},
		{"case of names is kept", "[s]\nKey = no\nkey = yes", "yes"},
		{"empty", "[s]\nkey =\nother = x", ""},
		{"blanks around", "  [s]\n  key  =  value  ", "value"},
		{"continuation", "[s]\nkey = a\n  b\n\tc\n", "a\nb\nc"},
		{"continuation of nothing", "[s]\nkey =\n  a\n  b", "\na\nb"},
		{"comment inside", "[s]\nkey = a\n# no\n  b\n  ; no\n  c", "a\nb\nc"},
		{"empty line inside", "[s]\nkey = a\n\n  b\n\n", "a\n\nb"},
		{"a section can be indented like a value", "[s]\nkey = a\n  [t]\n", "a\n[t]"},
		{"comment behind a value is none", "[s]\nkey = a ; b # c", "a ; b # c"},
		{"CRLF", "[s]\r\nkey = a\r\n b\r\n", "a\nb"},
		{"CR alone", "[s]\rkey = a\r", "a"},
		{"byte order mark", "\uFEFF[s]\nkey = a", "a"},
		{"default", "[DEFAULT]\nkey = a\n[s]\n", "a"},
		{"default overridden", "[DEFAULT]\nkey = a\n[s]\nkey = b", "b"},
		{"interpolation", "[DEFAULT]\nx = %(y)s!\ny = d\n[s]\ny = s\nkey = %(x)s", "s!"},
		{"percent", "[s]\nkey = 100%%", "100%"},
		{"percent of a percent", "[s]\nx = %%(y)s\nkey = %(x)s", "%(y)s"},
		{"names with blanks", "[s]\ndomain a.b port 80 / = x\nkey = %(domain a.b port 80 /)s", "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, problems := Parse([]byte(tt.text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got, err := f.value("s", "key"); got != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"no section", "key = x", 1, "no [section]"},
		{"section twice", "[s]\n[t]\n[s]", 3, "in line 1"},
		{"default twice", "[DEFAULT]\n[DEFAULT]", 2, "in line 1"},
		{"key twice", "[s]\na = 1\nb = 2\na = 3\n continued", 4, "in line 2"},
		{"no delimiter", "[s]\n\nsecret", 3, "no section, key = value or comment"},
		{"no key", "[s]\n= x", 2, "no key"},
		{"open header", "[s\na = b", 1, "no ]"},
		{"no name", "[]", 1, "no name"},
		{"text behind a header", "[s] # it", 1, "behind"},
		{"not UTF-8", "[s]\na = \xe4", 2, "UTF-8"},
		{"UTF-16", "\xff\xfe[\x00s\x00]\x00", 1, "UTF-8"},
		{"control character", "[s]\na = b\x00", 2, "U+0000"},
		{"large", strings.Repeat("#", MaxSize+1), 1, "bytes long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := Parse([]byte(tt.text))
			if len(problems) != 1 || problems[0].Line != tt.line || !strings.Contains(problems[0].Text, tt.want) {
				t.Errorf("got %v", problems)
			}
			if len(problems) > 0 && strings.Contains(problems[0].Text, "secret") {
				t.Error("it shows what the file has")
			}
		})
	}
	if _, problems := Parse([]byte("x\n[s]\na\n= b\n[s]\n\x00")); len(problems) != 5 {
		t.Errorf("not all at once: %v", problems)
	}
}

func TestExpandErrors(t *testing.T) {
	values := map[string]string{"loop": "%(pool)s", "pool": "%(loop)s", "self": "%(self)s"}
	values["a0"] = "x"
	for i := range 9 {
		values["a"+string(rune('1'+i))] = strings.Repeat("%(a"+string(rune('0'+i))+")s", 20)
	}
	for text, want := range map[string]string{
		"100%":       "neither % nor (",
		"%(x":        "%(name)s",
		"%(x)d":      "%(name)s",
		"%()s":       "%(name)s",
		"%(nobody)s": `no "nobody"`,
		"%(loop)s":   "to itself",
		"%(self)s":   "to itself",
		"%(a8)s":     "longer than",
	} {
		_, err := Expand(text, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
