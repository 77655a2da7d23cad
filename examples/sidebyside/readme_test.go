package main

import (
	"context"
	"os"
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
