package myghty

import (
	"errors"
	"fmt"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// sessionSettings are those that the first GetSession of a request may choose.
type sessionSettings struct {
	auto bool
	id   string
}

// GetSession returns the request's session, the same one each time: m.get_session(**params). On first use it reads the
// session whose id the client sent, or begins a new one. Nothing is stored for a new session, and the client gets no cookie,
// before it is saved.
//
// The params are options, mostly nil. Two of them can be chosen for a request: "auto", and "id", which names the session in
// place of the cookie; an id of no living session is not adopted. All others are fixed when the application is built, and
// an error here if they differ. The params of the first call hold: when a later one differs, or gives an option that the
// first left at another value, that is an error which names the option. No error shows a value.
//
// Errors: those about the params; core.ErrBadID for an id that can not be ours; those of compat.Sessions.Session, after
// which there is no session to go on with.
func (m *Request) GetSession(params Options) (*Session, error) {
	chosen := m.settings
	if m.session.core == nil {
		chosen = sessionSettings{auto: m.app.opts.bool("auto")}
	}
	if len(params) > 0 {
		if err := m.choose(&chosen, params); err != nil {
			return nil, err
		}
	}
	if m.session.core != nil {
		return &m.session, nil
	}
	c, lost, err := m.openSession(chosen)
	if err != nil {
		return nil, err
	}
	m.settings = chosen
	m.session.m, m.session.core, m.session.invalidated = m, c, lost
	return &m.session, nil
}

// choose reads params. On the first call it changes chosen; on later ones it only compares.
func (m *Request) choose(chosen *sessionSettings, params Options) error {
	read, err := params.read()
	if err != nil {
		return err
	}
	first := m.session.core == nil
	auto, hasAuto := read["auto"].(bool)
	id, hasID := read["id"].(string)
	delete(read, "auto")
	delete(read, "id")
	var errs []error
	for _, name := range m.app.opts.differ(read) {
		errs = append(errs, fmt.Errorf("myghty: GetSession: the option %s is another one here than in Config.Options, which holds for the application", name))
	}
	switch {
	case first:
		if hasAuto {
			chosen.auto = auto
		}
		if hasID {
			chosen.id = id
		}
	default:
		for _, o := range []struct {
			name   string
			differ bool
		}{{"auto", hasAuto && auto != chosen.auto}, {"id", hasID && id != chosen.id}} {
			if o.differ {
				errs = append(errs, fmt.Errorf("myghty: GetSession: the option %s is another one than in the first call of this request, which holds", o.name))
			}
		}
	}
	return errors.Join(errs...)
}

// openSession opens the session that the client or the component asks for, or a new one. lost says that the one that was
// asked for is not there any more.
func (m *Request) openSession(chosen sessionSettings) (c *core.Session, lost bool, err error) {
	a, ctx := m.app, m.Context()
	opts := a.openOptions(chosen.auto)
	if !a.opts.bool("use_cookies") {
		if chosen.id != "" {
			c, err := a.manager.Open(ctx, chosen.id, opts...)
			if !errors.Is(err, core.ErrNotFound) {
				return c, false, sessionError("open", err)
			}
		}
		c, err := m.freshSession(chosen)
		return c, chosen.id != "", err
	}
	if chosen.id != "" {
		if err := a.http.SetClientID(ctx, chosen.id); err != nil {
			return nil, false, fmt.Errorf("myghty: GetSession: the option id: %w", err)
		}
	}
	claimed, err := a.http.ClientID(ctx)
	if err != nil {
		return nil, false, err
	}
	c, err = a.http.Session(ctx, opts...)
	if err != nil {
		return nil, false, err
	}
	return c, claimed != "" && c.IsNew(), nil
}

// freshSession begins a new session in the place of one that has ended.
func (m *Request) freshSession(chosen sessionSettings) (*core.Session, error) {
	a, ctx := m.app, m.Context()
	opts := a.openOptions(chosen.auto)
	if a.opts.bool("use_cookies") {
		return a.http.Session(ctx, opts...)
	}
	if m.env.Response().Sent() {
		return nil, fmt.Errorf("myghty: a new session: %w", compat.ErrSent)
	}
	c, err := a.manager.Create(ctx, opts...)
	return c, sessionError("create", err)
}
