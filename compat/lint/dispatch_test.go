package lint_test

import (
	"io"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

// TestOwnDispatchIsClean has what package compat puts between server and application keep the rules: a map of
// prefixes, a cascade that replays the body, instances, and middleware.
func TestOwnDispatchIsClean(t *testing.T) {
	r := new(reports)
	cfg := lint.Config{Report: r.add, Strict: true}
	lost := func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := env.Input().ReadLine(0); err != nil && err != io.EOF {
			return nil, err
		}
		return says("404 Not Found", plain, yields("not", "here"))(env, start)
	}
	for name, last := range cleanApps(t) {
		apps := []compat.Application{
			lint.Wrap(compat.ApplicationFunc(lost), cfg),
			lint.Wrap(compat.ApplicationFunc(last), cfg),
		}
		cascade, err := compat.NewCascade(compat.CascadeConfig{}, apps...)
		if err != nil {
			t.Fatal(err)
		}
		instance := compat.PerRequest(func(*compat.Environ) (compat.Application, error) { return cascade, nil })
		urls := new(compat.URLMap)
		if err := urls.Add("/app", lint.Middleware(compat.AddSlash, cfg)(instance)); err != nil {
			t.Fatal(err)
		}
		for _, q := range []request{
			{path: "/app/page"}, {method: "HEAD", path: "/app/page"}, {method: "POST", path: "/app/page", body: post.body},
			{path: "/app"}, {path: "/nowhere"}, {path: "//app//page"},
		} {
			overTCP(t, lint.Wrap(urls, cfg), q)
			if len(r.all) > 0 {
				t.Fatalf("%s, %v: reported %v", name, q, r.all)
			}
		}
	}
}
