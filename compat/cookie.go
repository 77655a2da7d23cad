package compat

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// defaultName says nothing about the server.
const defaultName = "sid"

const hostPrefix, securePrefix = "__Host-", "__Secure-"

// cookie knows how one Sessions' id travels. The attributes are written out once, at start-up.
type cookie struct {
	name    string
	secure  SecureMode
	set     [2]string // what follows the id, without and with Secure
	clear   [2]string // the whole header that removes the cookie, likewise
	noStore bool
	strict  bool        // SameSite=Strict
	codec   CookieCodec // nil if the id is the value
}

func newCookie(m *core.Manager, cfg SessionsConfig) (cookie, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if cfg.Path == "" {
		cfg.Path = "/"
	}
	if cfg.SameSite == 0 || cfg.SameSite == http.SameSiteDefaultMode {
		cfg.SameSite = http.SameSiteLaxMode
	}
	prefixed := strings.HasPrefix(cfg.Name, "__")
	if cfg.Secure == SecureOn && cfg.Path == "/" && cfg.Domain == "" && !cfg.KeepName && !prefixed {
		cfg.Name = hostPrefix + cfg.Name
	}
	if err := cfg.check(m); err != nil {
		return cookie{}, err
	}
	ck := cookie{name: cfg.Name, secure: cfg.Secure, noStore: !cfg.AllowCaching, strict: cfg.SameSite == http.SameSiteStrictMode, codec: cfg.Codec}
	for i := range ck.set {
		attrs := cfg.attributes(i == 1)
		age := ""
		if cfg.MaxAge > 0 {
			age = "; Max-Age=" + strconv.FormatInt(int64(cfg.MaxAge/time.Second), 10)
		}
		ck.set[i] = age + attrs
		// Expires as well, for clients that are as old as the applications behind us.
		ck.clear[i] = cfg.Name + "=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" + attrs
	}
	return ck, nil
}

// check reports every setting that is wrong, or that contradicts another.
func (cfg *SessionsConfig) check(m *core.Manager) error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("compat: SessionsConfig."+format, args...))
		}
	}
	// net/http drops or mends what a cookie can not hold; here that is a mistake worth an error.
	probe := &http.Cookie{Name: cfg.Name, Value: "x"}
	bad(probe.Valid() != nil, "Name %q is no cookie name: use letters, digits, '-' and '_'", cfg.Name)
	probe = &http.Cookie{Name: "x", Value: "x", Path: cfg.Path}
	bad(probe.Valid() != nil || !strings.HasPrefix(cfg.Path, "/"),
		"Path %q must begin with / and have no ';' and no control characters", cfg.Path)
	if cfg.Domain != "" {
		probe = &http.Cookie{Name: "x", Value: "x", Domain: cfg.Domain}
		bad(probe.Valid() != nil, "Domain %q is no domain name", cfg.Domain)
	}
	bad(cfg.Secure > SecureOff, "Secure: there is no mode %d", cfg.Secure)
	bad(cfg.SameSite < 0 || cfg.SameSite > http.SameSiteNoneMode, "SameSite: there is no mode %d", cfg.SameSite)
	bad(cfg.MaxAge != 0 && cfg.MaxAge < time.Second,
		"MaxAge %v is less than a second; 0 means until the browser closes", cfg.MaxAge)

	off := cfg.Secure != SecureOn
	bad(cfg.SameSite == http.SameSiteNoneMode && off,
		"SameSite None needs Secure SecureOn: browsers drop the cookie otherwise")
	bad(cfg.Partitioned && off, "Partitioned needs Secure SecureOn: browsers drop the cookie otherwise")
	if hasPrefixFold(cfg.Name, hostPrefix) {
		bad(off, "Name %s needs Secure SecureOn", cfg.Name)
		bad(cfg.Path != "/", "Name %s needs Path /, not %s", cfg.Name, cfg.Path)
		bad(cfg.Domain != "", "Name %s needs an empty Domain, not %s", cfg.Name, cfg.Domain)
	}
	bad(hasPrefixFold(cfg.Name, securePrefix) && off, "Name %s needs Secure SecureOn", cfg.Name)

	id := m.Config().IDs.New()
	bad((&http.Cookie{Name: "x", Value: id}).Valid() != nil || strings.ContainsAny(id, " ,"),
		"(manager %s): its ids have characters that no cookie can carry", m.ID())
	errs = append(errs, checkCodec(cfg.Codec, m, cfg.Name))
	return errors.Join(errs...)
}

// hasPrefixFold ignores case, as browsers do for these prefixes.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func (cfg *SessionsConfig) attributes(secure bool) string {
	var b strings.Builder
	b.WriteString("; Path=" + cfg.Path)
	if cfg.Domain != "" {
		b.WriteString("; Domain=" + strings.TrimPrefix(cfg.Domain, "."))
	}
	if !cfg.ReadableByScripts {
		b.WriteString("; HttpOnly")
	}
	if secure {
		b.WriteString("; Secure")
	}
	switch cfg.SameSite {
	case http.SameSiteStrictMode:
		b.WriteString("; SameSite=Strict")
	case http.SameSiteNoneMode:
		b.WriteString("; SameSite=None")
	default:
		b.WriteString("; SameSite=Lax")
	}
	if cfg.Partitioned {
		b.WriteString("; Partitioned")
	}
	return b.String()
}

// maxCookies is how many cookies of our name are looked at. Browsers send one for each path and domain that
// set it; more than a few come from somebody who wants to keep the server busy.
const maxCookies = 8

// find returns the first value of the cookie that valid accepts, or "". A browser that holds several
// cookies of one name sends the one with the most specific path first.
func (ck *cookie) find(h http.Header, valid func(string) bool) string {
	left := maxCookies
	for _, line := range h["Cookie"] {
		for line != "" {
			var value string
			var ok bool
			value, line, ok = nextCookie(line, ck.name)
			if !ok {
				continue
			}
			if valid(value) {
				return value
			}
			if left--; left == 0 {
				return ""
			}
		}
	}
	return ""
}

// nextCookie cuts the first pair off a Cookie header. ok says that it is a well-formed cookie of that
// name. It reads what net/http's parser reads, without allocating anything: the header comes from
// anyone and may be as large as the server admits.
func nextCookie(line, name string) (value, rest string, ok bool) {
	pair, rest, _ := strings.Cut(line, ";")
	value, ok = strings.CutPrefix(trimBlank(pair), name)
	if !ok {
		return "", rest, false
	}
	if value = trimBlank(value); value != "" {
		if value[0] != '=' {
			return "", rest, false // a longer name
		}
		value = value[1:]
	}
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	for i := range len(value) {
		if !inCookieValue[value[i]] {
			return "", rest, false
		}
	}
	return value, rest, true
}

// inCookieValue says which bytes a cookie's value may have.
var inCookieValue = func() (in [256]bool) {
	for b := ' '; b < 0x7f; b++ {
		in[b] = b != '"' && b != '\\'
	}
	return in
}()

func trimBlank(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// give sets the cookie, take removes it.
func (ck *cookie) give(h http.Header, id string, https bool) {
	ck.add(h, ck.name+"="+ck.value(id)+ck.set[ck.variant(https)])
}

func (ck *cookie) take(h http.Header, https bool) { ck.add(h, ck.clear[ck.variant(https)]) }

func (ck *cookie) add(h http.Header, line string) {
	h["Set-Cookie"] = append(h["Set-Cookie"], line)
	if ck.noStore && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"no-store"}
	}
}

func (ck *cookie) variant(https bool) int {
	if ck.secure == SecureOn || ck.secure == SecureAuto && https {
		return 1
	}
	return 0
}
