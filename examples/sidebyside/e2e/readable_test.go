package e2e

import (
	"strings"
	"testing"
)

// TestReadable looks at what is hard to get right on a small screen: long words, and many texts in one picture.
func TestReadable(t *testing.T) {
	site := start(t)
	p := NewPage(t, 320, 640)
	p.Open(site.URL + "desk/tickets")
	signIn(p, "grace", "compiler")
	p.Type("input[name=title]", strings.Repeat("long", 30))
	p.Follow("button[name=_action_add]")
	look(t, p, "long-word")

	p.Open(site.URL + "lab/")
	for _, race := range []string{"read", "both", "count"} {
		p.Click("input[value=" + race + "]")
		p.Click("#all")
		p.Until(`!document.querySelector("#all").disabled`)
		look(t, p, "lab-"+race)
		legible(t, p)
	}
	p.Click("#legacy summary")
	p.Expect("#legacy table", "its change is lost")
	look(t, p, "lab-words")
}

// legible fails the test for texts that lie over each other in a timeline, or stick out of it.
func legible(t *testing.T, p *Page) {
	t.Helper()
	bad := Eval[[]string](p, `[...document.querySelectorAll(".picture svg")].flatMap((svg) => {
		const frame = svg.getBoundingClientRect();
		const texts = [...svg.querySelectorAll("text")].map((text) => ({text: text.textContent, box: text.getBoundingClientRect()}));
		const out = texts.filter(({box}) => box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom + 1);
		const over = texts.flatMap((a, i) => texts.slice(i + 1).filter(({box: b}) =>
			a.box.left < b.right && b.left < a.box.right && a.box.top + 2 < b.bottom && b.top + 2 < a.box.bottom)
			.map((b) => ({text: a.text + " | " + b.text})));
		return [...out, ...over].map(({text}) => text);
	})`)
	for _, text := range bad {
		t.Errorf("hard to read in a timeline: %s", text)
	}
}
