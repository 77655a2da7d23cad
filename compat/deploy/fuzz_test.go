package deploy_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// Whatever a file says, it makes a site or a list of mistakes, and a site serves.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{oneApp + stores, maps(3), two("share = yes", "manager = alice\nshare = yes") + stores,
		"[pipeline:main]\npipeline = retry lint tag c\n[composite:c]\nuse = cascade\napp1 = a\napp2 = b\n[app:a]\nuse = missing\n[app:b]\nuse = app:a\nfilter-with = addslash\n",
		"[DEFAULT]\nx = %(here)s\n[app:main]\nuse = static\nget dir = x\n", "[composite:main]\nuse = urlmap\ndomain a port 1 /x = main\n",
		"[app:main]\nuse = notes\nsessions = main\n", "[server:main]\nhost = x\nport = 99999\nsocket_mode = 9\n[filter-app:main]\nuse = tag\nnext = main\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "dir") && strings.Contains(text, "/") {
			t.Skip() // it would look at any folder
		}
		l := loader(t)
		l.OpenStore = func(context.Context, string) (core.Store, error) { return memstore.New(memstore.Config{}), nil }
		site, err := l.Load(t.Context(), deploy.FromText("fuzz", text))
		if err != nil {
			all, ok := errors.AsType[deploy.Mistakes](err)
			if !ok || len(all) == 0 {
				t.Errorf("%T: %v", err, err)
			}
			for _, m := range all {
				if m.Text == "" || strings.Contains(m.String(), "\n") {
					t.Errorf("%q", m)
				}
			}
			return
		}
		for _, path := range []string{"/", "/blog/alice?note=x", "http://a:1/x"} {
			site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		}
		if err := site.WriteTable(&strings.Builder{}); err != nil {
			t.Error(err)
		}
		if err := site.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
