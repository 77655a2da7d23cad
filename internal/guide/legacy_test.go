package guide

import (
	"maps"
	"testing"
)

func TestLegacy(t *testing.T) {
	const text = "# x\n| the same as | `a` | `b` |\n\n## Legacy names\n\n| the same as | `a` | `b` |\n| --- | --- | --- |\n" +
		"| `cookie_name` | `X` | `y`, `z` |\n| refused, for `store` | `Dir` (a folder) | |\n\n## More\n\n| `codec` | `Q` | `q` |\n"
	for adapter, want := range map[string]map[string]string{
		"a": {"X": "cookie_name", "Dir": "store"}, "b": {"y": "cookie_name", "z": "cookie_name"}, "c": {},
	} {
		if got := legacy(text, adapter); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", adapter, got, want)
		}
	}
}
