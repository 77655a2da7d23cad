package e2e

import (
	"strings"
	"testing"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
)

// A phone and a desktop screen, in CSS pixels.
const (
	phoneWidth, phoneHeight     = 390, 844
	desktopWidth, desktopHeight = 1200, 900
)

// start starts the example with an empty store.
func start(t *testing.T) *program.Program {
	t.Helper()
	return program.Start(t, program.Build(t, "examples/sidebyside"), "-addr", "127.0.0.1:0", "-store", "file:"+t.TempDir())
}

// look keeps a picture of the page and checks what no page may do: be wider than the screen.
func look(t *testing.T, p *Page, name string) {
	t.Helper()
	p.Screenshot(name)
	if wide, have := Eval[int](p, "document.documentElement.scrollWidth"), Eval[int](p, "innerWidth"); wide > have {
		t.Errorf("%s: the page is %d pixels wide, the screen %d", name, wide, have)
	}
}

// signIn fills the login form in and sends it.
func signIn(p *Page, user, password string) {
	p.Type("input[name=user]", user)
	p.Type("input[name=password]", password)
	p.Follow("button[name=_action_login]")
}

func TestDesk(t *testing.T) {
	site := start(t)
	p := NewPage(t, phoneWidth, phoneHeight)

	p.Open(site.URL)
	p.Expect("main", "Help desk")
	p.Expect("main", "Race lab")
	look(t, p, "index")

	// A page for members shows the login page instead, by a forward, and then what was asked for.
	p.Follow(`a[href="/desk/"]`)
	p.Expect(".message", "Please sign in to see this page.")
	look(t, p, "login")
	signIn(p, "ada", "wrong")
	p.Expect("[role=alert]", "the password is wrong")
	look(t, p, "login-refused")
	signIn(p, "ada", "engine")
	if got, want := p.Location(), site.URL+"desk/"; got != want {
		t.Errorf("after signing in: at %s, want %s", got, want)
	}
	p.Expect("main", "Welcome, ada. You have no open tickets.")
	p.Expect("nav", "Signed in as ada") // the included sidebar
	look(t, p, "overview")
	if got := Eval[string](p, "document.cookie"); got != "" {
		t.Errorf("scripts can read a cookie: %q", got)
	}

	p.Follow(`a[href="/desk/counter"]`)
	p.Expect("main", "You have been here once.")
	p.Open(site.URL + "desk/counter")
	p.Open(site.URL + "desk/counter")
	p.Expect("main", "You have been here 3 times.")
	look(t, p, "counter")

	// Signing in gives the session a new id, and keeps what is in it.
	p.Follow(`a[href="/desk/"]`)
	const name = "td" // the first row: what the session is called in logs
	before := p.Text(name)
	p.Open(site.URL + "desk/login")
	signIn(p, "ada", "engine")
	if after := p.Text(name); after == before {
		t.Errorf("signing in did not give the session a new id: %s", after)
	}
	p.Follow(`a[href="/desk/counter"]`)
	p.Expect("main", "You have been here 4 times.")
	p.Follow("button[name=_action_reset]")
	p.Expect("main", "You have been here once.")

	p.Follow(`a[href="/desk/tickets"]`)
	p.Expect("main", "You have no tickets.")
	p.Type("input[name=title]", "The printer is <b>on fire</b>")
	p.Follow("button[name=_action_add]")
	p.Type("input[name=title]", "No coffee")
	p.Follow("button[name=_action_add]")
	if got, want := p.Text(".tickets li"), "1. The printer is <b>on fire</b>"; !strings.HasPrefix(got, want) {
		t.Errorf("the first ticket: got %q, want %q", got, want)
	}
	p.Follow(".tickets li:nth-child(2) button[name=_action_close]")
	p.Expect(".tickets li:nth-child(2)", "closed")
	look(t, p, "tickets")
	p.Follow(".tickets li:first-child button[name=_action_delete]")
	if got, want := p.Text(".tickets"), "2. No coffee"; !strings.HasPrefix(got, want) {
		t.Errorf("what is left: got %q, want %q", got, want)
	}
	p.Follow(`a[href="/desk/"]`)
	p.Expect("main", "You have no open tickets.")

	p.Follow("nav form button")
	p.Expect(".message", "You have signed out.")
	look(t, p, "signed-out")
	p.Open(site.URL + "desk/counter")
	p.Expect(".message", "Please sign in to see this page.")
	signIn(p, "ada", "engine")
	p.Expect("main", "You have been here once.") // nothing is left of the old session
}

// Two people at one desk do not see each other's tickets, and a session survives a restart.
func TestDeskSessionsAreApart(t *testing.T) {
	bin, store := program.Build(t, "examples/sidebyside"), "file:"+t.TempDir()
	site := program.Start(t, bin, "-addr", "127.0.0.1:0", "-store", store)
	ada, grace := NewPage(t, desktopWidth, desktopHeight), NewPage(t, desktopWidth, desktopHeight)
	ada.Open(site.URL + "desk/tickets")
	signIn(ada, "ada", "engine")
	ada.Type("input[name=title]", "Ada's own")
	ada.Follow("button[name=_action_add]")
	grace.Open(site.URL + "desk/tickets")
	signIn(grace, "grace", "compiler")
	grace.Expect("main", "You have no tickets.")

	site.Stop()
	again := program.Start(t, bin, "-addr", strings.Trim(site.URL, "htp:/"), "-store", store)
	ada.Open(again.URL + "desk/tickets")
	ada.Expect(".tickets", "Ada's own")
	look(t, ada, "tickets-desktop")
}

func TestLab(t *testing.T) {
	site := start(t)
	p := NewPage(t, desktopWidth, desktopHeight)
	p.Open(site.URL)
	p.Follow(`a[href="/lab/"]`)
	look(t, p, "lab")

	for _, race := range []struct {
		name     string
		verdicts map[string]string // by policy
	}{
		{"read", map[string]string{"legacy": "Lost", "lossy": "Kept", "optimistic": "Kept", "serialized": "Kept", "merge": "Kept"}},
		{"both", map[string]string{"legacy": "Lost", "lossy": "Lost", "optimistic": "Refused", "serialized": "Kept", "merge": "Kept"}},
		{"count", map[string]string{"legacy": "Lost", "lossy": "Lost", "optimistic": "Refused", "serialized": "Kept", "merge": "Lost"}},
	} {
		p.Click("input[value=" + race.name + "]")
		p.Click("#all")
		p.Until(`!document.querySelector("#all").disabled`)
		for policy, want := range race.verdicts {
			got := p.Text("#" + policy + " .verdict")
			if !strings.HasPrefix(got, want+": ") {
				t.Errorf("race %s under %s: got %q, want %s", race.name, policy, got, want)
			}
			checkTimeline(t, p, policy, want)
		}
		look(t, p, "race-"+race.name)
		legible(t, p)
	}

	phone := NewPage(t, phoneWidth, phoneHeight)
	phone.Open(site.URL + "lab/")
	phone.Click("#legacy .run")
	phone.Expect("#legacy .verdict", "Lost: ")
	look(t, phone, "race-phone")
}

// checkTimeline checks that the picture shows both requests, and tells the same in words.
func checkTimeline(t *testing.T, p *Page, policy, verdict string) {
	t.Helper()
	picture := "#" + policy + " .picture svg"
	for _, want := range []string{"Request 1", "Request 2", "What the session holds"} {
		if got := Eval[string](p, `document.querySelector("`+picture+`").textContent`); !strings.Contains(got, want) {
			t.Errorf("%s: the timeline does not show %q", policy, want)
		}
	}
	crosses := Eval[int](p, `document.querySelectorAll("`+picture+` .cross").length`)
	if (crosses > 0) != (verdict != "Kept") {
		t.Errorf("%s: %d crosses in the picture of a race that ended as %s", policy, crosses, verdict)
	}
	words := Eval[string](p, `document.querySelector("`+picture+` desc").textContent`)
	told := map[string]string{"Lost": "its change is lost", "Refused": "is refused: 409", "Kept": "saves"}[verdict]
	if policy == "serialized" && !strings.Contains(words, "Request 2 waits for the session.") {
		t.Errorf("serialized: the words of the timeline do not say that request 2 waits: %s", words)
	}
	if !strings.Contains(words, told) {
		t.Errorf("%s: the words of the timeline do not say %q: %s", policy, told, words)
	}
}
