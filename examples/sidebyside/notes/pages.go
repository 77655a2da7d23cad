package notes

import (
	"embed"
	"html/template"

	"github.com/holdover-web/holdover/webstack"
)

//go:embed *.html
var files embed.FS

var templates = template.Must(template.ParseFS(files, "*.html"))

// render writes a page.
func render(t *webstack.Transaction, name string, data any) error {
	if err := t.SetContentType(webstack.ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
		return err
	}
	if err := t.SetHeaderValue("Cache-Control", "no-store"); err != nil { // what a session holds is nobody else's business
		return err
	}
	return templates.ExecuteTemplate(t.GetResponseStream(), name+".html", struct {
		Base string
		Page any
	}{t.GetPathWithoutInfo(), data})
}
