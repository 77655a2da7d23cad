package deploy

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat/deploy/internal/ini"
)

// add takes a section into the document.
func (x *expansion) add(s *ini.Section) {
	at := position{x.doc.file, s.Line}
	word, name, found := strings.Cut(s.Name, ":")
	kind, known := kinds[strings.TrimSpace(word)]
	name = strings.TrimSpace(name)
	switch {
	case !known && pythonLogging(s.Name):
		x.m.add(at, "[%s] configures the logging of Python, which is not here; remove the section", s.Name)
		return
	case !known:
		x.m.add(at, "there is no kind of section called %q; there are %s%s", word,
			strings.Join(slices.Sorted(maps.Keys(kinds)), ", "), meant(word, slices.Collect(maps.Keys(kinds))))
		return
	case !found || name == "":
		x.m.add(at, "the section has no name; write [%s:main], for example", kind)
		return
	}
	for _, other := range x.doc.sections {
		if other.name == name && class(other.kind) == class(kind) {
			x.m.add(at, "[%s] and [%s:%s] in line %d have the same name", s.Name, other.kind, name, other.at.line)
			return
		}
	}
	x.doc.sections = append(x.doc.sections, &section{kind: kind, name: name, at: at, keys: s.Keys, values: x.section(s)})
}

// class is what shares one set of names: all that can stand where an application is asked for.
func class(kind string) string {
	switch kind {
	case "app", "composite", "pipeline", "filter-app":
		return "app"
	}
	return kind
}

// pythonLogging reports whether a section is one of those that logging.config reads from the same files.
func pythonLogging(name string) bool {
	for _, word := range []string{"logger", "handler", "formatter"} {
		if name == word+"s" || strings.HasPrefix(name, word+"_") {
			return true
		}
	}
	return false
}

// find returns a section, or nil.
func (d *document) find(in, name string) *section {
	for _, s := range d.sections {
		if s.name == name && class(s.kind) == in {
			return s
		}
	}
	return nil
}

// names returns those of all sections of a class.
func (d *document) names(in string) (names []string) {
	for _, s := range d.sections {
		if class(s.kind) == in {
			names = append(names, s.name)
		}
	}
	return names
}

// override sets a value. A section for it is made where there is none.
func (d *document) override(o Override, m *mistakes) {
	kind, name, _ := strings.Cut(o.Section, ":")
	s := d.find(class(kind), name)
	at := position{o.From, 0}
	if s == nil {
		if kind != "server" {
			m.add(at, "there is no section [%s] in %s to put it in", o.Section, d.file)
			return
		}
		s = &section{kind: kind, name: name, at: at, values: map[string]value{}}
		d.sections = append(d.sections, s)
	}
	if _, ok := s.values[o.Key]; !ok {
		s.keys = append(slices.Clip(s.keys), o.Key)
	}
	s.values[o.Key] = value{o.Value, at}
}

// unusedDefaults reports names in [DEFAULT] that nothing asked for. As long as something else is wrong, not everything has been
// asked for, and only those are reported that look misspelt.
func (d *document) unusedDefaults(known []string, m *mistakes) {
	whole := len(m.all) == 0
	for name, v := range d.defaults {
		if hint := meant(name, known); !d.used[name] && (whole || hint != "") {
			m.add(v.at, "%s: nothing asks for this name, so that the line does nothing; remove it%s", name, hint)
		}
	}
}
