package gallery

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/myghty"
)

// Names in the session. Each part of the page has one of its own beside them, see nameOf.
const (
	viewsName = "views" // how often the page was shown
	beganName = "began" // when it was shown last, in milliseconds since 1970
	seenName  = "seen"  // how many pictures and frames were made, in all views
)

// part tells when a picture or frame was made, in milliseconds since the page was shown.
type part struct {
	View   int    `json:"view"`
	Name   string `json:"name"`
	Begin  int64  `json:"begin"`
	Work   int64  `json:"work"` // when its work began, after a wait for the lock
	End    int64  `json:"end"`
	Number int    `json:"number"` // what the counter was then
}

func nameOf(n int) string { return "part" + strconv.Itoa(n) }

func now() int64 { return time.Now().UnixMilli() }

// make takes the time that a picture or frame takes, counts it, and saves when that was. n counts from 0.
func (p *part) make(m *myghty.Request, n int) error {
	s, err := m.GetSession(nil)
	if err != nil {
		return err
	}
	if !s.HasKey(viewsName) {
		return m.Abort(http.StatusConflict, "Open the gallery first")
	}
	began, err := core.Get[int64](s.Core(), beganName)
	views, err2 := core.Get[int](s.Core(), viewsName)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	p.View, p.Begin = views, now()-began
	if m.HasArg("hold") { // as under mod_python: one at a time
		if err := s.Lock(); err != nil {
			return err
		}
		defer s.Unlock()
	}
	p.Work = now() - began
	if err := work(m); err != nil {
		return err
	}
	p.End = now() - began
	return p.count(s, n)
}

// work is what drawing a picture would be.
func work(m *myghty.Request) error {
	timer := time.NewTimer(workTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-m.Context().Done():
		return m.Context().Err()
	}
}

// count adds one to the counter, for which it needs the session for itself, and only for that.
func (p *part) count(s *myghty.Session, n int) error {
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock() // does nothing after the one below
	seen, err := core.Get[int](s.Core(), seenName)
	if err != nil {
		return err
	}
	p.Number = seen + 1
	return errors.Join(s.Set(seenName, p.Number), s.Set(nameOf(n), *p), s.Save(), s.Unlock())
}

// number reads which picture or frame is asked for.
func number(m *myghty.Request, most int) (int, error) {
	n, err := strconv.Atoi(m.Arg("n"))
	if err != nil || n < 1 || n > most {
		return 0, m.Abort(http.StatusNotFound, "There is no such picture")
	}
	return n, nil
}

// picture draws one of the pictures.
func picture(m *myghty.Request) error {
	n, err := number(m, pictures)
	if err != nil {
		return err
	}
	p := part{Name: fmt.Sprint("picture ", n)}
	if err := p.make(m, n-1); err != nil {
		return err
	}
	m.SetContentType("image/svg+xml")
	m.HeadersOut().Set("Cache-Control", "no-store")
	hue := 360 * n / pictures
	m.Writef(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 110" width="160" height="110" font-family="sans-serif">`+
		`<rect width="160" height="110" fill="hsl(%d 45%% 88%%)"/>`, hue)
	for i := range 5 {
		x, y := (n*53+i*37)%160, 16+(n*29+i*23)%56
		m.Writef(`<circle cx="%d" cy="%d" r="%d" fill="hsl(%d 55%% %d%%)" opacity="0.55"/>`, x, y, 10+(n*7+i*11)%22, hue+18*i, 35+7*i)
	}
	m.Writef(`<rect y="80" width="160" height="30" fill="#ffffff"/>`+
		`<text x="8" y="100" font-size="14" fill="#1e2426">No. %d</text>`+
		`<text x="152" y="100" font-size="14" text-anchor="end" fill="#1e2426">%d ms</text></svg>`, p.Number, p.End-p.Begin)
	return nil
}

// frame shows what one of the frames sees in the session.
func frame(m *myghty.Request) error {
	n, err := number(m, frames)
	if err != nil {
		return err
	}
	p := part{Name: fmt.Sprint("frame ", n)}
	if err := p.make(m, pictures+n-1); err != nil {
		return err
	}
	s, err := m.GetSession(nil) // the same again
	if err != nil {
		return err
	}
	return show(m, "frame.html", map[string]any{
		"N": n, "Part": p, "Took": p.End - p.Begin, "Names": s.Len(), "Created": s.Created().Format(time.TimeOnly),
		"Accessed": s.Accessed().Format(time.TimeOnly),
	})
}
