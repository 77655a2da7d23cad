package e2e

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// tiny is a site of two pages.
func tiny(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, `<!doctype html><title>Tiny</title><h1>Hello</h1>
			<form action="/greet"><input name="name" value="old"><button>Greet</button></form>
			<p id="late">not yet</p>
			<button id="later" onclick="setTimeout(() => late.textContent = 'now', 50)">Later</button>`)
	case "/greet":
		fmt.Fprintf(w, `<!doctype html><title>Greeting</title><p>Good day, %s</p>`, r.FormValue("name"))
	}
}

func TestPage(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(tiny))
	defer site.Close()

	p := NewPage(t, 390, 800)
	p.Open(site.URL)
	if got := p.Text("h1"); got != "Hello" {
		t.Errorf("h1: got %q", got)
	}
	p.Click("#later")
	p.Expect("#late", "now")
	p.Type("input[name=name]", "Ada")
	p.Follow("form button")
	if got, want := p.Text("p"), "Good day, Ada"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.Location(), site.URL+"/greet?name=Ada"; got != want {
		t.Errorf("location: got %q, want %q", got, want)
	}
	if got := Eval[int](p, "window.innerWidth"); got != 390 {
		t.Errorf("the window is %d wide", got)
	}
	p.Screenshot("greeting")
	data, err := os.ReadFile(filepath.Join(t.ArtifactDir(), "greeting.png"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
}
