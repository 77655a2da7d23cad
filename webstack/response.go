package webstack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/holdover-web/holdover/compat"
)

// response is what the transaction has to say. Output is kept until the response is committed.
type response struct {
	t      *Transaction
	start  compat.StartResponse
	stream ResponseStream

	code    int      // 0 while nothing was said
	kind    string   // the content type
	charset *Charset // of text under that content type; nil if it is no text
	headers []compat.Header
	cookies []*Cookie
	buf     *[]byte // output before the commit, or nil

	started bool      // the response is committed, or was tried to be
	out     io.Writer // where output goes, nil before the commit
	err     error     // the first failure to commit or to write
}

// outputBuffers are shared by all applications, whatever their buffer size: append makes them fit.
var outputBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledOutput bounds what an idle buffer keeps from the garbage collector, in bytes.
const maxPooledOutput = 256 << 10

func (r *response) init(t *Transaction, start compat.StartResponse) {
	r.t, r.start, r.stream.r = t, start, r
	r.clear()
}

// clear sets the response back to what every response begins with.
func (r *response) clear() {
	r.code, r.headers, r.cookies, r.stream.pending, r.err = 0, nil, nil, "", nil
	r.kind, r.charset = r.t.app.kind, r.t.app.settings.charset
	if r.buf != nil {
		*r.buf = (*r.buf)[:0]
	}
}

// GetResponseCode returns the code that was set, or 0 if none was and 200 will be sent: get_response_code().
func (t *Transaction) GetResponseCode() int { return t.response.code }

// SetResponseCode sets the status, 200 to 599: set_response_code(response_code). The error is ErrCommitted, or tells that
// this is no such code.
func (t *Transaction) SetResponseCode(code int) error {
	switch {
	case t.response.started:
		return ErrCommitted
	case code < 200 || code > 599:
		return fmt.Errorf("webstack: %d is no response code; use one from 200 to 599", code)
	}
	t.response.code = code
	return nil
}

// SetHeaderValue sets a header and replaces one of the same name: set_header_value(header, value). "Content-Type" is
// SetContentType. Errors: ErrCommitted; what a header can not have, such as a line break or a character that is no ASCII;
// and for Set-Cookie, see SetCookie.
func (t *Transaction) SetHeaderValue(header, value string) error {
	return t.response.set(header, value)
}

func (r *response) set(name, value string) error {
	name = http.CanonicalHeaderKey(name)
	switch {
	case r.started:
		return ErrCommitted
	case name == "Content-Type":
		return r.setContentType(parseContentType(value))
	case name == "Set-Cookie":
		return errors.New("webstack: set cookies with SetCookie or SetCookieValue")
	}
	if err := checkHeader(name, value); err != nil {
		return err
	}
	r.headers = slices.DeleteFunc(r.headers, func(h compat.Header) bool { return h.Name == name })
	r.headers = append(r.headers, compat.Header{Name: name, Value: value})
	return nil
}

// SetContentType says what the output is: set_content_type(content_type). Text is written in its charset, or in the
// setting default_charset if it has none, which is then added to the header. What is no text, such as image/png, and has
// no charset is sent as it is. Without a call it is text/html.
//
// Errors: ErrCommitted; a charset that is not known here; what a header can not have; and text that was written in
// another charset already.
func (t *Transaction) SetContentType(c ContentType) error { return t.response.setContentType(c) }

func (r *response) setContentType(c ContentType) error {
	if r.started {
		return ErrCommitted
	}
	if err := c.check(); err != nil {
		return err
	}
	charset, err := c.charset(r.t.app.settings.charset)
	if err != nil {
		return err
	}
	if charset != r.charset && (r.stream.pending != "" || r.buf != nil && len(*r.buf) > 0) {
		return fmt.Errorf("webstack: content type %s comes after output in another charset; set it first, or call Rollback", c.MediaType)
	}
	if charset != nil && c.Charset == "" {
		c.Charset = charset.name
	}
	r.kind, r.charset = c.String(), charset
	return nil
}

// Redirect sends the client to another URL or path, with status 302 or the code given, and returns
// ErrEndOfResponse, for the resource to return: redirect(path, code). Output so far stays. What a URL can not have is
// escaped, except control characters, which are refused. A path must not begin with two slashes or backslashes:
// browsers take what follows for the name of another host. A URL that a client has made can lead anywhere, so check it.
//
// Errors: ErrEndOfResponse, which means that it worked; ErrCommitted; and what is wrong with the arguments.
func (t *Transaction) Redirect(path string, code ...int) error {
	status := http.StatusFound
	if len(code) > 0 {
		status = code[0]
	}
	switch status {
	case 301, 302, 303, 307, 308:
	default:
		return fmt.Errorf("webstack: %d does not redirect; use 301, 302, 303, 307 or 308", status)
	}
	if path == "" || singleSlash(path) != path || path[0] == '\\' {
		return fmt.Errorf("webstack: redirect to %.100q: write a path with one slash at its beginning, or a URL with its scheme", path)
	}
	if err := t.SetHeaderValue("Location", escapeURL(path)); err != nil {
		return err
	}
	if err := t.SetResponseCode(status); err != nil {
		return err
	}
	return ErrEndOfResponse
}

// escapeURL escapes what a Location header can not have, except control characters.
func escapeURL(url string) string {
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; c == ' ' || c >= 0x80 || c == '"' || c == '<' || c == '>' {
			b.WriteString(quote(url[i:i+1], ""))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// sound returns the first failure that there was, and fails if the output ends in the middle of a character.
func (r *response) sound() error {
	if r.err == nil && r.stream.pending != "" {
		r.err = &CharsetError{r.charset, utf8.RuneError}
	}
	return r.err
}

// commit hands the response over to the server. Further calls do nothing. The error is the first one that there was,
// in writing too.
func (r *response) commit() error {
	if err := r.sound(); err != nil || r.started {
		return err
	}
	headers, err := r.allHeaders()
	if err != nil {
		return r.note(err)
	}
	code := r.code
	if code == 0 {
		code = http.StatusOK
	}
	r.started = true
	out, err := r.start(statusLine(code), headers, nil)
	if err != nil {
		return r.note(err)
	}
	r.out = out
	if r.buf != nil && len(*r.buf) > 0 {
		_, err = out.Write(*r.buf)
	}
	r.release()
	return r.note(err)
}

func statusLine(code int) string {
	if code == http.StatusOK {
		return "200 OK"
	}
	return strconv.Itoa(code) + " " + http.StatusText(code)
}

// allHeaders returns the headers with the content type and the cookies.
func (r *response) allHeaders() ([]compat.Header, error) {
	headers := r.headers
	if r.code != http.StatusNoContent && r.code != http.StatusNotModified {
		headers = append(headers, compat.Header{Name: "Content-Type", Value: r.kind})
	}
	for _, c := range r.cookies {
		value, err := c.header()
		if err != nil {
			return nil, err
		}
		headers = append(headers, compat.Header{Name: "Set-Cookie", Value: value})
	}
	return headers, nil
}

// release gives the buffer back.
func (r *response) release() {
	if r.buf == nil {
		return
	}
	if cap(*r.buf) <= maxPooledOutput {
		*r.buf = (*r.buf)[:0]
		outputBuffers.Put(r.buf)
	}
	r.buf = nil
}

// note keeps the first failure.
func (r *response) note(err error) error {
	if err != nil && r.err == nil {
		r.err = err
	}
	return err
}
