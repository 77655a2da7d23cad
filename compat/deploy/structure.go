package deploy

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// notPlaces are the keys of a urlmap that are no places.
var notPlaces = []string{"use", "title", "about", "filter-with", notFoundApp}

const notFoundApp = "not_found_app"

// urlmap reads a section that dispatches by host and path: each key is a place, each value an application.
func (p *planner) urlmap(n *node) {
	empty := true
	for _, key := range n.keysInOrder() {
		if slices.Contains(notPlaces, key) {
			continue
		}
		empty = false
		v, _ := n.find(key)
		if key == "http" || key == "https" {
			p.m.add(v.at, "%s: the colon ends the key, as in Python: write domain HOST port PORT /path = NAME", key)
			continue
		}
		on, err := compat.ParsePlace(key)
		var probe compat.URLMap
		if err == nil {
			err = probe.Add(on, n) // which application it is makes no difference
		}
		if err != nil {
			p.m.add(v.at, "%s", strings.TrimPrefix(err.Error(), "compat: "))
			continue
		}
		place := parseMount(probe.Places()[0])
		if i := slices.IndexFunc(n.edges, func(e edge) bool { return e.place == place && e.key != notFoundApp }); i >= 0 {
			p.m.add(v.at, "%s: the place is taken, in line %d", key, n.local[n.edges[i].key].at.line)
			continue
		}
		p.edge(n, key, place)
		if last := len(n.edges) - 1; last >= 0 && n.edges[last].key == key {
			n.edges[last].on = on
		}
	}
	if empty {
		p.m.add(n.at, "nothing is mounted: write / = NAME, for example")
	}
	if _, ok := n.Lookup(notFoundApp); ok {
		p.edge(n, notFoundApp, Mount{})
	}
}

// parseMount reads what URLMap.Places returns.
func parseMount(place string) Mount {
	u, err := url.Parse(place)
	if err != nil {
		return Mount{Path: place} // it has been parsed before
	}
	return Mount{u.Host, strings.TrimRight(u.Path, "/")}
}

// cascade reads a section that asks several applications in turn: those of all keys that begin with app, by name.
func (p *planner) cascade(n *node) {
	var keys []string
	for key := range n.local {
		if strings.HasPrefix(key, "app") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for i := 1; i < len(keys); i++ {
		a, b := strings.TrimPrefix(keys[i-1], "app"), strings.TrimPrefix(keys[i], "app")
		x, errX := strconv.Atoi(a)
		y, errY := strconv.Atoi(b)
		if errX == nil && errY == nil && x > y {
			n.Mistake(keys[i], "it is asked after %s, for names are sorted as texts; write app0%s", keys[i-1], b)
		}
	}
	for _, key := range keys {
		p.edge(n, key, Mount{})
	}
	if len(keys) == 0 {
		p.m.add(n.at, "there is no application to ask: write app1 = NAME, app2 = NAME")
	}
}

// pipeline reads a section that puts filters around an application.
func (p *planner) pipeline(n *node) {
	n.factory = pipeline
	v, ok := n.find("pipeline")
	words := n.List("pipeline")
	if !ok || len(words) == 0 {
		p.m.add(n.at, "pipeline is missing: it lists filters, the outermost first, and then the application")
		return
	}
	last := len(words) - 1
	for _, word := range words[:last] {
		n.filters = append(n.filters, p.filter(word, v.at)...)
	}
	if to := p.node(words[last], v.at, p.sets(n)); to != nil {
		n.edges = append(n.edges, edge{key: "pipeline", to: to})
	}
}

// filterWith returns the filters that the key filter-with puts around a section.
func (p *planner) filterWith(o *options) []*filter {
	v, ok := o.find("filter-with")
	if !ok {
		return nil
	}
	return p.filter(v.text, v.at)
}

// filter returns the filter of that name, a section's or a factory's, and those around it.
func (p *planner) filter(name string, at position) []*filter {
	path := "filter " + name
	if slices.Contains(p.path, path) {
		p.m.add(at, "the filter %s is around itself", name)
		return nil
	}
	p.path = append(p.path, path)
	defer func() { p.path = p.path[:len(p.path)-1] }()
	s := p.doc.find("filter", name)
	if s == nil {
		if name = strings.TrimPrefix(name, "egg:Paste#"); p.loader.filters[name] == nil {
			p.m.add(at, "there is no filter %s: no section [filter:%s], and the program knows %s%s", name, name,
				strings.Join(p.loader.filterNames(), ", "), meant(name, append(p.loader.filterNames(), p.doc.names("filter")...)))
			return nil
		}
		s = &section{kind: "filter", name: name, at: at, values: map[string]value{"use": {name, at}}, keys: []string{"use"}}
	}
	f := &filter{options: p.options(s, nil), name: s.name}
	f.factory = p.filterFactory(f.options, p.loader.filters, "filter")
	return append(p.filterWith(f.options), f)
}

// maxMounts is at how many places an application can be. Maps in maps multiply.
const maxMounts = 1000

// mount tells an application, and those inside, where it can be reached.
func mount(n *node, at Mount) {
	switch {
	case slices.Contains(n.mounts, at):
		return // and so are those inside
	case len(n.mounts) == maxMounts:
		n.Mistake("", "it is mounted at more than %d places", maxMounts)
		return
	}
	n.mounts = append(n.mounts, at)
	for _, e := range n.edges {
		mount(e.to, at.below(e.place))
	}
}
