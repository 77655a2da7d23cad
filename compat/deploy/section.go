package deploy

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Section is what a factory gets: the section that it makes something for, with its options and with what it says about
// sessions. It is for the one goroutine that calls the factory, and until the factory returns.
//
// Options are asked for by name. A method that finds a wrong value reports it and returns the default, so that
// the factory goes on and all mistakes are found at once. An option that nobody asks for is a mistake too.
type Section struct {
	*options
	b      *builder
	name   string
	node   *node // nil for a filter
	mounts []Mount
}

// Name returns the section's name, what stands behind the colon.
func (s *Section) Name() string { return s.name }

// Title returns the option title, what people call the application; by default the section's name.
func (s *Section) Title() string { return oneLine(s.String("title", s.name)) }

// oneLine takes the line breaks out of a value that is continued.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// About returns the option about, a sentence for people, or "".
func (s *Section) About() string { return oneLine(s.String("about", "")) }

// Mounts returns where the application can be reached, at least one place.
func (s *Section) Mounts() []Mount { return slices.Clone(s.mounts) }

// Prefix returns the one path that leads to the application, for those that have to know it: "" or "/path". It is
// a mistake if there are several.
func (s *Section) Prefix() string {
	for _, m := range s.mounts[1:] {
		if m.Path != s.mounts[0].Path {
			s.Mistake("", "the application is mounted at %s and at %s, and has to know its one path; "+
				"add a second section with use = app:%s", s.mounts[0], m, s.name)
			break
		}
	}
	return s.mounts[0].Path
}

// Site returns the site that is being made. What it has mounted is known when it serves, and not before.
func (s *Section) Site() *Site { return s.b.site }

// Here returns the folder of the file, %(here)s.
func (s *Section) Here() string { return s.doc.here }

// Logger returns where the program logs.
func (s *Section) Logger() *slog.Logger { return s.b.loader.log() }

// ErrorPage makes the application's failures, and those of its sessions, be answered by page.
func (s *Section) ErrorPage(page compat.ErrorPage) {
	if s.node != nil {
		s.node.page = page
		s.b.site.pages = true
	}
}

// OnClose has close called when the site closes, after the last request. Those that were added last are called first.
func (s *Section) OnClose(close func(ctx context.Context) error) {
	s.b.site.closers = append(s.b.site.closers, close)
}

// Store returns the store that the option store names; by default the only one there is. The site closes it.
// The error is ErrReported.
func (s *Section) Store() (core.Store, error) {
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	return st.store, nil
}

// Manager returns the manager of the application's sessions. base is what holds where the section says nothing;
// docs/config.md lists the options. Its id is the option manager, by default the section's name. The site closes it.
//
// Two sections with one manager id on one store get the same manager if both say share = yes, and are a
// mistake otherwise. The error is ErrReported.
func (s *Section) Manager(base core.Config) (*core.Manager, error) {
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	return s.b.manager(s, st, s.managerConfig(base))
}

// Sessions returns the application's sessions, with Manager and Cookie, and makes them available to it. With the
// option sessions they are those of the section which it names. The error is ErrReported.
func (s *Section) Sessions(base core.Config, cookie compat.SessionsConfig) (*compat.Sessions, error) {
	if name, ok := s.Lookup("sessions"); ok {
		return s.b.sessionsOf(s, name)
	}
	m, err := s.Manager(base)
	if err != nil {
		return nil, err
	}
	sessions, err := compat.NewSessions(m, s.Cookie(cookie))
	if err != nil {
		s.Mistake("", "%v", err)
		return nil, ErrReported
	}
	s.Carries(sessions)
	return sessions, nil
}

// Carries tells that these are the application's sessions, for adapters that make theirs with Manager and
// compat.NewSessions. They are made available to it, and handed over to other hosts if the section says so. Their cookies
// must not clash with others'.
func (s *Section) Carries(sessions *compat.Sessions) {
	if s.node == nil {
		s.Mistake("", "a filter can not have sessions")
		return
	}
	h := &holder{node: s.node, sessions: sessions, share: s.Bool("share", false)}
	if made, section := s.b.handsOver(s, sessions); made != nil {
		h.handover, h.over = made, section.title
	}
	s.node.holder = h
	s.b.holders = append(s.b.holders, h)
}

// Handover returns what takes the application's sessions to other hosts, for its links, or nil if the section does not name
// one by the option handover. It is there after Sessions or Carries. The site puts it around the application, and closes it.
func (s *Section) Handover() *compat.Handover {
	if s.node == nil || s.node.holder == nil {
		return nil
	}
	return s.node.holder.handover
}

// cookiePath is where the application's cookie goes by default: its path, if it has just one.
func (s *Section) cookiePath() string {
	for _, m := range s.mounts {
		if m.Path != s.mounts[0].Path {
			return "/"
		}
	}
	if s.mounts[0].Path == "" {
		return "/"
	}
	return (&url.URL{Path: s.mounts[0].Path}).EscapedPath()
}
