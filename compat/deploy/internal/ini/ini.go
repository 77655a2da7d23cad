// Package ini reads configuration files as Python's configparser does, with its BasicInterpolation and with names that
// keep their case: the form of Paste Deploy's files. Each value knows its line.
//
// It refuses what configparser lets pass and nobody can have meant: text behind a section's name, a [DEFAULT] that is
// there twice, control characters, and bytes that are not UTF-8.
package ini

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultName is the section whose values all others have too.
const DefaultName = "DEFAULT"

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Problem is a mistake in a file. Its text shows no value, because values may be secret.
type Problem struct {
	Line int // from 1
	Text string
}

// Value is what stands behind a key.
type Value struct {
	Text string // before interpolation; continuation lines are joined by line breaks
	Line int    // where the key stands
}

// Section is a part of a file.
type Section struct {
	Name   string
	Line   int
	Keys   []string // in the file's order
	Values map[string]Value
}

// File is a whole file.
type File struct {
	Default  *Section   // never nil
	Sections []*Section // the others, in the file's order
}

// Parse reads a file. It goes on after a problem, so that all of them are found at once; a file that has problems is not
// whole.
func Parse(data []byte) (*File, []Problem) {
	p := &parser{file: &File{Default: newSection(DefaultName, 0)}, names: map[string]int{}}
	if len(data) > MaxSize {
		p.line = 1
		p.bad("the file is %d bytes long, and at most %d are read", len(data), MaxSize)
		return p.file, p.problems
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	for line := range lines(data) {
		p.line++
		if p.readable(line) {
			p.next(string(line))
		}
	}
	p.endValue()
	return p.file, p.problems
}

// lines cuts at line feeds, carriage returns, and both together, as Python's universal newlines do.
func lines(data []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			end, skip := bytes.IndexAny(data, "\r\n"), 1
			switch {
			case end < 0:
				end, skip = len(data), 0
			case bytes.HasPrefix(data[end:], []byte("\r\n")):
				skip = 2
			}
			if !yield(data[:end]) {
				return
			}
			data = data[end+skip:]
		}
	}
}

type parser struct {
	file     *File
	problems []Problem
	names    map[string]int // of sections, with their lines
	line     int

	section *Section
	key     string   // the last one, or "" right behind a section's name
	values  []string // its lines
	indent  int      // of the last key or section's name; a line that has more belongs to it
	lost    bool     // the last key was refused, and what continues it is none of ours
}

func newSection(name string, line int) *Section {
	return &Section{Name: name, Line: line, Values: map[string]Value{}}
}

func (p *parser) bad(format string, args ...any) {
	p.problems = append(p.problems, Problem{p.line, fmt.Sprintf(format, args...)})
}

func (p *parser) readable(line []byte) bool {
	if !utf8.Valid(line) {
		p.bad("the line is not in UTF-8; save the file in that encoding")
		return false
	}
	for _, c := range string(line) {
		if unicode.IsControl(c) && c != '\t' {
			p.bad("the line has a control character, U+%04X", c)
			return false
		}
	}
	return true
}

func (p *parser) next(line string) {
	text := strings.TrimSpace(line)
	switch {
	case text == "":
		if p.key != "" { // it may be inside a value
			p.values = append(p.values, "")
		}
		return
	case text[0] == '#' || text[0] == ';':
		return
	}
	indent := utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeftFunc(line, unicode.IsSpace))
	switch {
	case indent > p.indent && p.key != "":
		p.values = append(p.values, text)
		return
	case indent > p.indent && p.lost:
		return
	}
	p.endValue()
	p.indent, p.lost = indent, false
	if text[0] == '[' {
		p.header(text)
	} else {
		p.option(text)
	}
}

func (p *parser) header(text string) {
	name, rest := text[1:], ""
	end := strings.LastIndexByte(name, ']')
	if end >= 0 {
		name, rest = name[:end], name[end+1:]
	}
	p.section = newSection(name, p.line) // what follows is read in any case
	switch first, again := p.names[name]; {
	case end < 0:
		p.bad("the section's name has no ] at its end")
		return
	case name == "":
		p.bad("the section has no name")
		return
	case rest != "":
		p.bad("there is text behind the section's name; put comments on lines of their own")
	case again:
		p.bad("[%s] is there already, in line %d", name, first)
		return
	}
	p.names[name] = p.line
	if name == DefaultName {
		p.file.Default = p.section
		return
	}
	p.file.Sections = append(p.file.Sections, p.section)
}

func (p *parser) option(text string) {
	p.lost = true
	end := strings.IndexAny(text, "=:")
	switch {
	case p.section == nil:
		p.bad("there is no [section] before this line")
		return
	case end < 0:
		p.bad("the line is no section, key = value or comment, and no continuation, which would be indented more than its key")
		return
	}
	key := strings.TrimSpace(text[:end])
	first, again := p.section.Values[key]
	switch {
	case key == "":
		p.bad("there is no key before the %q", text[end])
		return
	case again:
		p.bad("%s is there already, in line %d", key, first.Line)
		return
	}
	p.lost = false
	p.key, p.values = key, []string{strings.TrimSpace(text[end+1:])}
	p.section.Keys = append(p.section.Keys, key)
	p.section.Values[key] = Value{"", p.line}
}

// endValue keeps the value that has been read.
func (p *parser) endValue() {
	if p.key == "" {
		return
	}
	v := p.section.Values[p.key]
	v.Text = strings.TrimRightFunc(strings.Join(p.values, "\n"), unicode.IsSpace)
	p.section.Values[p.key] = v
	p.key, p.values = "", nil
}
