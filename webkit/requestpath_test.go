package webkit

import (
	"fmt"
	"strings"
	"testing"
)

// TestRequestPath asks an included servlet, and the one around it, for everything about its path.
func TestRequestPath(t *testing.T) {
	facts := func(t *Transaction) error {
		r := t.Request()
		var b strings.Builder
		for _, fact := range []struct {
			name  string
			value any
		}{
			{"URLPath", r.URLPath()}, {"URLPathDir", r.URLPathDir()}, {"PathInfo", r.PathInfo()}, {"ExtraURLPath", r.ExtraURLPath()},
			{"ContextName", r.ContextName()}, {"ServletURI", r.ServletURI()}, {"ServletPath", r.ServletPath()}, {"ScriptName", r.ScriptName()},
			{"QueryString", r.QueryString()}, {"URI", r.URI()}, {"Scheme", r.Scheme()}, {"HostAndPort", r.HostAndPort()},
			{"ServerPath", r.ServerPath()}, {"ServerPathDir", r.ServerPathDir()}, {"ServerURL", r.ServerURL()}, {"ServerURLDir", r.ServerURLDir()},
			{"SiteRoot", r.SiteRoot()}, {"SiteRootFromCurrentServlet", r.SiteRootFromCurrentServlet()},
			{"ServletPathFromSiteRoot", r.ServletPathFromSiteRoot()}, {"URIWebwareRoot", r.URIWebwareRoot()},
			{"OriginalURLPath", r.OriginalURLPath()}, {"OriginalURI", r.OriginalURI()}, {"PreviousURLPath", r.PreviousURLPath()},
			{"PreviousURLPaths", r.PreviousURLPaths()}, {"previous servlets", len(r.PreviousServlets())},
			{"is original", r.OriginalServlet() == r.Servlet()}, {"has previous", r.PreviousServlet() != nil},
		} {
			fmt.Fprintf(&b, "%s=%v\n", fact.name, fact.value)
		}
		return write(b.String())(t)
	}
	a := newTestApp(t, testConfig{Config: Config{Prefix: "/app"}}, map[string]Factory{
		"/folder/page": respond(func(t *Transaction) error {
			if t.Request().FieldDefault("include", "") == "" {
				return facts(t)
			}
			return t.Application().IncludeURL(t, "/parts/deep/menu/x")
		}),
		"/parts/deep/menu": respond(facts),
		"/moved": respond(func(t *Transaction) error {
			t.Request().SetURLPath("/folder/elsewhere")
			return t.Application().IncludeURL(t, "page")
		}),
	})
	host := strings.TrimPrefix(a.server.URL, "http://")
	tests := []struct {
		path string
		want map[string]string
	}{
		{"/app/folder/page/x/y?q=1", map[string]string{
			"URLPath": "/folder/page/x/y", "URLPathDir": "/folder/page/x", "PathInfo": "/folder/page/x/y", "ExtraURLPath": "/x/y",
			"ContextName": "folder", "ServletURI": "/folder/page", "ServletPath": "/app", "ScriptName": "/app", "QueryString": "q=1",
			"URI": "/app/folder/page/x/y?q=1", "Scheme": "http", "HostAndPort": host, "ServerPath": "/app/folder/page/x/y",
			"ServerPathDir": "/app/folder/page/x/", "ServerURL": "http://" + host + "/app/folder/page/x/y",
			"ServerURLDir": "http://" + host + "/app/folder/page/x/", "SiteRoot": "../../", "SiteRootFromCurrentServlet": "../../",
			"ServletPathFromSiteRoot": "page/x/y", "URIWebwareRoot": "../../../", "OriginalURLPath": "/folder/page/x/y",
			"OriginalURI": "/app/folder/page/x/y?q=1", "PreviousURLPath": "", "PreviousURLPaths": "[]", "previous servlets": "0",
			"is original": "true", "has previous": "false"}},
		{"/app/folder/page?include=1", map[string]string{
			"URLPath": "/parts/deep/menu/x", "ExtraURLPath": "/x", "ContextName": "parts/deep", "ServletURI": "/parts/deep/menu",
			"URI": "/app/parts/deep/menu/x?include=1", "ServerPath": "/app/folder/page", "SiteRoot": "../", "SiteRootFromCurrentServlet": "../",
			"ServletPathFromSiteRoot": "menu/x", "OriginalURLPath": "/folder/page", "OriginalURI": "/app/folder/page?include=1",
			"PreviousURLPath": "/folder/page", "PreviousURLPaths": "[/folder/page]", "previous servlets": "1", "is original": "false",
			"has previous": "true"}},
		{"/app/moved", map[string]string{"URLPath": "/folder/page", "PreviousURLPath": "/folder/elsewhere"}},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			got := make(map[string]string)
			for line := range strings.Lines(a.browser().want(test.path, 200, "").body) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				got[name] = value
			}
			for name, want := range test.want {
				if v, ok := got[name]; !ok || v != want {
					t.Errorf("%s is %q, want %q", name, v, want)
				}
			}
		})
	}
}

// TestRunByHand proves that the three parts of a transaction do what Run does, for servlets that call them.
func TestRunByHand(t *testing.T) {
	tr := new(trace)
	a := newTestApp(t, testConfig{Config: Config{SessionHooks: tr.hooks()}}, map[string]Factory{
		"/get": getting("a"),
		"/": func() Servlet {
			return &byHand{servlet{respond: func(t *Transaction) error {
				s, err := t.Session()
				if err != nil {
					return err
				}
				return s.SetValue("a", "1")
			}}}
		},
	})
	b := a.browser()
	b.want("/", 200, "")
	if got := strings.Join(tr.take(), " "); got != "SESSION.awake SESSION.sleep" {
		t.Errorf("events %s", got)
	}
	b.want("/get", 200, "1")
}

type byHand struct{ servlet }

func (s *byHand) RunTransaction(t *Transaction) error {
	t.SetServlet(&s.servlet)
	for _, part := range []func() error{t.Awake, t.Respond, t.Sleep} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}
