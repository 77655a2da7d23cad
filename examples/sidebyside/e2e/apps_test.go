package e2e

import (
	"strings"
	"testing"
)

// The blog runs twice, and neither shows what the other has.
func TestBlogs(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)
	p.Open(site.URL)
	p.Expect("main", "Bob's blog")
	p.Follow(`a[href="/blog/alice/"]`)
	p.Expect("main", "Nothing has been published yet.")
	p.Type("input[name=title]", "Half a thought")
	p.Follow("button[value=draft]")
	if got := Eval[string](p, `document.querySelector("input[name=title]").value`); got != "Half a thought" {
		t.Errorf("the draft: %q", got)
	}
	look(t, p, "blog-draft")
	p.Type("input[name=title]", "Tea <with> milk")
	Eval[string](p, `document.querySelector("textarea").value = "First line\nsecond line, " + "verylongword".repeat(12)`)
	p.Follow("button[value=publish]")
	p.Expect("article", "Tea <with> milk")
	look(t, p, "blog-post")
	p.Open(site.URL + "blog/bob/")
	p.Expect("main", "Nothing has been published yet.")
	look(t, p, "blog-other")

	wide := NewPage(t, desktopWidth, desktopHeight)
	wide.Open(site.URL)
	look(t, wide, "index-desktop")
	wide.Follow(`a[href="/blog/bob/"]`)
	wide.Follow("button[value=publish]")
	wide.Expect("[role=alert]", "Please give the post a title.")
	look(t, wide, "blog-desktop")
}

// Who has signed in at the ported help desk is known to the new pages.
func TestNativePages(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)
	p.Open(site.URL + "native/")
	p.Expect(".message", "You have not signed in.")
	look(t, p, "native-stranger")
	p.Follow(`a[href="/desk/login"]`)
	signIn(p, "grace", "compiler")
	p.Expect("nav", "Signed in as grace")
	p.Open(site.URL + "native/")
	p.Expect(".message", "as grace")
	p.Follow("form button:first-child")
	p.Follow("form button:first-child")
	p.Expect(".number", "2")
	look(t, p, "native-member")
	p.Follow("button[name=fail]")
	p.Expect("body", "teapot")
	p.Open(site.URL + "native/")
	p.Expect(".number", "2")
}

// Two hosts of one server; a browser keeps a cookie for each, and the link from one to the other takes the session along.
func TestHosts(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)
	p.Open(site.URL)
	p.Follow(`a[href^="http://shop.localhost"]`)
	p.Follow(`button[value="tea"]`)
	p.Follow(`button[value="biscuits"]`)
	p.Expect(".basket", "biscuits")
	look(t, p, "shop")
	shop, admin := p.Location(), strings.Replace(site.URL, "127.0.0.1", "admin.localhost", 1)
	p.Open(admin)
	p.Expect("main", "It is empty.")
	look(t, p, "admin-stranger")
	p.Open(shop)
	p.Follow("a.other")
	p.Expect(".basket", "biscuits")
	if got := p.Location(); got != admin {
		t.Errorf("the link led to %s, want %s", got, admin)
	}
	look(t, p, "admin")
	p.Follow("a.other") // and back again
	p.Expect(".basket", "biscuits")
	p.Follow(`button[value="coffee"]`)
	p.Open(admin)
	p.Expect(".basket", "coffee")
}
