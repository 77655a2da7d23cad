package albatross_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/core"
)

// play serves one page, lets a browser do something with it, and closes everything.
func play(cfg albatross.Config, page albatross.Page, do func(b exampleBrowser)) {
	store, err := core.OpenStore(context.Background(), "memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	manager, err := core.New("shop", store, core.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close(context.Background())
	cfg.StartPage, cfg.Secrets = "page", albatross.Secrets{Current: bytes.Repeat([]byte("?"), 32)}
	app, err := albatross.NewApplication(manager, cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := app.RegisterPage("page", page); err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	do(exampleBrowser{server.URL, &http.Client{Jar: jar}})
}

// order is a page with a button that must not act twice.
type order struct{}

func (order) PageProcess(ctx *albatross.Context) error {
	if err := ctx.DefaultSessionVar("cart", "tea"); err != nil || !ctx.ReqEquals("buy") {
		return err
	}
	answer := "ordered"
	switch err := ctx.ClaimBranch(); {
	case errors.Is(err, albatross.ErrBranchUsed):
		answer = "you have ordered that already"
	case err != nil:
		return err
	}
	return ctx.Locals.Set("answer", answer)
}

func (order) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("order.html", nil) }

// A page's button acts once, however often it is pressed, also at the same moment and on several hosts.
func ExampleContext_ClaimBranch() {
	cfg := albatross.Config{
		Session: albatross.BranchingSessionMixin{},
		Templates: template.Must(template.New("order.html").Parse(
			`{{.Get "cart"}}: {{.Get "answer"}} {{.Form}}{{.Input "type" "submit" "name" "buy" "value" "Buy"}}{{.FormClose}}`)),
	}
	play(cfg, order{}, func(b exampleBrowser) {
		page := b.get()
		b.submit(page, "buy", "Buy")
		b.submit(page, "buy", "Buy")
	})
	// Output:
	// tea:
	// tea: ordered
	// tea: you have ordered that already
}

// Nothing is kept that was not made a session variable. What can not be kept is refused where it is set.
func ExampleContext_AddSessionVars() {
	play(albatross.Config{}, albatross.PageFunc(func(ctx *albatross.Context) error {
		kept, err := albatross.Get[int](ctx, "kept")
		if err != nil {
			return err
		}
		plain, err := albatross.Get[int](ctx, "plain")
		if err != nil {
			return err
		}
		fmt.Fprintf(ctx, "kept %d, plain %d", kept, plain)
		for _, name := range []string{"kept", "plain"} {
			if err := ctx.Locals.Set(name, kept+1); err != nil {
				return err
			}
		}
		if err := ctx.AddSessionVars("kept"); err != nil {
			return err
		}
		var value *core.ValueError
		fmt.Fprintf(ctx, ", a channel: %t", errors.As(ctx.Locals.Set("kept", make(chan int)), &value))
		return nil
	}), func(b exampleBrowser) {
		b.get()
		b.get()
	})
	// Output:
	// kept 0, plain 0, a channel: true
	// kept 1, plain 0, a channel: true
}

// Signing out ends the session, and every page that was made from it.
func ExampleContext_RemoveSession() {
	play(albatross.Config{Session: albatross.BranchingSessionMixin{}, Templates: template.Must(template.New("page.html").Parse(
		`user {{.Get "user"}}, lost {{.Context.SessionLost}} {{.Form}}{{.FormClose}}`))}, account{}, func(b exampleBrowser) {
		in := b.submit(b.get(), "sign in", "1")
		b.submit(in, "sign out", "1")
		b.submit(in) // Back
	})
	// Output:
	// user , lost false
	// user ada, lost false
	// user , lost false
	// user , lost true
}

type account struct{}

func (account) PageProcess(ctx *albatross.Context) error {
	switch {
	case ctx.ReqEquals("sign in"):
		return ctx.DefaultSessionVar("user", "ada")
	case ctx.ReqEquals("sign out"):
		return ctx.RemoveSession()
	}
	return nil
}

func (account) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("page.html", nil) }

// The state can be in the form itself, encrypted; the server keeps nothing.
func ExampleHiddenFieldSessionMixin() {
	cfg := albatross.Config{Session: albatross.HiddenFieldSessionMixin{}, Templates: template.Must(template.New("page.html").Parse(
		`user {{.Get "user"}} {{.Form}}{{.FormClose}}`))}
	play(cfg, account{}, func(b exampleBrowser) {
		b.submit(b.submit(b.get(), "sign in", "1"))
	})
	// Output:
	// user
	// user ada
	// user ada
}

// A redirect saves the session first; BranchURL makes it lead on from the branch.
func ExampleContext_Redirect() {
	play(albatross.Config{Session: albatross.BranchingSessionMixin{}, Templates: template.Must(template.New("page.html").Parse(
		`user {{.Get "user"}} {{.Form}}{{.FormClose}}`))}, redirecting{}, func(b exampleBrowser) {
		b.submit(b.get(), "sign in", "1") // this browser follows redirects
	})
	// Output:
	// user
	// user ada
}

type redirecting struct{ account }

func (p redirecting) PageProcess(ctx *albatross.Context) error {
	if err := p.account.PageProcess(ctx); err != nil || ctx.Request().Method() != http.MethodPost {
		return err
	}
	return ctx.Redirect(ctx.BranchURL(ctx.BaseURL()))
}

// Branches tells what the client can go on from.
func ExampleContext_Branches() {
	play(albatross.Config{Session: albatross.BranchingSessionMixin{}, Templates: template.Must(template.New("page.html").Parse(
		`{{.Form}}{{.FormClose}}`))}, listing{}, func(b exampleBrowser) {
		first := b.submit(b.get(), "n", "1")
		b.submit(first, "n", "2")
		b.submit(first, "n", "3")
	})
	// Output:
	// []
	// []
	// [1 from 0]
	// [1 from 0 2 from 1]
}

type listing struct{}

func (listing) PageDisplay(ctx *albatross.Context) error {
	branches, err := ctx.Branches()
	if err != nil {
		return err
	}
	var list []string
	for _, b := range branches {
		list = append(list, fmt.Sprintf("%d from %d", b.Number, b.Parent))
	}
	fmt.Fprint(ctx, list, " ")
	if n := ctx.Request().FieldValue("n"); n != "" {
		if err := errorsJoin(ctx.Locals.Set("n", n), ctx.AddSessionVars("n")); err != nil {
			return err
		}
	}
	return ctx.RunTemplate("page.html", nil)
}
