package albatross

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"html/template"
	"strings"

	"github.com/holdover-web/holdover/core"
)

// SessionMixin is how an application keeps the session variables of its users: the part that an Albatross context class
// inherits from one of the session mixins. One value serves the whole application, from several goroutines; what
// belongs to a request is in its Context.
//
// The mixins of this package are SessionServerContextMixin, SessionFileContextMixin, HiddenFieldSessionMixin,
// BranchingSessionMixin and StubSessionMixin. One of your own loads by Context.DecodeSession and saves by
// Context.EncodeSession.
type SessionMixin interface {
	// SesID returns the id of the session, or "" if it has none (yet): sesid(). It is a secret.
	SesID(ctx *Context) string

	// LoadSession fetches the session variables, or begins a new session: load_session(). An error means that nobody
	// knows what is in the session; the request ends.
	LoadSession(ctx *Context) error

	// SaveSession stores the session variables: save_session(). It is not called when the session is not to be saved.
	SaveSession(ctx *Context) error

	// RemoveSession ends the session: remove_session(). When it has returned, nothing of the session can be loaded.
	RemoveSession(ctx *Context) error

	// FormClose returns what the end of a form needs, so that its submission leads to the session: form_close().
	FormClose(ctx *Context) (template.HTML, error)
}

// binder is a mixin that needs to know its application. bind returns what serves it, or what is wrong.
type binder interface {
	bind(a *Application) (SessionMixin, error)
}

// discarder is a mixin that can end the part of a session that can not be read.
type discarder interface {
	discard(ctx *Context) error
}

// rotator is a mixin whose sessions have ids.
type rotator interface {
	rotate(ctx *Context) error
}

// secretive is a mixin whose fields must not get into URLs.
type secretive interface{ bodyOnly() bool }

func (a *Application) bodyOnly() bool {
	s, ok := a.session.(secretive)
	return ok && s.bodyOnly()
}

// loadSession calls the mixin, and the application's own hooks.
func (c *Context) loadSession() error {
	if err := c.app.session.LoadSession(c); err != nil {
		return err
	}
	if c.session == nil {
		c.begin()
	}
	if !c.fresh && c.app.cfg.DecodeSession != nil {
		if err := c.app.cfg.DecodeSession(c); err != nil {
			c.app.log.WarnContext(c.Context(), "a session could not be decoded and was deleted", "error", err)
			if err := c.discardSession(); err != nil {
				return err
			}
		}
	}
	if c.fresh && !c.removed && c.app.cfg.NewSession != nil {
		return c.app.cfg.NewSession(c)
	}
	return nil
}

// begin gives the request a new, empty session.
func (c *Context) begin() {
	c.session, c.fresh = c.app.manager.Draft(c.Context(), nil), true
}

// discardSession deletes the session that can not be read, and begins a new one.
func (c *Context) discardSession() error {
	var err error
	if d, ok := c.app.session.(discarder); ok {
		err = d.discard(c)
	} else {
		err = c.app.session.RemoveSession(c)
	}
	c.session, c.fresh, c.lost = nil, true, true
	if err != nil {
		return err
	}
	if err := c.app.session.LoadSession(c); err != nil {
		return err
	}
	if c.session == nil {
		c.begin()
	}
	return nil
}

// vars returns the session variables, and loads them on first use.
func (c *Context) vars() (*core.Session, error) {
	if c.session != nil {
		return c.session, nil
	}
	if err := c.loadSession(); err != nil {
		return nil, err
	}
	return c.session, nil
}

// SesID returns the id of the session, or "": sesid(). See SessionMixin.
func (c *Context) SesID() string { return c.app.session.SesID(c) }

// SetSaveSession says whether the session is saved when the request ends: set_save_session(flag). Pages that are no
// pages, such as downloads, and those that must not begin a session turn it off.
func (c *Context) SetSaveSession(save bool) { c.noSave = !save }

// ShouldSaveSession reports whether the session will be saved: should_save_session(). By default it is.
func (c *Context) ShouldSaveSession() bool { return !c.noSave }

// SessionLost reports whether the request came with a session that is not there any more: it has expired, was removed,
// its page was pruned, or it could not be read. The request runs on a new session then. Tell the user.
func (c *Context) SessionLost() bool { return c.lost }

// IsNewSession reports whether the session began with this request.
func (c *Context) IsNewSession() (bool, error) {
	_, err := c.vars()
	return c.fresh, err
}

// RemoveSession ends the session and forgets all locals, except which page is shown: remove_session(). It takes effect at
// once and is not undone when the request fails. With a BranchingSessionMixin all branches of the client end, so that no
// old page is signed in after signing out; see Quirks. What is set afterwards begins a new session.
func (c *Context) RemoveSession() error {
	if c.out.settled {
		return ErrSent
	}
	if err := c.app.session.RemoveSession(c); err != nil {
		return err
	}
	c.session, c.fresh, c.removed = nil, true, true
	c.Locals.clear()
	return nil
}

// RotateSession gives the client a new id, at once: do that when a user signs in, so that an id which somebody planted or saw
// before is worth nothing after. The session variables stay, and with a BranchingSessionMixin all branches, the pages of which
// work on; with an Unbound one, whose pages hold the id, they are lost. Where nothing is kept by an id it does nothing.
// Errors are those of core.Session.Rotate.
func (c *Context) RotateSession() error {
	r, ok := c.app.session.(rotator)
	if !ok {
		return nil
	}
	if _, err := c.vars(); err != nil {
		return err
	}
	return r.rotate(c)
}

// EncodeSession returns all session variables as one text: encode_session(). The text is not encrypted, and no client
// should see or send it. The error is a *core.ValueError: a value was changed in place to something that can not be
// stored.
func (c *Context) EncodeSession() (string, error) {
	s, err := c.vars()
	if err != nil {
		return "", err
	}
	values, err := s.Values()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(appendValues(nil, values)), nil
}

// DecodeSession adds what EncodeSession returned to the session variables: decode_session(text). A text that is not
// of EncodeSession gives an error that matches core.ErrCorrupt, and changes nothing.
func (c *Context) DecodeSession(text string) error {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("albatross: decode session: %w: %w", core.ErrCorrupt, err)
	}
	values, err := readValues(string(data))
	if err != nil {
		return fmt.Errorf("albatross: decode session: %w", err)
	}
	if c.session == nil {
		c.session = c.app.manager.Draft(c.Context(), nil) // LoadSession of a mixin is running
	}
	for _, it := range values {
		if err := c.setVar(c.session, it.Name, core.Raw(it.Data)); err != nil {
			return err
		}
		delete(c.Locals.plain, it.Name)
	}
	return nil
}

// appendValues writes names and values, each after its length.
func appendValues(b []byte, values core.Values) []byte {
	for _, it := range values {
		for _, s := range [2]string{it.Name, it.Data} {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	return b
}

var errValues = fmt.Errorf("%w: the list of values is malformed", core.ErrCorrupt)

// readValues undoes appendValues.
func readValues(s string) (values core.Values, err error) {
	next := func() string {
		n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
		if size <= 0 || n > uint64(len(s)-size) {
			err = errValues
			return ""
		}
		part := s[size : size+int(n)]
		s = s[size+int(n):]
		return part
	}
	for s != "" {
		it := core.Item{Name: next()}
		if err == nil {
			it.Data = next()
		}
		if err == nil && len(values) > 0 && strings.Compare(values[len(values)-1].Name, it.Name) >= 0 {
			err = errValues // names are sorted, each comes once
		}
		if err != nil {
			return nil, err
		}
		values = append(values, it)
	}
	return values, nil
}

// broken reports whether err tells that a stored session variable can not be read, whatever one does.
func broken(err error) bool {
	return errors.Is(err, core.ErrCorrupt) && errors.As(err, new(*core.ValueError))
}

// StubSessionMixin keeps nothing: every request has a new session. It is for applications of one page.
type StubSessionMixin struct{}

// SesID returns "".
func (StubSessionMixin) SesID(*Context) string { return "" }

// LoadSession begins a new session.
func (StubSessionMixin) LoadSession(*Context) error { return nil }

// SaveSession stores nothing.
func (StubSessionMixin) SaveSession(*Context) error { return nil }

// RemoveSession has nothing to remove.
func (StubSessionMixin) RemoveSession(*Context) error { return nil }

// FormClose adds nothing.
func (StubSessionMixin) FormClose(*Context) (template.HTML, error) { return "", nil }
