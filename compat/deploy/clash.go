package deploy

import (
	"net"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// clashes reports applications whose session cookies a browser would mix up.
func (b *builder) clashes() {
	for i, h := range b.holders {
		for _, other := range b.holders[:i] {
			if h.share && other.share || !clash(h, other) {
				continue
			}
			cookie, _ := h.sessions.Cookie()
			h.node.Mistake("", "its session cookie %s clashes with that of [%s] in line %d: browsers send both to the same pages; "+
				"give one of them another cookie_name or cookie_path, or write share = yes in both", cookie.Name, other.node.name, other.node.at.line)
		}
	}
}

func clash(a, b *holder) bool {
	x, _ := a.sessions.Cookie()
	y, _ := b.sessions.Cookie()
	if a.sessions == b.sessions || x.Name != y.Name || !overlap(unescaped(x.Path), unescaped(y.Path)) {
		return false
	}
	for _, m := range a.node.mounts {
		for _, n := range b.node.mounts {
			if sameBrowserHost(m.Host, x.Domain, n.Host, y.Domain) {
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
