package deploy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// linking is an application that keeps one note in its session, and answers with the note and a link to itself and, in
// a form, a field.
func linking(s *deploy.Section) (compat.Application, error) {
	sessions, err := s.Sessions(core.Config{}, compat.SessionsConfig{})
	if err != nil {
		return nil, err
	}
	return deploy.FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		session, err := sessions.Session(ctx)
		if err == nil && r.FormValue("note") != "" {
			err = session.Set("note", r.FormValue("note"))
		}
		note, err2 := core.Get[string](session, "note")
		if err != nil || err2 != nil {
			http.Error(w, "no session", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(note + "\n" + sessions.URL(ctx, "/app/x") + "\n" + r.URL.Path + "\n" + sessions.Field(ctx)))
	})), nil
}

// With carriers from the file, ids travel by them and by nothing else.
func TestCarriers(t *testing.T) {
	for _, tt := range []struct {
		carrier, link string // how the link begins
		cookie        bool
		table         string
	}{
		{"carrier = query", "/app/x?sid=", false, "  carrier              query\n  carrier_name         sid\n"},
		{"carrier = query\ncarrier_name = _SID_", "/app/x?_SID_=", false, "  carrier_name         _SID_\n"},
		{"carrier = path", "/app/sid=", false, "  carrier              path\n"},
		{"carrier = cookie\n\tquery", "/app/x?sid=", true, "  carrier              cookie, query\n"},
		{"carrier = path, field", "/app/sid=", false, "  carrier              path, field\n"},
		{"carrier = cookie", "/app/x", true, "  carrier              cookie\n"},
	} {
		t.Run(tt.carrier, func(t *testing.T) {
			l := loader(t)
			l.App("linking", linking)
			site, err := l.Load(t.Context(), deploy.FromText("test", "[composite:main]\nuse = urlmap\n/app = app\n[app:app]\nuse = linking\n"+tt.carrier+"\n"+stores))
			if err != nil {
				t.Fatal(err)
			}
			defer site.Close(t.Context())
			var table strings.Builder
			if err := site.WriteTable(&table); err != nil || !strings.Contains(table.String(), tt.table) ||
				strings.Contains(table.String(), "\n  cookie ") != tt.cookie {
				t.Errorf("%v; %q is not in\n%s", err, tt.table, &table)
			}
			c := client{h: site}
			res := c.get("/app/?note=tea")
			if got := len(res.Cookies()) == 1; got != tt.cookie {
				t.Errorf("cookies: %v", res.Cookies())
			}
			lines := strings.Split(body(res), "\n")
			if !strings.HasPrefix(lines[1], tt.link) || (len(lines[3]) > 0) != strings.Contains(tt.carrier, "field") {
				t.Fatalf("%q", lines)
			}
			if tt.carrier == "carrier = cookie" {
				return
			}
			stranger := client{h: site} // without the cookie
			res = stranger.get(lines[1])
			if lines := strings.Split(body(res), "\n"); lines[0] != "tea" || lines[2] != "/x" || len(res.Cookies()) > 0 {
				t.Errorf("by its link: %q %v", lines, res.Cookies())
			}
			if lines := strings.Split(body(stranger.get("/app/x")), "\n"); lines[0] != "" {
				t.Errorf("without the id: %q", lines)
			}
		})
	}
}

// Sessions without a cookie clash with nobody's.
func TestClashesOfCarriers(t *testing.T) {
	load(t, two("cookie_path = /", "cookie_path = /\ncarrier = query")+stores)
	if all := mistakes(t, two("cookie_path = /", "cookie_path = /\ncarrier = query, cookie")+stores); !strings.Contains(all.Error(), "clashes") {
		t.Error(all)
	}
}
