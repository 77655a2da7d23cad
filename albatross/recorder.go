package albatross

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// formField is the hidden field that carries the names of a form's fields.
const formField = "__albform__"

// RecorderMixin decides which fields of a request become locals. One value serves the whole application, from several
// goroutines. The tags of View call it; in an application with several mixins Context calls each one's part.
type RecorderMixin interface {
	// FormOpen is called when a form begins: form_open().
	FormOpen(ctx *Context) error

	// InputAdd is called for each field of the form: input_add(itype, name, value, return_list). returnList says that the
	// local is a list, also if one value or none was sent.
	InputAdd(ctx *Context, itype, name, value string, returnList bool) error

	// FormClose is called before the form ends, and returns what it needs: form_close().
	FormClose(ctx *Context) (template.HTML, error)

	// MergeRequest makes locals of fields: merge_request().
	MergeRequest(ctx *Context) error
}

type recorderBinder interface {
	bindRecorder(a *Application) (RecorderMixin, error)
}

// openForm is a form that is being written.
type openForm struct {
	multipart bool
	get       bool // its fields come in the URL
	inputs    []input
}

// input is a field of a form.
type input struct {
	name string
	list bool
}

func errForm(format string, args ...any) error {
	return fmt.Errorf("albatross: form: "+format, args...)
}

// NameRecorderMixin makes locals of the fields that a form of this application has, and of no others: their names are in
// the hidden field __albform__, which is signed. A field that was not sent, such as a check box that is not ticked,
// becomes "", or an empty list. Without that field, or with a forged one, no field becomes a local, and the list of a form that
// is posted is not taken from a URL, which another site may have made. It is the default.
type NameRecorderMixin struct{ sign *signer }

func (NameRecorderMixin) bindRecorder(a *Application) (RecorderMixin, error) {
	sign, err := newSigner(a.cfg.Secrets, "holdover albatross form 1 "+a.cfg.AppID)
	return NameRecorderMixin{sign}, err
}

// FormOpen begins to record. The error tells that a form is open already: forms do not nest.
func (NameRecorderMixin) FormOpen(c *Context) error {
	if c.form != nil {
		return errForm("a form is open already; close it first")
	}
	c.form = new(openForm)
	return nil
}

// InputAdd records a field. Errors: one that matches ErrSecurity; there is no form; the name was recorded before, once as
// a list and once not.
func (NameRecorderMixin) InputAdd(c *Context, itype, name, value string, returnList bool) error {
	switch {
	case strings.HasPrefix(name, "_"):
		return fmt.Errorf("%w: %.64q", ErrSecurity, name)
	case c.form == nil:
		return errForm("the field %.64q is in no form", name)
	case len(c.form.inputs) >= maxInputs:
		return errForm("it has more than %d fields", maxInputs)
	}
	for _, in := range c.form.inputs {
		if in.name == name {
			if in.list != returnList {
				return errForm("the field %.64q is a list in one place and none in another", name)
			}
			return nil
		}
	}
	c.form.inputs = append(c.form.inputs, input{name, returnList})
	return nil
}

// FormClose returns the field __albform__.
func (m NameRecorderMixin) FormClose(c *Context) (template.HTML, error) {
	if c.form == nil {
		return "", errForm("there is none to close")
	}
	form := c.form
	c.form = nil
	method := byPost
	if form.get {
		method = byGet
	}
	return hidden(formField, base64.RawURLEncoding.EncodeToString(m.sign.sign(appendInputs([]byte{method}, form.inputs)))), nil
}

// MergeRequest makes locals of the fields that __albform__ names.
func (m NameRecorderMixin) MergeRequest(c *Context) error {
	token, method := c.request.BodyValue(formField), byPost
	if token == "" {
		token, method = c.request.FieldValue(formField), byGet
	}
	if token == "" {
		return nil
	}
	inputs, ok := m.read(token, method)
	if !ok {
		c.app.log.InfoContext(c.Context(), "the list of fields in a form was not taken: it is damaged or forged")
		return nil
	}
	for _, in := range inputs {
		values := c.request.FieldValues(in.name)
		var v any = first(values)
		if in.list {
			if was, err := Get[[]string](c, in.name); err == nil && was != nil && slices.Equal(was, values) {
				continue
			}
			v = append([]string{}, values...)
		}
		if err := c.Locals.Set(in.name, v); err != nil {
			return err
		}
	}
	return nil
}

// maxInputs bounds the fields of a form, maxFormToken the token that lists them.
const maxInputs, maxFormToken = 1000, 128 << 10

// How the fields of a form come: the first byte of its list.
const byPost, byGet = byte('p'), byte('g')

func (m NameRecorderMixin) read(token string, method byte) ([]input, bool) {
	if len(token) > maxFormToken {
		return nil, false
	}
	signed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, false
	}
	data, ok := m.sign.verify(signed)
	if !ok || len(data) == 0 || data[0] != method {
		return nil, false
	}
	return readInputs(data[1:])
}

// appendInputs writes each field as twice the length of its name, plus one for a list, and the name.
func appendInputs(b []byte, inputs []input) []byte {
	for _, in := range inputs {
		head := uint64(len(in.name)) << 1
		if in.list {
			head |= 1
		}
		b = append(binary.AppendUvarint(b, head), in.name...)
	}
	return b
}

// readInputs undoes appendInputs.
func readInputs(b []byte) (inputs []input, ok bool) {
	for len(b) > 0 {
		head, size := binary.Uvarint(b)
		if size <= 0 || head>>1 > uint64(len(b)-size) || len(inputs) == maxInputs {
			return nil, false
		}
		b = b[size:]
		name := string(b[:head>>1])
		b = b[head>>1:]
		if strings.HasPrefix(name, "_") {
			return nil, false
		}
		inputs = append(inputs, input{name, head&1 != 0})
	}
	return inputs, true
}

// StubRecorderMixin makes locals of all fields of a request, whatever form they come from: a list of those that came several
// times, a string of the others. So whoever writes a link can set any local, session variables among them: it is for
// applications that check everything they get. Names that begin with an underscore are left out.
type StubRecorderMixin struct{}

// FormOpen notes that a form is open.
func (StubRecorderMixin) FormOpen(c *Context) error { return NameRecorderMixin{}.FormOpen(c) }

// InputAdd does nothing.
func (StubRecorderMixin) InputAdd(*Context, string, string, string, bool) error { return nil }

// FormClose adds nothing to the form.
func (StubRecorderMixin) FormClose(c *Context) (template.HTML, error) {
	c.form = nil
	return "", nil
}

// MergeRequest makes locals of all fields.
func (StubRecorderMixin) MergeRequest(c *Context) error {
	for _, name := range c.request.FieldNames() {
		values := c.request.FieldValues(name)
		if strings.HasPrefix(name, "_") || len(values) == 0 {
			continue
		}
		var v any = values[0]
		if len(values) > 1 {
			v = append([]string{}, values...)
		}
		if err := c.Locals.Set(name, v); err != nil {
			return err
		}
	}
	return nil
}

// FormOpen tells the mixins that a form begins: form_open(). The tag View.Form calls it.
func (c *Context) FormOpen() error { return c.app.recorder.FormOpen(c) }

// InputAdd tells them of a field: input_add(itype, name, value, return_list). The tags of View call it; call it yourself
// for a field that you write yourself.
func (c *Context) InputAdd(itype, name, value string, returnList bool) error {
	return c.app.recorder.InputAdd(c, itype, name, value, returnList)
}

// FormClose returns the hidden fields that both mixins want before the form's end: form_close(). The tag View.FormClose
// calls it. A form with method get has no field of a session mixin that takes it from bodies alone: it would be in the URL,
// for nothing. Such a form leads on from no page, as a link does.
func (c *Context) FormClose() (template.HTML, error) {
	inURL := c.form != nil && c.form.get
	recorded, err := c.app.recorder.FormClose(c)
	if err != nil {
		return "", err
	}
	if inURL && c.app.bodyOnly() {
		return recorded, nil
	}
	if _, err := c.vars(); err != nil {
		return "", err
	}
	session, err := c.app.session.FormClose(c)
	return recorded + session, err
}
