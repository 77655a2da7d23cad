package albatross

import (
	"errors"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/core"
)

// View is what a template works with, its dot: the locals by {{.Get "name"}}, and the tags that Albatross had for forms.
// Attributes of tags are given by name and value, in pairs:
//
//	{{.Form "method" "post"}}
//	<label>Name {{.Input "name" "who"}}</label>
//	{{.Input "type" "submit" "name" "next" "value" "Go on"}}
//	{{.FormClose}}
//
// Inside of range and with, the tags are at $.
type View struct {
	// Data is what RunTemplate was given beside the locals.
	Data any

	ctx *Context
}

// RunTemplate executes a template of Config.Templates and adds what it writes to the page: run_template(name). Its dot is a
// *View, with data. If the template fails, nothing of it is in the page.
func (c *Context) RunTemplate(name string, data any) error {
	if c.app.cfg.Templates == nil {
		return errors.New("albatross: RunTemplate: Config.Templates is nil")
	}
	if strings.HasSuffix(name, "traceback.html") {
		if info, ok := data.(ErrorInfo); ok { // a page about a failure works with that alone
			return c.app.cfg.Templates.ExecuteTemplate(c, name, info)
		}
	}
	before := c.out.buf.Len()
	err := c.app.cfg.Templates.ExecuteTemplate(c, name, &View{Data: data, ctx: c})
	if err != nil && c.out.body == nil {
		c.out.buf.Truncate(min(before, c.out.buf.Len()))
	}
	return err
}

// Context returns the request's context.
func (v *View) Context() *Context { return v.ctx }

// Get returns the value of a local, or nil: <al-value expr="name">. A struct or a typed list comes as it was set if the
// manager's codec knows its type; see core.CBOR.
func (v *View) Get(name string) (any, error) { return Get[any](v.ctx, name) }

// Has reports whether there is such a local.
func (v *View) Has(name string) (bool, error) { return v.ctx.Locals.Has(name) }

// URL returns a URL that leads on from this page: see Context.BranchURL.
func (v *View) URL(url string) string { return v.ctx.BranchURL(url) }

// attrs are the attributes of a tag.
type attrs struct {
	names  []string
	values map[string]string
}

func readAttrs(tag string, pairs []string) (attrs, error) {
	a := attrs{values: make(map[string]string, len(pairs)/2)}
	if len(pairs)%2 != 0 {
		return a, errForm("%s: the attribute %q has no value", tag, pairs[len(pairs)-1])
	}
	for i := 0; i < len(pairs); i += 2 {
		name := strings.ToLower(pairs[i])
		if name == "" || strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) >= 0 ||
			strings.HasPrefix(name, "on") || name == "style" || name == "formaction" {
			return a, errForm("%s: the attribute %q is not for tags of templates", tag, pairs[i])
		}
		if _, ok := a.values[name]; ok {
			return a, errForm("%s: the attribute %q comes twice", tag, name)
		}
		a.names = append(a.names, name)
		a.values[name] = pairs[i+1]
	}
	return a, nil
}

func (a *attrs) put(name, value string) {
	if _, ok := a.values[name]; !ok {
		a.names = append(a.names, name)
	}
	a.values[name] = value
}

// take returns an attribute that is not one of HTML.
func (a *attrs) take(name string) (value string, ok bool) {
	if value, ok = a.values[name]; ok {
		delete(a.values, name)
		a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == name })
	}
	return value, ok
}

func (a *attrs) tag(name string) template.HTML {
	var b strings.Builder
	b.WriteString("<" + name)
	for _, n := range a.names {
		b.WriteString(" " + n)
		if v := a.values[n]; v != n { // a boolean attribute is given as its own value
			b.WriteString(`="` + template.HTMLEscapeString(v) + `"`)
		}
	}
	b.WriteByte('>')
	return template.HTML(b.String())
}

// Form begins a form: <al-form>. The default method is post, and the default action the URL of this request. A form with
// files needs "enctype" "multipart/form-data".
func (v *View) Form(pairs ...string) (template.HTML, error) {
	a, err := readAttrs("Form", pairs)
	if err != nil {
		return "", err
	}
	if _, ok := a.values["method"]; !ok {
		a.put("method", "post")
	}
	if _, ok := a.values["action"]; !ok {
		a.put("action", v.ctx.CurrentURL())
	}
	action := a.values["action"]
	if colon := strings.IndexByte(action, ':'); colon >= 0 && !strings.ContainsAny(action[:colon], "/?#") &&
		!strings.EqualFold(action[:colon], "https") && !strings.EqualFold(action[:colon], "http") {
		return "", errForm("the action %.64q is no address of a page", action)
	}
	if err := v.ctx.FormOpen(); err != nil {
		return "", err
	}
	if v.ctx.form != nil {
		v.ctx.form.get = strings.EqualFold(a.values["method"], "get")
		v.ctx.form.multipart = strings.EqualFold(a.values["enctype"], "multipart/form-data")
	}
	return a.tag("form"), nil
}

// FormClose ends a form: </al-form>. Before it come the hidden fields by which the submission leads to the session.
func (v *View) FormClose() (template.HTML, error) {
	fields, err := v.ctx.FormClose()
	return fields + "</form>", err
}

// Input is a field: <al-input>. Its value is the local of its name, if none is given; a password never has one, and a file
// can not. A check box or radio button is checked if its value, "on" by default, is that of the local or one of its list.
// The attribute "list" makes the local a list, whatever number of values is sent.
func (v *View) Input(pairs ...string) (template.HTML, error) {
	a, err := readAttrs("Input", pairs)
	if err != nil {
		return "", err
	}
	kind, ok := a.values["type"]
	if kind = strings.ToLower(kind); !ok {
		kind = "text"
		a.put("type", kind)
	}
	_, list := a.take("list")
	name := a.values["name"]
	value, given := a.values["value"]
	switch kind {
	case "submit", "button", "image", "reset", "password":
	case "file":
		if v.ctx.form != nil && !v.ctx.form.multipart {
			return "", errForm("the file %.64q needs a form with enctype multipart/form-data", name)
		}
		return v.field("input", kind, name, "", list, a) // it is found by Request.Files
	case "checkbox", "radio":
		if !given {
			value = "on"
			a.put("value", value)
		}
		held, err := v.texts(name)
		if err != nil {
			return "", err
		}
		if slices.Contains(held, value) {
			a.put("checked", "checked")
		}
	default:
		if !given {
			held, err := v.texts(name)
			if err != nil {
				return "", err
			}
			value = first(held)
			a.put("value", value)
		}
	}
	return v.field("input", kind, name, value, list, a)
}

// field records a field and returns its tag.
func (v *View) field(tag, kind, name, value string, list bool, a attrs) (template.HTML, error) {
	if name == "" {
		if kind != "submit" && kind != "button" && kind != "reset" {
			return "", errForm("a %s field has no name", kind)
		}
		return a.tag(tag), nil
	}
	if kind != "file" {
		if err := v.ctx.InputAdd(kind, name, value, list); err != nil {
			return "", err
		}
	}
	return a.tag(tag), nil
}

// Textarea is a field of several lines: <al-textarea>. Its text is the local of its name.
func (v *View) Textarea(pairs ...string) (template.HTML, error) {
	a, err := readAttrs("Textarea", pairs)
	if err != nil {
		return "", err
	}
	_, list := a.take("list")
	text, given := a.take("value")
	if !given {
		held, err := v.texts(a.values["name"])
		if err != nil {
			return "", err
		}
		text = first(held)
	}
	tag, err := v.field("textarea", "textarea", a.values["name"], text, list, a)
	if err != nil {
		return "", err
	}
	// Browsers drop the first line break.
	return tag + "\n" + template.HTML(template.HTMLEscapeString(text)) + "</textarea>", nil
}

// Select is a choice: <al-select>. options are a []string, or a [][2]string of values and texts. Those that the local of
// its name holds are selected. With the attribute "multiple" the local is a list.
func (v *View) Select(options any, pairs ...string) (template.HTML, error) {
	a, err := readAttrs("Select", pairs)
	if err != nil {
		return "", err
	}
	_, list := a.take("list")
	if _, multiple := a.values["multiple"]; multiple {
		list = true
	}
	var rows [][2]string
	switch options := options.(type) {
	case [][2]string:
		rows = options
	case []string:
		for _, o := range options {
			rows = append(rows, [2]string{o, o})
		}
	default:
		return "", errForm("Select: the options are a %T; give a []string or a [][2]string", options)
	}
	held, err := v.texts(a.values["name"])
	if err != nil {
		return "", err
	}
	tag, err := v.field("select", "select", a.values["name"], "", list, a)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		selected := ""
		if slices.Contains(held, row[0]) {
			selected = " selected"
		}
		tag += template.HTML(`<option value="` + template.HTMLEscapeString(row[0]) + `"` + selected + `>` + template.HTMLEscapeString(row[1]) + `</option>`)
	}
	return tag + "</select>", nil
}

// texts returns a local as fields show it: none for nil, several for a list.
func (v *View) texts(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	value, ok, err := v.ctx.Locals.Value(name)
	if _, badType := errors.AsType[*core.ValueError](err); badType && !broken(err) {
		return nil, nil // a struct: no field shows it
	}
	if err != nil || !ok || value == nil {
		return nil, err
	}
	rv := reflect.ValueOf(value)
	if rv.Kind() != reflect.Slice || rv.Type().Elem().Kind() == reflect.Uint8 {
		return []string{fmt.Sprint(value)}, nil
	}
	texts := make([]string, rv.Len())
	for i := range texts {
		texts[i] = fmt.Sprint(rv.Index(i).Interface())
	}
	return texts, nil
}
