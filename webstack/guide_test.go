package webstack

import (
	"os"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/internal/guide"
)

const guideFile = "../docs/porting-webstack.md"

// Every exported name is in a table of the porting guide.
func TestGuideTables(t *testing.T) { guide.Tables(t, guideFile, ".") }

// Every setting, refused ones too, is in the porting guide.
func TestGuideSettings(t *testing.T) {
	text := readGuide(t)
	for name := range DefaultSettings() {
		if !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("the porting guide's table does not show the setting %s", name)
		}
	}
	for name := range refused {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the porting guide does not mention the refused setting %s", name)
		}
	}
}

// The program of the porting guide is the one that is compiled and run as ExampleApplication.
func TestGuideProgram(t *testing.T) {
	program, err := os.ReadFile("example_porting_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(readGuide(t), "   ```go\n")[1:]
	if len(blocks) != 3 {
		t.Errorf("the porting guide has %d pieces of Go, want 3", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "   ```\n")
		block = strings.ReplaceAll("\n"+block, "\n   ", "\n")[1:] // it is part of a list
		if !strings.Contains(string(program), block) {
			t.Errorf("example_porting_test.go does not have this:\n%s", block)
		}
	}
}

func readGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(guideFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of legacy names in docs/config.md has the settings that have newer names.
func TestGuideLegacyNames(t *testing.T) { guide.Legacy(t, "../docs/config.md", "webstack", sameThing) }
