package webstack_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webstack"
)

// try builds an application of one resource, sends it requests of one client, each a path or a path with a form behind a
// blank, and prints the answers.
func try(cfg webstack.Config, requests ...string) {
	managed, err := webstack.Settings(nil).ManagerConfig(core.Config{})
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(memstore.Config{})
	defer store.Close()
	manager, err := core.New("example", store, managed)
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close(context.Background())
	app, err := webstack.NewApplication(manager, cfg)
	if err != nil {
		log.Fatal(err)
	}
	cookies := make(map[string]*http.Cookie)
	for _, request := range requests {
		path, form, post := strings.Cut(request, " ")
		r := httptest.NewRequest("GET", path, nil)
		if post {
			r = httptest.NewRequest("POST", path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.Handler().ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookies[c.Name] = c
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("Location"), w.Body)))
	}
}

func resource(f func(t *webstack.Transaction) error) webstack.Config {
	return webstack.Config{Resource: webstack.ResourceFunc(f)}
}

// Without create there is only a session that has something in it.
func ExampleTransaction_GetSession() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(false)
		if err != nil {
			return err
		}
		if s == nil {
			fmt.Println("no session")
			if s, err = t.GetSession(true); err != nil {
				return err
			}
			return s.Set("drink", "tea")
		}
		drink, err := s.Get("drink")
		fmt.Println("drink:", drink)
		return err
	}), "/", "/")
	// Output:
	// no session
	// 200
	// drink: tea
	// 200
}

// A resource that only reads says so, and waits for nobody.
func ExampleTransaction_GetSession_readOnly() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(true, core.ReadOnly)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(t.GetResponseStream(), "keys: ", s.Len())
		return err
	}), "/")
	// Output:
	// 200 keys: 0
}

// The data is gone when ExpireSession returns.
func ExampleTransaction_ExpireSession() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		if err := s.Set("drink", "tea"); err != nil {
			return err
		}
		if err := t.ExpireSession(); err != nil {
			return err
		}
		s, err = t.GetSession(false)
		fmt.Println("session:", s)
		return err
	}), "/")
	// Output:
	// session: <nil>
	// 200
}

// A list that was fetched is made longer in place, and remembered.
func ExampleValue() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		cart, err := webstack.Value[*[]string](s, "cart")
		if errors.Is(err, webstack.ErrKey) {
			return s.Set("cart", []string{"tea"})
		}
		if err != nil {
			return err
		}
		*cart = append(*cart, "milk")
		fmt.Println(*cart)
		return nil
	}), "/", "/", "/")
	// Output:
	// 200
	// [tea milk]
	// 200
	// [tea milk milk]
	// 200
}

// A session is a dictionary.
func ExampleSession() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		if err := s.Update(map[string]any{"a": 1, "b": 2.5, "c": "three"}); err != nil {
			return err
		}
		b, err := s.Pop("b")
		if err != nil {
			return err
		}
		fmt.Println(b, s.Keys(), s.HasKey("b"))
		_, err = s.Get("b")
		fmt.Println(errors.Is(err, webstack.ErrKey))
		for key, value := range s.All() {
			fmt.Println(key, value)
		}
		return nil
	}), "/")
	// Output:
	// 2.5 [a c] false
	// true
	// a 1
	// c three
	// 200
}

// Fields are lists; where the address and the form have one, the address comes first.
func ExampleTransaction_GetFields() {
	try(resource(func(t *webstack.Transaction) error {
		fields, err := t.GetFields(webstack.UTF8)
		if err != nil {
			return err
		}
		for _, f := range fields["drink"] {
			fmt.Println(f.Text)
		}
		fmt.Printf("%q %v\n", fields.Text("size"), fields.Has("milk"))
		return nil
	}), "/?drink=tea&size= drink=coffee")
	// Output:
	// tea
	// coffee
	// "" false
	// 200
}

func ExampleTransaction_Redirect() {
	try(resource(func(t *webstack.Transaction) error {
		return t.Redirect(t.UpdatePath(t.GetPathWithoutQuery(), "list"))
	}), "/notes/new?a=b")
	// Output:
	// 302 /notes/list
}

// Text is written in the charset of the content type; without one in iso-8859-1, which has no euro sign.
func ExampleTransaction_GetResponseStream() {
	try(resource(func(t *webstack.Transaction) error {
		fmt.Println(t.GetResponseStreamEncoding())
		_, err := t.GetResponseStreamEncoding().Encode("10 €")
		fmt.Println(err)
		if err := t.SetContentType(webstack.ContentType{MediaType: "text/plain", Charset: "utf-8"}); err != nil {
			return err
		}
		_, err = t.GetResponseStream().WriteString("10 €") // without the test, the transaction would have failed
		return err
	}), "/")
	// Output:
	// iso-8859-1
	// webstack: iso-8859-1 has no '€' (U+20AC); choose a charset that has it, such as utf-8, with SetContentType
	// 200 10 €
}

func ExampleTransaction_SetCookie() {
	try(resource(func(t *webstack.Transaction) error {
		if c := t.GetCookie("größe"); c != nil {
			fmt.Println("it was", c.Value)
		}
		return t.SetCookie(&webstack.Cookie{Name: "größe", Value: "sehr groß", Path: "/", HTTPOnly: true})
	}), "/", "/")
	// Output:
	// 200
	// it was sehr groß
	// 200
}

// Rollback takes back the output and what was changed in the session.
func ExampleTransaction_Rollback() {
	try(resource(func(t *webstack.Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		if err := s.Set("drink", "tea"); err != nil {
			return err
		}
		fmt.Fprint(t.GetResponseStream(), "half a page")
		if err := t.Rollback(); err != nil {
			return err
		}
		_, err = fmt.Fprint(t.GetResponseStream(), "another page")
		return err
	}), "/")
	// Output:
	// 200 another page
}

// Of the path each resource sees what those before it have left.
func ExampleMapResource() {
	show := func(t *webstack.Transaction) error {
		_, err := fmt.Fprint(t.GetResponseStream(), t.GetProcessedVirtualPathInfo(), " then ", t.GetVirtualPathInfo())
		return err
	}
	try(webstack.Config{Resource: &webstack.MapResource{Mapping: map[string]webstack.Resource{
		"animals": &webstack.MapResource{Mapping: map[string]webstack.Resource{"cat": webstack.ResourceFunc(show)}},
	}}}, "/animals/cat/tail", "/animals")
	// Output:
	// 200 /animals/cat then /tail
	// 302 /animals/
}

func ExampleDirectoryResource() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := os.WriteFile(filepath.Join(folder, "robots.txt"), []byte("Allow: /"), 0o600); err != nil {
		log.Fatal(err)
	}
	files, err := webstack.NewDirectoryResource(folder, webstack.DirectoryConfig{
		ContentTypes: map[string]webstack.ContentType{"txt": {MediaType: "text/plain", Charset: "utf-8"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	try(webstack.Config{Resource: files}, "/robots.txt")
	// Output:
	// 200 Allow: /
}

// A login in front of a resource.
func ExampleLoginRedirectResource() {
	authenticator := webstack.SessionAuthenticator{}
	try(webstack.Config{Resource: &webstack.MapResource{Mapping: map[string]webstack.Resource{
		"": &webstack.LoginRedirectResource{
			LoginURL:      "/login",
			Authenticator: authenticator,
			Resource: webstack.ResourceFunc(func(t *webstack.Transaction) error {
				_, err := fmt.Fprint(t.GetResponseStream(), "Welcome, ", t.GetUser())
				return err
			}),
		},
		"login": &webstack.LoginResource{
			Authenticator: authenticator,
			Credentials: func(_ *webstack.Transaction, user, password string) (bool, error) {
				return user == "ada" && password == "engine", nil
			},
		},
	}}}, "/?page=1", "/login?app=&path=/&qs=%3Fpage%3D1 "+url.Values{"login": {"1"}, "username": {"ada"}, "password": {"engine"}}.Encode(), "/?page=1")
	// Output:
	// 302 /login?app=&path=/&qs=%3Fpage%3D1
	// 303 /?page=1
	// 200 Welcome, ada
}

// Settings that are refused say what to do instead.
func ExampleSettings() {
	_, err := webstack.Settings{"session_cookie_name": "SID", "delay": 1, "sesion_timeout": 20}.ManagerConfig(core.Config{})
	fmt.Println(err)
	// Output:
	// webstack: the setting delay is refused: nobody polls for a session here; say with lock_timeout how long a request waits
	// webstack: there is no setting "sesion_timeout" here; DefaultSettings has the list
}
