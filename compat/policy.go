package compat

import (
	"context"
	"net/http"
	"slices"

	"github.com/holdover-web/holdover/core"
)

type policyKey struct{}

// Policy is net/http middleware for a route, or a group of routes, whose sessions are to be opened in another way than
// the manager's: with another locking policy, another save policy, or for reading only. It goes inside of
// Sessions.Middleware or outside, and can be nested: the inner one counts. What a handler gives to Session itself counts
// more than both. Message keeps to it, too.
//
// A new session is writable even with core.ReadOnly. A session that was opened before stays as it is, until it is opened
// anew; see core.Manager.Open.
func Policy(opts ...core.OpenOption) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner := r.WithContext(policyContext(r.Context(), opts))
			defer passForm(r, inner)
			next.ServeHTTP(w, inner)
		})
	}
}

// PolicyFor is Policy for an application: a Middleware.
func PolicyFor(opts ...core.OpenOption) Middleware {
	return func(next Application) Application {
		return ApplicationFunc(func(env *Environ, start StartResponse) (Body, error) {
			env.r = env.r.WithContext(policyContext(env.r.Context(), opts))
			return next.Call(env, start)
		})
	}
}

func policyContext(ctx context.Context, opts []core.OpenOption) context.Context {
	outer, _ := ctx.Value(policyKey{}).([]core.OpenOption)
	return context.WithValue(ctx, policyKey{}, slices.Concat(outer, opts))
}

// withPolicy puts the route's options in front of those that were given.
func withPolicy(ctx context.Context, opts []core.OpenOption) []core.OpenOption {
	route, _ := ctx.Value(policyKey{}).([]core.OpenOption)
	switch {
	case len(route) == 0:
		return opts
	case len(opts) == 0:
		return route
	}
	return slices.Concat(route, opts)
}
