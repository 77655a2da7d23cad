package albatross

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// formApp serves one form, and shows the locals that a request has made.
func formApp(t *testing.T, cfg Config, form func(*View) (string, error)) *testApp {
	t.Helper()
	return newApp(t, appConfig{Config: cfg}, map[string]Page{"start": PageFunc(func(c *Context) error {
		names, err := c.Locals.Names()
		if err != nil {
			return err
		}
		for _, name := range names {
			v, _, err := c.Locals.Value(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(c, "%s=%q ", name, v)
		}
		text, err := form(&View{ctx: c})
		if err != nil {
			return err
		}
		_, err = c.WriteString(text)
		return err
	})})
}

func someForm(v *View) (string, error) {
	var b strings.Builder
	for _, tag := range []func() (any, error){
		func() (any, error) { return v.Form() },
		func() (any, error) { return v.Input("name", "who") },
		func() (any, error) { return v.Input("type", "checkbox", "name", "tea", "list", "list") },
		func() (any, error) { return v.Input("type", "checkbox", "name", "milk") },
		func() (any, error) { return v.FormClose() },
	} {
		text, err := tag()
		if err != nil {
			return "", err
		}
		fmt.Fprint(&b, text)
	}
	return b.String(), nil
}

func TestOnlyRecordedFieldsAreMerged(t *testing.T) {
	p := formApp(t, Config{}, someForm).browser().get("/app/")
	p.submit("who", "ada", "admin", "1", "__page__", "x").want(200, `milk="" tea=[] who="ada" <form`)
	p.submit("who", "a", "who", "b", "tea", "x", "tea", "y", "milk", "on").want(200, `milk="on" tea=["x" "y"] who="a" <form`)
	p.submit("tea", "x").want(200, `milk="" tea=["x"] who="" <form`)
}

func TestForgedFormList(t *testing.T) {
	a := formApp(t, Config{}, someForm)
	p := a.browser().get("/app/")
	token := p.fields().Get(formField)
	signed, err := base64.RawURLEncoding.DecodeString(token)
	ok(t, err)
	forged := append(signed[:32:32], appendInputs([]byte{byPost}, []input{{"admin", false}})...)
	other := formApp(t, Config{AppID: "other"}, someForm).browser().get("/app/")
	for name, token := range map[string]string{
		"none": "", "forged": base64.RawURLEncoding.EncodeToString(forged), "cut": token[:20], "no base64": "%%%",
		"another application's": other.fields().Get(formField), "over-long": strings.Repeat("A", 300_000),
	} {
		if got := p.b.post("/app/", url.Values{formField: {token}, "who": {"eve"}, "admin": {"1"}}); !strings.HasPrefix(got.text, "<form") {
			t.Errorf("%s: %s", name, got.text)
		}
	}
}

// A list is good for the way that its form is sent.
func TestFormListFromURL(t *testing.T) {
	p := formApp(t, Config{}, someForm).browser().get("/app/")
	form := p.fields()
	form.Set("who", "eve")
	if got := p.b.get("/app/?" + form.Encode()); !strings.HasPrefix(got.text, "<form") {
		t.Errorf("the list of a form that is posted was taken from a URL: %s", got.text)
	}
	p = formApp(t, Config{}, func(v *View) (string, error) {
		open, err := v.Form("method", "GET")
		ok(t, err)
		in, err := v.Input("name", "who")
		ok(t, err)
		end, err := v.FormClose()
		return string(open + in + end), err
	}).browser().get("/app/")
	form = p.fields()
	form.Set("who", "ada")
	p.b.get("/app/?"+form.Encode()).want(200, `who="ada" <form`)
	if got := p.b.post("/app/", form); !strings.HasPrefix(got.text, "<form") {
		t.Errorf("the list of a form that is sent by GET was taken from a body: %s", got.text)
	}
}

func TestStubRecorderTakesAll(t *testing.T) {
	p := formApp(t, Config{Recorder: StubRecorderMixin{}}, someForm).browser().get("/app/?a=1&b=2&b=3&_c=4")
	p.want(200, `a="1" b=["2" "3"] <form`)
	if strings.Contains(p.text, formField) {
		t.Error("a form has a list of fields that nobody reads")
	}
}

func TestFormsThatAreWrong(t *testing.T) {
	one := func(tags ...func(v *View) error) func(*View) (string, error) {
		return func(v *View) (string, error) {
			for _, tag := range tags {
				if err := tag(v); err != nil {
					return "", err
				}
			}
			return "", nil
		}
	}
	open := func(v *View) error { _, err := v.Form(); return err }
	closes := func(v *View) error { _, err := v.FormClose(); return err }
	in := func(pairs ...string) func(*View) error {
		return func(v *View) error { _, err := v.Input(pairs...); return err }
	}
	for want, form := range map[string]func(*View) (string, error){
		"a form is open already":           one(open, open),
		"there is none to close":           one(closes),
		"is in no form":                    one(in("name", "a")),
		"the form is not closed":           one(open, in("name", "a")),
		"must not begin with an under":     one(open, in("name", "__page__")),
		"a list in one place":              one(open, in("name", "a"), in("name", "a", "list", "list")),
		"has no value":                     one(open, in("name")),
		"comes twice":                      one(open, in("name", "a", "NAME", "b")),
		"\"onclick\\\" is not for tags":    one(open, in("name", "a", "onclick", "x")),
		"has no name":                      one(open, in("type", "text")),
		"needs a form with enctype":        one(open, in("type", "file", "name", "f")),
		"the options are a int":            one(open, func(v *View) error { _, err := v.Select(7, "name", "a"); return err }),
		"is no address of a page":          one(func(v *View) error { _, err := v.Form("action", "javascript:alert(1)"); return err }),
		"than 1000 fields":                 one(open, func(v *View) error { return fill(v, 1001) }),
		"is not for tags of templates":     one(open, in("name", "a", "a b", "x")),
		"Select: the attribute \\\"x\\\" ": one(open, func(v *View) error { _, err := v.Select([]string{}, "x"); return err }),
	} {
		a := formApp(t, Config{}, form)
		if p := a.browser().get("/app/"); p.status != 500 || !strings.Contains(a.log.String(), want) {
			t.Errorf("%s: status %d, log\n%s", want, p.status, a.log)
		}
	}
}

func fill(v *View, n int) error {
	for i := range n {
		if _, err := v.Input("name", fmt.Sprint("f", i)); err != nil {
			return err
		}
	}
	return nil
}

func TestTags(t *testing.T) {
	a := newApp(t, appConfig{}, map[string]Page{"start": PageFunc(func(c *Context) error {
		ok(t, c.Locals.Set("who", `<b> & "c"`))
		ok(t, c.Locals.Set("tea", []string{"green"}))
		ok(t, c.Locals.Set("n", 7))
		ok(t, c.Locals.Set("any", []any{"green", 2}))
		v := &View{ctx: c}
		for _, tt := range []struct {
			want string
			tag  func() (any, error)
		}{
			{`<form class="x" method="post" action="/app/">`, func() (any, error) { return v.Form("class", "x") }},
			{`<input name="who" type="text" value="&lt;b&gt; &amp; &#34;c&#34;">`, func() (any, error) { return v.Input("name", "who") }},
			{`<input name="n" type="text" value="7">`, func() (any, error) { return v.Input("name", "n") }},
			{`<input type="password" name="who">`, func() (any, error) { return v.Input("type", "password", "name", "who") }},
			{`<input type="checkbox" name="tea" value="green" checked>`, func() (any, error) {
				return v.Input("type", "checkbox", "name", "tea", "value", "green", "list", "list")
			}},
			{`<input type="radio" name="any" value="2" checked>`, func() (any, error) { return v.Input("type", "radio", "name", "any", "value", "2") }},
			{`<input type="checkbox" name="tea" value="on">`, func() (any, error) { return v.Input("type", "checkbox", "name", "tea", "list", "list") }},
			{`<input name="new" type="text" value="" required>`, func() (any, error) {
				return v.Input("name", "new", "type", "text", "value", "", "required", "required")
			}},
			{"<textarea name=\"who\">\n&lt;b&gt; &amp; &#34;c&#34;</textarea>", func() (any, error) { return v.Textarea("name", "who") }},
			{`<select name="s"><option value="a">A</option><option value="b&#34;">B</option></select>`, func() (any, error) {
				return v.Select([][2]string{{"a", "A"}, {`b"`, "B"}}, "name", "s")
			}},
			{`<select name="tea" multiple><option value="green" selected>green</option></select>`, func() (any, error) {
				return v.Select([]string{"green"}, "name", "tea", "multiple", "multiple")
			}},
			{`<input type="submit" value="Go">`, func() (any, error) { return v.Input("type", "submit", "value", "Go") }},
		} {
			got, err := tt.tag()
			if err != nil || fmt.Sprint(got) != tt.want {
				t.Errorf("got %v, %v, want\n%s", got, err, tt.want)
			}
		}
		if names := c.form.inputs; !slices.Contains(names, input{"tea", true}) || !slices.Contains(names, input{"who", false}) {
			t.Errorf("recorded: %v", names)
		}
		_, err := v.FormClose()
		return err
	})})
	a.browser().get("/app/").want(200)
}

func TestSecurityError(t *testing.T) {
	c := &Context{form: new(openForm)}
	if err := (NameRecorderMixin{}).InputAdd(c, "text", "_x", "", false); !errors.Is(err, ErrSecurity) {
		t.Errorf("%v does not match ErrSecurity", err)
	}
}

func FuzzReadForm(f *testing.F) {
	sign, err := newSigner(testSecrets, "fuzz")
	ok(f, err)
	m := NameRecorderMixin{sign}
	f.Add([]byte{}, "AAAA")
	f.Add(appendInputs(nil, []input{{"a", true}, {"", false}}), "")
	f.Fuzz(func(t *testing.T, data []byte, token string) {
		if inputs, ok := readInputs(data); ok {
			if again, ok := readInputs(appendInputs(nil, inputs)); !ok || !slices.Equal(again, inputs) {
				t.Errorf("read back: %v, want %v", again, inputs)
			}
		}
		if _, ok := m.read(token, byPost); ok {
			t.Errorf("a list that nobody signed was taken: %q", token)
		}
	})
}

// What leads to a session stands in no URL, unless it is worth nothing by itself.
func TestGetFormsKeepSecrets(t *testing.T) {
	templates := template.Must(template.New("get.html").Parse(`{{.Form "method" "GET"}}{{.Input "name" "q"}}{{.FormClose}}
{{.Form}}{{.Input "name" "who"}}{{.FormClose}}`))
	for name, tt := range map[string]struct {
		m     SessionMixin
		field string
		n     int // of forms that have it
	}{
		"branches":         {BranchingSessionMixin{}, sesidField, 2},
		"unbound branches": {BranchingSessionMixin{Unbound: true}, sesidField, 1},
		"hidden":           {HiddenFieldSessionMixin{}, stateField, 1},
		"unbound hidden":   {HiddenFieldSessionMixin{Unbound: true}, stateField, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appConfig{Config: Config{Session: tt.m, Templates: templates}}, map[string]Page{"start": fnPage{
				display: func(c *Context) error { return errorsOf(c.DefaultSessionVar("n", 1), c.RunTemplate("get.html", nil)) },
			}})
			p := a.browser().get("/app/").want(200, "</form>")
			if n := strings.Count(p.text, tt.field); n != tt.n {
				t.Errorf("%d forms have %s, want %d:\n%s", n, tt.field, tt.n, p.text)
			}
		})
	}
}
