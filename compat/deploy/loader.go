package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// AppFactory makes the application of a section. It asks the section for its options and for what it needs, and
// should ask for all options before it gives up. Its error is reported at the section's first line.
type AppFactory func(s *Section) (compat.Application, error)

// FilterFactory makes a filter; see AppFactory.
type FilterFactory func(s *Section) (compat.Middleware, error)

// Loader turns configurations into sites. The program tells it which applications and filters there are. Set it up
// first; then its methods Load and Check may be called from several goroutines.
type Loader struct {
	// Vars are names for %(name)s, beside here and __file__. Their values are taken literally.
	Vars map[string]string

	// Overrides take the place of values of the file.
	Overrides []Override

	// OpenStore opens stores. Default core.OpenStore.
	OpenStore func(ctx context.Context, url string) (core.Store, error)

	// Logger is that of managers, sessions and handlers. Default: nothing is logged.
	Logger *slog.Logger

	apps    map[string]AppFactory
	filters map[string]FilterFactory
}

// NewLoader returns a loader that knows the applications urlmap, cascade and static, and the filters
// addslash, lint and retry.
func NewLoader() *Loader {
	return &Loader{
		apps:    map[string]AppFactory{"static": newStatic},
		filters: map[string]FilterFactory{"addslash": newAddSlash, "lint": newLint, retry: aroundAll},
	}
}

// App makes an application known under a name, which sections ask for by use = NAME. It panics if the name is taken
// or f is nil.
func (l *Loader) App(name string, f AppFactory) {
	if f == nil || l.apps[name] != nil || name == urlmap || name == cascade {
		panic(fmt.Sprintf("deploy: Loader.App: %q is taken, or its factory is nil", name))
	}
	l.apps[name] = f
}

// Filter makes a filter known under a name; see App.
func (l *Loader) Filter(name string, f FilterFactory) {
	if f == nil || l.filters[name] != nil {
		panic(fmt.Sprintf("deploy: Loader.Filter: %q is taken, or its factory is nil", name))
	}
	l.filters[name] = f
}

func (l *Loader) appNames() []string {
	return slices.Sorted(maps.Keys(withStructures(l.apps)))
}

func withStructures(apps map[string]AppFactory) map[string]bool {
	names := map[string]bool{urlmap: true, cascade: true}
	for name := range apps {
		names[name] = true
	}
	return names
}

func (l *Loader) filterNames() []string { return slices.Sorted(maps.Keys(l.filters)) }

func (l *Loader) log() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}

// Load reads a configuration and makes all that it describes: opens the stores, builds the managers and the applications.
// It does not listen. ctx bounds the opening of stores. The caller closes the site.
//
// If anything is wrong with the configuration, the error is Mistakes with all of it, and nothing stays open.
func (l *Loader) Load(ctx context.Context, src Source) (*Site, error) {
	return l.load(ctx, src, newStorePool(l))
}

func (l *Loader) load(ctx context.Context, src Source, pool *storePool) (*Site, error) {
	m := new(mistakes)
	doc := readDocument(src, l.Vars, l.Overrides, m)
	if len(m.all) > 0 && len(doc.sections) == 0 {
		return nil, m.err()
	}
	b := &builder{ctx: ctx, loader: l, doc: doc, m: m, pool: pool, site: new(Site), stores: map[string]*pooled{},
		managers: map[managerKey]*shared{}}
	b.server()
	p := &planner{loader: l, doc: doc, m: m, nodes: map[string]*node{}}
	root := p.node("main", position{doc.file, 0}, nil)
	if root != nil {
		mount(root, Mount{})
	}
	b.nodes = p.nodes
	for _, n := range p.order {
		b.build(n)
	}
	b.finish(root, p)
	if err := m.err(); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = b.site.Close(closing) // the mistakes are what matters
		return nil, err
	}
	return b.site, nil
}
