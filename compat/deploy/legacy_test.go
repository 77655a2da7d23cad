package deploy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
)

// Values are those that Python's source would have, with quotes or without.
func TestPythonValue(t *testing.T) {
	for _, tt := range []struct {
		text string
		like any
		want any
	}{
		{"None", "x", nil},
		{"True", nil, true}, {"true", nil, true}, {"yes", nil, true}, {"on", nil, true},
		{"False", nil, false}, {"false", nil, false}, {"no", nil, false}, {"off", nil, false},
		{"TRUE", true, "TRUE"}, // which no Python has
		{"", 5, ""},
		{"60", 5, 60}, {"-1", 5, -1}, {"1.5", 5, 1.5}, {"1", true, 1},
		{"60", "SID", "60"}, {"60", nil, "60"},
		{"soon", 5, "soon"}, // for the check of the adapter
		{"'SID'", "x", "SID"}, {`"SID"`, "x", "SID"}, {"''", "x", ""},
		{"'60'", 5, "60"}, {"'None'", "x", "None"}, {"'True'", true, "True"},
		{"it's", "x", "it's"}, {"/old", nil, "/old"},
	} {
		got, err := deploy.PythonValue(tt.text, tt.like)
		if err != nil || got != tt.want {
			t.Errorf("%q like %v: %#v, %v; want %#v", tt.text, tt.like, got, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"'open": "quotes", `"open'`: "quotes", "'": "quotes", `"`: "quotes", "{'a': 1}": "dictionary", "[1]": "dictionary",
	} {
		if v, err := deploy.PythonValue(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %#v, %v; want %s", text, v, err, want)
		}
	}
}

// Whatever a text says, it is a plain value or an error that does not show it.
func FuzzPythonValue(f *testing.F) {
	for _, text := range []string{"", "'", `"`, "None", "'x'", "60", "1e400", "nan", "-0x1p-2", "{", "[1]", "it's"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, like := range []any{nil, true, 5, "x"} {
			v, err := deploy.PythonValue(text, like)
			if err != nil {
				if len(text) > 12 && strings.Contains(err.Error(), text) {
					t.Errorf("%q is shown: %v", text, err)
				}
				continue
			}
			switch v := v.(type) {
			case nil, bool, string:
			case int, float64:
				if _, number := like.(int); !number && like != true {
					t.Errorf("%q like %v: the number %v", text, like, v)
				}
			default:
				t.Errorf("%q like %v: %T", text, like, v)
			}
		}
	})
}

// legacyApp asks for settings of an old framework.
func legacyApp(got map[string]any) deploy.AppFactory {
	return func(s *deploy.Section) (compat.Application, error) {
		for name, v := range s.LegacyValues(map[string]any{"Timeout": 60, "Name": "SID", "Debug": false}, []string{"Gone", "Dir"},
			map[string]string{"Name": "cookie_name", "Timeout": "idle_timeout", "Dir": "store"},
			func(name string, v any) error {
				if _, number := v.(int); name == "Timeout" && !number {
					return errors.New("it must be a number")
				}
				if name == "Gone" {
					return errors.New("it is refused")
				}
				return nil
			}) {
			got[name] = v
		}
		s.Lookup("cookie_name")
		s.Lookup("idle_timeout")
		return compat.ApplicationFunc(func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, nil }), nil
	}
}

func TestLegacyValues(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]any
		mistakes   string
	}{
		{"none", "", map[string]any{}, ""},
		{"right", "Timeout = 5\nName = 'X'\nDebug = 1\n", map[string]any{"Timeout": 5, "Name": "X", "Debug": 1}, ""},
		{"newer names", "cookie_name = x\nidle_timeout = 1h\nDebug = yes\n", map[string]any{"Debug": true}, ""},
		{"both", "Name = X\ncookie_name = x\n", map[string]any{}, "test:3: Name: cookie_name says the same; give one of them"},
		{"in DEFAULT", "cookie_name = x\n[DEFAULT]\nName = X\n", map[string]any{}, "test:5: Name: cookie_name says the same; give one of them"},
		{"a place", "Dir = x\nDebug = no\n", map[string]any{"Debug": false},
			"test:3: Dir: the section [store:NAME] says where sessions are kept; name it with store = NAME"},
		{"refused", "Gone = x\n", map[string]any{}, "test:3: Gone: it is refused"},
		{"wrong, and what is right counts", "Timeout = soon\nName = 'X\nDebug = on\n", map[string]any{"Debug": true},
			"test:3: Timeout: it must be a number\ntest:4: Name: the quotes do not match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]any{}
			l := deploy.NewLoader()
			l.App("legacy", legacyApp(got))
			site, err := l.Load(t.Context(), deploy.FromText("test", "[app:main]\nuse = legacy\n"+tt.text))
			if err == nil {
				err = site.Close(t.Context())
			}
			if text := fmt.Sprint(err); err != nil && text != tt.mistakes || err == nil && tt.mistakes != "" {
				t.Errorf("got\n%v\nwant\n%s", err, tt.mistakes)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
