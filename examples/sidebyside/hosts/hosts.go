// Package hosts is two small applications for two virtual hosts of one server: a shop, and its back office. They share
// their sessions, but a browser keeps its cookies apart by host, so that it has another session at each until it follows the
// link from one to the other, which takes the session along.
package hosts

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// basketName is the name of the session's value.
const basketName = "basket"

// maxBasket is how many things a basket has room for.
const maxBasket = 20

var goods = []string{"tea", "coffee", "biscuits"}

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Register makes the applications known as shop and backoffice.
func Register(l *deploy.Loader) {
	l.App("shop", func(s *deploy.Section) (compat.Application, error) { return newHost(s, true) })
	l.App("backoffice", func(s *deploy.Section) (compat.Application, error) { return newHost(s, false) })
}

func newHost(s *deploy.Section, sells bool) (compat.Application, error) {
	if _, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{}); err != nil {
		return nil, err
	}
	h := &host{title: s.Title(), sells: sells, handover: s.Handover()}
	mux := new(http.ServeMux)
	mux.HandleFunc("GET /{$}", h.show)
	if sells {
		mux.HandleFunc("POST /{$}", h.add)
	}
	return deploy.FromHandler(mux), nil
}

type host struct {
	title    string
	sells    bool
	handover *compat.Handover // nil if the file has none
}

// view is what the page shows.
type view struct {
	Title   string
	Sells   bool
	Goods   []string
	Basket  []string
	Manager string

	Others []link // to the other hosts
}

// link leads to another host, and takes the visitor's session along.
type link struct{ URL, Host string }

// others returns the links to the other hosts.
func (h *host) others(r *http.Request) (list []link, err error) {
	if h.handover == nil {
		return nil, nil
	}
	sites, err := h.handover.Sites(r.Context())
	if err != nil {
		return nil, err
	}
	for _, site := range sites {
		to, err := h.handover.Link(r.Context(), site+"/")
		if err != nil {
			return nil, err
		}
		if u, err := url.Parse(site); err == nil && to != site+"/" { // which is this one
			list = append(list, link{to, u.Hostname()})
		}
	}
	return list, nil
}

func (h *host) show(w http.ResponseWriter, r *http.Request) {
	s, err := compat.FromContext(r.Context(), core.ReadOnly)
	if err != nil {
		fail(w, err)
		return
	}
	v := view{Title: h.title, Sells: h.sells, Goods: goods, Manager: s.Manager().ID()}
	if v.Basket, err = core.Get[[]string](s, basketName); err != nil {
		fail(w, err)
		return
	}
	if v.Others, err = h.others(r); err != nil {
		fail(w, err)
		return
	}
	var html bytes.Buffer
	if err := page.Execute(&html, v); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(html.Bytes()) // the client may have gone
}

func (h *host) add(w http.ResponseWriter, r *http.Request) {
	thing := r.PostFormValue("thing")
	if !slices.Contains(goods, thing) {
		http.Error(w, "We do not have that.", http.StatusBadRequest)
		return
	}
	if err := put(r, thing); err != nil {
		fail(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func put(r *http.Request, thing string) error {
	s, err := compat.FromContext(r.Context())
	if err != nil {
		return err
	}
	basket, err := core.Get[[]string](s, basketName)
	if err != nil || len(basket) >= maxBasket {
		return err
	}
	return s.Set(basketName, append(basket, thing))
}

// fail answers for what went wrong. Nothing was changed then.
func fail(w http.ResponseWriter, err error) {
	code := compat.StatusOf(err)
	http.Error(w, fmt.Sprintf("%d %s", code, http.StatusText(code)), code)
}
