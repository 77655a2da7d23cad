package deploy

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// clashes reports applications whose session cookies a browser would mix up.
func (b *builder) clashes() {
	for i, h := range b.holders {
		for _, other := range b.holders[:i] {
			if h.share && other.share || !b.clash(h, other) {
				continue
			}
			cookie, _ := h.sessions.Cookie()
			h.node.Mistake("", "its session cookie %s clashes with that of [%s] in line %d: browsers send both to the same pages; "+
				"give one of them another cookie_name or cookie_path, or write share = yes in both", cookie.Name, other.node.name, other.node.at.line)
		}
	}
}

func (b *builder) clash(h, other *holder) bool {
	x, _ := h.sessions.Cookie()
	y, _ := other.sessions.Cookie()
	both := setsCookie(h.sessions) && setsCookie(other.sessions)
	if h.sessions == other.sessions || !both || x.Name != y.Name || !overlap(unescaped(x.Path), unescaped(y.Path)) {
		return false
	}
	for _, m := range h.node.mounts {
		for _, n := range other.node.mounts {
			if sameBrowserHost(m.Host, x.Domain, n.Host, y.Domain) && !b.hides(m, n) && !b.hides(n, m) {
				return true
			}
		}
	}
	return false
}

// setsCookie reports whether browsers get to know the cookie at all.
func setsCookie(s *compat.Sessions) bool {
	carriers, _ := s.Carriers()
	return slices.Contains(carriers, compat.ByCookie)
}

// hides reports whether an application that is mounted for any host can not be reached on the host of another one, because
// there is something of that host's own at its place.
func (b *builder) hides(any, other Mount) bool {
	if any.Host != "" || other.Host == "" {
		return false
	}
	for _, n := range b.nodes {
		for _, m := range n.mounts {
			if m.Host == other.Host && strings.HasPrefix(any.Path+"/", m.Path+"/") {
				return true
			}
		}
	}
	return false
}

func unescaped(path string) string {
	if p, err := url.PathUnescape(path); err == nil {
		return p
	}
	return path
}

// overlap reports whether one path leads to the other.
func overlap(a, b string) bool {
	a, b = strings.TrimRight(a, "/")+"/", strings.TrimRight(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// sameBrowserHost reports whether a host exists to which a browser would send both cookies. A cookie's domain includes all
// hosts below it; ports make no difference to browsers.
func sameBrowserHost(hostA, domainA, hostB, domainB string) bool {
	a, b := domainA, domainB
	if a == "" {
		a = withoutPort(hostA)
	}
	if b == "" {
		b = withoutPort(hostB)
	}
	return a == "" || b == "" || strings.EqualFold(a, b) ||
		domainA != "" && within(b, a) || domainB != "" && within(a, b)
}

func within(host, domain string) bool {
	host, domain = strings.ToLower(host), strings.ToLower(strings.TrimPrefix(domain, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}

func withoutPort(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// secureWord is what the option cookie_secure says.
func secureWord(mode compat.SecureMode) string { return secureWords[mode] }
