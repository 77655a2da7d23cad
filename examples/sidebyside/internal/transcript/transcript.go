// Package transcript replays the terminal sessions that documents show, so that a test sees whether
// the documents still tell the truth.
//
// A session is a Markdown code block marked as console, or an indented block of a Go comment. Lines
// that begin with "$ " are commands, a command that ends in a backslash goes on in the next line, and
// what follows is the output:
//
//	$ curl -s localhost:8080/greet
//	hello, ...
//
// In the output "..." stands for anything within the line, and a line of nothing else for any number
// of lines.
package transcript

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Step is one command and what it should print.
type Step struct {
	Line    int // where the command stands in the document, from 1
	Command string
	Output  string // with "..." for what varies; ends in a line break unless empty
}

// FromMarkdown returns the steps of all console blocks, in order. The error tells of a block that is
// never closed, or that begins with output.
func FromMarkdown(text string) ([]Step, error) {
	var steps []Step
	var block []string
	opened := 0
	for i, line := range strings.Split(text, "\n") {
		switch fence := strings.TrimSpace(line); {
		case opened == 0 && fence == "```console":
			opened, block = i+1, nil
		case opened == 0:
		case fence == "```":
			var err error
			if steps, err = add(steps, block, opened+1); err != nil {
				return nil, err
			}
			opened = 0
		default:
			block = append(block, line)
		}
	}
	if opened != 0 {
		return nil, fmt.Errorf("line %d: the console block is never closed", opened)
	}
	return steps, nil
}

// FromGo returns the steps of those indented blocks of a Go file's line comments that begin with a
// command.
func FromGo(source string) []Step {
	var steps []Step
	var block []string
	for i, line := range strings.Split(source+"\n", "\n") {
		if code, indented := strings.CutPrefix(line, "//\t"); indented {
			block = append(block, code)
			continue
		}
		if len(block) > 0 && strings.HasPrefix(block[0], "$ ") {
			steps, _ = add(steps, block, i+1-len(block)) // fails only without a command
		}
		block = nil
	}
	return steps
}

// add appends the steps of a block that begins in that line.
func add(steps []Step, block []string, line int) ([]Step, error) {
	var last *Step // of this block
	more := false  // the command goes on
	for i, text := range block {
		switch command, isCommand := strings.CutPrefix(text, "$ "); {
		case more:
			last.Command += "\n" + text
			more = strings.HasSuffix(text, `\`)
		case isCommand:
			steps = append(steps, Step{Line: line + i, Command: command})
			last = &steps[len(steps)-1]
			more = strings.HasSuffix(text, `\`)
		case last == nil:
			return nil, fmt.Errorf("line %d: output before the first command", line+i)
		default:
			last.Output += text + "\n"
		}
	}
	return steps, nil
}

// Replay runs the commands one after the other in one shell in folder dir, as a person would, and
// compares what each prints, standard error included, with what it should. What a command leaves
// running in the background goes on during the next. Blanks at the end of a line and empty lines at
// the end of an output do not count. The error tells of the first command that failed or printed
// something else, or that ctx has ended.
//
// replace is applied to commands and outputs first: it turns the address in the document into the one
// where the server listens.
func Replay(ctx context.Context, dir string, steps []Step, replace *strings.Replacer) error {
	const mark = "\x1eend " // nothing prints this control character
	var script strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\nprintf '\\n%s%%s\\n' $?\n", replace.Replace(s.Command), mark)
	}
	script.WriteString("wait\n")
	shell := exec.CommandContext(ctx, "sh")
	shell.WaitDelay = time.Second // for what an unfinished command started
	shell.Dir = dir
	shell.Stdin = strings.NewReader(script.String())
	out, err := shell.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}

	rest := string(out)
	for _, s := range steps {
		printed, after, ended := strings.Cut(rest, mark)
		code, after, _ := strings.Cut(after, "\n")
		if status, bad := strconv.Atoi(code); !ended || bad != nil || status != 0 {
			return fmt.Errorf("line %d: %s\nended with status %q (%v), after printing:\n%s", s.Line, s.Command, code, err, printed)
		}
		if want := replace.Replace(s.Output); !matches(want, printed) {
			return fmt.Errorf("line %d: %s\nprinted:\n%s\nand the document says:\n%s", s.Line, s.Command, printed, want)
		}
		rest = after
	}
	return nil
}

// matches compares line by line, "..." being a wildcard.
func matches(want, got string) bool {
	var pattern strings.Builder
	for line := range strings.Lines(tidy(want)) {
		if strings.TrimSpace(line) == "..." {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "...")
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		pattern.WriteString(strings.Join(parts, ".*") + `\n`)
	}
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(tidy(got))
}

// tidy removes what one can not see: blanks and carriage returns at the ends of lines, empty lines at
// the end of the text. The result ends in a line break unless it is empty.
func tidy(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, " \t\r\n")) {
		b.WriteString(strings.TrimRight(line, " \t\r\n") + "\n")
	}
	return b.String()
}
