package main

import (
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
)

// card is an application on the first page.
type card struct {
	URL, Place, Title, About string
}

// newIndex makes the first page, which shows what the configuration has mounted and says about it. All that is not its
// own address is an error page.
func newIndex(s *deploy.Section) (compat.Application, error) {
	site := s.Site()
	e := newEcho()
	e.GET("/", func(c echo.Context) error {
		return render(c, http.StatusOK, "index.html", cards(site, c.Request().Host))
	})
	return deploy.FromHandler(e), nil
}

// cards returns the applications that the configuration has a sentence about. host is how the visitor came here.
func cards(site *deploy.Site, host string) (list []card) {
	for _, a := range site.Apps() {
		if a.About == "" {
			continue
		}
		m := a.Mounts[0]
		c := card{Title: a.Title, About: a.About}
		c.URL = deploy.Mount{Path: m.Path}.String()
		if !strings.HasSuffix(c.URL, "/") {
			c.URL += "/"
		}
		c.Place = c.URL
		if m.Host != "" {
			c.Place = m.Host
			c.URL = "http://" + samePort(m.Host, host) + c.URL
		}
		list = append(list, c)
	}
	return list
}

// samePort returns a host with the port of another one, if it has none.
func samePort(host, other string) string {
	if _, port, err := net.SplitHostPort(other); err == nil && !strings.Contains(host, ":") {
		return net.JoinHostPort(host, port)
	}
	return host
}
