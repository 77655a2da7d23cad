package guide

import (
	"os"
	"strings"
	"testing"
)

// Legacy fails the test unless the table of legacy names in docs/config.md has, in the column of an adapter, exactly the
// names of same, in the rows of the options that they stand for. "store" is the row of those that are refused.
func Legacy(t testing.TB, file, adapter string, same map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	documented := legacy(string(text), adapter)
	for name, option := range same {
		if documented[name] != option {
			t.Errorf("%s: %s stands for %s, and the table has it with %q", file, name, option, documented[name])
		}
	}
	for name, option := range documented {
		if same[name] == "" {
			t.Errorf("%s: the table has %s with %s, which %s does not know", file, name, option, adapter)
		}
	}
}

// legacy returns the names in an adapter's column, and the last name in the first column of their rows.
func legacy(markdown, adapter string) map[string]string {
	names := make(map[string]string)
	_, part, _ := strings.Cut(markdown, "\n## Legacy names\n")
	part, _, _ = strings.Cut(part, "\n## ")
	column := -1
	for line := range strings.Lines(part) {
		cells := strings.Split(line, "|")
		for i, cell := range cells {
			if column < 0 && strings.Trim(cell, " `") == adapter {
				column = i
			}
		}
		if column < 0 || column >= len(cells) {
			continue
		}
		option := code.FindString(cells[1])
		for _, name := range code.FindAllString(cells[column], -1) {
			if option != "" {
				names[strings.Trim(name, "`")] = strings.Trim(option, "`")
			}
		}
	}
	return names
}
