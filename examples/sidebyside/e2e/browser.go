// Package e2e clicks through the sidebyside example with a headless Chromium and looks at what a
// person would see. It is a module of its own so that the library's users do not download a browser
// driver.
//
// The tests are skipped where Chromium is missing; make test installs it. To keep the screenshots:
//
//	go test -artifacts -outputdir /tmp/shots
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/holdover-web/holdover/internal/testenv"
)

// patience bounds each step of a page: loading, finding an element, waiting for a text.
const patience = 20 * time.Second

// flags make Chromium leave the network and the machine alone.
var flags = []chromedp.ExecAllocatorOption{
	chromedp.NoSandbox, // a container's root has no other way
	chromedp.DisableGPU,
	chromedp.Flag("disable-quic", true),
	chromedp.Flag("disable-component-update", true),
}

// Page is a browser window of its own, with no cookies from elsewhere. Its methods fail the test when
// a step can not be done. Selectors are CSS.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex // guards problems
	problems []string   // what the page's scripts complained about
}

// NewPage starts a browser and opens a window of the given size in CSS pixels. It is closed when the
// test ends; the test fails if a script of a page threw an exception meanwhile.
func NewPage(t testing.TB, width, height int) *Page {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], flags...)
	opts = append(opts,
		chromedp.ExecPath(testenv.Tool(t, "chromium", "chromium-browser", "google-chrome")),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(width, height),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)

	p := &Page{t: t, ctx: ctx}
	exceptions := chromedp.Events(ctx, runtime.ExceptionThrown) // starts the browser
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range exceptions {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					p.report(err.Error())
				}
				return
			}
			p.report((&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
		}
	}()
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("closing the browser: %v", err)
		}
		<-ended
		for _, problem := range p.problems {
			t.Errorf("in the page: %s", problem)
		}
	})
	p.do("size the window", chromedp.EmulateViewport(int64(width), int64(height)))
	return p
}

func (p *Page) report(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// do runs one step within its time.
func (p *Page) do(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	get(p, what, action)
}

// get runs one step that returns something.
func get[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.Screenshot("failed")
		p.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// Open loads an address and waits for it to be there.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Follow clicks a link or a button that leads to another page, and waits for that to be there.
func (p *Page) Follow(selector string) {
	p.t.Helper()
	click := chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
	get(p, "follow "+selector, chromedp.WaitEvent(page.LoadEventFired, nil, click))
}

// Click clicks an element that stays on its page.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type replaces the text of a form field by typing.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	field := chromedp.CSS(selector)
	p.do("clear "+selector, chromedp.Clear(field, chromedp.NodeVisible))
	p.do("type into "+selector, chromedp.SendKeys(field, text))
}

// Text returns the text of an element as a person sees it.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(get(p, "read "+selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible)))
}

// Expect waits until the text of an element contains want.
func (p *Page) Expect(selector, want string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").includes(%q)`, selector, want))
}

// Until waits until a JavaScript expression is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	p.do("wait until "+expression, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for {
			// While the browser goes from one page to the next there is nothing to ask, which is an error.
			holds, err := chromedp.Evaluate[bool](expression)(ctx, t)
			if holds {
				return chromedp.Void{}, nil
			}
			select {
			case <-every.C:
			case <-ctx.Done():
				return chromedp.Void{}, errors.Join(ctx.Err(), err)
			}
		}
	})
}

// Eval returns the value of a JavaScript expression.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return get(p, expression, chromedp.Evaluate[T](expression))
}

// Location returns the address of the page.
func (p *Page) Location() string {
	p.t.Helper()
	return get(p, "read the address", chromedp.Location())
}

// Screenshot keeps a picture of the whole page among the test's artifacts.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Errorf("screenshot %s: %v", name, err)
	}
}
