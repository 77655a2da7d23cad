package lint_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

// An application that is being ported is watched, and says too little of its response.
func ExampleWrap() {
	app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("200 OK", []compat.Header{{Name: "Connection", Value: "close"}}, nil); err != nil {
			return nil, err
		}
		return compat.Text("hello"), nil
	})
	watched := lint.Wrap(app, lint.Config{
		Report: func(_ context.Context, r lint.Report) {
			fmt.Printf("%s: %s. %s\n", r.Name, r.Problem, r.Advice)
		},
	})
	compat.Handler(watched, compat.HandlerConfig{}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output:
	// header-hop-by-hop: the header Connection is set. Leave the header out; the server keeps connections and codes transfers itself.
	// content-type-missing: there is no Content-Type. Name the type, or the browser will guess.
}

// Middleware that forgets to close what it was given.
func ExampleMiddleware() {
	forgetful := func(app compat.Application) compat.Application {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := app.Call(env, start); err != nil {
				return nil, err
			}
			return compat.Text("another page"), nil
		})
	}
	app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/plain"}}, nil)
		return compat.Text("hello"), err
	})
	watched := lint.Middleware(forgetful, lint.Config{
		Report: func(_ context.Context, r lint.Report) { fmt.Printf("%s, by the %s\n", r.Name, r.By) },
	})
	compat.Handler(watched(app), compat.HandlerConfig{}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output: not-closed, by the middleware
}
