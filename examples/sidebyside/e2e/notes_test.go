package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// signInToNotes fills the login form of the notes in and sends it.
func signInToNotes(p *Page, user, password string) {
	p.Type("input[name=username]", user)
	p.Type("input[name=password]", password)
	p.Follow("button[name=login]")
}

// addNote fills the form for a note in and sends it.
func addNote(p *Page, name, text string) {
	p.Type("input[name=name]", name)
	p.Type("input[name=text]", text)
	p.Follow("button[name=add]")
}

// upload puts a file into the upload form, as a person does by the browser's own dialogue.
func upload(p *Page, name, content string) {
	n := Eval[int](p, fmt.Sprintf(`(() => {
		const input = document.querySelector("input[type=file]"), list = new DataTransfer();
		list.items.add(new File([%q], %q, {type: "text/plain"}));
		input.files = list.files;
		return input.files.length;
	})()`, content, name))
	if n != 1 {
		p.t.Fatalf("%d files are chosen", n)
	}
}

func TestNotes(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)
	p.Open(site.URL)
	p.Follow(`a[href="/notes/"]`)
	if got := p.Location(); !strings.HasPrefix(got, site.URL+"notes/login?") {
		t.Errorf("a stranger is at %s", got)
	}
	look(t, p, "notes-login")
	signInToNotes(p, "ada", "wrong")
	p.Expect("[role=alert]", "the password is wrong")
	look(t, p, "notes-login-refused")
	signInToNotes(p, "ada", "engine")
	if got, want := p.Location(), site.URL+"notes/"; got != want {
		t.Errorf("after signing in: at %s, want %s", got, want)
	}
	p.Expect("main", "You have no notes.")
	look(t, p, "notes-empty")
	if got := Eval[string](p, "document.cookie"); got != "" {
		t.Errorf("scripts can read a cookie: %q", got)
	}

	addNote(p, "Shopping", "tea, milk & <b>bread</b>, 10 €")
	p.Expect(".tickets", "Shopping tea, milk & <b>bread</b>, 10 €")
	addNote(p, "(user)", "grace")
	p.Expect("[role=alert]", "can not begin with a parenthesis")
	addNote(p, strings.Repeat("long", 15), strings.Repeat("word", 40))
	upload(p, "poem.txt", "Roses are red,\nviolets are blue")
	p.Follow("button[name=upload]")
	p.Expect(".tickets", "poem.txt Roses are red")
	p.Expect("main", "uploaded poem.txt")
	look(t, p, "notes")
	p.Follow(`button[value=Shopping]`)
	p.Expect("main", "deleted Shopping")
	p.Until(`!document.querySelector(".tickets").innerText.includes("Shopping")`)

	desktop := NewPage(t, desktopWidth, desktopHeight)
	desktop.Open(site.URL + "notes/?from=desktop")
	signInToNotes(desktop, "grace", "compiler")
	if got, want := desktop.Location(), site.URL+"notes/?from=desktop"; got != want {
		t.Errorf("after signing in: at %s, want %s", got, want)
	}
	desktop.Expect("main", "You have no notes.") // nobody else's
	addNote(desktop, "Compiler", "A-0")
	look(t, desktop, "notes-desktop")

	p.Follow("button[name=expire]")
	p.Expect(".message", "Your session has expired")
	look(t, p, "notes-expired")
	p.Open(site.URL + "notes/")
	signInToNotes(p, "ada", "engine")
	p.Expect("main", "You have no notes.") // nothing is left of the old session
	desktop.Open(site.URL + "notes/")
	desktop.Expect(".tickets", "Compiler A-0")
}
