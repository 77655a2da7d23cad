package albatross

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"html/template"
	"time"

	"github.com/holdover-web/holdover/core"
)

// stateField is the hidden field that carries the whole state.
const stateField = "__albstate__"

// HiddenFieldSessionMixin keeps the session variables in the forms themselves: the server stores nothing, and any page
// that is shown can be gone on from.
//
// The state is encrypted and authenticated with keys made of Config.Secrets, so that clients can neither read nor change
// it, and it is good for this application only. It can be sent again, by Back and reload, which is the point, and by a
// client that keeps old pages: within MaxAge the server believes any state that it ever gave to this client. So put
// nothing in it that must not come back, such as a balance or a voucher that was used up. SesID names each state: to do a
// thing once for a page, let the store of that thing refuse the second of a name.
//
// State belongs to the client to whom it was given, by a cookie that is named by the application's id and holds nothing but
// a random number. So a page that is stolen is worth nothing elsewhere, and other sites can not make a visitor send state
// that they have got themselves.
type HiddenFieldSessionMixin struct {
	// MaxAge is how long state is good for. Default one hour.
	MaxAge time.Duration

	// MaxSize bounds the state in a form, in bytes. What would be larger is core.ErrTooLarge, and what comes larger is
	// not looked at. Default 64 KiB.
	MaxSize int

	// Unbound does without the cookie: then who has seen a page's source can send its state from elsewhere.
	Unbound bool

	app  *Application
	seal *sealer
}

// hiddenState is what a request knows of the state that it came with.
type hiddenState struct {
	token string // as it came, if it was good
	name  string // its name
}

func (m HiddenFieldSessionMixin) bind(a *Application) (SessionMixin, error) {
	m.MaxAge, m.MaxSize = cmp.Or(m.MaxAge, time.Hour), cmp.Or(m.MaxSize, 64<<10)
	switch {
	case m.MaxAge < 0 || m.MaxSize < 1:
		return nil, fmt.Errorf("albatross: HiddenFieldSessionMixin: MaxAge %v, MaxSize %d: give more than 0", m.MaxAge, m.MaxSize)
	case a.cfg.RandomPages:
		return nil, errors.New("albatross: RandomPages do not go with a HiddenFieldSessionMixin: a link carries no state")
	}
	seal, err := newSealer(a.cfg.Secrets, "holdover albatross state 1 "+a.cfg.AppID)
	m.app, m.seal = a, seal
	return &m, err
}

// SesID returns the name of the state that the request came with, or "": 26 characters, the same each time that the state
// is sent again. (Albatross's class has no sesid().)
func (m HiddenFieldSessionMixin) SesID(c *Context) string {
	if _, err := c.vars(); err != nil {
		return ""
	}
	return c.hidden.name
}

// LoadSession takes the session variables from the form: load_session(). State that is not good is none: see
// Context.SessionLost.
func (m HiddenFieldSessionMixin) LoadSession(c *Context) error {
	token := c.request.BodyValue(stateField)
	if token == "" || c.discarded {
		return nil
	}
	values, name, err := m.open(c, token)
	if err != nil {
		c.lost = true
		m.app.log.InfoContext(c.Context(), "a form's state was not taken", "error", err)
		return nil
	}
	c.hidden = hiddenState{token: token, name: name}
	c.session = m.app.manager.Draft(c.Context(), values)
	return nil
}

const (
	stateNameLength = 26
	stateHeadLength = stateNameLength + 8
)

// open returns the values and the name of a state.
func (m HiddenFieldSessionMixin) open(c *Context, token string) (core.Values, string, error) {
	if len(token) > m.MaxSize {
		return nil, "", fmt.Errorf("%w: it has %d bytes, %d are allowed", ErrState, len(token), m.MaxSize)
	}
	client := ""
	if !m.Unbound {
		if client = c.clientCookie(); client == "" {
			return nil, "", fmt.Errorf("%w: the client has no cookie", ErrState)
		}
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, "", fmt.Errorf("%w: it is no base64", ErrState)
	}
	plain, err := m.seal.open(data, client)
	if err != nil || len(plain) < stateHeadLength {
		return nil, "", fmt.Errorf("%w: it is forged, damaged, or of another client or application", ErrState)
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(plain[stateNameLength:])), 0)
	if age := m.app.manager.Config().Now().Sub(made); age >= m.MaxAge || age < -clockSkew {
		return nil, "", fmt.Errorf("%w: it is %v old", ErrState, age.Round(time.Second))
	}
	values, err := readValues(string(plain[stateHeadLength:]))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrState, err)
	}
	return values, string(plain[:stateNameLength]), nil
}

// clockSkew is by how much hosts' clocks may differ.
const clockSkew = 5 * time.Minute

// SaveSession puts the session variables, as they are now, into the forms of the page: what Albatross does in form_close.
// If there are none there is no state.
func (m HiddenFieldSessionMixin) SaveSession(c *Context) error {
	if !c.out.referred {
		return nil // no form leads on
	}
	values, err := c.session.Values()
	if err != nil || len(values) == 0 {
		return err
	}
	client := ""
	if !m.Unbound {
		client = c.giveClientCookie()
	}
	plain := append(make([]byte, 0, stateHeadLength+values.Size()+4*len(values)), rand.Text()...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(m.app.manager.Config().Now().Unix()))
	token := base64.RawURLEncoding.EncodeToString(m.seal.seal(appendValues(plain, values), client))
	if len(token) > m.MaxSize {
		return fmt.Errorf("albatross: the state of the form: %w: it has %d bytes, MaxSize is %d", core.ErrTooLarge, len(token), m.MaxSize)
	}
	c.out.final = token
	return nil
}

// RemoveSession leaves the state out of the page: remove_session(). Pages that were shown before can be gone on from
// until their state is too old: the server can not take back what it has given away. Applications with a login want
// another mixin.
func (m HiddenFieldSessionMixin) RemoveSession(c *Context) error {
	c.hidden, c.discarded = hiddenState{}, true
	return nil
}

// FormClose returns the hidden field __albstate__: form_close(). It gets its value when the request ends, so that it
// holds what was set after it, too.
func (m HiddenFieldSessionMixin) FormClose(c *Context) (template.HTML, error) {
	return hidden(stateField, c.out.ref()), nil
}

func (m HiddenFieldSessionMixin) bodyOnly() bool { return true }

// keep is what SaveSession does for a session that is not to be saved.
func (m HiddenFieldSessionMixin) keep(c *Context) { c.out.final = c.hidden.token }
