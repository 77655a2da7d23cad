package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdover-web/holdover/compat/deploy/internal/ini"
)

// Source is where a configuration comes from. It is read anew with each load.
type Source struct {
	name string
	here string
	read func() ([]byte, error)
}

// FromFile returns the source that is a file. %(here)s is its folder.
func FromFile(path string) Source {
	return Source{name: path, here: filepath.Dir(path), read: func() ([]byte, error) { return readFile(path) }}
}

// FromText returns a source of the given text, one that is built into a program for example. name stands for
// it in mistakes, and %(here)s is the working directory.
func FromText(name, text string) Source {
	return Source{name: name, here: ".", read: func() ([]byte, error) { return []byte(text), nil }}
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, pathErr.Err // the path is told anyway
	}
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no plain file, which could be read again")
	case info.Size() > ini.MaxSize:
		return nil, fmt.Errorf("the file is %d bytes long, and at most %d are read", info.Size(), ini.MaxSize)
	}
	return os.ReadFile(path)
}

// Override puts a value in the place of what the file says, or adds it: for flags of the command line.
type Override struct {
	Section, Key string
	Value        string // taken literally
	From         string // stands for file and line in mistakes, such as "-store"
}

// value is the value of a key.
type value struct {
	text string
	at   position
}

// section is a section as it stands in the file, with its values expanded.
type section struct {
	kind, name string // what is before and after the colon
	at         position
	keys       []string // its own, in the file's order
	values     map[string]value
}

func (s *section) title() string { return "[" + s.kind + ":" + s.name + "]" }

// document is a whole file.
type document struct {
	file     string
	here     string
	defaults map[string]value
	used     map[string]bool // names of defaults that somebody asked for
	sections []*section
}

// kinds are the sections that there are, and what they are called here.
var kinds = map[string]string{
	"app": "app", "application": "app", "composite": "composite", "composit": "composite", "pipeline": "pipeline",
	"filter-app": "filter-app", "filter": "filter", "server": "server", "store": "store", "handover": "handover",
}

// readDocument reads a source. Everything that is wrong goes to m.
func readDocument(src Source, vars map[string]string, overrides []Override, m *mistakes) *document {
	doc := &document{file: src.name, defaults: map[string]value{}, used: map[string]bool{}}
	data, err := src.read()
	if err != nil {
		m.add(position{src.name, 0}, "%v", err)
		return doc
	}
	file, problems := ini.Parse(data)
	for _, p := range problems {
		m.add(position{src.name, p.Line}, "%s", p.Text)
	}
	here, err := filepath.Abs(src.here)
	if err != nil {
		m.add(position{src.name, 0}, "%v", err)
	}
	doc.here = here
	x := expansion{doc: doc, m: m, file: file, vars: map[string]string{
		"here": ini.Escape(here), "__file__": ini.Escape(filepath.Join(here, filepath.Base(src.name)))}}
	for name, text := range vars {
		x.vars[name] = ini.Escape(text)
	}
	doc.defaults = x.section(file.Default)
	for _, s := range file.Sections {
		x.add(s)
	}
	for _, o := range overrides {
		doc.override(o, m)
	}
	return doc
}

// expansion expands the values of a file.
type expansion struct {
	doc  *document
	m    *mistakes
	file *ini.File
	vars map[string]string
}

func (x *expansion) section(s *ini.Section) map[string]value {
	values := make(map[string]value, len(s.Keys))
	for _, key := range s.Keys {
		v := s.Values[key]
		at := position{x.doc.file, v.Line}
		text, err := ini.Expand(v.Text, func(name string) (string, bool) { return x.lookup(s, name) })
		if err != nil {
			x.m.add(at, "%s: %v", key, err)
		}
		values[key] = value{text, at}
	}
	return values
}

func (x *expansion) lookup(s *ini.Section, name string) (string, bool) {
	if v, ok := s.Values[name]; ok {
		x.doc.used[name] = x.doc.used[name] || s == x.file.Default
		return v.Text, true
	}
	if v, ok := x.file.Default.Values[name]; ok {
		x.doc.used[name] = true
		return v.Text, true
	}
	v, ok := x.vars[name]
	return v, ok
}
