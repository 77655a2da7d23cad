package webkit

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

type plainPage struct{ Page }

func TestPageHTML(t *testing.T) {
	got := get(t, serveServlet(t, nil, func() Servlet { return new(plainPage) }))
	const want = `<!DOCTYPE html>
<html lang="en">
<head>
	<title>plainPage</title>
	<meta charset="utf-8">
</head>
<body style="color:black;background-color:white">
<p>This page has not yet customized its content.</p>
</body>
</html>
`
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/html; charset=utf-8" || got.text != want {
		t.Errorf("%v %s\n%s\nwant\n%s", got.Status, got.Header.Get("Content-Type"), got.text, want)
	}
}

// sitePage is the look of a site, as SitePage classes of Webware programs are.
type sitePage struct{ Page }

func (p *sitePage) HTRootArgs() string { return `lang="de"` }
func (p *sitePage) HTBodyArgs() string { return "" }

func (p *sitePage) WriteStyleSheet() error {
	p.Writeln("<link>")
	return nil
}

func (p *sitePage) WriteJavaScript() error {
	p.Writeln("<script></script>")
	return nil
}

func (p *sitePage) WriteBodyParts() error {
	p.Writeln("<h1>", p.Self().HTTitle(), "</h1>")
	return p.Self().WriteContent()
}

type leafPage struct{ sitePage }

func (p *leafPage) Title() string { return "A <b> & C" }

func (p *leafPage) WriteMetaData() error {
	if err := p.sitePage.WriteMetaData(); err != nil {
		return err
	}
	p.Writeln("<meta>")
	return nil
}

func (p *leafPage) WriteContent() error {
	p.Write("a", 1, nil, []byte("b"), 2.5, errors.New("c"), true)
	return nil
}

// TestPageOverrides checks that the base class calls what the derived ones override, at any depth.
func TestPageOverrides(t *testing.T) {
	got := get(t, serveServlet(t, nil, func() Servlet { return new(leafPage) }))
	const want = `<!DOCTYPE html>
<html lang="de">
<head>
	<title>A &lt;b&gt; &amp; C</title>
	<meta charset="utf-8">
<meta>
<link>
<script></script>
</head>
<body>
<h1>A &lt;b&gt; &amp; C</h1>
a1b2.5ctrue</body>
</html>
`
	if got.text != want {
		t.Errorf("%v\n%s\nwant\n%s", got.Status, got.text, want)
	}
}

// actionPage tells which actions ran.
type actionPage struct{ Page }

func (p *actionPage) PreAction(name string) error {
	p.Write("pre ", name, ", ")
	return nil
}

func (p *actionPage) PostAction(name string) error {
	p.Write(", post ", name)
	return nil
}

func (p *actionPage) MethodNameForAction(value string) string {
	return strings.ToLower(strings.ReplaceAll(value, " ", ""))
}

func (p *actionPage) DefaultAction() error {
	p.Write("default")
	return nil
}

func (p *actionPage) Hidden() error {
	p.Write("hidden")
	return nil
}

func (p *actionPage) Actions() []Action {
	say := func(what string) func() error {
		return func() error {
			p.Write(what)
			return nil
		}
	}
	return []Action{
		{Name: "add", Run: say("adding")},
		{Name: "remove", Run: say("removing")},
		{Name: "leave", Run: func() error { return p.SendRedirectSeeOtherAndEnd("/elsewhere") }},
		{Name: "fail", Run: func() error { return errors.New("failed") }},
	}
}

func TestPageActions(t *testing.T) {
	url := serveServlet(t, Settings{"MaxFormFields": 20}, func() Servlet { return new(actionPage) })
	for _, tc := range []struct {
		name, form string
		status     int
		want       string
	}{
		{"none", "a=1", 200, "default"},
		{"by the field's name", "_action_add=Add", 200, "pre add, adding, post add"},
		{"by the field's value", "_action_=remove", 200, "pre remove, removing, post remove"},
		{"by a button's text", "_action_=Re+Move", 200, "pre remove, removing, post remove"},
		{"the value counts more than the name", "_action_add=1&_action_=remove", 200, "pre remove, removing, post remove"},
		{"an unknown value, but a name", "_action_add=1&_action_=nonsense", 200, "pre add, adding, post add"},
		{"two names: the order of Actions", "_action_remove=1&_action_add=1", 200, "pre add, adding, post add"},
		{"a button that is an image", "_action_add.x=3&_action_add.y=4", 200, "pre add, adding, post add"},
		{"half an image", "_action_add.x=3", 200, "default"},
		{"a method that is no action", "_action_=hidden&_action_Hidden=1&_action_WriteHTML=1", 200, "default"},
		{"redirect", "_action_leave=1", 303, `pre leave, <html><body>This page has been redirected to <a href="/elsewhere">/elsewhere</a>.</body></html>`},
		{"failure", "_action_fail=1", 500, ""},
		{"a form that is too large", strings.Repeat("x=1&", 30) + "_action_add=1", 413, ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(tc.name+"/"+method, func(t *testing.T) {
				r := newRequest(t, method, url, urlencoded, tc.form)
				if method == http.MethodGet {
					r = newRequest(t, method, url+"?"+tc.form, "", "")
				}
				got := send(t, r)
				if got.StatusCode != tc.status || tc.want != "" && got.text != tc.want || strings.Contains(got.text, "default") != (tc.want == "default") {
					t.Errorf("%d %q, want %d %q", got.StatusCode, got.text, tc.status, tc.want)
				}
			})
		}
	}
}

// readerPage does something with a default where a field is missing.
type readerPage struct {
	Page
	ran *bool
}

func (p *readerPage) Actions() []Action { return []Action{{Name: "other", Run: p.WriteContent}} }

func (p *readerPage) WriteContent() error {
	*p.ran = p.Request().FieldDefault("which", "all") == "all"
	return nil
}

// TestPageBrokenForm checks that a page does not run at all on a form that can not be read.
func TestPageBrokenForm(t *testing.T) {
	var ran bool
	url := serveServlet(t, Settings{"MaxFormSize": 10, "MaxFormFields": 1}, func() Servlet { return &readerPage{ran: &ran} })
	if got := get(t, url+"?which=this&_action_other=1"); got.StatusCode != 413 || ran {
		t.Errorf("%v, ran: %v; want 413 and no run", got.Status, ran)
	}
	if got := post(t, url, urlencoded, "which=this-one-only"); got.StatusCode != 413 || ran {
		t.Errorf("%v, ran: %v; want 413 and no run", got.Status, ran)
	}
	if got := post(t, url, urlencoded, "x=1"); got.StatusCode != 200 || !ran {
		t.Errorf("%v, ran: %v; want a run", got.Status, ran)
	}
}

type redirectPage struct {
	Page
	redirect func(*Page, string) error
}

func (p *redirectPage) WriteHTML() error {
	if err := p.redirect(&p.Page, "Main"); err != nil {
		return err
	}
	p.Write("went on")
	return nil
}

func TestPageRedirectAndEnd(t *testing.T) {
	for status, redirect := range map[int]func(*Page, string) error{
		302: (*Page).SendRedirectAndEnd,
		301: (*Page).SendRedirectPermanentAndEnd,
		303: (*Page).SendRedirectSeeOtherAndEnd,
		307: (*Page).SendRedirectTemporaryAndEnd,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			got := get(t, serveServlet(t, nil, func() Servlet { return &redirectPage{redirect: redirect} }))
			if got.StatusCode != status || got.Header.Get("Location") != "Main" || strings.Contains(got.text, "went on") {
				t.Errorf("%v %v %q", got.Status, got.Header, got.text)
			}
		})
	}
}

func TestPageHelpers(t *testing.T) {
	var p Page
	for _, tc := range []struct {
		name      string
		do        func(string) string
		in, wants string
	}{
		{"HTMLEncode", p.HTMLEncode, `<a href="x">'&'</a>`, "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;"},
		{"HTMLDecode", p.HTMLDecode, "&lt;&quot;&#39;&amp;amp;&gt;", `<"'&amp;>`},
		{"URLEncode", p.URLEncode, "a b&ü=/", "a+b%26%C3%BC%3D%2F"},
		{"URLDecode", p.URLDecode, "a+b%26%C3%BC%3D%2F", "a b&ü=/"},
		{"URLDecode of what is no escape", p.URLDecode, "100%", "100%"},
	} {
		if got := tc.do(tc.in); got != tc.wants {
			t.Errorf("%s(%q) = %q, want %q", tc.name, tc.in, got, tc.wants)
		}
	}
	if err := p.EndResponse(); err != ErrEndResponse {
		t.Errorf("EndResponse() = %v", err)
	}
}

// sleepyPage forgets to call Page.Awake.
type sleepyPage struct{ Page }

func (p *sleepyPage) Awake(*Transaction) error { return nil }

func TestPageNotAwake(t *testing.T) {
	url := serveServlet(t, Settings{"ShowDebugInfoOnErrors": true}, func() Servlet { return new(sleepyPage) })
	if got := get(t, url); got.StatusCode != 500 || !strings.Contains(got.text, "this page is not awake") {
		t.Errorf("%v %q, want what is wrong", got.Status, got.text)
	}
}

func TestPageHead(t *testing.T) {
	url := serveServlet(t, nil, func() Servlet { return new(plainPage) })
	got := send(t, newRequest(t, http.MethodHead, url, "", ""))
	if got.StatusCode != 200 || got.text != "" || got.Header.Get("Content-Type") == "" {
		t.Errorf("%v %v %q", got.Status, got.Header, got.text)
	}
}

// outerPage includes innerPage, which uses a part of the page around it.
type outerPage struct{ Page }

func (p *outerPage) HTTitle() string { return "outer" }

func (p *outerPage) WriteHeading() { p.Write("[", p.Self().HTTitle(), "]") }

func (p *outerPage) WriteHTML() error {
	if err := p.IncludeURL("inner"); err != nil {
		return err
	}
	if err := p.CallMethodOfServlet("inner", func(s Servlet) error { return s.(*innerPage).Part() }); err != nil {
		return err
	}
	if p.Request().HasField("forward") {
		return p.Forward("inner")
	}
	return nil
}

type innerPage struct{ Page }

func (p *innerPage) HTTitle() string { return "inner" }

func (p *innerPage) WriteHTML() error {
	p.Request().PreviousServlet().(*outerPage).WriteHeading()
	p.Write(" ", p.Self().HTTitle(), "; ")
	return nil
}

func (p *innerPage) Part() error {
	p.Write("part of ", p.Self().HTTitle())
	return nil
}

func TestPageNested(t *testing.T) {
	url := serveServlets(t, nil, map[string]Factory{
		"/":      func() Servlet { return new(outerPage) },
		"/inner": func() Servlet { return new(innerPage) },
	})
	for query, want := range map[string]string{
		"":           "[outer] inner; part of inner",
		"?forward=1": "[outer] inner; ",
	} {
		if got := get(t, url+query); got.StatusCode != 200 || got.text != want {
			t.Errorf("%q: %v %q, want %q", query, got.Status, got.text, want)
		}
	}
}
