package desk

import (
	"github.com/holdover-web/holdover/webkit"
)

// sidebar is what all pages include: links to the others, and who has signed in.
type sidebar struct{ webkit.Page }

// WriteHTML writes the sidebar, which is no page of its own.
func (p *sidebar) WriteHTML() error {
	r := p.Request()
	if r.PreviousServlet() == nil {
		return webkit.HTTPNotFound("The sidebar is shown inside of other pages.")
	}
	user, err := currentUser(p.Transaction())
	if err != nil {
		return err
	}
	base := p.HTMLEncode(r.ServletPath())
	p.Writeln(`<nav aria-label="Help desk">`)
	p.Writeln("<ul>")
	for _, link := range []struct{ path, title string }{
		{"/", "Overview"}, {"/counter", "Counter"}, {"/tickets", "Tickets"},
	} {
		current := ""
		if link.path == r.OriginalURLPath() {
			current = ` aria-current="page"`
		}
		p.Writeln(`<li><a href="`, base, link.path, `"`, current, ">", link.title, "</a></li>")
	}
	p.Writeln("</ul>")
	if user != "" {
		p.Writeln(`<p class="who">Signed in as `, p.HTMLEncode(user), "</p>")
		p.Writeln(`<form method="post" action="`, base, `/logout"><button class="plain">Sign out</button></form>`)
	}
	p.Writeln("</nav>")
	return nil
}
