package compat_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// TestUploadsLeaveNoFiles sends files that are too large for memory to applications and handlers that are reached in all
// the ways in which a request is copied. What net/http has put into temporary files must be gone when it has ended.
func TestUploadsLeaveNoFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "name")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	files := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	parse := func(r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil || files() == 0 {
			t.Errorf("%v, and there are %d files", err, files())
		}
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { parse(r) })
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		parse(env.Request())
		_, err := start("200 OK", nil, nil)
		return nil, err
	})
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	e := echo.New()
	e.Use(compat.Echo(st.sessions))
	e.POST("/*", func(c echo.Context) error { parse(c.Request()); return c.NoContent(200) }, compat.EchoPolicy(core.ReadOnly))
	type key struct{}
	copied := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
		})
	}
	for name, h := range map[string]http.Handler{
		"a handler":              st.sessions.Middleware(handler),
		"an application":         compat.Handler(app, compat.HandlerConfig{}),
		"sessions of its own":    compat.Handler(st.sessions.Wrap(app), compat.HandlerConfig{}),
		"a policy outside":       compat.Policy(core.ReadOnly)(st.sessions.Middleware(handler)),
		"a policy inside":        st.sessions.Middleware(compat.Policy(core.ReadOnly)(handler)),
		"an application's":       compat.Handler(compat.PolicyFor(core.ReadOnly)(app), compat.HandlerConfig{}),
		"Echo":                   e,
		"Echo behind PathIDs":    st.sessions.PathIDs(e),
		"middleware that copies": copied(st.sessions.Middleware(handler)),
		"a retry":                compat.Retry(compat.RetryConfig{})(st.sessions.Middleware(handler)),
	} {
		for _, path := range []string{"/", "/sid=x/"} {
			c := dial(t, start(t, h))
			c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + mw.FormDataContentType() +
				"\r\nContent-Length: " + strconv.Itoa(form.Len()) + "\r\n\r\n" + form.String())
			if resp, _ := c.response("POST"); resp.StatusCode != 200 {
				t.Errorf("%s: %s: status %d", name, path, resp.StatusCode)
			}
			eventually(t, name+": "+path+": no file is left", func() bool { return files() == 0 })
		}
	}
}
