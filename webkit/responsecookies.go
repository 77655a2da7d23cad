package webkit

import (
	"html"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cookie returns a cookie that the response will set: cookie(name). The error is ErrKey if there is none.
func (r *HTTPResponse) Cookie(name string) (*Cookie, error) {
	if i := r.findCookie(name); i >= 0 {
		return r.cookies[i], nil
	}
	return nil, keyError("cookie", name)
}

// HasCookie reports whether the response will set a cookie of that name: hasCookie(name).
func (r *HTTPResponse) HasCookie(name string) bool { return r.findCookie(name) >= 0 }

// Cookies returns the cookies that the response will set: cookies().
func (r *HTTPResponse) Cookies() []*Cookie { return slices.Clone(r.cookies) }

// SetCookie sets a cookie: setCookie(name, value, path, expires, secure). expires is ExpiresOnClose or "",
// ExpiresNow, ExpiresNever, or "+" and an interval such as 2w3d with the units y, b (month), w, d, h, m and
// s. Webware's defaults are the path "/" and ExpiresOnClose. For a moment, and for the other attributes, use
// AddCookie.
//
// Errors: ErrCommitted, and one that says what is wrong with the arguments.
func (r *HTTPResponse) SetCookie(name, value, path, expires string, secure bool) error {
	if expires == ExpiresNow {
		return r.DelCookie(name, path, secure)
	}
	at, err := cookieExpires(expires, time.Now())
	if err != nil {
		return err
	}
	return r.AddCookie(&Cookie{Name: name, Value: value, Path: path, Expires: at, Secure: secure})
}

// AddCookie sets a cookie and replaces the one of the same name: addCookie(cookie). c may be changed until
// the response is committed. Errors are those of SetCookie.
func (r *HTTPResponse) AddCookie(c *Cookie) error {
	if r.IsCommitted() {
		return ErrCommitted
	}
	if _, err := c.HeaderValue(); err != nil {
		return err
	}
	if i := r.findCookie(c.Name); i >= 0 {
		r.cookies[i] = c
		return nil
	}
	r.cookies = append(r.cookies, c)
	return nil
}

// DelCookie removes a cookie from the browser: delCookie(name, path, secure). The path, which is mostly "/",
// must be the one that the cookie was set with. Errors are those of SetCookie.
func (r *HTTPResponse) DelCookie(name, path string, secure bool) error {
	c := &Cookie{Name: name, Path: path, Secure: secure}
	if i := r.findCookie(name); i >= 0 {
		*c = *r.cookies[i]
	}
	c.Delete()
	return r.AddCookie(c)
}

// ClearCookies forgets the cookies that the response would set: clearCookies(). The error is ErrCommitted.
func (r *HTTPResponse) ClearCookies() error {
	if r.IsCommitted() {
		return ErrCommitted
	}
	r.cookies = nil
	return nil
}

func (r *HTTPResponse) findCookie(name string) int {
	return slices.IndexFunc(r.cookies, func(c *Cookie) bool { return c.Name == name })
}

// SendRedirect sends the browser to another URL, which may be relative, with status 302: sendRedirect(url).
// Headers, cookies and output so far stay; return ErrEndResponse, or use Page.SendRedirectAndEnd, to add no
// more. Check a URL that a client has made, or it can lead to any site.
//
// Errors: ErrCommitted, and one about a URL with control characters.
func (r *HTTPResponse) SendRedirect(url string) error { return r.redirect(http.StatusFound, url) }

// SendRedirectPermanent is SendRedirect with status 301: sendRedirectPermanent(url).
func (r *HTTPResponse) SendRedirectPermanent(url string) error {
	return r.redirect(http.StatusMovedPermanently, url)
}

// SendRedirectSeeOther is SendRedirect with status 303, which turns a POST into a GET:
// sendRedirectSeeOther(url).
func (r *HTTPResponse) SendRedirectSeeOther(url string) error {
	return r.redirect(http.StatusSeeOther, url)
}

// SendRedirectTemporary is SendRedirect with status 307, which keeps the method: sendRedirectTemporary(url).
func (r *HTTPResponse) SendRedirectTemporary(url string) error {
	return r.redirect(http.StatusTemporaryRedirect, url)
}

func (r *HTTPResponse) redirect(status int, url string) error {
	url = escapeURL(url)
	if err := r.SetHeader("Location", url); err != nil {
		return err
	}
	if err := r.SetStatus(status, ""); err != nil {
		return err
	}
	if err := r.SetHeader("Content-Type", defaultContentType); err != nil {
		return err
	}
	link := html.EscapeString(url)
	_, err := r.WriteString(`<html><body>This page has been redirected to <a href="` + link + `">` + link + "</a>.</body></html>")
	return err
}

// escapeURL escapes what a Location header can not have, except control characters, which are refused.
func escapeURL(url string) string {
	if !strings.ContainsFunc(url, func(c rune) bool { return c == ' ' || c >= 0x80 }) {
		return url
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; c == ' ' || c >= 0x80 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
