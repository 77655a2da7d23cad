package compat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// visitor is what an application does with its session before it answers.
type visitor func(t *testing.T, st *site, env *compat.Environ, s *core.Session) error

func setN(n int) visitor {
	return func(_ *testing.T, _ *site, _ *compat.Environ, s *core.Session) error { return s.Set("n", n) }
}

// wantN fails unless n is what the session has.
func wantN(n int) visitor {
	return func(_ *testing.T, _ *site, _ *compat.Environ, s *core.Session) error {
		if got, err := core.Get[int](s, "n"); err != nil || got != n {
			return fmt.Errorf("n = %d, %v, want %d", got, err, n)
		}
		return nil
	}
}

func then(visits ...visitor) visitor {
	return func(t *testing.T, st *site, env *compat.Environ, s *core.Session) error {
		for _, v := range visits {
			if err := v(t, st, env, s); err != nil {
				return err
			}
		}
		return nil
	}
}

func visiting(t *testing.T, st *site, status string, v visitor) compat.Application {
	return appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if v != nil {
			s, err := env.Session()
			if err == nil {
				err = v(t, st, env, s)
			}
			if err != nil {
				return nil, err
			}
		}
		return reply(status, "").Call(env, start)
	})
}

// What the loser of a cascade did in its session is gone; Paste keeps it.
func TestCascadeRollsLosersBack(t *testing.T) {
	rotate := func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
		return s.Rotate(env.Context(), 0)
	}
	for _, tt := range []struct {
		name                 string
		outer, loser, winner visitor
		none                 bool // the client has no session yet
		n                    int  // stored in the end, 0 if nothing is
		cookie               bool // the client is told a new id
	}{
		{name: "a change", loser: setN(9), winner: wantN(1), n: 1},
		{name: "a change, and nobody else looks", loser: setN(9), n: 1},
		{name: "the winner's stays", loser: setN(9), winner: then(wantN(1), setN(2)), n: 2},
		{name: "a deletion", loser: func(_ *testing.T, _ *site, _ *compat.Environ, s *core.Session) error { return s.Clear() },
			winner: wantN(1), n: 1},
		{name: "what is around the cascade stays", outer: setN(5), loser: then(wantN(5), setN(9)), winner: wantN(5), n: 5},
		{name: "the loser rolls back itself", outer: setN(5), loser: func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
			return errors.Join(s.Set("n", 9), env.Response().Rollback())
		}, winner: wantN(5), n: 5},
		{name: "a new session", none: true, loser: setN(9)},
		{name: "the winner's new session", none: true, loser: setN(9), winner: then(wantN(0), setN(2)), n: 2, cookie: true},
		{name: "a new session of the outer one", none: true, outer: setN(5), loser: setN(9), winner: wantN(5), n: 5, cookie: true},
		{name: "a save policy", loser: func(_ *testing.T, _ *site, _ *compat.Environ, s *core.Session) error {
			s.SetSave(core.SaveExplicit)
			return nil
		}, outer: wantN(1), winner: setN(2), n: 2},
		{name: "a session that the loser ends", outer: setN(5), loser: func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
			return errors.Join(s.Set("n", 9), s.End(env.Context()))
		}, winner: then(wantN(5), func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
			return errors.Join(s.Set("n", 6), s.End(env.Context()))
		}), n: 6},
		{name: "a commit stays", loser: func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
			return errors.Join(s.Set("n", 9), s.Commit(env.Context()), s.Set("n", 10))
		}, winner: wantN(9), n: 9},
		{name: "a new session that was committed stays", none: true,
			loser: func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
				return errors.Join(s.Set("n", 9), s.Commit(env.Context()), s.Set("n", 10))
			}, winner: wantN(9), n: 9, cookie: true},
		{name: "a new id stays", loser: then(rotate, setN(9)), winner: then(wantN(1), setN(2)), n: 2, cookie: true},
		{name: "an end stays", loser: func(_ *testing.T, _ *site, env *compat.Environ, s *core.Session) error {
			return s.Invalidate(env.Context())
		}, winner: wantN(0), n: 0, cookie: true},
	} {
		for _, p := range []core.LockingPolicy{core.Merge, core.Optimistic, core.Serialized, core.Lossy} {
			t.Run(tt.name+"/"+p.String(), func(t *testing.T) {
				st := newSite(t, core.Config{Locking: p, LockWait: time.Second}, compat.SessionsConfig{})
				cascade := newCascade(t, compat.CascadeConfig{}, visiting(t, st, "404 No", nil), visiting(t, st, "404 No", tt.loser),
					visiting(t, st, "200 OK", tt.winner))
				app := appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
					if tt.outer != nil {
						s, err := env.Session()
						if err == nil {
							err = tt.outer(t, st, env, s)
						}
						if err != nil {
							return nil, err
						}
					}
					return cascade.Call(env, start)
				})
				addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{Logger: slog.New(slog.NewTextHandler(st.log, nil))})))
				id := ""
				if !tt.none {
					id = st.seed()
				}
				resp, _ := do(t, addr, "GET", "/", id)
				if resp.StatusCode != 200 {
					t.Fatalf("status %d\n%s", resp.StatusCode, st.log)
				}
				c := sid(resp)
				if (c != nil) != tt.cookie {
					t.Errorf("cookie %v", c)
				}
				if c != nil {
					id = c.Value
				}
				if id != "" && st.n(id) != tt.n {
					t.Errorf("stored n = %d, want %d", st.n(id), tt.n)
				}
				if want := min(tt.n, 1); st.count() != want {
					t.Errorf("%d sessions, want %d", st.count(), want)
				}
			})
		}
	}
}

// An application that lost holds no lock while the next one works.
func TestCascadeLetsLocksGo(t *testing.T) {
	st := newSite(t, core.Config{Locking: core.Serialized, LockWait: 10 * time.Second}, compat.SessionsConfig{})
	id := st.seed()
	app := newCascade(t, compat.CascadeConfig{}, visiting(t, st, "404 No", setN(9)),
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			s, err := st.manager.Open(t.Context(), id) // another request
			if err == nil {
				err = errors.Join(s.Set("n", 2), s.End(t.Context()))
			}
			if err != nil {
				return nil, err
			}
			return visiting(t, st, "200 OK", then(wantN(2), setN(3))).Call(env, start)
		}))
	addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{})))
	if resp, _ := do(t, addr, "GET", "/", id); resp.StatusCode != 200 || st.n(id) != 3 {
		t.Errorf("status %d, n = %d", resp.StatusCode, st.n(id))
	}
}

// Adapters that find ids elsewhere than in the cookie can share one cascade and one Sessions.
func TestCascadeForgetsClaimedIDs(t *testing.T) {
	for _, p := range []core.LockingPolicy{core.Merge, core.Serialized} {
		t.Run(p.String(), func(t *testing.T) {
			st := newSite(t, core.Config{Locking: p, LockWait: time.Second}, compat.SessionsConfig{})
			one, two, cookie := st.seed(), st.seed(), st.seed()
			claim := func(status, id string, n int) compat.Application {
				return appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
					if id != "" {
						if err := st.sessions.SetClientID(env.Context(), id); err != nil {
							return nil, err
						}
					}
					return visiting(t, st, status, then(wantN(1), setN(n))).Call(env, start)
				})
			}
			app := newCascade(t, compat.CascadeConfig{}, claim("404 No", one, 9), claim("404 No", two, 9), claim("404 No", one, 9),
				claim("200 OK", "", 2))
			addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{})))
			resp, _ := do(t, addr, "GET", "/", cookie)
			wantNoCookie(t, resp)
			if resp.StatusCode != 200 || st.n(one) != 1 || st.n(two) != 1 || st.n(cookie) != 2 {
				t.Errorf("status %d; %d, %d, %d", resp.StatusCode, st.n(one), st.n(two), st.n(cookie))
			}
		})
	}
}

// Listeners are told of what was dropped, for the files that a session may name.
func TestCascadeTellsListeners(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	id := st.seed()
	events := make(chan core.EventKind, 10)
	defer st.manager.Listen(func(_ context.Context, e core.Event) { events <- e.Kind })()
	app := newCascade(t, compat.CascadeConfig{}, visiting(t, st, "404 No", setN(9)), visiting(t, st, "200 OK", setN(2)))
	addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{})))
	do(t, addr, "GET", "/", id)
	if a, b := <-events, <-events; a != core.EventRolledBack || b != core.EventSaved {
		t.Errorf("told of %v, %v", a, b)
	}
}

// An application that has answered ends its sessions when it says so, as it would without a cascade.
func TestCascadeWinnerEndsItsSession(t *testing.T) {
	st := newSite(t, core.Config{Locking: core.Serialized}, compat.SessionsConfig{})
	id := st.seed()
	var closed atomic.Int32
	app := newCascade(t, compat.CascadeConfig{}, reply("404 No", ""),
		appFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", nil, nil)
			return &tracked{blocks: []string{"x"}, closed: &closed, run: func() {
				s, err := env.Session()
				if err == nil {
					err = errors.Join(s.Set("n", 7), s.End(env.Context()))
				}
				if err != nil || st.n(id) != 7 {
					t.Errorf("%v; stored n = %d, want 7 at once", err, st.n(id))
				}
			}}, err
		}), reply("200 OK", ""))
	addr := start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{})))
	if resp, _ := do(t, addr, "GET", "/", id); resp.StatusCode != 200 || closed.Load() != 1 {
		t.Errorf("status %d, closed %d", resp.StatusCode, closed.Load())
	}
}
