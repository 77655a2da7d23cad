package albatross

import (
	"go/ast"
	"go/parser"
	"go/token"
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

// Every exported name of the package is in the guide, as code.
func TestGuideNamesEverything(t *testing.T) {
	words := make(map[string]bool)
	guide := readFile(t, "..", "docs", "porting-albatross.md")
	for _, code := range regexp.MustCompile("(?s)```.*?```|`[^`]*`").FindAllString(guide, -1) {
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(code, -1) {
			words[word] = true
		}
	}
	files, err := filepath.Glob("*.go")
	ok(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		ok(t, err)
		for _, exported := range exportedNames(file) {
			if !words[exported] {
				t.Errorf("%s: %s is not in the porting guide", name, exported)
			}
		}
	}
}

// The table of legacy names in docs/config.md has the parameters that have newer names.
func TestGuideLegacyNames(t *testing.T) { guide.Legacy(t, "../docs/config.md", "albatross", sameThing) }

// exportedNames returns the exported functions, methods of exported types, types, variables and constants of a file.
func exportedNames(file *ast.File) (names []string) {
	add := func(id *ast.Ident) {
		if id.IsExported() && id.Name != "Error" && id.Name != "Unwrap" { // what every error has
			names = append(names, id.Name)
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil || ofExported(decl.Recv.List[0].Type) {
				add(decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						add(id)
					}
				}
			}
		}
	}
	return names
}

func ofExported(receiver ast.Expr) bool {
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	id, ok := receiver.(*ast.Ident)
	return ok && id.IsExported()
}

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
