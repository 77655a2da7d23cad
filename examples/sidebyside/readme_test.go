package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/transcript"
	"github.com/holdover-web/holdover/internal/testenv"
)

// What README.md and the package comment show in a terminal is what one sees.
func TestTranscripts(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	inReadme, err := transcript.FromMarkdown(string(readme))
	if err != nil {
		t.Fatal("README.md: ", err)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		steps []transcript.Step
	}{
		{"README.md", inReadme},
		{"main.go", transcript.FromGo(string(source))},
	} {
		t.Run(tt.name, func(t *testing.T) { replay(t, tt.steps) })
	}
}

// The program that README.md shows compiles.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(readme), "```go\n")
	code, _, closed := strings.Cut(code, "```")
	if !ok || !closed {
		t.Fatal("README.md shows no Go code")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(readmeImports+code+"_ = e\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The file stands in for one of this module, so that nothing is written into the tree.
	here, err := filepath.Abs("readme")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlayFile, "-o", os.DevNull, "./readme")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

const readmeImports = `package main

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webkit"
)

func main() {
`

// replay sends the requests of a transcript to the program. Commands that get or start something are
// left out.
func replay(t *testing.T, steps []transcript.Step) {
	testenv.Tool(t, "curl")
	steps = slices.DeleteFunc(steps, func(s transcript.Step) bool {
		tool, _, _ := strings.Cut(s.Command, " ")
		return slices.Contains([]string{"git", "go", "make"}, tool)
	})
	if len(steps) == 0 {
		t.Fatal("no request is shown")
	}
	site := program.Start(t, program.Build(t, "examples/sidebyside"), "-addr", "127.0.0.1:0", "-store", "file:"+t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := transcript.Replay(ctx, t.TempDir(), steps, strings.NewReplacer("http://127.0.0.1:8080/", site.URL)); err != nil {
		t.Error(err)
	}
}
