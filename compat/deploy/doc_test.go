package deploy

import (
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// keysIn returns what the tables below a heading of docs/config.md have in their first column, with the second.
func keysIn(t *testing.T, heading string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/config.md has no part %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	keys := map[string]string{}
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.SplitSeq(part, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			keys[m[1]] = strings.Trim(strings.TrimSpace(cells[2]), "`")
		}
	}
	return keys
}

// probe loads a configuration and returns the options that were asked for, by section.
func probe(t *testing.T, text string) (asked map[string][]string, table string) {
	t.Helper()
	l := NewLoader()
	asked = map[string][]string{}
	note := func(s *Section) { asked[s.name] = slices.Sorted(maps.Keys(s.asked)) }
	l.App("app", func(s *Section) (compat.Application, error) {
		_, err := s.Sessions(core.Config{}, compat.SessionsConfig{})
		return failed, err
	})
	l.Filter("note", func(s *Section) (compat.Middleware, error) {
		return func(a compat.Application) compat.Application { return a }, nil
	})
	m := new(mistakes)
	doc := readDocument(FromText("test", text), nil, nil, m)
	site := &Site{}
	b := &builder{ctx: t.Context(), loader: l, doc: doc, m: m, pool: newStorePool(l), site: site, stores: map[string]*pooled{},
		managers: map[managerKey]*shared{}}
	b.server()
	p := &planner{loader: l, doc: doc, m: m, nodes: map[string]*node{}}
	mount(p.node("main", position{}, nil), Mount{})
	b.nodes = p.nodes
	for _, n := range p.order {
		b.build(n)
		note(&Section{options: n.options, name: n.name})
		for _, f := range n.filters {
			note(&Section{options: f.options, name: "filter " + f.name})
		}
	}
	b.finish(p.nodes["main"], p)
	for name, h := range b.handovers {
		asked["handover "+name] = slices.Sorted(maps.Keys(h.asked))
	}
	if err := m.err(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := site.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	if err := site.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return asked, out.String()
}

// docs/config.md has the keys that there are, and their defaults.
func TestDocumentedKeys(t *testing.T) {
	asked, table := probe(t, `
[server:main]
[store:main]
url = memory:
[pipeline:main]
pipeline = retry lint note map
[filter:note]
use = note
[composite:map]
use = urlmap
/a = a
/b = b
/c = c
/d = d
not_found_app = a
[app:a]
use = app
handover = hosts
[handover:hosts]
sites = http://a.example http://b.example
key = 0123456789abcdef0123456789abcdef
[composite:b]
use = cascade
app1 = a
[filter-app:c]
use = addslash
next = a
[app:d]
use = app
sessions = a
`)
	same := func(heading string, documented map[string]string, keys []string, but ...string) {
		t.Helper()
		keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(but, k) })
		if diff := cmp.Diff(slices.Sorted(slices.Values(keys)), slices.Sorted(maps.Keys(documented))); diff != "" {
			t.Errorf("%s: (-the code +the document)\n%s", heading, diff)
		}
	}
	apps := keysIn(t, "[app:NAME]")
	same("app", apps, asked["a"])
	handovers := keysIn(t, "[handover:NAME]")
	same("handover", handovers, asked["handover hosts"])
	same("urlmap", keysIn(t, "[composite:NAME] with use = urlmap"), asked["map"], "use", "/a", "/b", "/c", "/d")
	cascade := keysIn(t, "[composite:NAME] with use = cascade")
	delete(cascade, "app...")
	same("cascade", cascade, asked["b"], "use", "app1")
	pipeline := keysIn(t, "[pipeline:NAME], [filter-app:NAME], [filter:NAME]")
	for _, filter := range []string{"addslash", "lint", "retry", "use ="} {
		delete(pipeline, filter)
	}
	same("pipeline and filter-app", pipeline, append(slices.Clone(asked["main"]), "next", "use"))
	for name, keys := range map[string]string{"lint": "filter lint", "retry": "filter retry"} {
		documented := keysIn(t, "[pipeline:NAME], [filter-app:NAME], [filter:NAME]")[name]
		for _, key := range asked[keys] {
			if key != "use" && key != "filter-with" && !strings.Contains(documented, "`"+key+"`") && !strings.Contains(documented+"`", key+"`") {
				t.Errorf("%s: %s is not in %q", name, key, documented)
			}
		}
	}

	server := keysIn(t, "[server:main]")
	b := &builder{doc: &document{sections: []*section{{kind: "server", name: "main"}}}, m: new(mistakes), site: new(Site), loader: NewLoader()}
	b.server()
	same("server", server, b.serverKeys)

	// Defaults, as -check shows them.
	_, first, _ := strings.Cut(table, "[server:main]\n")
	_, app, _ := strings.Cut(table, "[app:a]\n")
	_, over, _ := strings.Cut(table, "[handover:hosts]\n")
	for part, documented := range map[string]map[string]string{first: server, app: apps, over: handovers} {
		part, _, _ = strings.Cut(part, "\n\n")
		for line := range strings.SplitSeq(part, "\n") {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			want, ok := documented[key]
			if !ok || slices.Contains([]string{"manager", "store", "use", "sites", "handover"}, key) {
				continue
			}
			if value = strings.TrimSpace(value); value != want {
				t.Errorf("%s: the document says %q, the code %q", key, want, value)
			}
		}
	}
}
