// Package guide holds an adapter's porting guide to its code, in tests.
package guide

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Tables fails the test for each exported name of the package in dir, its methods and fields included, that no table of
// a Markdown file shows as code. Error and Unwrap, which all errors have, need not be shown.
func Tables(t testing.TB, file, dir string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	names, err := Exported(dir)
	if err != nil {
		t.Fatal(err)
	}
	shown := Shown(string(text))
	for _, name := range names {
		last := name[strings.LastIndexByte(name, '.')+1:]
		if !shown[last] && last != "Error" && last != "Unwrap" {
			t.Errorf("no table of %s shows %s", filepath.Base(file), name)
		}
	}
}

var (
	code = regexp.MustCompile("`[^`]+`")
	word = regexp.MustCompile(`[\pL_][\pL\pN_]*`)
)

// Shown returns the words that the tables of a Markdown text show as code.
func Shown(markdown string) map[string]bool {
	shown := make(map[string]bool)
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, span := range code.FindAllString(line, -1) {
			for _, w := range word.FindAllString(span, -1) {
				shown[w] = true
			}
		}
	}
	return shown
}

// Exported returns the exported names of the package in dir, sorted, such as "Session", "Session.Get" and "Config.Prefix".
func Exported(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	add := func(owner string, list ...*ast.Ident) {
		for _, id := range list {
			if id.IsExported() {
				names = append(names, owner+id.Name)
			}
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if owner := receiver(d); owner == "" || ast.IsExported(owner) {
					add(strings.TrimPrefix(owner+".", "."), d.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						add("", spec.Names...)
					case *ast.TypeSpec:
						add("", spec.Name)
						for _, f := range members(spec) {
							add(spec.Name.Name+".", f.Names...)
						}
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// receiver returns the type that a method belongs to, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return name
}

// members returns the fields of a struct, or the methods of an interface, that is exported.
func members(spec *ast.TypeSpec) []*ast.Field {
	if !spec.Name.IsExported() {
		return nil
	}
	switch t := spec.Type.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	}
	return nil
}
