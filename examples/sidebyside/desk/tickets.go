package desk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// Bounds on what a session holds.
const (
	maxTickets = 20
	maxTitle   = 120 // characters
)

// ticket is what a user wants to be helped with. It is kept in the session as it is.
type ticket struct {
	Number int
	Title  string
	Opened time.Time
	Closed bool
}

// tickets shows the user's tickets, with a form to add one and buttons to close and delete them.
type tickets struct {
	memberPage
	draft string // what was typed and could not be added
}

func (p *tickets) Title() string { return "Tickets" }

func (p *tickets) Actions() []webkit.Action {
	return []webkit.Action{
		{Name: "add", Run: p.add},
		{Name: "close", Run: p.closeTicket},
		{Name: "delete", Run: p.deleteTicket},
	}
}

// list fetches the tickets.
func (p *tickets) list() ([]ticket, error) {
	s, err := p.Session()
	if err != nil {
		return nil, err
	}
	return core.Get[[]ticket](s.Core(), ticketsName)
}

// keep stores the tickets and shows the page anew, so that reloading it does not repeat the action.
func (p *tickets) keep(list []ticket) error {
	s, err := p.Session()
	if err != nil {
		return err
	}
	if err := s.SetValue(ticketsName, list); err != nil {
		return err
	}
	return p.SendRedirectSeeOtherAndEnd(p.Request().URI())
}

func (p *tickets) add() error {
	list, err := p.list()
	if err != nil {
		return err
	}
	title := strings.Join(strings.Fields(p.Request().FieldDefault("title", "")), " ")
	switch {
	case title == "":
		p.problem = "Please say what the ticket is about."
	case utf8.RuneCountInString(title) > maxTitle:
		p.problem = fmt.Sprintf("A title can have %d characters.", maxTitle)
	case len(list) >= maxTickets:
		p.problem = fmt.Sprintf("You have %d tickets, which is the most there can be. Delete one first.", maxTickets)
	default:
		return p.keep(append(list, ticket{Number: nextNumber(list), Title: title, Opened: time.Now().UTC()}))
	}
	p.draft = title
	return p.WriteHTML()
}

func nextNumber(list []ticket) int {
	last := 0
	for _, t := range list {
		last = max(last, t.Number)
	}
	return last + 1
}

func (p *tickets) closeTicket() error {
	return p.change(func(list []ticket, i int) []ticket {
		list[i].Closed = true
		return list
	})
}

func (p *tickets) deleteTicket() error {
	return p.change(func(list []ticket, i int) []ticket { return slices.Delete(list, i, i+1) })
}

// change changes the list at the ticket that the form names.
func (p *tickets) change(fn func(list []ticket, i int) []ticket) error {
	list, err := p.list()
	if err != nil {
		return err
	}
	number := p.Request().FieldDefault("number", "")
	i := slices.IndexFunc(list, func(t ticket) bool { return strconv.Itoa(t.Number) == number })
	if i < 0 {
		p.problem = "That ticket is not there any more."
		return p.WriteHTML()
	}
	return p.keep(fn(list, i))
}

func (p *tickets) WriteContent() error {
	list, err := p.list()
	if err != nil {
		return err
	}
	p.Writeln(`<form class="line" method="post">`)
	p.Writeln(`<label>What can we help with? <input type="text" name="title" maxlength="`, maxTitle, `" required value="`,
		p.HTMLEncode(p.draft), `"></label>`)
	p.Writeln(`<button name="_action_add" value="1">Add</button>`)
	p.Writeln("</form>")
	if len(list) == 0 {
		p.Writeln(`<p class="quiet">You have no tickets.</p>`)
		return nil
	}
	p.Writeln(`<ul class="tickets">`)
	for _, t := range list {
		p.writeTicket(t)
	}
	p.Writeln("</ul>")
	return nil
}

func (p *tickets) writeTicket(t ticket) {
	class, state := "title", "opened "+t.Opened.Format("15:04")
	if t.Closed {
		class, state = "title closed", "closed"
	}
	p.Writeln(`<li><span class="`, class, `">`, t.Number, ". ", p.HTMLEncode(t.Title), `</span> <span class="quiet">`, state, "</span>")
	p.Writeln(`<form method="post"><input type="hidden" name="number" value="`, t.Number, `">`)
	if !t.Closed {
		p.Writeln(`<button class="plain" name="_action_close" value="1">Close</button>`)
	}
	p.Writeln(`<button class="plain" name="_action_delete" value="1">Delete</button></form></li>`)
}
