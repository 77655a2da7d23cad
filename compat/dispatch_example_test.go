package compat_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdover-web/holdover/compat"
)

// hello is an application that says where it was found.
func hello(name string) compat.Application {
	return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/plain"}}, nil); err != nil {
			return nil, err
		}
		return compat.Text(fmt.Sprintf("%s: %s and %s", name, env.ScriptName(), env.PathInfo())), nil
	})
}

// The same application twice, and another one for a virtual host.
func ExampleURLMap() {
	var m compat.URLMap
	for place, app := range map[string]compat.Application{
		"/blog/alice":            hello("alice"),
		"/blog/bob":              compat.AddSlash(hello("bob")),
		"http://shop.localhost/": hello("shop"),
	} {
		if err := m.Add(place, app); err != nil {
			log.Fatal(err)
		}
	}
	h := compat.Handler(&m, compat.HandlerConfig{})
	for _, url := range []string{
		"http://localhost/blog/alice/2005/08", "http://localhost/blog/bob", "http://localhost/blog/carol",
		"http://shop.localhost:8080/tea",
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, nil))
		switch rec.Code {
		case http.StatusOK:
			fmt.Println(rec.Body)
		case http.StatusMovedPermanently:
			fmt.Println("to", rec.Header().Get("Location"))
		default:
			fmt.Println(rec.Code)
		}
	}
	// Output:
	// alice: /blog/alice and /2005/08
	// to /blog/bob/
	// 404
	// shop:  and /tea
}

// Old pages are asked first, new ones where there is no old one.
func ExampleNewCascade() {
	old := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if env.PathInfo() == "/old" {
			return hello("old pages").Call(env, start)
		}
		_, err := start("404 Not Found", nil, nil)
		return nil, err
	})
	app, err := compat.NewCascade(compat.CascadeConfig{}, old, hello("new pages"))
	if err != nil {
		log.Fatal(err)
	}
	h := compat.Handler(app, compat.HandlerConfig{})
	for _, path := range []string{"/old", "/new"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(rec.Body)
	}
	// Output:
	// old pages:  and /old
	// new pages:  and /new
}
