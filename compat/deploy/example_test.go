package deploy_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// An application that counts, mounted twice.
func ExampleLoader() {
	loader := deploy.NewLoader()
	loader.App("counter", func(s *deploy.Section) (compat.Application, error) {
		if _, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{}); err != nil {
			return nil, err
		}
		step := s.Int("step", 1, 1)
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			session, err := env.Session()
			if err != nil {
				return nil, err
			}
			n, err := core.Get[int](session, "n")
			if err != nil {
				return nil, err
			}
			if err := session.Set("n", n+step); err != nil {
				return nil, err
			}
			_, err = start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/plain"}}, nil)
			return compat.Text(fmt.Sprintf("%s: %d", s.Title(), n+step)), err
		}), nil
	})
	site, err := loader.Load(context.Background(), deploy.FromText("apps.ini", `
[store:main]
url = memory:

[composite:main]
use = urlmap
/one = one
/two = two

[app:one]
use = counter

[app:two]
use = app:one
title = By twos
step = 2
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer site.Close(context.Background())
	for _, path := range []string{"/one", "/two"} {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Body)
	}
	// Output:
	// one: 1
	// By twos: 2
}

// Everything that is wrong is reported at once.
func ExampleMistakes() {
	_, err := deploy.NewLoader().Load(context.Background(), deploy.FromText("apps.ini", `
[composite:main]
use = urlmap
/ = home
/files = files

[app:files]
use = static
dri = /srv/files
`))
	fmt.Println(err)
	// Output:
	// apps.ini:4: there is no application section of the name home
	// apps.ini:7: dir: it is missing: the folder of the files
}

// The table of a site tells what its file comes to.
func ExampleSite_WriteTable() {
	site, err := deploy.NewLoader().Load(context.Background(), deploy.FromText("apps.ini", `
[server:main]
listen = unix:/run/site.sock
[app:main]
use = static
dir = .
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer site.Close(context.Background())
	_ = site.WriteTable(os.Stdout)
	// Output:
	// [server:main]
	//   listen               unix:/run/site.sock
	//   max_body             10MiB
	//   max_header           32KiB
	//   read_header_timeout  5s
	//   read_timeout         1m
	//   write_timeout        1m30s
	//   idle_timeout         1m
	//   max_connections      10000
	//   drain                20s
	//
	// [app:main]
	//   use                  static
	//   mounted at           /
}
