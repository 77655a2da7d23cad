package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// closeTimeout bounds the closing of what was never used.
const closeTimeout = 10 * time.Second

type buildState uint8

const (
	unbuilt buildState = iota
	building
	built
)

// builder makes what was planned.
type builder struct {
	ctx       context.Context
	loader    *Loader
	doc       *document
	m         *mistakes
	pool      *storePool
	site      *Site
	nodes     map[string]*node
	stores    map[string]*pooled // by section
	managers  map[managerKey]*shared
	holders   []*holder
	handovers map[string]*handover // by section
	around    []func(http.Handler) http.Handler

	serverKeys []string // what [server:main] was asked for
}

type managerKey struct{ place, id string }

// shared is a manager, and who asked for it first.
type shared struct {
	m     *core.Manager
	by    *Section
	share bool
}

// holder is an application that has sessions of its own.
type holder struct {
	node     *node
	sessions *compat.Sessions
	share    bool

	handover *compat.Handover // nil without
	over     string           // the name of its section
}

// failed is the application in the place of one that could not be made. It never serves.
var failed = compat.ApplicationFunc(func(*compat.Environ, compat.StartResponse) (compat.Body, error) {
	return nil, errors.New("deploy: the application was not made")
})

// build makes the application of a node. Those inside of it are made already.
func (b *builder) build(n *node) {
	if n.state != unbuilt {
		return
	}
	n.state = building
	s := &Section{options: n.options, b: b, name: n.name, node: n, mounts: n.mounts}
	s.Title()
	s.About()
	app, err := b.application(n, s)
	switch {
	case errors.Is(err, ErrReported):
	case err != nil:
		s.Mistake("", "%v", err)
	}
	if app == nil || err != nil {
		app = failed
	}
	if n.holder != nil {
		app = n.holder.wrap(app)
		b.reaches(s, n.holder.sessions)
	}
	n.app = b.filtered(n, app)
	if err == nil && n.factory != "" { // else not all options were asked for
		n.unknown()
	}
	n.state = built
}

func (b *builder) application(n *node, s *Section) (app compat.Application, err error) {
	switch n.factory {
	case "":
		return failed, nil // reported
	case pipeline:
		if len(n.edges) == 0 {
			return failed, nil
		}
		return n.edges[0].to, nil
	case urlmap:
		m := new(compat.URLMap)
		for _, e := range n.edges {
			if e.key == notFoundApp {
				m.NotFound = e.to
			} else if err := m.Add(e.on, e.to); err != nil {
				s.Mistake(e.key, "%v", err)
			}
		}
		return m, nil
	case cascade:
		return b.cascade(n, s)
	}
	defer caught(n.factory, &err)
	app, err = b.loader.apps[n.factory](s)
	if err == nil && app == nil {
		err = fmt.Errorf("the factory %s made no application", n.factory)
	}
	return app, err
}

// caught makes an error of a panic: a reload must not end the program.
func caught(factory string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the factory %s panicked: %v", factory, p)
	}
}

// middleware calls the factory of a filter.
func (b *builder) middleware(name string, s *Section) (mw compat.Middleware, err error) {
	defer caught(name, &err)
	return b.loader.filters[name](s)
}

func (b *builder) cascade(n *node, s *Section) (compat.Application, error) {
	cfg := compat.CascadeConfig{Memory: s.Size("memory", 0), MaxBody: s.Size("max_body", 0)}
	for _, word := range s.List("catch") {
		var status int
		if _, err := fmt.Sscanf(word, "%d", &status); err != nil || fmt.Sprint(status) != word {
			s.Mistake("catch", "%q is no status", word)
			continue
		}
		cfg.Catch = append(cfg.Catch, status)
	}
	var apps []compat.Application
	for _, e := range n.edges {
		apps = append(apps, e.to)
	}
	if len(apps) == 0 {
		return failed, nil // reported
	}
	return compat.NewCascade(cfg, apps...)
}

// filtered puts the node's filters around an application.
func (b *builder) filtered(n *node, app compat.Application) compat.Application {
	middleware := make([]compat.Middleware, 0, len(n.filters))
	for _, f := range n.filters {
		s := &Section{options: f.options, b: b, name: f.name, mounts: n.mounts}
		switch f.factory {
		case "":
			continue // reported
		case retry:
			b.retry(s, n.name == "main" && len(middleware) == 0)
			if f.options != n.options {
				f.unknown()
			}
			continue
		}
		mw, err := b.middleware(f.factory, s)
		switch {
		case errors.Is(err, ErrReported):
		case err != nil:
			s.Mistake("", "%v", err)
		case mw == nil:
			s.Mistake("", "the factory %s made no filter", f.factory)
		default:
			middleware = append(middleware, mw)
		}
		if err == nil && f.options != n.options {
			f.unknown()
		}
	}
	return compat.Chain(middleware...)(app)
}

// manager returns the manager of a section, its own or one that it shares.
func (b *builder) manager(s *Section, st *pooled, cfg core.Config) (*core.Manager, error) {
	id := s.String("manager", s.name)
	share := s.Bool("share", false)
	first := b.managers[managerKey{st.place, id}]
	if first == nil {
		m, err := core.New(id, st.store, cfg)
		if err != nil {
			s.Mistake("", "%v", err)
			return nil, ErrReported
		}
		b.managers[managerKey{st.place, id}] = &shared{m, s, share}
		b.site.closers = append(b.site.closers, m.Close)
		return m, nil
	}
	if !share || !first.share {
		s.Mistake("manager", "it would have the same sessions as [%s] in line %d: the manager id %q in %s; "+
			"give one of them another manager id or store, or write share = yes in both", first.by.name, first.by.at.line, id, st.place)
	} else if differ := differences(first.m, id, st, cfg); differ != "" {
		s.Mistake("manager", "it shares its sessions with [%s] in line %d, but has another %s; all who share must agree",
			first.by.name, first.by.at.line, differ)
	}
	return first.m, nil
}

// differences tells in which options a config differs from that of a manager.
func differences(m *core.Manager, id string, st *pooled, cfg core.Config) string {
	probe, err := core.New(id, st.store, cfg) // fills the defaults in
	if err != nil {
		return "configuration: " + err.Error()
	}
	a, b := m.Config(), probe.Config()
	_ = probe.Close(context.Background()) // it has done nothing
	var differ []string
	for _, d := range []struct {
		name string
		same bool
	}{
		{"locking", a.Locking == b.Locking}, {"save", a.Save == b.Save},
		{"idle_timeout", a.IdleTimeout == b.IdleTimeout}, {"absolute_timeout", a.AbsoluteTimeout == b.AbsoluteTimeout},
		{"touch_interval", a.TouchInterval == b.TouchInterval}, {"sweep_interval", a.SweepInterval == b.SweepInterval},
		{"lease", a.Lease == b.Lease}, {"lock_wait", a.LockWait == b.LockWait}, {"commit_timeout", a.CommitTimeout == b.CommitTimeout},
		{"max_waiters", a.MaxWaiters == b.MaxWaiters}, {"max_size", a.MaxSize == b.MaxSize}, {"corrupt", a.Corrupt == b.Corrupt},
		{"codec", fmt.Sprintf("%T", a.Codec) == fmt.Sprintf("%T", b.Codec)},
	} {
		if !d.same {
			differ = append(differ, d.name)
		}
	}
	return strings.Join(differ, ", ")
}

// sessionsOf returns the sessions of another section.
func (b *builder) sessionsOf(s *Section, name string) (*compat.Sessions, error) {
	other := b.nodes[name]
	switch {
	case other == nil || len(other.mounts) == 0:
		s.Mistake("sessions", "no application of the name %s is mounted%s", name, meant(name, s.doc.names("app")))
		return nil, ErrReported
	case other.state == building:
		s.Mistake("sessions", "the sections ask each other for their sessions: %s and %s", s.name, name)
		return nil, ErrReported
	}
	b.build(other)
	if other.holder == nil {
		s.Mistake("sessions", "%s has no sessions of its own", name)
		return nil, ErrReported
	}
	s.node.holder = other.holder
	return other.holder.sessions, nil
}

// reaches reports a cookie that browsers would not send to the application.
func (b *builder) reaches(s *Section, sessions *compat.Sessions) {
	cookie, _ := sessions.Cookie()
	path, err := url.PathUnescape(cookie.Path)
	if err != nil {
		return
	}
	for _, m := range s.mounts {
		host, _, err := net.SplitHostPort(m.Host)
		if err != nil {
			host = m.Host
		}
		if cookie.Domain != "" && host != "" && !within(host, cookie.Domain) {
			s.Mistake("cookie_domain", "browsers do not take a cookie for %s from %s", cookie.Domain, m)
		}
		if overlap(path, m.Path) {
			continue
		}
		key := "cookie_path"
		if s.node.holder.node != s.node {
			key = "sessions"
		}
		s.Mistake(key, "the session cookie %s has the path %s, and browsers do not send it to %s", cookie.Name, cookie.Path, cmp.Or(m.Path, "/"))
	}
}
