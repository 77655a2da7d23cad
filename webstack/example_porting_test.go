package webstack_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webstack"
)

// GuestBook is the resource of the porting guide: GuestBook.py.
type GuestBook struct{}

func (GuestBook) Respond(t *webstack.Transaction) error {
	if t.GetRequestMethod() == "POST" {
		return sign(t)
	}
	if err := t.SetContentType(webstack.ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
		return err
	}
	s, err := t.GetSession(false, core.ReadOnly) // this page only reads, and waits for nobody
	if err != nil {
		return err
	}
	names := []string{}
	if s != nil { // None in Python: nobody has signed
		names, err = webstack.Value[[]string](s, "names")
		if err != nil && !errors.Is(err, webstack.ErrKey) {
			return err
		}
	}
	_, err = fmt.Fprintf(t.GetResponseStream(), "<p>%d signed: %s</p>\n", len(names), html.EscapeString(strings.Join(names, ", ")))
	return err
}

func sign(t *webstack.Transaction) error {
	fields, err := t.GetFieldsFromBody(webstack.UTF8)
	if err != nil {
		return err
	}
	if fields.Has("forget") {
		if err := t.ExpireSession(); err != nil {
			return err
		}
		return t.Redirect(t.GetPathWithoutQuery(), 303)
	}
	s, err := t.GetSession(true)
	if err != nil {
		return err
	}
	if _, err := s.SetDefault("names", []string{}); err != nil {
		return err
	}
	names, err := webstack.Value[*[]string](s, "names")
	if err != nil {
		return err
	}
	*names = append(*names, fields.Text("name")) // and nothing to save it
	return t.Redirect(t.GetPathWithoutQuery(), 303)
}

// serve starts the application of the porting guide.
func serve(ctx context.Context) (handler http.Handler, stop func(), err error) {
	settings := webstack.Settings{"session_cookie_name": "GUESTS", "session_timeout": 60}
	store, err := core.OpenStore(ctx, "memory:") // or settings.StoreURL(), for a directory
	if err != nil {
		return nil, nil, err
	}
	cfg, err := settings.ManagerConfig(core.Config{}) // core.Serialized; give it a Logger, which hears why a page failed
	if err != nil {
		return nil, nil, err
	}
	manager, err := core.New("guests", store, cfg)
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		manager.Close(context.Background())
		store.Close()
	}
	app, err := webstack.NewApplication(manager, webstack.Config{
		Prefix:   "/guests",
		Settings: settings,
		Resource: &webstack.MapResource{Mapping: map[string]webstack.Resource{"": GuestBook{}}},
	})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return app.Handler(), stop, nil // http.Handle("/guests/", handler), or e.Any("/guests/*", echo.WrapHandler(handler))
}

// The application of the porting guide, from its settings to its pages.
func ExampleApplication() {
	handler, stop, err := serve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	server := httptest.NewServer(handler)
	defer server.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := http.Client{Jar: jar} // follows redirects
	for _, form := range []url.Values{nil, {"name": {"Ada"}}, {"name": {"Grace"}}, {"forget": {"1"}}} {
		var resp *http.Response
		if form == nil {
			resp, err = browser.Get(server.URL + "/guests/")
		} else {
			resp, err = browser.PostForm(server.URL+"/guests/", form)
		}
		if err != nil {
			log.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s", page)
	}
	// Output:
	// <p>0 signed: </p>
	// <p>1 signed: Ada</p>
	// <p>2 signed: Ada, Grace</p>
	// <p>0 signed: </p>
}
