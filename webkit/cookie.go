package webkit

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cookie is a cookie to send with a response: Cookie of Webware, whose accessors are fields here.
type Cookie struct {
	// Name must be an HTTP token.
	Name string

	// Value may be any string: what a cookie can not carry is quoted as Python's http.cookies does it,
	// and HTTPRequest.Cookie undoes that.
	Value string

	// Path and Domain limit where the browser sends the cookie. Empty ones are left out: the browser
	// then takes the folder of the request and the host.
	Path, Domain string

	// Expires is when the browser drops the cookie. Zero: when it closes.
	Expires time.Time

	// MaxAge is for how many seconds the browser keeps the cookie, and counts more than Expires. Zero is
	// left out; a negative number is sent as 0 and drops the cookie at once.
	MaxAge int

	// Secure keeps the cookie off plain HTTP, HTTPOnly from scripts.
	Secure, HTTPOnly bool

	// SameSite says whether the cookie goes along with requests that other sites start. Zero is left
	// out, and browsers mostly take that as http.SameSiteLaxMode.
	SameSite http.SameSite
}

// The value and the moment of Webware's deleted cookies.
const deletedValue = "None"

var deletedExpires = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// Delete changes c so that it removes the cookie from the browser that gets it: cookie.delete() of Webware.
// Path and Domain must be those that the cookie was set with.
func (c *Cookie) Delete() { c.Value, c.Expires, c.MaxAge = deletedValue, deletedExpires, -1 }

// HeaderValue returns the value of the Set-Cookie header: cookie.headerValue() of Webware. The error says
// which of the fields a cookie can not have.
func (c *Cookie) HeaderValue() (string, error) {
	probe := http.Cookie{Name: c.Name, Path: c.Path, Domain: c.Domain, Expires: c.Expires}
	if err := probe.Valid(); err != nil {
		return "", fmt.Errorf("webkit: cookie %q: %w", c.Name, err)
	}
	var b strings.Builder
	b.WriteString(c.Name + "=")
	quoteCookie(&b, c.Value)
	if c.Domain != "" {
		b.WriteString("; Domain=" + c.Domain)
	}
	if !c.Expires.IsZero() {
		b.WriteString("; expires=" + c.Expires.UTC().Format(cookieTime))
	}
	if c.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	if c.MaxAge != 0 {
		b.WriteString("; Max-Age=" + strconv.Itoa(max(c.MaxAge, 0)))
	}
	if c.Path != "" {
		b.WriteString("; Path=" + c.Path)
	}
	switch c.SameSite {
	case http.SameSiteLaxMode:
		b.WriteString("; SameSite=Lax")
	case http.SameSiteStrictMode:
		b.WriteString("; SameSite=Strict")
	case http.SameSiteNoneMode:
		b.WriteString("; SameSite=None")
	}
	if c.Secure {
		b.WriteString("; Secure")
	}
	return b.String(), nil
}

// cookieTime is the form that Webware's programs and their clients know.
const cookieTime = "Mon, 02-Jan-2006 15:04:05 GMT"

// Words for the expires argument of HTTPResponse.SetCookie.
const (
	ExpiresOnClose = "ONCLOSE" // when the browser closes
	ExpiresNow     = "NOW"     // at once: the cookie is deleted
	ExpiresNever   = "NEVER"   // in ten years
)

// cookieExpires reads the expires argument of SetCookie, without ExpiresNow.
func cookieExpires(s string, now time.Time) (time.Time, error) {
	switch {
	case s == "" || s == ExpiresOnClose:
		return time.Time{}, nil
	case s == ExpiresNever:
		return now.AddDate(10, 0, 0), nil
	case strings.HasPrefix(s, "+"):
		d, err := decodeInterval(s[1:])
		return now.Add(d), err
	}
	return time.Time{}, fmt.Errorf("webkit: cookie expires %q: use ONCLOSE, NOW, NEVER or an interval such as +2w3d", s)
}

// units are those of Webware's DateInterval: a month (b) has 30 days and a year 365.
var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	'b': 30 * 24 * time.Hour, 'y': 365 * 24 * time.Hour,
}

var errInterval = errors.New("webkit: an interval is numbers with the units y, b (month), w, d, h, m or s, less than 100 years together")

// decodeInterval reads an interval such as 1w2d: timeDecode of Webware.
func decodeInterval(s string) (time.Duration, error) {
	var sum time.Duration
	if s == "" {
		return 0, errInterval
	}
	for s != "" {
		digits := 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits == len(s) {
			return 0, errInterval
		}
		unit := units[s[digits]|0x20] // lower case
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil || unit == 0 || n > int64(maxInterval/unit) {
			return 0, errInterval
		}
		if sum += time.Duration(n) * unit; sum > maxInterval {
			return 0, errInterval
		}
		s = s[digits+1:]
	}
	return sum, nil
}

const maxInterval = 100 * 365 * 24 * time.Hour

// parseCookies reads a Cookie header. Of several cookies with one name the first counts, because browsers
// send the one with the longest path first. Broken ones are left out.
func parseCookies(header string) map[string]string {
	cookies := make(map[string]string)
	for pair := range strings.SplitSeq(header, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if !ok || name == "" || strings.ContainsFunc(name, notPlain) {
			continue
		}
		if value, ok = unquoteCookie(value); !ok {
			continue
		}
		if _, seen := cookies[name]; !seen {
			cookies[name] = value
		}
	}
	return cookies
}

// notPlain tells the characters that Python's http.cookies does not allow in a name and quotes in a value.
func notPlain(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~:", c)
}

// quoteCookie writes a value in the form of Python's http.cookies: a quoted string with octal escapes,
// unless it is plain.
func quoteCookie(b *strings.Builder, value string) {
	if !strings.ContainsFunc(value, notPlain) {
		b.WriteString(value)
		return
	}
	b.WriteByte('"')
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f || c == ',' || c == ';':
			fmt.Fprintf(b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// unquoteCookie undoes quoteCookie. ok is false for a value with control characters.
func unquoteCookie(value string) (plain string, ok bool) {
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", false
	}
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return strings.ToValidUTF8(value, "\uFFFD"), true
	}
	value = value[1 : len(value)-1]
	if strings.IndexByte(value, '\\') < 0 {
		return strings.ToValidUTF8(value, "\uFFFD"), true
	}
	b := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			if n, err := strconv.ParseUint(value[i+1:min(i+4, len(value))], 8, 8); err == nil && i+3 < len(value) {
				c = byte(n)
				i += 3
			} else {
				i++
				c = value[i]
			}
		}
		b = append(b, c)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), true
}
