package compat_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// TestPolicyOfARoute says how sessions are opened there, nearest first.
func TestPolicyOfARoute(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	tell := func(c echo.Context) error {
		var opts []core.OpenOption
		if c.QueryParam("lossy") != "" {
			opts = append(opts, core.Lossy)
		}
		s, err := compat.Session(c, opts...)
		if err != nil {
			return err
		}
		if err := s.Set("n", 9); err != nil && !errors.Is(err, core.ErrReadOnly) {
			return err
		}
		mode := "writes"
		if s.Mode() == core.ReadOnly {
			mode = "reads"
		}
		return c.String(http.StatusOK, s.Locking().String()+" "+mode)
	}
	e := echo.New()
	e.Use(compat.EchoPolicy(core.Optimistic), compat.Echo(st.sessions))
	e.GET("/", tell)
	g := e.Group("/line", compat.EchoPolicy(core.Serialized))
	g.GET("/write", tell)
	g.GET("/read", tell, compat.EchoPolicy(core.ReadOnly))
	g.GET("/fail", func(echo.Context) error { return errors.New("no") }, compat.EchoPolicy(core.ReadOnly))
	e.HTTPErrorHandler = func(_ error, c echo.Context) { _ = tell(c) }
	g.GET("/draft", tell, compat.EchoPolicy(core.SaveExplicit))
	app := compat.PolicyFor(core.Serialized, core.ReadOnly)(compat.ApplicationFunc(
		func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			s, err := env.Session()
			if err != nil {
				return nil, err
			}
			_, err = start("200 OK", plain, nil)
			return compat.Text(s.Locking().String() + " " + map[bool]string{true: "reads", false: "writes"}[s.Mode() == core.ReadOnly]), err
		}))
	compat.EchoMount(e, "/app", app, compat.HandlerConfig{})
	e.GET("/std", echo.WrapHandler(compat.Policy(core.Lossy)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = tell(echo.New().NewContext(r, w))
	}))))
	addr := start(t, e)
	for _, tt := range []struct {
		path, want string
		saved      bool
	}{
		{"/", "optimistic writes", true},
		{"/?lossy=1", "lossy writes", true},
		{"/line/write", "serialized writes", true},
		{"/line/read", "serialized reads", false},
		{"/line/read?lossy=1", "lossy reads", false},
		{"/line/draft", "serialized writes", false},
		{"/line/fail", "optimistic writes", true}, // the page for the error is not the route's
		{"/app", "serialized reads", false},
		{"/std", "lossy writes", true},
	} {
		id := st.seed()
		if _, got := do(t, addr, "GET", tt.path, id); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
		if saved := st.n(id) == 9; saved != tt.saved {
			t.Errorf("%s: saved %v", tt.path, saved)
		}
	}
}
