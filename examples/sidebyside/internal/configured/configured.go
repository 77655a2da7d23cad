// Package configured makes sites of configuration files, for tests of the applications in them.
package configured

import (
	"context"
	"log/slog"
	"testing"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Site returns the site that a configuration describes, with store in the place of the one in its section [store:main], of
// which the text says nothing. The site is closed when the test ends, and the store with it.
func Site(t testing.TB, store core.Store, text string, register ...func(*deploy.Loader)) *deploy.Site {
	t.Helper()
	l := deploy.NewLoader()
	l.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	l.OpenStore = func(context.Context, string) (core.Store, error) { return store, nil }
	for _, r := range register {
		r(l)
	}
	site, err := l.Load(t.Context(), deploy.FromText("test", text+"\n[store:main]\nurl = memory:\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return site
}
