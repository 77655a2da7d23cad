package albatross

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/holdover-web/holdover/compat"
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
	c.setCookie(id, int(c.app.cookie.MaxAge/time.Second))
	return id
}

// dropCookie removes the application's cookie from the client.
func (c *Context) dropCookie() { c.setCookie("", -1) }

// setCookie sets the cookie where it holds no session's id, with the attributes that it has where it does.
func (c *Context) setCookie(value string, age int) {
	as := &c.app.cookie
	ck := &http.Cookie{Name: as.Name, Value: value, Path: as.Path, Domain: as.Domain, MaxAge: age,
		HttpOnly: !as.ReadableByScripts, SameSite: cmp.Or(as.SameSite, http.SameSiteLaxMode), Partitioned: as.Partitioned,
		Secure: as.Secure == compat.SecureOn || as.Secure == compat.SecureAuto && c.env.Scheme() == "https"}
	c.out.header.Add("Set-Cookie", ck.String())
	if c.out.header.Get("Cache-Control") == "" {
		c.out.header.Set("Cache-Control", "no-store")
	}
}

// hasCookie reports whether the client sent the application's cookie, whatever is in it.
func (c *Context) hasCookie() bool {
	_, err := c.env.Request().Cookie(c.app.cfg.AppID)
	return err == nil
}
