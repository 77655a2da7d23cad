package gallery

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/myghty"
)

//go:embed assets
var assets embed.FS

var templates = template.Must(template.ParseFS(assets, "assets/*.html"))

// page counts a view and shows the pictures and frames, which then come by themselves.
func page(m *myghty.Request) error {
	s, err := m.GetSession(nil)
	if err != nil {
		return err
	}
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock() // does nothing after the one below
	views, err := core.Get[int](s.Core(), viewsName)
	if err != nil {
		return err
	}
	views++
	if err := errors.Join(s.Set(viewsName, views), s.Set(beganName, now()), s.Save(), s.Unlock()); err != nil {
		return err
	}
	seen, err := core.Get[int](s.Core(), seenName)
	if err != nil {
		return err
	}
	query := fmt.Sprint("&v=", views) // so that no browser takes a picture for one that it has
	if m.HasArg("hold") {
		query += "&hold=1"
	}
	return show(m, "page.html", map[string]any{
		"Pictures": numbers(pictures), "Frames": numbers(frames), "Query": template.URL(query), "View": views, "Seen": seen, "Before": parts * (views - 1), "Holding": m.HasArg("hold"),
		"Work": workTime.Milliseconds(), "All": (parts * workTime).Milliseconds(),
	})
}

// numbers returns 1 to n.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// show writes a page that may have frames of this site, and may be one.
func show(m *myghty.Request, name string, data any) error {
	const policy = "Content-Security-Policy"
	if csp := m.Environ().ResponseWriter().Header().Get(policy); csp != "" {
		csp = strings.Replace(csp, "frame-ancestors 'none'", "frame-ancestors 'self'", 1)
		m.HeadersOut().Set(policy, csp+"; frame-src 'self'")
	}
	m.HeadersOut().Set("Cache-Control", "no-store")
	return templates.ExecuteTemplate(m, name, data)
}

// times tells the script what the session holds of this view.
func times(m *myghty.Request) error {
	s, err := m.GetSession(nil)
	if err != nil {
		return err
	}
	views, err := core.Get[int](s.Core(), viewsName)
	seen, err2 := core.Get[int](s.Core(), seenName)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	answer := struct {
		Views    int    `json:"views"`
		Seen     int    `json:"seen"`
		Expected int    `json:"expected"`
		Parts    []part `json:"parts"`
	}{views, seen, parts * views, nil}
	for n := range parts {
		p, err := core.Get[part](s.Core(), nameOf(n))
		if err != nil {
			return err
		}
		if p.View == views {
			answer.Parts = append(answer.Parts, p)
		}
	}
	m.SetContentType("application/json")
	m.HeadersOut().Set("Cache-Control", "no-store")
	return json.NewEncoder(m).Encode(answer)
}

// again ends the session.
func again(m *myghty.Request) error {
	if m.Method() != http.MethodPost {
		m.HeadersOut().Set("Allow", http.MethodPost)
		return m.Abort(http.StatusMethodNotAllowed, "")
	}
	s, err := m.GetSession(nil)
	if err != nil {
		return err
	}
	if err := s.Invalidate(); err != nil {
		return err
	}
	return m.SendRedirect(m.Environ().ScriptName() + "/")
}

// asset makes a component of a file.
func asset(name, kind string) func(m *myghty.Request) error {
	return func(m *myghty.Request) error {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return err
		}
		m.SetContentType(kind)
		_, err = m.Write(data)
		return err
	}
}
