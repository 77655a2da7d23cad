package albatross

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/internal/guide"
)

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	ok(t, err)
	return string(data)
}

// Every exported name of the package is in a table of the guide.
func TestGuideTables(t *testing.T) { guide.Tables(t, "../docs/porting-albatross.md", ".") }

// The table of legacy names in docs/config.md has the parameters that have newer names.
func TestGuideLegacyNames(t *testing.T) { guide.Legacy(t, "../docs/config.md", "albatross", sameThing) }

// The code of the guide is that of an example, which is compiled and run.
func TestGuideCodeIsRun(t *testing.T) {
	flat := func(s string) string {
		lines := strings.Split(s, "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	example := flat(readFile(t, "example_guide_test.go"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readFile(t, "..", "docs", "porting-albatross.md"), -1)
	if len(blocks) < 3 {
		t.Fatalf("the guide has %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(example, flat(block[1])) {
			t.Errorf("this code of the guide is not in example_guide_test.go:\n%s", block[1])
		}
	}
}
