package ini

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/internal/testenv"
)

// oracle reads files, one JSON string a line, and answers each with what configparser makes of it: null where it refuses
// the file, else a list of sections with their own names and values; a value that can not be expanded is null.
const oracle = `
import configparser, io, json, sys
for line in sys.stdin:
    p = configparser.ConfigParser()
    p.optionxform = str
    try:  # removeprefix does what encoding="utf-8-sig" does
        p.read_file(io.StringIO(json.loads(line).removeprefix('\ufeff'), newline=None))
    except configparser.Error:
        print("null")
        continue
    def values(name, own):
        out = {}
        for key in own:
            try:
                out[key] = p.get(name, key)
            except configparser.Error:
                out[key] = None
        return out
    found = {"DEFAULT": values("DEFAULT", p.defaults())}
    for name in p.sections():
        found[name] = values(name, p._sections[name])
    print(json.dumps(found))
`

// pieces are what files are made of, at random. Few names, so that they meet.
var pieces = []string{
	"[s]\n", "[app:t]\n", "[DEFAULT]\n", "[x]y]\n", "  [s]\n", "a = 1\n", "b: 2\n", "a=%(b)s\n", "b = %(a)s%(c)s\n", "c = %%(a)s\n",
	"A = %(a)s\n", "d = 50%\n", "e =\n", "f\n", "= x\n", " indented\n", "\tby a tab\n", "    deep = er\n", "\n", "   \n", "# no\n",
	"  ; no\n", "g = x ; y\r\n", "h = [s]\n", " [t]\n", "i = \u00e4\u00a0\n", "\u00a0j = k\n", "k : = :\r", "domain x.y / = %(domain x.y /)s\n",
	"l = %(\n", "m = %(a)d\n", "n n = %(n n", "o==", "%", "\uFEFF", " ", ":", "\u3000", "set a = %(a)s\n",
}

func TestAgainstPython(t *testing.T) {
	python := testenv.Tool(t, "python3")
	random := rand.New(rand.NewPCG(1, 2))
	var files []string
	for range 20000 {
		var b strings.Builder
		b.WriteString([]string{"[s]\n", "", "[DEFAULT]\na = b\n[s]\n"}[random.IntN(3)])
		for range random.IntN(14) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		files = append(files, b.String())
	}
	accepted := compare(t, python, files)
	t.Logf("of %d files, %d were accepted by both", len(files), accepted)
	if accepted < len(files)/20 {
		t.Error("too few of the files are good ones")
	}
}

// compare fails the test where Python reads a file in another way than Parse and Expand, and returns how many both accept.
func compare(t *testing.T, python string, files []string) (accepted int) {
	t.Helper()
	var input strings.Builder
	for _, f := range files {
		line, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&input, "%s\n", line)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", oracle)
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(files) {
		t.Fatalf("%d answers to %d files", len(answers), len(files))
	}
	for i, text := range files {
		var want map[string]map[string]*string
		if err := json.Unmarshal([]byte(answers[i]), &want); err != nil {
			t.Fatal(err)
		}
		f, problems := Parse([]byte(text))
		switch {
		case len(problems) > 0 && want != nil && !stricter(problems):
			t.Errorf("%q: Python takes it; we say %v", text, problems)
		case len(problems) == 0 && want == nil:
			t.Errorf("%q: Python refuses it", text)
		case len(problems) == 0:
			accepted++
			if diff := cmp.Diff(want, expandAll(f)); diff != "" {
				t.Errorf("%q: (-Python +ours)\n%s", text, diff)
			}
		}
	}
	return accepted
}

// stricter reports whether the problems are those that Python does not have.
func stricter(problems []Problem) bool {
	for _, p := range problems {
		for _, text := range []string{"behind the section's name", "[DEFAULT] is there already"} {
			if strings.Contains(p.Text, text) {
				return true
			}
		}
	}
	return false
}

func expandAll(f *File) map[string]map[string]*string {
	all := map[string]map[string]*string{}
	for _, s := range append([]*Section{f.Default}, f.Sections...) {
		all[s.Name] = map[string]*string{}
		for _, key := range s.Keys {
			text, err := f.value(s.Name, key)
			if err != nil {
				all[s.Name][key] = nil
				continue
			}
			all[s.Name][key] = &text
		}
	}
	return all
}
