package albatross

import (
	"errors"
	"html/template"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// SessionServerContextMixin keeps one session for each client, found by a cookie that is named by the application's id.
// It is the default. Where the sessions are is the matter of the manager's store, which takes the place of
// al-session-daemon.
//
// Requests of one client that overlap follow the manager's locking policy: under core.Merge, its default, each name that
// a request changed is written and the others are left alone, where at the old daemon the last whole session won.
type SessionServerContextMixin struct {
	// Open are options for opening the session, such as core.Serialized. Default: what the manager says.
	Open []core.OpenOption
}

// SessionFileContextMixin is SessionServerContextMixin: sessions are in files if the manager's store is a filestore, which
// core.OpenStore opens for a URL such as "file:/var/lib/shop". Unlike SessionFileAppMixin's they age.
type SessionFileContextMixin struct{ SessionServerContextMixin }

// SesID returns the id in the cookie, once something was stored: sesid().
func (SessionServerContextMixin) SesID(c *Context) string {
	s, err := c.vars()
	if err != nil || !s.Stored() {
		return ""
	}
	return s.ID()
}

// LoadSession opens the session of the cookie, or begins a new one: load_session(). One store call.
func (m SessionServerContextMixin) LoadSession(c *Context) error {
	opts := append(m.Open[:len(m.Open):len(m.Open)], core.SaveExplicit)
	s, err := c.app.http.Session(c.Context(), opts...)
	if err != nil {
		return err
	}
	c.session, c.fresh = s, s.IsNew()
	if c.fresh && !c.out.settled {
		id, err := c.app.http.ClientID(c.Context())
		if err != nil {
			return err
		}
		c.stale = id == "" && c.hasCookie()
		c.lost = c.lost || c.stale
	}
	return nil
}

// SaveSession writes the session variables that have changed, if there are any: save_session(). One store call.
func (SessionServerContextMixin) SaveSession(c *Context) error {
	c.session.SetSave(core.SaveDirty)
	if err := c.session.End(c.Context()); err != nil {
		return &compat.SessionError{Op: "commit", Err: err}
	}
	return nil
}

// RemoveSession deletes the session, and the cookie: remove_session().
func (SessionServerContextMixin) RemoveSession(c *Context) error {
	s, err := c.vars()
	if err != nil {
		return err
	}
	return invalidate(c, s)
}

// FormClose adds nothing: the cookie is enough.
func (SessionServerContextMixin) FormClose(*Context) (template.HTML, error) { return "", nil }

func (SessionServerContextMixin) rotate(c *Context) error { return rotate(c, c.session) }

// invalidate ends a session of the store. One that others have ended is as good.
func invalidate(c *Context, s *core.Session) error {
	if err := s.Invalidate(c.Context()); err != nil && !errors.Is(err, core.ErrGone) {
		return &compat.SessionError{Op: "invalidate", Err: err}
	}
	return nil
}

// rotate gives a session of the store a new id.
func rotate(c *Context, s *core.Session) error {
	if err := s.Rotate(c.Context(), 0); err != nil {
		return &compat.SessionError{Op: "rotate", Err: err}
	}
	return nil
}
