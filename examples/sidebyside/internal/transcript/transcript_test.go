package transcript

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFromMarkdown(t *testing.T) {
	got, err := FromMarkdown(strings.Join([]string{
		"# Title",
		"```console",
		"$ echo one",
		"one",
		"",
		"$ printf '%s' \\",
		"    two",
		"two",
		"```",
		"```go",
		"$ not a command",
		"```",
		"```console",
		"$ true",
		"```",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Line: 3, Command: "echo one", Output: "one\n\n"},
		{Line: 6, Command: "printf '%s' \\\n    two", Output: "two\n"},
		{Line: 14, Command: "true"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestFromMarkdownRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"a block without end":        "```console\n$ true\n",
		"output without command":     "```console\nhello\n```\n",
		"output in the second block": "```console\n$ true\n```\n```console\nhello\n```\n",
	} {
		if steps, err := FromMarkdown(doc); err == nil {
			t.Errorf("%s: got %+v", name, steps)
		}
	}
}

func TestFromGo(t *testing.T) {
	got := FromGo(strings.Join([]string{
		"// Program p:",
		"//",
		"//	go run ./p",
		"//",
		"// and then",
		"//",
		"//	$ echo one",
		"//	one",
		"//	$ true",
		"//",
		"//	$ echo two",
		"//	two",
		"package main",
	}, "\n"))
	want := []Step{
		{Line: 7, Command: "echo one", Output: "one\n"},
		{Line: 9, Command: "true"},
		{Line: 11, Command: "echo two", Output: "two\n"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

var shown = strings.NewReplacer("http://shown/", "http://real/")

func TestReplay(t *testing.T) {
	for _, tt := range []struct {
		name, command, output string
		holds                 bool
	}{
		{"same", "echo hello", "hello\n", true},
		{"no line break at the end", "printf hello", "hello\n", true},
		{"carriage returns", `printf 'a: b\r\n\r\nbody'`, "a: b\n\nbody\n", true},
		{"nothing", "true", "", true},
		{"another text", "echo hello", "goodbye\n", false},
		{"more than shown", "echo hello; echo again", "hello\n", false},
		{"less than shown", "echo hello", "hello\nagain\n", false},
		{"part varies", "echo id=83742 ok", "id=... ok\n", true},
		{"another part varies", "echo id=83742 failed", "id=... ok\n", false},
		{"does not span lines", "printf 'id=1\n2 ok'", "id=... ok\n", false},
		{"lines vary", "printf 'a\nb\nc\nd\n'", "a\n...\nd\n", true},
		{"no line varies", "printf 'a\nd\n'", "a\n...\nd\n", true},
		{"dots are not a pattern", "echo axb", "a.b\n", false},
		{"address", "echo http://shown/x", "http://shown/x\n", true},
		{"another address", "echo http://shown/x", "http://other/x\n", false},
		{"address is replaced", "echo http://shown/x | grep -c real", "1\n", true},
		{"error output", "echo oops >&2", "oops\n", true},
		{"failing command", "echo hello; (exit 3)", "hello\n", false},
		{"shell ends", "exit 0", "", false},
	} {
		err := Replay(t.Context(), t.TempDir(), []Step{{Line: 1, Command: tt.command, Output: tt.output}}, shown)
		if (err == nil) != tt.holds {
			t.Errorf("%s: got %v, want it to hold: %v", tt.name, err, tt.holds)
		}
	}
}

// The steps are one session: variables, files and what runs in the background live on.
func TestReplaySteps(t *testing.T) {
	steps := []Step{
		{Line: 1, Command: "mkfifo gate; name=Ada"},
		{Line: 2, Command: "cat gate > late &"},
		{Line: 3, Command: "echo hello, $name > gate"},
		{Line: 4, Command: "wait; cat late", Output: "hello, Ada\n"},
	}
	if err := Replay(t.Context(), t.TempDir(), steps, shown); err != nil {
		t.Error(err)
	}
	steps[3].Output = "something else\n"
	if err := Replay(t.Context(), t.TempDir(), steps, shown); err == nil || !strings.HasPrefix(err.Error(), "line 4:") {
		t.Errorf("got %v, want an error about line 4", err)
	}
}

func TestReplayEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := Replay(ctx, t.TempDir(), []Step{{Command: "read line < /dev/zero"}}, shown)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
