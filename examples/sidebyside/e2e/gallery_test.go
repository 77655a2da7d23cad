package e2e

import (
	"strconv"
	"strings"
	"testing"
)

// whole fails the test for a picture or frame that did not come.
func whole(t *testing.T, p *Page) {
	t.Helper()
	p.Until(`!document.querySelector("#timing").hidden`)
	if n := Eval[int](p, `[...document.images].filter((i) => i.naturalWidth > 0).length`); n != 12 {
		t.Errorf("%d of 12 pictures are there", n)
	}
	for n, want := range map[string]string{"1": "of all that were made", "2": "Your session began", "3": "names"} {
		if got := Eval[string](p, `document.querySelector("iframe[src^='frame?n=`+n+`']").contentDocument.body.innerText`); !strings.Contains(got, want) {
			t.Errorf("frame %s shows %q", n, got)
		}
	}
	if n := Eval[int](p, `document.querySelectorAll("#timing rect.work").length`); n != 15 {
		t.Errorf("the picture of the times has %d requests", n)
	}
}

// data reads a number that the page's script has left.
func data(t *testing.T, p *Page, name string) int {
	t.Helper()
	n, err := strconv.Atoi(Eval[string](p, `document.querySelector("#counter").dataset.`+name))
	if err != nil {
		t.Error(err)
	}
	return n
}

// A page's pictures and frames work at the same time on one session, and each of them counts.
func TestGallery(t *testing.T) {
	site := start(t)
	p := NewPage(t, desktopWidth, desktopHeight)
	p.Open(site.URL)
	p.Follow(`a[href="/gallery/"]`)
	whole(t, p)
	p.Expect("#counter", "This is view 1. The session has counted 15 of 15 pictures and frames.")
	if n := data(t, p, "busiest"); n < 2 {
		t.Errorf("at most %d were at work at the same moment", n)
	}
	look(t, p, "gallery")

	p.Follow("form:first-child button")
	whole(t, p)
	p.Expect("#counter", "This is view 2. The session has counted 30 of 30 pictures and frames.")

	// As under mod_python: one after the other.
	p.Follow("form:nth-child(2) button")
	p.Expect("main", "held the session's lock while it worked")
	whole(t, p)
	p.Expect("#counter", "This is view 3. The session has counted 45 of 45 pictures and frames.")
	if n := data(t, p, "busiest"); n != 1 {
		t.Errorf("%d held the lock at the same moment", n)
	}
	look(t, p, "gallery-locked")

	p.Follow("form[method=post] button")
	p.Expect("#counter", "This is view 1. The session has counted 15 of 15")

	phone := NewPage(t, phoneWidth, phoneHeight)
	phone.Open(site.URL + "gallery/")
	whole(t, phone)
	look(t, phone, "gallery-phone")
}
