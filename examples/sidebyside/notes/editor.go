package notes

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webstack"
)

// Keys of the session that are not notes. No note can have their names: those have no parenthesis at their beginning.
const (
	userKey = "(user)"
	logKey  = "(log)"
)

// Bounds on what a session holds.
const (
	maxNotes = 20
	maxName  = 60       // characters
	maxText  = 2000     // characters
	maxFile  = 16 << 10 // bytes
	maxLog   = 5
)

// note is one value of the session, as the page shows it.
type note struct {
	Name, Text, Kind string
}

// page is what the editor's template gets.
type page struct {
	User    string
	Problem string
	Name    string // what was typed and could not be added
	Text    string
	Notes   []note
	Log     []string
	Facts   [][2]string
	Bounds  map[string]int
}

// edit shows what the session holds, and does what the buttons ask for.
func edit(t *webstack.Transaction) error {
	switch t.GetRequestMethod() {
	case http.MethodGet, http.MethodHead:
		return show(t, page{})
	case http.MethodPost:
	default:
		return &webstack.StatusError{Code: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {"GET, HEAD, POST"}}}
	}
	fields, err := t.GetFieldsFromBody()
	if err != nil {
		return err
	}
	if fields.Has("expire") {
		if err := t.ExpireSession(); err != nil {
			return err
		}
		return t.Redirect(t.GetPathWithoutInfo()+"/login?goodbye=1", http.StatusSeeOther)
	}
	s, err := t.GetSession(true) // to change it: from here on others wait
	if err != nil {
		return err
	}
	var p page
	switch {
	case fields.Has("add"):
		p, err = add(s, fields.Text("name"), fields.Text("text"))
	case fields.Has("upload"):
		p, err = upload(s, fields.File("file"))
	case fields.Has("delete"):
		p, err = remove(s, fields.Text("delete"))
	default:
		p.Problem = "That was none of the buttons."
	}
	if err != nil {
		return err
	}
	if p.Problem != "" {
		return show(t, p)
	}
	return t.Redirect(t.GetPathWithoutQuery(), http.StatusSeeOther) // so that reloading the page does not repeat it
}

// add puts a text into the session. Nothing has to be called to save it.
func add(s *webstack.Session, name, text string) (page, error) {
	name = strings.Join(strings.Fields(name), " ")
	p := page{Name: name, Text: text}
	if p.Problem = refusal(s, name); p.Problem != "" {
		return p, nil
	}
	if utf8.RuneCountInString(text) > maxText {
		p.Problem = fmt.Sprintf("A text can have %d characters.", maxText)
		return p, nil
	}
	if err := s.Set(name, text); err != nil {
		return p, err
	}
	return p, remember(s, "kept "+name)
}

// upload puts a file into the session.
func upload(s *webstack.Session, file *webstack.FileContent) (page, error) {
	var p page
	switch {
	case file == nil || file.Filename() == "":
		p.Problem = "Please choose a file first."
		return p, nil
	case file.Size() > maxFile:
		p.Problem = fmt.Sprintf("A file can have %d KB here.", maxFile>>10)
		return p, nil
	}
	name := strings.Join(strings.Fields(strings.ToValidUTF8(file.Filename(), "?")), " ")
	if p.Problem = refusal(s, name); p.Problem != "" {
		return p, nil
	}
	content, err := file.Content()
	if err != nil {
		return p, err
	}
	if err := s.Set(name, content); err != nil {
		return p, err
	}
	return p, remember(s, "uploaded "+name)
}

// remove takes a note out of the session. One that is gone already, from another window, is no error.
func remove(s *webstack.Session, name string) (page, error) {
	if strings.HasPrefix(name, "(") || !s.HasKey(name) {
		return page{Problem: "That note is not there any more."}, nil
	}
	if err := s.Delete(name); err != nil {
		return page{}, err
	}
	return page{}, remember(s, "deleted "+name)
}

// refusal says why there can be no note of that name, or returns "".
func refusal(s *webstack.Session, name string) string {
	switch {
	case name == "":
		return "Please give the note a name."
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("A name can have %d characters.", maxName)
	case strings.HasPrefix(name, "("):
		return "A name can not begin with a parenthesis."
	case strings.ContainsFunc(name, unicode.IsControl):
		return "A name can not have control characters."
	case !s.HasKey(name) && s.Len() >= maxNotes+2:
		return fmt.Sprintf("You have %d notes, which is the most there can be. Delete one first.", maxNotes)
	}
	return ""
}

// remember notes what was done, in a list that grows in place.
func remember(s *webstack.Session, what string) error {
	if _, err := s.SetDefault(logKey, []string{}); err != nil {
		return err
	}
	list, err := webstack.Value[*[]string](s, logKey)
	if err != nil {
		return err
	}
	*list = append(*list, time.Now().UTC().Format("15:04:05")+" "+what)
	*list = (*list)[max(0, len(*list)-maxLog):]
	return nil
}

// show writes the page. It only reads, so that it waits for nobody.
func show(t *webstack.Transaction, p page) error {
	s, err := t.GetSession(true, core.ReadOnly)
	if err != nil {
		return err
	}
	p.User = t.GetUser()
	for key, value := range s.All() {
		switch v := value.(type) {
		case string:
			if key != userKey {
				p.Notes = append(p.Notes, note{key, v, "text"})
			}
		case []byte:
			p.Notes = append(p.Notes, describe(key, v))
		case []string:
			p.Log = v
		case error:
			return v
		}
	}
	c := s.Core()
	p.Facts = [][2]string{
		{"Known in logs as", c.Hash()},
		{"Began", c.Created().Format("2 January 2006, 15:04:05 MST")},
		{"Ends when unused for", fmt.Sprintf("%.0f minutes", c.Timeout().Minutes())},
		{"Kept by", "manager " + c.Manager().ID() + ", " + c.Locking().String()},
	}
	p.Bounds = map[string]int{"Name": maxName, "Text": maxText, "File": maxFile >> 10}
	return render(t, "editor", p)
}

// describe shows a file: the beginning of a text, and the size of anything else.
func describe(name string, content []byte) note {
	const shown = 200
	kind := fmt.Sprintf("file, %d bytes", len(content))
	text := string(content)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) {
		return note{name, "", kind}
	}
	if runes := []rune(text); len(runes) > shown {
		text = string(runes[:shown]) + "…"
	}
	return note{name, text, kind}
}
