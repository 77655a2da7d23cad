package webkit_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webkit"
)

// Site is the look that all pages of the example share.
type Site struct{ webkit.Page }

func (p *Site) HTBodyArgs() string { return "" }

func (p *Site) WriteHeadParts() error { return p.Self().WriteTitle() }

func (p *Site) WriteBodyParts() error {
	p.Writeln("<h1>", p.Self().HTTitle(), "</h1>")
	return p.Self().WriteContent()
}

// Greeting is one of its pages.
type Greeting struct{ Site }

func (p *Greeting) Title() string { return "Greeting" }

func (p *Greeting) WriteContent() error {
	p.Writeln("<p>Hello, ", p.HTMLEncode(p.Request().FieldDefault("name", "stranger")), "!</p>")
	return nil
}

// Shout is an action: the form has a button with the name _action_shout.
func (p *Greeting) Shout() error {
	p.Writeln("<body>HELLO!</body>")
	return nil
}

func (p *Greeting) Actions() []webkit.Action {
	return []webkit.Action{{Name: "shout", Run: p.Shout}}
}

// A page overrides methods of the page that it embeds, and those find each other through Self.
func ExamplePage() {
	manager, err := core.New("example", memstore.New(memstore.Config{}), core.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close(context.Background())
	app, err := webkit.NewApplication(manager, webkit.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Add("/greeting", func() webkit.Servlet { return new(Greeting) }); err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	defer server.Close()

	show := func(resp *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", page)
	}
	show(http.Get(server.URL + "/greeting?name=%3CAda%3E"))
	show(http.PostForm(server.URL+"/greeting", url.Values{"_action_shout": {"Shout!"}}))

	// Output:
	// <!DOCTYPE html>
	// <html lang="en">
	// <head>
	// 	<title>Greeting</title>
	// </head>
	// <body>
	// <h1>Greeting</h1>
	// <p>Hello, &lt;Ada&gt;!</p>
	// </body>
	// </html>
	//
	// <!DOCTYPE html>
	// <html lang="en">
	// <head>
	// 	<title>Greeting</title>
	// </head>
	// <body>HELLO!</body>
	// </html>
}
