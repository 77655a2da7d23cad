package albatross_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"html/template"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/memstore"
)

// The application of the porting guide: a visitor says a name, and guesses a number.

var templates = template.Must(template.New("").Parse(`
{{define "login.html"}}<h1>Who are you?</h1>
{{.Form}}{{.Input "name" "who"}}{{.Input "type" "submit" "name" "enter" "value" "Enter"}}{{.FormClose}}{{end}}
{{define "guess.html"}}<h1>{{.Get "who"}}, guess a number</h1><p>{{.Get "answer"}}, {{.Get "tries"}} tries</p>
{{.Form}}{{.Input "name" "number"}}{{.Input "type" "submit" "name" "try" "value" "Try"}}{{.FormClose}}{{end}}`))

type login struct{}

func (login) PageProcess(ctx *albatross.Context) error {
	who, err := albatross.Get[string](ctx, "who")
	if err != nil || who == "" || !ctx.ReqEquals("enter") {
		return err
	}
	if err := ctx.AddSessionVars("who"); err != nil {
		return err
	}
	return ctx.SetPage("guess", 42)
}

func (login) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("login.html", nil) }

type guess struct{}

func (guess) PageEnter(ctx *albatross.Context, args ...any) error {
	if err := ctx.DefaultSessionVar("tries", 0); err != nil {
		return err
	}
	return ctx.DefaultSessionVar("hidden", args[0])
}

func (guess) PageProcess(ctx *albatross.Context) error {
	if !ctx.ReqEquals("try") {
		return nil
	}
	text, err := albatross.Get[string](ctx, "number")
	if err != nil {
		return err
	}
	tries, err := albatross.Get[int](ctx, "tries")
	if err != nil {
		return err
	}
	hidden, err := albatross.Get[int](ctx, "hidden")
	if err != nil {
		return err
	}
	answer := "Too large"
	switch n, err := strconv.Atoi(text); {
	case err != nil:
		answer = "That is no number"
	case n == hidden:
		answer = "Right"
	case n < hidden:
		answer = "Too small"
	}
	if err := ctx.Locals.Set("answer", answer); err != nil {
		return err
	}
	return ctx.Locals.Set("tries", tries+1)
}

func (guess) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("guess.html", nil) }

func newGame(store core.Store, secret []byte) (*albatross.Application, error) {
	manager, err := core.New("game", store, core.Config{Logger: slog.Default()}) // at the end: manager.Close(ctx), then store.Close()
	if err != nil {
		return nil, err
	}
	app, err := albatross.NewApplication(manager, albatross.Config{
		Prefix:    "/game",
		StartPage: "login",
		Secrets:   albatross.Secrets{Current: secret}, // 32 random bytes, from where you keep such things
		Session:   albatross.BranchingSessionMixin{},
		Templates: templates,
	})
	if err != nil {
		return nil, err
	}
	if err := app.RegisterPage("login", login{}); err != nil {
		return nil, err
	}
	return app, app.RegisterPage("guess", guess{})
}

// The porting guide's application, played with a Back button.
func ExampleApplication() {
	store, err := core.OpenStore(context.Background(), "memory:")
	if err != nil {
		log.Fatal(err)
	}
	app, err := newGame(store, bytes.Repeat([]byte("?"), 32))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	b := exampleBrowser{server.URL + "/game/", &http.Client{Jar: jar}}

	first := b.get()
	entered := b.submit(first, "who", "Ada", "enter", "Enter")
	b.submit(entered, "number", "50", "try", "Try")
	b.submit(entered, "number", "40", "try", "Try") // Back, and another try: the count is that of the page
	if err := errorsJoin(app.Manager().Close(context.Background()), store.Close()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Who are you?
	// Ada, guess a number , 0 tries
	// Ada, guess a number Too large, 1 tries
	// Ada, guess a number Too small, 1 tries
}

// exampleBrowser shows pages in short.
type exampleBrowser struct {
	url    string
	client *http.Client
}

var (
	hiddenFields = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	tags         = regexp.MustCompile(`<[^>]*>`)
)

func (b exampleBrowser) get() string { return b.show(b.client.Get(b.url)) }

func (b exampleBrowser) submit(page string, pairs ...string) string {
	form := url.Values{}
	for _, m := range hiddenFields.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.show(b.client.PostForm(b.url, form))
}

func (b exampleBrowser) show(resp *http.Response, err error) string {
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(string(page), " "))), " "))
	return string(page)
}

func errorsJoin(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
