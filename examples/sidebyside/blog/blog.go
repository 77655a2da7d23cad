// Package blog is a small weblog, written directly as a WSGI application: one function of environ and start_response, as
// such programs were before there were frameworks. Posts and the draft of the next one are in the session, under names that
// any copy of the program uses. So two copies overwrite each other's as soon as they have one session.
package blog

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// Bounds on what a session holds.
const (
	maxPosts = 20
	maxTitle = 120  // characters
	maxText  = 2000 // characters
)

// Names of the session's values.
const (
	postsName = "posts"
	draftName = "draft"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Register makes the application known as blog.
func Register(l *deploy.Loader) { l.App("blog", New) }

// New makes a blog for a section.
func New(s *deploy.Section) (compat.Application, error) {
	if _, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{}); err != nil {
		return nil, err
	}
	return &blog{title: s.Title()}, nil
}

type blog struct{ title string }

// post is what somebody wrote. It is kept in the session as it is.
type post struct {
	Title, Text string
	At          time.Time
}

// Call implements compat.Application: what __call__(environ, start_response) was.
func (b *blog) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	switch {
	case env.PathInfo() != "/":
		return b.answer(start, http.StatusNotFound, view{Problem: "There is no such page."})
	case env.Method() == http.MethodGet || env.Method() == http.MethodHead:
		return b.show(env, start, http.StatusOK, "")
	case env.Method() != http.MethodPost:
		_, err := start("405 Method Not Allowed", []compat.Header{{Name: "Allow", Value: "GET, HEAD, POST"}}, nil)
		return nil, err
	}
	problem, err := b.change(env)
	switch tooLarge, is := errors.AsType[*http.MaxBytesError](err); {
	case is:
		return b.answer(start, http.StatusRequestEntityTooLarge,
			view{Problem: fmt.Sprintf("A form can have %d bytes.", tooLarge.Limit)})
	case err != nil:
		return nil, err
	case problem != "":
		return b.show(env, start, http.StatusBadRequest, problem)
	}
	// Two slashes in front would lead to another host.
	to := (&url.URL{Path: "/" + strings.TrimLeft(env.ScriptName(), "/") + "/"}).EscapedPath()
	_, err = start("303 See Other", []compat.Header{{Name: "Location", Value: to}}, nil)
	return nil, err
}

// change does what a form asks for. problem is for the user.
func (b *blog) change(env *compat.Environ) (problem string, err error) {
	r := env.Request()
	if err := r.ParseForm(); err != nil {
		if _, is := errors.AsType[*http.MaxBytesError](err); is {
			return "", err
		}
		return "The form can not be read.", nil
	}
	s, err := env.Session()
	if err != nil {
		return "", err
	}
	posts, err := core.Get[[]post](s, postsName)
	if err != nil {
		return "", err
	}
	draft := post{Title: strings.Join(strings.Fields(r.PostForm.Get("title")), " "), Text: strings.TrimSpace(r.PostForm.Get("text"))}
	switch action := r.PostForm.Get("action"); {
	case action == "delete":
		i, err := strconv.Atoi(r.PostForm.Get("post"))
		if err != nil || i < 0 || i >= len(posts) {
			return "There is no such post.", nil
		}
		return "", s.Set(postsName, slices.Delete(posts, i, i+1))
	case utf8.RuneCountInString(draft.Title) > maxTitle || utf8.RuneCountInString(draft.Text) > maxText:
		return fmt.Sprintf("A title can have %d characters, and a text %d.", maxTitle, maxText), nil
	case action == "draft":
		return "", s.Set(draftName, draft)
	case draft.Title == "":
		return "Please give the post a title.", s.Set(draftName, draft)
	case len(posts) >= maxPosts:
		return fmt.Sprintf("There are %d posts, which is the most there can be. Delete one first.", maxPosts), s.Set(draftName, draft)
	}
	draft.At = time.Now().UTC()
	return "", errors.Join(s.Set(postsName, append([]post{draft}, posts...)), s.Delete(draftName))
}

// view is what the page shows.
type view struct {
	Title, Problem string
	Editable       bool
	Posts          []post
	Draft          post
	Manager        string
}

// show writes the page. It begins no session.
func (b *blog) show(env *compat.Environ, start compat.StartResponse, status int, problem string) (compat.Body, error) {
	v := view{Problem: problem, Editable: true}
	s, err := env.Session(core.ReadOnly)
	if err != nil {
		return nil, err
	}
	v.Manager = s.Manager().ID()
	if v.Posts, err = core.Get[[]post](s, postsName); err != nil {
		return nil, err
	}
	if v.Draft, err = core.Get[post](s, draftName); err != nil {
		return nil, err
	}
	return b.answer(start, status, v)
}

func (b *blog) answer(start compat.StartResponse, status int, v view) (compat.Body, error) {
	v.Title = b.title
	var html bytes.Buffer
	if err := page.Execute(&html, v); err != nil {
		return nil, fmt.Errorf("blog: %w", err)
	}
	_, err := start(strconv.Itoa(status)+" "+http.StatusText(status), []compat.Header{
		{Name: "Content-Type", Value: "text/html; charset=utf-8"}, {Name: "Content-Length", Value: strconv.Itoa(html.Len())},
		{Name: "Cache-Control", Value: "no-store"}}, nil)
	return compat.Bytes(html.Bytes()), err
}
