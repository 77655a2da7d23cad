package trip

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/holdover-web/holdover/albatross"
)

// place is somewhere to go. Prices are in euros: for the way there and back of one person, and for a room a night.
type place struct {
	Name   string
	Ways   []offer
	Hotels []offer
}

type offer struct {
	Name  string
	Price int
}

var places = []place{
	{"Lisbon", []offer{{"train", 140}, {"plane", 190}}, []offer{{"Casa Azul", 90}, {"Grande Hotel", 160}}},
	{"Vienna", []offer{{"train", 80}, {"plane", 120}}, []offer{{"Pension Mozart", 70}, {"Palais am Ring", 190}}},
	{"Tromsø", []offer{{"train", 310}, {"plane", 260}}, []offer{{"Harbour Cabins", 110}, {"Northern Lights", 210}}},
}

// railDiscount is what hotels take off for guests who come by train, in percent.
const railDiscount = 10

const maxTravellers, maxNights = 6, 14

// trip is what was chosen so far. Later steps are empty until they are reached.
type trip struct {
	Destination string
	Travellers  int
	Way         string
	Hotel       string
	Nights      int
	Booking     string

	place place
}

// load reads the session variables. They are what the forms' fields were, so that whatever is in them is checked here.
func load(ctx *albatross.Context) (t trip, err error) {
	text := func(name string) string {
		v, e := albatross.Get[string](ctx, name)
		if e != nil && err == nil {
			err = e
		}
		return v
	}
	t.Destination, t.Way, t.Hotel, t.Booking = text("destination"), text("way"), text("hotel"), text("booking")
	t.Travellers, t.Nights = number(text("travellers"), maxTravellers), number(text("nights"), maxNights)
	if i := slices.IndexFunc(places, func(p place) bool { return p.Name == t.Destination }); i >= 0 {
		t.place = places[i]
	}
	return t, err
}

// number reads a number from 1 to most, or gives 0.
func number(s string, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0
	}
	return n
}

func find(offers []offer, name string) (offer, bool) {
	i := slices.IndexFunc(offers, func(o offer) bool { return o.Name == name })
	if i < 0 {
		return offer{}, false
	}
	return offers[i], true
}

// Rooms is how many rooms the travellers need.
func (t trip) Rooms() int { return (t.Travellers + 1) / 2 }

// WayPrice is what getting there costs for all.
func (t trip) WayPrice() int {
	o, _ := find(t.place.Ways, t.Way)
	return o.Price * t.Travellers
}

// roomPrice is what a room costs a night for guests who come as these do.
func (t trip) roomPrice(o offer) int {
	if t.Way == "train" {
		return o.Price * (100 - railDiscount) / 100
	}
	return o.Price
}

// StayPrice is what staying costs for all.
func (t trip) StayPrice() int {
	o, _ := find(t.place.Hotels, t.Hotel)
	return t.roomPrice(o) * t.Rooms() * t.Nights
}

// Total is what the trip costs as far as it is chosen.
func (t trip) Total() int { return t.WayPrice() + t.StayPrice() }

// Complete reports whether everything is chosen, and fits together.
func (t trip) Complete() bool { return t.WayPrice() > 0 && t.StayPrice() > 0 }

// People says how many travel.
func (t trip) People() string { return plural(t.Travellers, "traveller") }

// Stay says how long they stay.
func (t trip) Stay() string { return plural(t.Nights, "night") }

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
