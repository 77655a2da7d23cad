package webkit_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webkit"
)

// CountVisits is the page of the porting guide.
type CountVisits struct{ webkit.Page }

func (p *CountVisits) Title() string { return "Counting Visits" }

func (p *CountVisits) WriteContent() error {
	s, err := p.Session()
	if err != nil {
		return err
	}
	if p.Request().HasField("logout") {
		s.Expiring()
		return p.SendRedirectAndEnd("CountVisits")
	}
	count, err := core.Get[int](s.Core(), "num_visits") // 0 if there is none
	if err != nil {
		return err
	}
	count++
	p.Writeln("<p>You have been here ", count, " times.</p>")
	return s.SetValue("num_visits", count)
}

// WriteHTML is overridden here only to keep the output of the example short.
func (p *CountVisits) WriteHTML() error { return p.WriteContent() }

// The porting guide's application, from its settings to its pages.
func ExampleApplication() {
	settings := webkit.Settings{"SessionTimeout": 60, "SessionStore": "Memory"}
	url, err := settings.StoreURL()
	if err != nil {
		log.Fatal(err)
	}
	store, err := core.OpenStore(context.Background(), url)
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := settings.ManagerConfig(core.Config{Locking: core.Serialized})
	if err != nil {
		log.Fatal(err)
	}
	manager, err := core.New("visits", store, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close(context.Background())
	app, err := webkit.NewApplication(manager, webkit.Config{Prefix: "/visits", Settings: settings})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Add("/CountVisits", func() webkit.Servlet { return new(CountVisits) }); err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	defer server.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	for _, query := range []string{"", "", "?logout=1"} { // the last one is redirected
		resp, err := browser.Get(server.URL + "/visits/CountVisits" + query)
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
	// <p>You have been here 1 times.</p>
	// <p>You have been here 2 times.</p>
	// <p>You have been here 1 times.</p>
}
