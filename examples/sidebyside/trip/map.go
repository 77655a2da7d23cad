package trip

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/albatross"
	"github.com/holdover-web/holdover/core"
)

// treePage draws the visitor's branches.
type treePage struct{}

func (treePage) PageDisplay(ctx *albatross.Context) error {
	ctx.SetSaveSession(false)
	branches, err := ctx.Branches()
	if err != nil {
		return err
	}
	picture, err := draw(branches)
	if err != nil {
		return err
	}
	return ctx.RunTemplate("map.html", picture)
}

// picture is the tree, with a row for each branch. Sizes are in pixels.
type picture struct {
	Title         string
	Rows          []row
	Lines         []string // paths of SVG
	Width, Height int
	TextX         int
	Current       bool // one of the rows is the page that the visitor comes from
}

type row struct {
	albatross.Branch
	Label string // what the page shows
	Words string // where it comes from, for those who do not see the picture
	X, Y  int
	TextY int
}

const rowHeight, laneWidth, margin, labelWidth, labelLetters = 34, 20, 17, 300, 34

// draw puts what went on from a page below it. The first way on stays in its column, the others get new ones.
func draw(branches []albatross.Branch) (*picture, error) {
	p := &picture{Title: "Your pages"}
	children := make(map[uint64][]albatross.Branch)
	for _, b := range branches {
		children[b.Parent] = append(children[b.Parent], b)
	}
	lanes := 0
	at := make(map[uint64]row)
	var place func(b albatross.Branch, lane int) error
	place = func(b albatross.Branch, lane int) error {
		label, err := describe(b)
		if err != nil {
			return err
		}
		r := row{Branch: b, Label: label, X: margin + lane*laneWidth, Y: margin + len(p.Rows)*rowHeight}
		r.TextY = r.Y + 5
		r.Words = "begins a trip"
		if from, ok := at[b.Parent]; ok {
			r.Words = fmt.Sprintf("went on from page %d", b.Parent)
			p.Lines = append(p.Lines, line(from, r))
		}
		if b.Used {
			r.Words += ", and was gone on from"
		}
		p.Current = p.Current || b.Current
		at[b.Number] = r
		p.Rows = append(p.Rows, r)
		lanes = max(lanes, lane+1)
		next := lane
		for _, c := range children[b.Number] {
			if err := place(c, next); err != nil {
				return err
			}
			next = lanes
		}
		return nil
	}
	for _, b := range children[0] {
		if err := place(b, 0); err != nil {
			return nil, err
		}
	}
	p.TextX = 2*margin + (lanes-1)*laneWidth
	p.Width, p.Height = p.TextX+labelWidth, 2*margin+max(len(p.Rows)-1, 0)*rowHeight
	return p, nil
}

// line leads from one page down to the next, and around what lies between.
func line(from, to row) string {
	if from.X == to.X {
		return fmt.Sprintf("M%d %dV%d", from.X, from.Y, to.Y)
	}
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %dV%d", from.X, from.Y, from.X, from.Y+rowHeight/2, to.X, from.Y+rowHeight/4, to.X, from.Y+rowHeight, to.Y)
}

// describe tells what a page shows, in few words.
func describe(b albatross.Branch) (string, error) {
	parts := []string{b.Page}
	i := slices.IndexFunc(steps, func(s struct{ page, title string }) bool { return s.page == b.Page })
	if i >= 0 {
		parts[0] = steps[i].title
	} else if b.Page == "done" {
		parts[0] = "Booked"
	}
	for _, name := range []string{"destination", "way", "hotel"} {
		v, err := core.Get[string](b.Vars, name)
		if err != nil {
			return "", err
		}
		if v != "" {
			parts = append(parts, v)
		}
	}
	label := []rune(parts[0])
	if len(parts) > 1 {
		label = []rune(parts[0] + ": " + strings.Join(parts[1:], ", "))
	}
	if len(label) > labelLetters {
		label = append(label[:labelLetters-1], '…')
	}
	return string(label), nil
}
