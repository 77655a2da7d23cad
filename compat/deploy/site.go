package deploy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// App tells of an application of a site.
type App struct {
	Name    string // of its section
	Title   string // its name again unless the section says otherwise
	About   string // a sentence, or ""
	Factory string // what made it: the name under which the program knows it, or urlmap, cascade or pipeline
	Mounts  []Mount

	Manager  *core.Manager    // nil if it has no sessions
	Sessions *compat.Sessions // likewise
	Place    string           // of the manager's store, without user and password
	Share    bool
	Handover *compat.Handover // nil if its sessions stay on their host

	section string // as the file has it
	over    string // the section of the Handover
}

// Site is all that a configuration describes, ready to serve. Its methods may be called from several goroutines.
type Site struct {
	handler http.Handler
	root    compat.Application
	server  ServerConfig
	apps    []App
	unused  []string // which sections do nothing, in a sentence each
	over    []*handover
	pages   bool // some application has an error page of its own

	closing sync.Mutex                    // guards the following field
	closers []func(context.Context) error // the last one first
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Server returns what the section [server:main] says, with the defaults filled in.
func (s *Site) Server() ServerConfig { return s.server }

// Apps returns the applications that are mounted, in the order in which the file mounts them.
func (s *Site) Apps() []App { return slices.Clone(s.apps) }

// Sessions returns the sessions of a section, for handlers of the program that are outside of the site, or nil if
// it has none.
func (s *Site) Sessions(name string) *compat.Sessions {
	for _, a := range s.apps {
		if a.Name == name {
			return a.Sessions
		}
	}
	return nil
}

// Close closes the managers and the stores. Call it after the last request. The error tells what did not end
// in time. A later call does nothing.
func (s *Site) Close(ctx context.Context) error {
	s.closing.Lock()
	closers := s.closers
	s.closers = nil
	s.closing.Unlock()
	var errs []error
	for _, close := range slices.Backward(closers) {
		errs = append(errs, close(ctx))
	}
	return errors.Join(errs...)
}

// finish makes the site of what was built.
func (b *builder) finish(root *node, p *planner) {
	b.clashes()
	s := b.site
	for _, n := range p.order {
		if len(n.mounts) == 0 {
			continue
		}
		a := App{Name: n.name, section: n.section.kind + ":" + n.name, Title: oneLine(n.String("title", n.name)), About: oneLine(n.String("about", "")), Factory: n.factory, Mounts: n.mounts}
		if n.holder != nil {
			a.Sessions, a.Manager, a.Share = n.holder.sessions, n.holder.sessions.Manager(), n.holder.share
			a.Handover, a.over = n.holder.handover, n.holder.over
			a.Place = b.placeOf(a.Manager)
		}
		s.apps = append(s.apps, a)
		if write := s.server.WriteTimeout; a.Manager != nil && write > 0 && a.Manager.Config().LockWait >= write {
			n.Mistake("lock_wait", "requests may wait for a session for %s, and the server cuts them off after %s: make write_timeout in [server:main] longer",
				never(a.Manager.Config().LockWait), never(write))
		}
	}
	slices.SortStableFunc(s.apps, func(x, y App) int { return p.lineOf(x.Name) - p.lineOf(y.Name) })
	for _, section := range b.doc.sections {
		if class(section.kind) == "app" && p.nodes[section.name] == nil {
			s.unused = append(s.unused, section.title()+" is mounted nowhere")
		}
		if section.kind == "handover" {
			h := b.handover(section)
			if s.over = append(s.over, h); h.first == nil {
				s.unused = append(s.unused, section.title()+" is named by no application")
			}
		}
	}
	b.doc.unusedDefaults(b.known(p), b.m)
	if root == nil {
		return
	}
	s.root = root
	s.handler = compat.Handler(root, compat.HandlerConfig{ErrorPage: s.errorPage(), Logger: b.loader.log()})
	if s.pages {
		s.handler = serving(s.handler)
		for _, n := range p.order {
			n.noted = len(n.edges) == 0
		}
	}
	for _, around := range slices.Backward(b.around) {
		s.handler = around(s.handler)
	}
}

func (p *planner) lineOf(name string) int { return p.nodes[name].section.at.line }

func (b *builder) placeOf(m *core.Manager) string {
	for key, shared := range b.managers {
		if shared.m == m {
			return key.place
		}
	}
	return ""
}

// known are all options that anybody asked for.
func (b *builder) known(p *planner) (names []string) {
	for _, n := range p.order {
		for name := range n.asked {
			names = append(names, name)
		}
	}
	return names
}

// servingKey is where a request's context has the application that serves it, as a **node.
type servingKey struct{}

// serving makes room in a request for the application that serves it.
func serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), servingKey{}, new(*node))))
	})
}

func served(r *http.Request, n *node) {
	if at, ok := r.Context().Value(servingKey{}).(**node); ok {
		*at = n
	}
}

// errorPage answers with the page of the application that served, if it has one.
func (s *Site) errorPage() compat.ErrorPage {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if at, ok := r.Context().Value(servingKey{}).(**node); ok && *at != nil && (*at).page != nil {
			(*at).page(w, r, err)
			return
		}
		compat.DefaultErrorPage(w, r, err)
	}
}
