package albatross

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// output is the page that a request makes. It is held back until the session is saved, so that a save that fails can
// still become another page. What a form needs to lead to the session is known only then; up to that moment the page has
// a mark in its place.
type output struct {
	start  compat.StartResponse
	cause  error // the failure that the page is about, or nil
	status int
	header http.Header
	buf    bytes.Buffer
	body   io.Writer // where the rest goes once the page has begun to leave

	settled  bool   // the session is saved, or never will be: final holds
	referred bool   // the page has something that leads on
	mark     string // "" while nobody needed one
	final    string // what takes the mark's place: an id, or the whole state
}

// ref returns what stands for the session in the page.
func (o *output) ref() string {
	o.referred = true
	if o.settled {
		return o.final
	}
	if o.mark == "" {
		o.mark = "holdover" + rand.Text() // nobody else can write that into the page
	}
	return o.mark
}

func (o *output) reset() {
	o.status, o.header = http.StatusOK, http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	o.buf.Reset()
	o.mark, o.final, o.referred = "", "", false
}

// send hands over what is held back.
func (o *output) send() error {
	if o.mark != "" {
		for name, list := range o.header {
			for i := range list {
				o.header[name][i] = strings.ReplaceAll(list[i], o.mark, o.final)
			}
		}
	}
	if o.referred && o.header.Get("Cache-Control") == "" {
		o.header.Set("Cache-Control", "private") // no cache hands one visitor's page to another
	}
	status := strconv.Itoa(o.status) + " " + http.StatusText(o.status)
	headers := make([]compat.Header, 0, len(o.header))
	for name, list := range o.header {
		for _, value := range list {
			headers = append(headers, compat.Header{Name: name, Value: value})
		}
	}
	w, err := o.start(status, headers, o.cause)
	if err != nil {
		return err
	}
	o.body = w
	page := o.buf.Bytes()
	if o.mark != "" {
		page = bytes.ReplaceAll(page, []byte(o.mark), []byte(o.final))
	}
	if len(page) > 0 {
		_, err = w.Write(page)
	}
	o.buf = bytes.Buffer{}
	return err
}

// hidden is a hidden field of a form.
func hidden(name, value string) template.HTML {
	return template.HTML(`<input type="hidden" name="` + name + `" value="` + template.HTMLEscapeString(value) + `">`)
}

// Write adds to the page: write_content(data). The page is held back until the request ends, or it outgrows
// Config.OutputBuffer: then the session is saved and the page begins to leave. Errors: those of FlushContent.
func (c *Context) Write(p []byte) (int, error) {
	o := &c.out
	if o.body == nil && o.buf.Len()+len(p) > c.app.cfg.OutputBuffer {
		if err := c.FlushContent(); err != nil {
			return 0, err
		}
	}
	if o.body != nil {
		return o.body.Write(p)
	}
	return o.buf.Write(p)
}

// WriteString is Write for a string.
func (c *Context) WriteString(s string) (int, error) { return c.Write([]byte(s)) }

// FlushContent saves the session and sends what there is of the page: flush_content(). The application does it at the
// end of each request; a page that is long in coming may do it earlier. Afterwards session variables, headers and the
// status can not be changed. Errors: those of saving the session, after which nothing has left, and of the connection.
func (c *Context) FlushContent() error {
	if c.out.body == nil {
		if err := c.app.saveSession(c); err != nil {
			return err
		}
		if c.session != nil && c.session.ID() == "" {
			var err error
			if c.saved, err = c.session.Values(); err != nil {
				return err
			}
		}
		if err := c.out.send(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.env.ResponseWriter()).Flush()
}

// SetHeader sets a header of the response: set_header(name, value). The default Content-Type is HTML in UTF-8. Errors: ErrSent, and
// a *compat.HeaderError for what no header can have.
func (c *Context) SetHeader(name, value string) error {
	if c.out.body != nil {
		return ErrSent
	}
	if err := compat.CheckHeader(compat.Header{Name: name, Value: value}); err != nil {
		return err
	}
	c.out.header.Set(name, value)
	return nil
}

// AddHeader adds a header to those of its name: add_header(name, value). Errors are those of SetHeader.
func (c *Context) AddHeader(name, value string) error {
	if c.out.body != nil {
		return ErrSent
	}
	if err := compat.CheckHeader(compat.Header{Name: name, Value: value}); err != nil {
		return err
	}
	c.out.header.Add(name, value)
	return nil
}

// SetStatus sets the status, 200 to 599; the default is 200. Errors: ErrSent, and one for another number.
func (c *Context) SetStatus(code int) error {
	if c.out.body != nil {
		return ErrSent
	}
	if code < 200 || code > 599 {
		return fmt.Errorf("albatross: SetStatus: %d is no status of a response", code)
	}
	c.out.status = code
	return nil
}
