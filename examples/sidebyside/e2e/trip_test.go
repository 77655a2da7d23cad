package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// NewTab opens another window of the same browser, with its cookies.
func (p *Page) NewTab(width, height int) *Page {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // with a time limit, the tab would end with it
		p.t.Fatalf("open a tab: %v", err)
	}
	tab := &Page{t: p.t, ctx: ctx}
	tab.do("size the tab", chromedp.EmulateViewport(int64(width), int64(height)))
	return tab
}

// Back goes back in the history of the window, as the browser's button does. Expect what is there then.
func (p *Page) Back() {
	p.t.Helper()
	Eval[bool](p, "(history.back(), true)")
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// choose picks an option of a select.
func selectOption(p *Page, selector, value string) {
	p.t.Helper()
	p.do("choose "+value, chromedp.SetValue(chromedp.CSS(selector), value, chromedp.NodeVisible))
}

// lisbon goes from the first page to the third.
func lisbon(p *Page, url string) {
	p.t.Helper()
	p.Open(url + "trip/")
	p.Expect("h1", "Where do you want to go?")
	selectOption(p, "select[name=destination]", "Lisbon")
	p.Type("input[name=travellers]", "3")
	p.Follow("button[name=next]")
	p.Expect("h1", "How do you get to Lisbon?")
	p.Expect(".choices", "420 €")
}

func TestTrip(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)
	lisbon(p, site.URL)
	look(t, p, "trip-travel")
	p.Click("input[value=train]")
	p.Follow("button[name=next]")
	p.Expect("h1", "Where do you stay in Lisbon?")
	p.Expect(".choices", "162 €") // with the discount for guests who come by train
	look(t, p, "trip-stay")
	p.Click("input[value='Casa Azul']")
	p.Type("input[name=nights]", "2")
	p.Follow("button[name=next]")
	p.Expect(".total", "744 €")
	look(t, p, "trip-confirm")
	confirm := p.Location()

	p.Reload()
	p.Expect(".total", "744 €")

	// A second tab begins anew, and disturbs nothing.
	tab := p.NewTab(phoneWidth, phoneHeight)
	tab.Open(site.URL + "trip/")
	tab.Expect("h1", "Where do you want to go?")
	selectOption(tab, "select[name=destination]", "Vienna")
	tab.Type("input[name=travellers]", "1")
	tab.Follow("button[name=next]")
	tab.Expect("h1", "How do you get to Vienna?")

	// Back in the first tab, and another way from there.
	p.Back()
	p.Expect("h1", "Where do you stay in Lisbon?")
	p.Expect(".choices", "162 €")
	p.Back()
	p.Expect("h1", "How do you get to Lisbon?")
	p.Reload()
	p.Expect("h1", "How do you get to Lisbon?")
	p.Click("input[value=plane]")
	p.Follow("button[name=next]")
	p.Expect(".choices", "180 €") // no discount
	p.Click("input[value='Casa Azul']")
	p.Type("input[name=nights]", "2")
	p.Follow("button[name=next]")
	p.Expect(".total", "930 €")
	tab.Click("input[value=train]")
	tab.Follow("button[name=next]")
	tab.Expect("h1", "Where do you stay in Vienna?")
	tab.Expect(".choices", "63 €")

	// The map shows both ways, and where we are.
	p.Follow("a[href*=map]")
	p.Expect("h1", "The map of your pages")
	if n := Eval[int](p, `document.querySelectorAll("svg.tree circle").length`); n != 7 {
		t.Errorf("the map has %d pages, want 7", n)
	}
	if got := Eval[string](p, `document.querySelector("svg.tree text.current").textContent`); !strings.Contains(got, "Confirm: Lisbon, plane") {
		t.Errorf("the marked page is %q", got)
	}
	if words := Eval[string](p, `document.querySelector("svg.tree desc").textContent`); strings.Count(words, "you come from here") != 1 ||
		!strings.Contains(words, "went on from page 1") {
		t.Errorf("the map in words: %s", words)
	}
	p.Click("summary")
	look(t, p, "trip-map")
	p.Follow("main p:last-child a")
	p.Expect(".total", "930 €")

	// The page from before still books what it shows, and once.
	p.Open(confirm)
	p.Follow("button[name=book]")
	p.Expect("h1", "Your trip is booked")
	p.Expect("main", "for 744 €")
	look(t, p, "trip-booked")
	p.Back()
	p.Expect(".total", "744 €")
	p.Reload()
	p.Follow("button[name=book]")
	p.Expect("[role=alert]", "nothing was booked again")
	look(t, p, "trip-again")
	if got := Eval[string](p, "document.cookie"); got != "" {
		t.Errorf("scripts can read a cookie: %q", got)
	}

	// Someone else with the address of a page.
	other := NewPage(t, desktopWidth, desktopHeight)
	other.Open(confirm)
	other.Expect("[role=alert]", "not there any more")
	other.Expect("h1", "Where do you want to go?")
	look(t, other, "trip-stranger")
}
