package trip

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/holdover-web/holdover/albatross"
)

// where asks for the destination: where.py.
type where struct{}

// PageProcess remembers the destination, and forgets what depends on another one.
func (where) PageProcess(ctx *albatross.Context) error {
	if !ctx.ReqEquals("next") {
		return nil
	}
	t, err := load(ctx)
	switch {
	case err != nil:
		return err
	case t.place.Name == "":
		return refuse(ctx, "Please choose where you want to go.")
	case t.Travellers == 0:
		return refuse(ctx, fmt.Sprintf("From 1 to %d people can travel.", maxTravellers))
	}
	if err := ctx.AddSessionVars("destination", "travellers"); err != nil {
		return err
	}
	if _, ok := find(t.place.Hotels, t.Hotel); !ok {
		if err := ctx.Locals.Delete("hotel"); err != nil {
			return err
		}
	}
	return goTo(ctx, "travel")
}

func (where) PageDisplay(ctx *albatross.Context) error {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Name
	}
	return show(ctx, "Where do you want to go?", names)
}

// travel asks how to get there: travel.py.
type travel struct{}

func (travel) PageProcess(ctx *albatross.Context) error {
	if ctx.ReqEquals("back") {
		return goTo(ctx, "where")
	}
	if !ctx.ReqEquals("next") {
		return nil
	}
	t, err := load(ctx)
	if err != nil {
		return err
	}
	if _, ok := find(t.place.Ways, t.Way); !ok {
		return refuse(ctx, "Please choose how to get there.")
	}
	if err := ctx.AddSessionVars("way"); err != nil {
		return err
	}
	return goTo(ctx, "stay")
}

// choice is an offer with what it costs all travellers.
type choice struct {
	Name   string
	Price  int
	Before int // the price without a discount, if there is one
}

func (travel) PageDisplay(ctx *albatross.Context) error {
	t, err := load(ctx)
	if err != nil {
		return err
	}
	var choices []choice
	for _, o := range t.place.Ways {
		choices = append(choices, choice{Name: o.Name, Price: o.Price * t.Travellers})
	}
	return show(ctx, "How do you get to "+t.Destination+"?", choices)
}

// stay asks for the hotel: stay.py.
type stay struct{}

func (stay) PageProcess(ctx *albatross.Context) error {
	if ctx.ReqEquals("back") {
		return goTo(ctx, "travel")
	}
	if !ctx.ReqEquals("next") {
		return nil
	}
	t, err := load(ctx)
	if err != nil {
		return err
	}
	if _, ok := find(t.place.Hotels, t.Hotel); !ok {
		return refuse(ctx, "Please choose where to stay.")
	}
	if t.Nights == 0 {
		return refuse(ctx, fmt.Sprintf("You can stay from 1 to %d nights.", maxNights))
	}
	if err := ctx.AddSessionVars("hotel", "nights"); err != nil {
		return err
	}
	return goTo(ctx, "confirm")
}

func (stay) PageDisplay(ctx *albatross.Context) error {
	t, err := load(ctx)
	if err != nil {
		return err
	}
	var choices []choice
	for _, o := range t.place.Hotels {
		c := choice{Name: o.Name, Price: t.roomPrice(o) * t.Rooms()}
		if before := o.Price * t.Rooms(); before != c.Price {
			c.Before = before
		}
		choices = append(choices, c)
	}
	return show(ctx, "Where do you stay in "+t.Destination+"?", choices)
}

// confirm shows everything and books: confirm.py.
type confirm struct{}

// PageProcess books once for each page, however often its button is pressed.
func (confirm) PageProcess(ctx *albatross.Context) error {
	if ctx.ReqEquals("back") {
		return goTo(ctx, "stay")
	}
	if !ctx.ReqEquals("book") {
		return nil
	}
	t, err := load(ctx)
	if err != nil {
		return err
	}
	if !t.Complete() {
		return refuse(ctx, "Something is missing. Please go back and choose it.")
	}
	switch err := ctx.ClaimBranch(); {
	case errors.Is(err, albatross.ErrBranchUsed):
		return refuse(ctx, "This page was used to book already, so nothing was booked again.")
	case err != nil:
		return err
	}
	if err := ctx.Locals.Set("booking", rand.Text()[:6]); err != nil { // where a real one would take the money
		return err
	}
	if err := ctx.AddSessionVars("booking"); err != nil {
		return err
	}
	return goTo(ctx, "done")
}

func (confirm) PageDisplay(ctx *albatross.Context) error { return show(ctx, "Is this right?", nil) }

// done shows the booking: done.py.
type done struct{}

// PageProcess begins another booking.
func (done) PageProcess(ctx *albatross.Context) error {
	if !ctx.ReqEquals("again") {
		return nil
	}
	for _, name := range []string{"destination", "travellers", "way", "hotel", "nights", "booking"} {
		if err := ctx.Locals.Delete(name); err != nil {
			return err
		}
	}
	return goTo(ctx, "where")
}

func (done) PageDisplay(ctx *albatross.Context) error { return show(ctx, "Your trip is booked", nil) }
