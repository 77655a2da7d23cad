package trip_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/configured"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/examples/sidebyside/trip"
)

// traveller is a visitor who fills in forms.
type traveller struct {
	*visitor.Visitor
	t    *testing.T
	site string
}

// open starts the booking on a store of its own.
func open(t *testing.T) (*traveller, *core.Manager) {
	t.Helper()
	site := configured.Site(t, memstore.New(memstore.Config{}), `
[composite:main]
use = urlmap
/trip = trip
[app:trip]
use = trip
secret = a demonstration, which everybody can read
`, trip.Register)
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	return &traveller{visitor.New(t, server.URL), t, server.URL}, site.Sessions("trip").Manager()
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// send submits the form of a page and follows the redirect.
func (v *traveller) send(page visitor.Reply, pairs ...string) visitor.Reply {
	v.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page.Body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := v.Post("/trip/", form)
	if r.Status == http.StatusSeeOther {
		r = v.Get(r.Header.Get("Location"))
	}
	return r
}

func expect(t *testing.T, r visitor.Reply, texts ...string) visitor.Reply {
	t.Helper()
	if r.Status != http.StatusOK {
		t.Errorf("status %d\n%s", r.Status, r.Body)
	}
	for _, text := range texts {
		if !strings.Contains(r.Body, text) {
			t.Errorf("%q is not on the page:\n%s", text, r.Body)
		}
	}
	return r
}

func (v *traveller) confirm() (where, travel, stay, confirm visitor.Reply) {
	v.t.Helper()
	where = expect(v.t, v.Get("/trip/"), "Where do you want to go?")
	travel = expect(v.t, v.send(where, "destination", "Lisbon", "travellers", "3", "next", "1"), "How do you get to Lisbon?", "420 €", "570 €")
	stay = expect(v.t, v.send(travel, "way", "train", "next", "1"), "Where do you stay in Lisbon?", "<s>180 €</s> 162 €")
	confirm = expect(v.t, v.send(stay, "hotel", "Casa Azul", "nights", "2", "next", "1"), "744 €")
	return where, travel, stay, confirm
}

func TestBooking(t *testing.T) {
	v, _ := open(t)
	_, travel, stay, confirm := v.confirm()

	// Back to the second step: by plane there is no discount, and the other way is as it was.
	plane := expect(t, v.send(travel, "way", "plane", "next", "1"), "180 €")
	expect(t, v.send(plane, "hotel", "Casa Azul", "nights", "2", "next", "1"), "930 €")
	expect(t, v.send(stay, "hotel", "Grande Hotel", "nights", "1", "next", "1"), "708 €")
	done := expect(t, v.send(confirm, "book", "1"), "Your trip is booked", "744 €")
	expect(t, v.send(confirm, "book", "1"), "nothing was booked again", "744 €")
	expect(t, v.send(done, "again", "1"), "Where do you want to go?")
	expect(t, v.send(confirm, "back", "1"), "Where do you stay in Lisbon?")
}

func TestBookedOnce(t *testing.T) {
	v, _ := open(t)
	_, _, _, confirm := v.confirm()
	var wg sync.WaitGroup
	booked := make(chan struct{}, 20)
	for range 20 {
		wg.Go(func() {
			if strings.Contains(v.send(confirm, "book", "1").Body, "Your trip is booked") {
				booked <- struct{}{}
			}
		})
	}
	wg.Wait()
	if len(booked) != 1 {
		t.Errorf("booked %d times", len(booked))
	}
}

func TestRefused(t *testing.T) {
	v, _ := open(t)
	where, travel, stay, _ := v.confirm()
	for _, tt := range []struct {
		page   visitor.Reply
		fields []string
		want   string
	}{
		{where, []string{"destination", "Atlantis", "travellers", "1"}, "Please choose where you want to go."},
		{where, []string{"destination", "Lisbon", "travellers", "7"}, "From 1 to 6 people can travel."},
		{where, []string{"destination", "Lisbon", "travellers", "-1"}, "From 1 to 6 people can travel."},
		{travel, []string{"way", "balloon"}, "Please choose how to get there."},
		{stay, []string{"hotel", "Pension Mozart", "nights", "1"}, "Please choose where to stay."},
		{stay, []string{"hotel", "Casa Azul", "nights", "1000000000000000000000"}, "You can stay from 1 to 14 nights."},
	} {
		expect(t, v.send(tt.page, append(tt.fields, "next", "1")...), tt.want)
	}
	// Another destination needs another hotel.
	expect(t, v.send(where, "destination", "Vienna", "travellers", "2", "next", "1"), "How do you get to Vienna?")
}

func TestMap(t *testing.T) {
	v, m := open(t)
	expect(t, v.Get("/trip/map"), "There is nothing to show yet")
	if n, err := m.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("looking made %d records, %v", n, err)
	}
	_, travel, _, _ := v.confirm()
	plane := v.send(travel, "way", "plane", "next", "1")
	link := regexp.MustCompile(`href="(/trip/map[^"]*)"`).FindStringSubmatch(plane.Body)
	r := expect(t, v.Get(html.UnescapeString(link[1])), "A tree of 4 pages", "Page 4, Staying: Lisbon, plane, went on from page 1; you come from here",
		"Page 2, Staying: Lisbon, train, went on from page 1, and was gone on from.")
	if n := strings.Count(r.Body, `class="page current"`); n != 1 {
		t.Errorf("%d pages are marked", n)
	}
	back := regexp.MustCompile(`href="(/trip/[^"]*)">Go on`).FindStringSubmatch(r.Body)
	expect(t, v.Get(html.UnescapeString(back[1])), "Where do you stay in Lisbon?", "by plane")
}

// Another visitor gets nowhere with the address of a page.
func TestStolenAddress(t *testing.T) {
	v, _ := open(t)
	_, travel, _, _ := v.confirm()
	link := regexp.MustCompile(`href="/trip/map([^"]*)"`).FindStringSubmatch(travel.Body)
	other := visitor.New(t, v.site)
	r := other.Get("/trip/" + html.UnescapeString(link[1]))
	expect(t, r, "is not there any more", "Where do you want to go?")
}
