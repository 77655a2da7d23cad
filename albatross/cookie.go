package albatross

import (
	"crypto/rand"
	"net/http"
)

// clientCookie returns the random number in the client's cookie, or "".
func (c *Context) clientCookie() string {
	for _, ck := range c.env.Request().CookiesNamed(c.app.cfg.AppID) {
		if validBranch(ck.Value) {
			return ck.Value
		}
	}
	return ""
}

// giveClientCookie returns it as well, and gives the client one if it has none.
func (c *Context) giveClientCookie() string {
	if id := c.clientCookie(); id != "" {
		return id
	}
	id := rand.Text()
	c.setCookie(id, 0)
	return id
}

// dropCookie removes the application's cookie from the client.
func (c *Context) dropCookie() { c.setCookie("", -1) }

func (c *Context) setCookie(value string, age int) {
	c.out.header.Add("Set-Cookie", (&http.Cookie{Name: c.app.cfg.AppID, Value: value, Path: c.app.cookiePath(), MaxAge: age,
		HttpOnly: true, Secure: c.env.Scheme() == "https", SameSite: http.SameSiteLaxMode}).String())
	if c.out.header.Get("Cache-Control") == "" {
		c.out.header.Set("Cache-Control", "no-store")
	}
}

// hasCookie reports whether the client sent the application's cookie, whatever is in it.
func (c *Context) hasCookie() bool {
	_, err := c.env.Request().Cookie(c.app.cfg.AppID)
	return err == nil
}
