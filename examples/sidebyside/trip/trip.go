// Package trip books a journey in four steps, written as an Albatross programmer would have written it and then ported:
// each step is a page, what was chosen is in the session, and prices depend on the steps before. Visitors go Back, change
// their minds and open second tabs: each page goes on from the state that it was made from, because the session is a
// branching one. A map shows the branches.
package trip

import (
	"embed"
	"errors"
	"html/template"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

//go:embed pages
var files embed.FS

var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// Register makes the application known as trip. The file gives it its secret.
func Register(l *deploy.Loader) {
	cfg := albatross.Config{
		StartPage: "where",
		Session:   albatross.BranchingSessionMixin{History: albatross.History{Branches: 40}},
		Templates: templates,
		LoadPage:  loadPage,
	}
	l.App("trip", albatross.Deploy(cfg, core.Config{}, addPages))
}

func addPages(app *albatross.Application, _ *deploy.Section) error {
	return errors.Join(
		app.RegisterPage("where", where{}),
		app.RegisterPage("travel", travel{}),
		app.RegisterPage("stay", stay{}),
		app.RegisterPage("confirm", confirm{}),
		app.RegisterPage("done", done{}),
		app.RegisterPage("map", treePage{}),
	)
}

// loadPage shows the map whatever step the visitor is at.
func loadPage(ctx *albatross.Context) (string, error) {
	switch ctx.Request().PathInfo() {
	case "", "/":
		return "", nil
	case "/map":
		return "map", nil
	}
	return "", &albatross.StatusError{Code: 404, Text: "There is no such page."}
}

// steps are the pages of a booking, in their order.
var steps = []struct{ page, title string }{
	{"where", "Where to"}, {"travel", "Getting there"}, {"stay", "Staying"}, {"confirm", "Confirm"},
}

// view is what all pages show.
type view struct {
	Title   string
	Page    string
	Steps   []step
	Trip    trip
	Lost    bool
	Problem string
	Choices any // of the step
}

type step struct {
	Title         string
	Current, Past bool
}

// show writes a page of the booking.
func show(ctx *albatross.Context, title string, choices any) error {
	t, err := load(ctx)
	if err != nil {
		return err
	}
	problem, err := albatross.Get[string](ctx, "problem")
	if err != nil {
		return err
	}
	v := view{Title: title, Page: ctx.PageName(), Trip: t, Lost: ctx.SessionLost(), Problem: problem, Choices: choices}
	past := true
	for _, s := range steps {
		past = past && s.page != v.Page
		v.Steps = append(v.Steps, step{Title: s.title, Current: s.page == v.Page, Past: past})
	}
	return ctx.RunTemplate(v.Page+".html", v)
}

// goTo takes the visitor to a step. The redirect gives each state a URL of its own, so that the browser's Back and reload
// ask no questions.
func goTo(ctx *albatross.Context, page string) error {
	if err := ctx.SetPage(page); err != nil {
		return err
	}
	return ctx.Redirect(ctx.BranchURL(ctx.BaseURL()))
}

// refuse shows the step again and tells why.
func refuse(ctx *albatross.Context, problem string) error { return ctx.Locals.Set("problem", problem) }
