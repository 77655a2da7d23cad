package deploy

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// Mount is where an application can be reached.
type Mount struct {
	Host string // with the port, if the file says one; "" for any
	Path string // without a slash at its end; "" for the root of the site
}

// String returns "/path" or "host/path".
func (m Mount) String() string { return m.Host + cmp.Or((&url.URL{Path: m.Path}).EscapedPath(), "/") }

// below returns the mount of what is mounted in what is mounted here.
func (m Mount) below(inner Mount) Mount {
	return Mount{cmp.Or(inner.Host, m.Host), m.Path + inner.Path}
}

// node is an application section, and what it is made of. It is the application, too, once it is built.
type node struct {
	*options
	name    string
	section *section
	globals map[string]value // what sections around it have set
	factory string           // the factory, or one of the structures below
	edges   []edge
	filters []*filter // outermost first
	mounts  []Mount
	app     compat.Application
	state   buildState
	holder  *holder // its sessions, or nil
	page    compat.ErrorPage
	noted   bool // requests that it serves are told, because some error page depends on it
}

// Structures, which are no factories of the program.
const (
	urlmap   = "urlmap"
	cascade  = "cascade"
	pipeline = "pipeline"
)

// Call implements compat.Application.
func (n *node) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if n.noted {
		served(env.Request(), n)
	}
	return n.app.Call(env, start)
}

// edge leads to an application inside of another.
type edge struct {
	key   string
	place Mount // below that of the outer one
	on    string
	to    *node
}

// filter is one use of a filter.
type filter struct {
	*options
	name    string
	factory string
}

// planner finds out which applications there are, without making any.
type planner struct {
	loader *Loader
	doc    *document
	m      *mistakes
	nodes  map[string]*node
	order  []*node
	path   []string // the sections that are being planned, for cycles
}

// node plans the application of that name, which at asks for.
func (p *planner) node(name string, at position, globals map[string]value) *node {
	if i := slices.Index(p.path, name); i >= 0 {
		p.m.add(at, "the applications lead in a circle: %s", strings.Join(append(p.path[i:], name), ", "))
		return nil
	}
	if n := p.nodes[name]; n != nil {
		if !maps.Equal(n.globals, globals) {
			p.m.add(at, "%s is asked for twice, with different values set around it; add another section with use = app:%s", name, name)
		}
		return n
	}
	s := p.doc.find("app", name)
	if s == nil {
		p.m.add(at, "there is no application section of the name %s%s", name, meant(name, p.doc.names("app")))
		return nil
	}
	n := &node{name: name, section: s, globals: globals}
	p.nodes[name] = n
	p.path = append(p.path, name)
	defer func() { p.path = p.path[:len(p.path)-1] }()
	n.options = p.options(s, globals)
	switch s.kind {
	case "pipeline":
		p.pipeline(n)
	case "filter-app":
		n.factory = pipeline
		f := &filter{options: n.options, name: name, factory: p.filterFactory(n.options, p.loader.filters, "filter")}
		n.filters = append(n.filters, f)
		p.edge(n, "next", Mount{})
	default:
		p.use(n)
	}
	if f := p.filterWith(n.options); f != nil {
		n.filters = append(f, n.filters...)
	}
	p.order = append(p.order, n)
	return n
}

// options returns what a section says, by the rules of Paste Deploy for set, get and [DEFAULT].
func (p *planner) options(s *section, globals map[string]value) *options {
	o := &options{m: p.m, doc: p.doc, at: s.at, local: map[string]value{}, global: maps.Clone(p.doc.defaults), asked: map[string]bool{}}
	maps.Copy(o.global, globals)
	for _, key := range s.keys { // set comes before get, wherever they stand
		if name, ok := strings.CutPrefix(key, "set "); ok {
			o.global[strings.TrimSpace(name)] = s.values[key]
		}
	}
	for _, key := range s.keys {
		v := s.values[key]
		name, get := strings.CutPrefix(key, "get ")
		name = strings.TrimSpace(name)
		switch d, isDefault := p.doc.defaults[key]; {
		case strings.HasPrefix(key, "set "):
		case get:
			from, ok := o.global[v.text]
			if !ok {
				p.m.add(v.at, "%s: there is no %s in [DEFAULT]%s", key, v.text, meant(v.text, slices.Collect(maps.Keys(o.global))))
			}
			p.doc.used[v.text] = true
			o.local[name] = value{from.text, v.at}
		case isDefault && v.at.line > 0:
			p.m.add(v.at, "%s is in [DEFAULT] too, in line %d, and Paste Deploy leaves this line out then: write \"set %s\" to change it here",
				key, d.at.line, key)
		default:
			o.local[key] = v
		}
	}
	return o
}

// sets are what a section passes on to those inside of it.
func (p *planner) sets(n *node) map[string]value {
	sets := maps.Clone(n.globals)
	for _, key := range n.section.keys {
		if name, ok := strings.CutPrefix(key, "set "); ok {
			if sets == nil {
				sets = map[string]value{}
			}
			sets[strings.TrimSpace(name)] = n.section.values[key]
		}
	}
	return sets
}

// use follows the key use to a factory or structure, through sections whose options the node inherits.
func (p *planner) use(n *node) {
	seen := []string{n.name}
	for {
		name, at, ok := p.used(n.options)
		if !ok {
			return
		}
		section, explicit := strings.CutPrefix(name, "app:")
		if !explicit && (name == urlmap || name == cascade || p.loader.apps[name] != nil) {
			n.factory = name
			break
		}
		s := p.doc.find("app", section)
		switch {
		case s == nil:
			p.m.add(at, "use: there is no application %s: no section has this name, and the program knows %s%s", section,
				strings.Join(p.loader.appNames(), ", "), meant(section, append(p.loader.appNames(), p.doc.names("app")...)))
			return
		case slices.Contains(seen, section):
			p.m.add(at, "use: the sections lead in a circle: %s", strings.Join(append(seen, section), ", "))
			return
		case s.kind != "app" && s.kind != "composite":
			p.m.add(at, "use: %s can not be used for another section; only [app:] and [composite:] can", s.title())
			return
		}
		seen = append(seen, section)
		base := p.options(s, n.globals)
		delete(n.local, "use")
		maps.Copy(base.local, n.local)
		n.local = base.local
		for key, v := range base.global {
			if _, ok := n.section.values["set "+key]; !ok {
				n.global[key] = v
			}
		}
	}
	switch n.factory {
	case urlmap:
		p.urlmap(n)
	case cascade:
		p.cascade(n)
	}
}

// used returns what the key use says.
func (p *planner) used(o *options) (name string, at position, ok bool) {
	v, ok := o.find("use")
	if !ok {
		for key, v := range o.local {
			if strings.HasPrefix(key, "paste.") {
				o.asked[key] = true
				p.m.add(v.at, "%s names Python code; the program registers Go code by name: write use = NAME", key)
				return "", v.at, false
			}
		}
		p.m.add(o.at, "the section does not say what it is: write use = NAME")
		return "", o.at, false
	}
	name = strings.TrimPrefix(v.text, "egg:Paste#")
	if scheme, _, ok := strings.Cut(name, ":"); ok && scheme != "app" && scheme != "filter" {
		p.m.add(v.at, "use: %s: names Python code or another file; the program registers Go code by name: write use = NAME", scheme)
		return "", v.at, false
	}
	return name, v.at, true
}

// factory returns the name of a filter's factory.
func (p *planner) filterFactory(o *options, known map[string]FilterFactory, what string) string {
	name, at, ok := p.used(o)
	if ok && known[name] == nil {
		p.m.add(at, "use: there is no %s %s; the program knows %s%s", what, name,
			strings.Join(slices.Sorted(maps.Keys(known)), ", "), meant(name, slices.Collect(maps.Keys(known))))
		return ""
	}
	return name
}

// edge plans the application that a key names.
func (p *planner) edge(n *node, key string, place Mount) {
	v, ok := n.find(key)
	if !ok {
		p.m.add(n.at, "%s is missing: it names the application", key)
		return
	}
	if to := p.node(v.text, v.at, p.sets(n)); to != nil {
		n.edges = append(n.edges, edge{key: key, place: place, to: to})
	}
}

// keysInOrder returns the local keys by their lines.
func (n *node) keysInOrder() []string {
	return slices.SortedFunc(maps.Keys(n.local), func(a, b string) int {
		return cmp.Or(cmp.Compare(n.local[a].at.line, n.local[b].at.line), cmp.Compare(a, b))
	})
}
