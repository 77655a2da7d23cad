package webstack

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cookie is a cookie of the request or the response: WebStack's Cookie. Name and value may be any text: they travel
// as URL-quoted UTF-8, as with WebStack. Of a cookie that the client sent, only these two are known.
type Cookie struct {
	Name  string
	Value string

	// Path limits where the browser sends the cookie. "" is left out: the browser takes the folder of the request.
	Path string

	// Expires is when the browser drops the cookie. Zero: when it closes.
	Expires time.Time

	// Secure keeps the cookie off plain HTTP, HTTPOnly from scripts. WebStack had neither.
	Secure, HTTPOnly bool

	// SameSite says whether the cookie goes along with requests that other sites start. Zero is left out, and browsers
	// mostly take that as http.SameSiteLaxMode.
	SameSite http.SameSite
}

// header returns the value of the Set-Cookie header.
func (c *Cookie) header() (string, error) {
	h := http.Cookie{Name: quote(c.Name, ""), Value: quote(c.Value, "/"), Path: c.Path, Expires: c.Expires,
		Secure: c.Secure, HttpOnly: c.HTTPOnly, SameSite: c.SameSite}
	if err := h.Valid(); err != nil {
		return "", fmt.Errorf("webstack: cookie %.100q: %w", c.Name, err)
	}
	return h.String(), nil
}

// GetCookies returns the cookies that the client sent, by name: get_cookies(). Of several with one name it is the first,
// the one with the longest path. Broken ones are left out. The map is the caller's.
func (t *Transaction) GetCookies() map[string]*Cookie {
	cookies := make(map[string]*Cookie)
	for pair := range strings.SplitSeq(t.env.String("HTTP_COOKIE"), ";") {
		name, value, ok := strings.Cut(pair, "=")
		name = UTF8.Decode(unquote(strings.TrimSpace(name), false))
		if _, seen := cookies[name]; !ok || seen || name == "" {
			continue
		}
		value = unquoteString(strings.TrimSpace(value))
		cookies[name] = &Cookie{Name: name, Value: UTF8.Decode(unquote(value, false))}
	}
	return cookies
}

// GetCookie returns a cookie that the client sent, or nil: get_cookie(name).
func (t *Transaction) GetCookie(name string) *Cookie {
	if t.cookies == nil {
		t.cookies = t.GetCookies()
	}
	c := t.cookies[name]
	if c == nil {
		return nil
	}
	cookie := *c
	return &cookie
}

// SetCookie sets a cookie, and replaces one of the same name and path: set_cookie(cookie). Errors: ErrCommitted; what a
// cookie can not have; and for the name of the session's own cookie, which the application looks after.
func (t *Transaction) SetCookie(c *Cookie) error {
	r := &t.response
	if r.started {
		return ErrCommitted
	}
	if c.Name == t.app.http.CookieName() {
		return fmt.Errorf("webstack: %s is the cookie of the session, which GetSession and ExpireSession look after", c.Name)
	}
	if _, err := c.header(); err != nil {
		return err
	}
	copied := *c
	i := slices.IndexFunc(r.cookies, func(other *Cookie) bool { return other.Name == c.Name && other.Path == c.Path })
	if i >= 0 {
		r.cookies[i] = &copied
	} else {
		r.cookies = append(r.cookies, &copied)
	}
	return nil
}

// SetCookieValue sets a cookie: set_cookie_value(name, value, path, expires). "" and the zero time stand for None.
// Errors are those of SetCookie.
func (t *Transaction) SetCookieValue(name, value, path string, expires time.Time) error {
	return t.SetCookie(&Cookie{Name: name, Value: value, Path: path, Expires: expires})
}

// DeleteCookie removes a cookie from the browser: delete_cookie(name). It removes one whose path is "/", as WebStack does;
// for another give the path that it was set with. Errors are those of SetCookie.
func (t *Transaction) DeleteCookie(name string, path ...string) error {
	c := &Cookie{Name: name, Path: "/", Expires: time.Unix(0, 0)}
	if len(path) > 0 {
		c.Path = path[0]
	}
	return t.SetCookie(c)
}
