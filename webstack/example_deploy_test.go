package webstack_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/webstack"
)

// A program names its applications, and the file says how they are run, by WebStack's names or by newer ones.
func ExampleDeploy() {
	newGuests := func(s *deploy.Section) (webstack.Resource, error) {
		greeting := s.String("greeting", "Hello")
		return webstack.ResourceFunc(func(t *webstack.Transaction) error {
			session, err := t.GetSession(true)
			if err != nil {
				return err
			}
			if err := session.Set("seen", true); err != nil {
				return err
			}
			_, err = t.GetResponseStream().WriteString(greeting)
			return err
		}), nil
	}
	loader := deploy.NewLoader()
	loader.App("guests", webstack.Deploy(webstack.Config{}, core.Config{}, newGuests))

	ctx := context.Background()
	site, err := loader.Load(ctx, deploy.FromText("guests.ini", `
[store:main]
url = memory:

[app:main]
use = guests
greeting = Welcome back
session_cookie_name = GUESTS
session_timeout = 60
cookie_samesite = strict
`))
	if err != nil {
		log.Fatal(err)
	}
	defer site.Close(ctx)
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	cookie := w.Result().Cookies()[0]
	fmt.Println(w.Body, cookie.Name, cookie.Path)

	_, err = loader.Load(ctx, deploy.FromText("guests.ini", "[store:main]\nurl = memory:\n[app:main]\nuse = guests\nsession_timeout = 60\nidle_timeout = 1h\n"))
	fmt.Println(err)
	// Output:
	// Welcome back GUESTS /
	// guests.ini:5: session_timeout: idle_timeout says the same; give one of them
}
