package bench

import (
	"net/http"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
)

const gorillaCookie = "gorilla"

var gorillaKey = []byte("0123456789abcdef0123456789abcdef")

// gorillaFile is gorilla/sessions with its FilesystemStore, which never syncs.
var gorillaFile = Peer{
	Name:   "gorilla-file-tmpfs",
	Medium: Tmpfs,
	Open: func(dir string) (http.Handler, func() error, error) {
		store := sessions.NewFilesystemStore(dir, gorillaKey)
		g := gorillaHandlers(func(c echo.Context) (*sessions.Session, error) {
			return store.Get(c.Request(), gorillaCookie)
		})
		return serve(g.handlers()), closeNothing, nil
	},
}

// echoContribCookie is labstack/echo-contrib/session with gorilla's cookie store.
var echoContribCookie = Peer{
	Name:   "echo-contrib-cookie",
	Medium: Nowhere,
	Open: func(string) (http.Handler, func() error, error) {
		g := gorillaHandlers(func(c echo.Context) (*sessions.Session, error) {
			return session.Get(gorillaCookie, c)
		})
		return serve(g.handlers(), session.Middleware(sessions.NewCookieStore(gorillaKey))), closeNothing, nil
	},
}

// gorillaHandlers work on the request's session, which the function finds.
type gorillaHandlers func(echo.Context) (*sessions.Session, error)

func (g gorillaHandlers) handlers() handlers {
	return handlers{read: g.read, write: g.write, create: g.create, count: g.count}
}

func (g gorillaHandlers) read(c echo.Context) error {
	s, err := g(c)
	if err != nil {
		return missing(c) // gorilla's answer to a cookie that it did not make
	}
	if text, _ := s.Values[textRead].(string); text != wantText {
		return missing(c)
	}
	return ok(c)
}

func (g gorillaHandlers) write(c echo.Context) error {
	s, err := g(c)
	if err != nil {
		return missing(c)
	}
	n, found := s.Values[counter].(int)
	if !found {
		return missing(c)
	}
	s.Values[counter] = n + 1
	if err := s.Save(c.Request(), c.Response()); err != nil {
		return err
	}
	return ok(c)
}

func (g gorillaHandlers) create(c echo.Context) error {
	s, err := g(c)
	if err != nil {
		return missing(c)
	}
	for _, v := range values {
		s.Values[v.name] = v.of
	}
	if err := s.Save(c.Request(), c.Response()); err != nil {
		return err
	}
	return ok(c)
}

func (g gorillaHandlers) count(c echo.Context) error {
	s, err := g(c)
	if err != nil {
		return missing(c)
	}
	n, found := s.Values[counter].(int)
	if !found {
		return missing(c)
	}
	return number(c, n)
}
