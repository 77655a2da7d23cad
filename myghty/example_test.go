package myghty_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/myghty"
)

// serve runs components on a store in memory, asks for paths one after the other as one browser, and prints the answers.
func serve(cfg myghty.Config, components map[string]func(m *myghty.Request) error, paths ...string) {
	ctx := context.Background()
	settings, err := cfg.Options.Settings(core.Config{})
	if err != nil {
		log.Fatal(err)
	}
	store, err := myghty.OpenStore(ctx, settings.StoreURL)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	m, err := core.New("example", store, settings.Manager)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close(ctx)
	app, err := myghty.NewApplication(m, cfg)
	if err != nil {
		log.Fatal(err)
	}
	for path, f := range components {
		if err := app.AddFunc(path, f); err != nil {
			log.Fatal(err)
		}
	}
	cookie := ""
	for _, path := range paths {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		app.Handler().ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookie = c.Name + "=" + c.Value
		}
		fmt.Printf("%s: %d %s\n", path, w.Code, w.Body)
	}
}

func Example() {
	serve(myghty.Config{}, map[string]func(m *myghty.Request) error{
		"/login": func(m *myghty.Request) error {
			s, err := m.GetSession(nil)
			if err != nil {
				return err
			}
			m.Writef("welcome")
			return errors.Join(s.Set("user", m.Arg("user")), s.Save())
		},
		"/hello": func(m *myghty.Request) error {
			s, err := m.GetSession(nil)
			if err != nil {
				return err
			}
			user, err := s.Get("user", "stranger")
			m.Writef("hello %v", user)
			return err
		},
	}, "/hello", "/login?user=ada", "/hello")
	// Output:
	// /hello: 200 hello stranger
	// /login?user=ada: 200 welcome
	// /hello: 200 hello ada
}

// What is not saved is forgotten, unless the option auto is on.
func ExampleSession_Save() {
	count := func(m *myghty.Request) error {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		n, err := core.Get[int](s.Core(), "n")
		if err != nil {
			return err
		}
		m.Writef("%d", n+1)
		if err := s.Set("n", n+1); err != nil || m.HasArg("forget") {
			return err
		}
		return s.Save()
	}
	components := map[string]func(m *myghty.Request) error{"/": count}
	serve(myghty.Config{}, components, "/", "/?forget", "/")
	serve(myghty.Config{Options: myghty.Options{"session_auto": true}}, components, "/", "/?forget", "/")
	// Output:
	// /: 200 1
	// /?forget: 200 2
	// /: 200 2
	// /: 200 1
	// /?forget: 200 2
	// /: 200 3
}

// A read-modify-write that loses no update, however many requests come at the same time.
func ExampleSession_Lock() {
	serve(myghty.Config{}, map[string]func(m *myghty.Request) error{"/": func(m *myghty.Request) error {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		if err := s.Lock(); err != nil {
			return err
		}
		defer s.Unlock()
		n, err := core.Get[int](s.Core(), "n")
		if err != nil {
			return err
		}
		m.Writef("%d", n+1)
		return errors.Join(s.Set("n", n+1), s.Save())
	}}, "/", "/")
	// Output:
	// /: 200 1
	// /: 200 2
}

func ExampleSession_Invalidate() {
	serve(myghty.Config{}, map[string]func(m *myghty.Request) error{"/": func(m *myghty.Request) error {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Set("user", "ada"), s.Save(), s.Invalidate()); err != nil {
			return err
		}
		m.Writef("%v %v", s.WasInvalidated(), s.Keys())
		return nil
	}}, "/")
	// Output:
	// /: 200 true []
}

// The first call's params hold. Another one's must be the same.
func ExampleRequest_GetSession() {
	serve(myghty.Config{}, map[string]func(m *myghty.Request) error{"/": func(m *myghty.Request) error {
		if _, err := m.GetSession(myghty.Options{"session_auto": true}); err != nil {
			return err
		}
		_, err := m.GetSession(myghty.Options{"auto": false})
		m.Writef("%v", err)
		return nil
	}}, "/")
	// Output:
	// /: 200 myghty: GetSession: the option auto is another one than in the first call of this request, which holds
}

// An autohandler is around the pages of its folder.
func ExampleRequest_CallNext() {
	serve(myghty.Config{}, map[string]func(m *myghty.Request) error{
		"/autohandler": func(m *myghty.Request) error {
			m.Writef("<b>")
			err := m.CallNext(nil)
			m.Writef("</b>")
			return err
		},
		"/page": func(m *myghty.Request) error { return m.Comp("part", myghty.Args{"name": "ada"}) },
		"/part": func(m *myghty.Request) error { m.Writef("hello %v", m.Args()["name"]); return nil },
	}, "/page")
	// Output:
	// /page: 200 <b>hello ada</b>
}

// What an old configuration says, in the terms of Holdover.
func ExampleOptions_Settings() {
	settings, err := myghty.Options{
		"session_type": "file", "session_data_dir": "/var/lib/shop", "session_timeout": "1800", "session_key": "shop",
	}.Settings(core.Config{})
	fmt.Println(settings.StoreURL, settings.Manager.IdleTimeout, settings.Sessions.Name, err)

	_, err = myghty.Options{"session_lock_dir": "/tmp", "session_colour": "red"}.Settings(core.Config{})
	fmt.Println(err)
	// Output:
	// file:/var/lib/shop 30m0s shop <nil>
	// myghty: there is no option "session_colour"; DefaultOptions has the list
	// myghty: the option session_lock_dir is refused: take it away; stores keep their locks by themselves
}

// A signed cookie is worth nothing under another name.
func ExampleNewSignature() {
	s, err := myghty.NewSignature([]string{"new secret", "old secret"}, myghty.BeakerSignature)
	if err != nil {
		log.Fatal(err)
	}
	value := s.Encode("shop", "ABCDEFGHIJKLMNOPQRSTUVWXYZ2345")
	id, renew, ok := s.Decode("shop", value)
	fmt.Println(id, renew, ok)
	_, _, ok = s.Decode("admin", value)
	fmt.Println(ok)
	// Output:
	// ABCDEFGHIJKLMNOPQRSTUVWXYZ2345 false true
	// false
}
