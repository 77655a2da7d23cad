package deploy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Words for options that are a choice.
var (
	lockingWords  = []string{"merge", "lossy", "optimistic", "serialized"}
	saveWords     = []string{"dirty", "always", "explicit"}
	secureWords   = []string{"auto", "on", "off"}
	sameSiteWords = []string{"lax", "strict", "none"}
	codecWords    = []string{"cbor", "json"}
	corruptWords  = []string{"new", "fail"}
	carrierWords  = []string{"cookie", "query", "path", "field"}
)

// managerConfig returns base with what the section says about the manager.
func (s *Section) managerConfig(c core.Config) core.Config {
	if word := s.Choice("locking", "", lockingWords...); word != "" {
		c.Locking, _ = core.ParseLockingPolicy(word) // it is one of those
	}
	if word := s.Choice("save", "", saveWords...); word != "" {
		c.Save, _ = core.ParseSavePolicy(word)
	}
	c.IdleTimeout = s.Duration("idle_timeout", c.IdleTimeout)
	c.AbsoluteTimeout = s.Duration("absolute_timeout", c.AbsoluteTimeout)
	c.SweepInterval = s.Duration("sweep_interval", c.SweepInterval)
	c.TouchInterval = s.limit("touch_interval", c.TouchInterval)
	c.Lease = s.limit("lease", c.Lease)
	c.LockWait = s.limit("lock_wait", c.LockWait)
	c.CommitTimeout = s.limit("commit_timeout", c.CommitTimeout)
	c.MaxWaiters = s.Int("max_waiters", c.MaxWaiters, 1)
	c.MaxSize = int(min(s.Size("max_size", int64(c.MaxSize)), 1<<30))
	switch s.Choice("codec", "", codecWords...) {
	case "cbor":
		c.Codec = core.CBOR()
	case "json":
		c.Codec = core.JSON()
	}
	switch s.Choice("corrupt", "", corruptWords...) {
	case "new":
		c.Corrupt = core.CorruptStartAnew
	case "fail":
		c.Corrupt = core.CorruptFail
	}
	if c.Logger == nil {
		c.Logger = s.Logger()
	}
	return c
}

// Cookie returns base with what the section says about the cookie of its sessions, and about other ways in which their
// ids travel. The path is by default the one that the application is mounted at.
func (s *Section) Cookie(c compat.SessionsConfig) compat.SessionsConfig {
	c.Name = s.String("cookie_name", c.Name)
	if c.Path == "" {
		c.Path = s.cookiePath()
	}
	c.Path = s.String("cookie_path", c.Path)
	c.Domain = s.String("cookie_domain", c.Domain)
	switch s.Choice("cookie_secure", "", secureWords...) {
	case "auto":
		c.Secure = compat.SecureAuto
	case "on":
		c.Secure = compat.SecureOn
	case "off":
		c.Secure = compat.SecureOff
	}
	switch s.Choice("cookie_samesite", "", sameSiteWords...) {
	case "lax":
		c.SameSite = http.SameSiteLaxMode
	case "strict":
		c.SameSite = http.SameSiteStrictMode
	case "none":
		c.SameSite = http.SameSiteNoneMode
	}
	c.ReadableByScripts = !s.Bool("cookie_http_only", !c.ReadableByScripts)
	c.MaxAge = max(s.Duration("cookie_max_age", c.MaxAge), 0)
	c.Carriers = s.carriers(c.Carriers)
	c.CarrierName = s.word("carrier_name", c.CarrierName)
	if c.Logger == nil {
		c.Logger = s.Logger()
	}
	return c
}

// carriers returns the ways in which ids travel.
func (s *Section) carriers(otherwise []compat.Carrier) []compat.Carrier {
	if _, given := s.Lookup("carrier"); !given {
		return otherwise
	}
	var list []compat.Carrier
	words := s.List("carrier")
	for _, word := range words {
		c, err := compat.ParseCarrier(word)
		switch {
		case err != nil:
			s.Mistake("carrier", "%q is none of %s%s", word, strings.Join(carrierWords, ", "), meant(word, carrierWords))
		case slices.Contains(list, c):
			s.Mistake("carrier", "%s is there twice", word)
		default:
			list = append(list, c)
		}
	}
	if len(words) == 0 {
		s.Mistake("carrier", "it is empty: name one or more of %s, in order of precedence", strings.Join(carrierWords, ", "))
	}
	return list
}

// store returns the store that the section asks for.
func (s *Section) store() (*pooled, error) {
	name, given := s.Lookup("store")
	if !given {
		switch names := s.doc.names("store"); len(names) {
		case 0:
			s.Mistake("", "there is no store for its sessions: add a section [store:main] with url = memory:, file:DIR or redis://HOST/0")
			return nil, ErrReported
		case 1:
			name = names[0]
		default:
			s.Mistake("", "there are several stores: say which one with store = NAME")
			return nil, ErrReported
		}
	}
	section := s.doc.find("store", name)
	if section == nil {
		s.Mistake("store", "there is no section [store:%s]%s", name, meant(name, s.doc.names("store")))
		return nil, ErrReported
	}
	return s.b.open(section)
}
