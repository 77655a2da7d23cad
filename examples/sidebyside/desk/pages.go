package desk

import (
	"fmt"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// home is the front page.
type home struct{ memberPage }

func (p *home) Title() string { return "Overview" }

func (p *home) WriteContent() error {
	s, err := p.Session()
	if err != nil {
		return err
	}
	user, err := core.Get[string](s.Core(), userName)
	if err != nil {
		return err
	}
	list, err := core.Get[[]ticket](s.Core(), ticketsName)
	if err != nil {
		return err
	}
	open := 0
	for _, t := range list {
		if !t.Closed {
			open++
		}
	}
	p.Writeln("<p>Welcome, ", p.HTMLEncode(user), ". You have ", plural(open, "open ticket"), ".</p>")
	p.Writeln("<h2>Your session</h2>")
	p.Writeln("<table>")
	for _, row := range [][2]string{
		{"Known in logs as", s.Core().Hash()},
		{"Began", s.CreationTime().Format("2 January 2006, 15:04:05 MST")},
		{"Ends when unused for", fmt.Sprintf("%.0f minutes", s.Timeout().Minutes())},
		{"Kept by", "manager " + s.Core().Manager().ID() + ", " + s.Core().Locking().String()},
	} {
		p.Writeln("<tr><th>", row[0], "</th><td>", p.HTMLEncode(row[1]), "</td></tr>")
	}
	p.Writeln("</table>")
	return nil
}

// counter counts visits, as every Webware programmer's first page did: CountVisits.py.
type counter struct{ memberPage }

func (p *counter) Title() string { return "Counter" }

func (p *counter) Actions() []webkit.Action {
	return []webkit.Action{{Name: "reset", Run: p.reset}}
}

func (p *counter) reset() error {
	s, err := p.Session()
	if err != nil {
		return err
	}
	if s.HasValue(visitsName) {
		if err := s.DelValue(visitsName); err != nil {
			return err
		}
	}
	return p.SendRedirectSeeOtherAndEnd(p.Request().URI())
}

func (p *counter) WriteContent() error {
	s, err := p.Session()
	if err != nil {
		return err
	}
	n, err := core.Get[int](s.Core(), visitsName)
	if err != nil {
		return err
	}
	n++
	if err := s.SetValue(visitsName, n); err != nil {
		return err
	}
	times := "once"
	if n > 1 {
		times = plural(n, "time")
	}
	p.Writeln(`<p class="number" aria-hidden="true">`, n, "</p>")
	p.Writeln("<p>You have been here ", times, ".</p>")
	p.Writeln("<p>The number is in your session. Reload the page to see it grow.</p>")
	p.Writeln(`<form method="post"><button class="plain" name="_action_reset" value="1">Start over</button></form>`)
	return nil
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}
