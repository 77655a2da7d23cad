package guide

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const source = `package x

const A, b = 1, 2

var C int

type T[P any] struct {
	F, g int
	T
}

type I interface {
	M()
	n()
}

type hidden struct{ Seen int }

func (*T[P]) Method() {}
func (t T[P]) small() {}
func (hidden) Of()    {}
func Func()           {}
`

func TestExported(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"x.go": source, "x_test.go": "package x\n\nfunc TestX() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Exported(dir)
	if want := []string{"A", "C", "Func", "I", "I.M", "T", "T.F", "T.Method"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestShown(t *testing.T) {
	shown := Shown("`Text` is no table\n| call | go |\n| `get_x(a)` | `GetX(a) (*T, error)` | Words |\n")
	for word, want := range map[string]bool{"Text": false, "Words": false, "GetX": true, "T": true, "get_x": true, "Get": false} {
		if shown[word] != want {
			t.Errorf("%s: %v, want %v", word, shown[word], want)
		}
	}
}
