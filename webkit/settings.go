package webkit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Settings are settings of Application.config by their names there, with values as Python has them: numbers,
// strings, bool, and nil for None. What is not given has the default that DefaultSettings tells. An unknown
// name and a value of the wrong kind are errors, and so is a setting that is refused; the error says what
// to use instead.
type Settings map[string]any

// DefaultSettings returns the settings that hold where none are given: Webware's own, except
// AlwaysSaveSessions, which is false, and a larger ResponseBufferSize.
func DefaultSettings() Settings {
	return Settings{
		"AlwaysSaveSessions":       false,
		"ErrorPage":                nil,
		"ExtraPathInfo":            true,
		"HttpOnlySessionCookie":    true,
		"IgnoreInvalidSession":     true,
		"MaxFormFields":            1000,
		"MaxFormSize":              10 << 20,
		"ResponseBufferSize":       64 << 10,
		"SameSiteSessionCookie":    "Strict",
		"SecureSessionCookie":      true,
		"SessionCookiePath":        nil,
		"SessionName":              "_SID_",
		"SessionPrefix":            "",
		"SessionStore":             "Dynamic",
		"SessionStoreDir":          "Sessions",
		"SessionTimeout":           60,
		"ShowDebugInfoOnErrors":    false,
		"UseAutomaticPathSessions": false,
		"UseCookieSessions":        true,
		"UseSessionSweeper":        true,
		"UserErrorMessage":         "",
	}
}

// refused are settings that have no effect here, and what to do instead.
var refused = map[string]string{
	"Contexts":                 "add each servlet with Application.Add",
	"DynamicSessionTimeout":    "choose a store with core.OpenStore; there is no copy in memory to time out",
	"MaxDynamicMemorySessions": "limit the store itself, see memstore.Config",
	"MemcachedNamespace":       "the manager id keeps applications apart",
	"MemcachedOnIteration":     "a store that can not enumerate says so with core.ErrUnsupported",
	"MemcachedServers":         "open the store with core.OpenStore",
	"RedisDb":                  "open the store with core.OpenStore",
	"RedisHost":                "open the store with core.OpenStore",
	"RedisNamespace":           "the manager id keeps applications apart",
	"RedisPassword":            "open the store with core.OpenStore",
	"RedisPort":                "open the store with core.OpenStore",
	"RetainSessions":           "a session is in its store from the moment it is saved; choose a store that survives a restart",
	"SessionModule":            "use Config.SessionHooks",
}

// settings are Settings in Go types, with the defaults filled in.
type settings struct {
	AlwaysSaveSessions       bool
	ErrorPage                []ErrorPage
	ExtraPathInfo            bool
	HttpOnlySessionCookie    bool
	IgnoreInvalidSession     bool
	MaxFormFields            int
	MaxFormSize              int64
	ResponseBufferSize       int
	SameSiteSessionCookie    http.SameSite
	SecureSessionCookie      bool
	SessionCookiePath        string
	SessionName              string
	SessionPrefix            string // with the dash
	SessionStore             string
	SessionStoreDir          string
	SessionTimeout           time.Duration
	ShowDebugInfoOnErrors    bool
	UseAutomaticPathSessions bool
	UseCookieSessions        bool
	UseSessionSweeper        bool
	UserErrorMessage         string
}

// parse reads the settings and reports all mistakes at once.
func (given Settings) parse() (settings, error) {
	all := DefaultSettings()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if reason, ok := refused[name]; ok {
			errs = append(errs, fmt.Errorf("webkit: the setting %s is refused: %s", name, reason))
			continue
		}
		if _, ok := all[name]; !ok {
			errs = append(errs, fmt.Errorf("webkit: there is no setting %q here; DefaultSettings has the list", name))
			continue
		}
		all[name] = given[name]
	}
	r := reader{all: all, errs: errs}
	s := settings{
		AlwaysSaveSessions:       r.bool("AlwaysSaveSessions"),
		ErrorPage:                r.errorPage("ErrorPage"),
		ExtraPathInfo:            r.bool("ExtraPathInfo"),
		HttpOnlySessionCookie:    r.bool("HttpOnlySessionCookie"),
		IgnoreInvalidSession:     r.bool("IgnoreInvalidSession"),
		MaxFormFields:            int(r.number("MaxFormFields", 1)),
		MaxFormSize:              int64(r.number("MaxFormSize", 1)),
		ResponseBufferSize:       int(r.number("ResponseBufferSize", 0)),
		SameSiteSessionCookie:    r.sameSite("SameSiteSessionCookie"),
		SecureSessionCookie:      r.bool("SecureSessionCookie"),
		SessionCookiePath:        r.string("SessionCookiePath"),
		SessionName:              r.string("SessionName"),
		SessionPrefix:            r.prefix("SessionPrefix"),
		SessionStore:             r.store("SessionStore"),
		SessionStoreDir:          r.string("SessionStoreDir"),
		SessionTimeout:           time.Duration(r.number("SessionTimeout", 1.0/60) * float64(time.Minute)),
		ShowDebugInfoOnErrors:    r.bool("ShowDebugInfoOnErrors"),
		UseAutomaticPathSessions: r.bool("UseAutomaticPathSessions"),
		UseCookieSessions:        r.bool("UseCookieSessions"),
		UseSessionSweeper:        r.bool("UseSessionSweeper"),
		UserErrorMessage:         r.string("UserErrorMessage"),
	}
	if s.SessionName == "" {
		s.SessionName = DefaultSettings()["SessionName"].(string)
	}
	return s, errors.Join(r.errs...)
}

// ManagerConfig returns base with what the settings say about the manager of the sessions: SessionTimeout,
// SessionPrefix and UseSessionSweeper, as far as they are given. Build the manager from it:
//
//	cfg, err := settings.ManagerConfig(core.Config{})
//	m, err := core.New("shop", store, cfg)
//	app, err := webkit.NewApplication(m, webkit.Config{Settings: settings})
func (given Settings) ManagerConfig(base core.Config) (core.Config, error) {
	s, err := given.parse()
	if err != nil {
		return core.Config{}, err
	}
	if _, ok := given["SessionTimeout"]; ok {
		base.IdleTimeout = s.SessionTimeout
	}
	if s.SessionPrefix != "" {
		if base.IDs.New == nil {
			base.IDs = core.RandomIDs()
		}
		base.IDs = core.PrefixedIDs(s.SessionPrefix, base.IDs)
	}
	if !s.UseSessionSweeper {
		base.SweepInterval = -1
	}
	return base, nil
}

// StoreURL returns the URL for core.OpenStore that SessionStore and SessionStoreDir mean: "memory:" for
// Memory, and a "file:" one for File and Dynamic. Others need to be written by hand; the error says so.
func (given Settings) StoreURL() (string, error) {
	s, err := given.parse()
	if err != nil {
		return "", err
	}
	switch s.SessionStore {
	case "Memory":
		return "memory:", nil
	case "File", "Dynamic":
		return "file:" + strings.NewReplacer("%", "%25", "?", "%3F").Replace(s.SessionStoreDir), nil
	}
	return "", fmt.Errorf("webkit: SessionStore %s: give core.OpenStore the URL of the store", s.SessionStore)
}

// checkManager reports settings that the manager was built without.
func (given Settings) checkManager(s *settings, m *core.Manager) error {
	var errs []error
	cfg := m.Config()
	if _, ok := given["SessionTimeout"]; ok && cfg.IdleTimeout != s.SessionTimeout {
		errs = append(errs, fmt.Errorf("webkit: SessionTimeout is %v, but the manager's IdleTimeout is %v; build the manager from Settings.ManagerConfig",
			s.SessionTimeout, cfg.IdleTimeout))
	}
	if !strings.HasPrefix(cfg.IDs.New(), s.SessionPrefix) {
		errs = append(errs, fmt.Errorf("webkit: the manager's ids do not begin with the SessionPrefix %q; build the manager from Settings.ManagerConfig",
			s.SessionPrefix))
	}
	return errors.Join(errs...)
}

// reader reads settings of a given kind and keeps what is wrong.
type reader struct {
	all  Settings
	errs []error
}

func (r *reader) bad(name, want string) {
	r.errs = append(r.errs, fmt.Errorf("webkit: the setting %s must be %s, not %#v", name, want, r.all[name]))
}

// bool takes numbers for Python's 0 and 1, which old configurations are full of.
func (r *reader) bool(name string) bool {
	switch v := r.all[name].(type) {
	case bool:
		return v
	case int:
		if v == 0 || v == 1 {
			return v == 1
		}
	}
	r.bad(name, "true or false")
	return false
}

func (r *reader) string(name string) string {
	switch v := r.all[name].(type) {
	case nil:
		return ""
	case string:
		return v
	}
	r.bad(name, "a string")
	return ""
}

func (r *reader) number(name string, least float64) float64 {
	v := math.NaN()
	switch n := r.all[name].(type) {
	case int:
		v = float64(n)
	case int64:
		v = float64(n)
	case float64:
		v = n
	}
	if v >= least && v <= math.MaxInt32 {
		return v
	}
	r.bad(name, fmt.Sprintf("a number, and at least %.3g", least))
	return least
}

func (r *reader) sameSite(name string) http.SameSite {
	switch v := r.string(name); strings.ToLower(v) {
	case "strict":
		return http.SameSiteStrictMode
	case "", "lax":
		return http.SameSiteLaxMode
	case "none":
		return http.SameSiteNoneMode
	}
	r.bad(name, `"Strict", "Lax" or "None"`)
	return 0
}

func (r *reader) prefix(name string) string {
	prefix := r.string(name)
	switch prefix {
	case "":
		return ""
	case "hostname":
		host, err := os.Hostname()
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("webkit: the setting %s: %w", name, err))
		}
		prefix = host
	}
	return prefix + "-"
}

func (r *reader) store(name string) string {
	v := r.string(name)
	if !slices.Contains([]string{"Dynamic", "File", "Memcached", "Memory", "Redis", "Shelve"}, v) {
		r.bad(name, "one of Webware's own stores; open another one with core.OpenStore, or as a core.Store")
	}
	return v
}

// errorPage reads a URL for all failures, or a map from status codes to URLs.
func (r *reader) errorPage(name string) []ErrorPage {
	switch v := r.all[name].(type) {
	case nil:
		return nil
	case string:
		return []ErrorPage{{URL: rooted(v)}}
	case map[int]string:
		var pages []ErrorPage
		for _, code := range slices.Sorted(maps.Keys(v)) {
			pages = append(pages, ErrorPage{Status: code, URL: rooted(v[code])})
		}
		return pages
	}
	r.bad(name, "a URL, or a map[int]string from status codes to URLs; for error types use Config.ErrorPages")
	return nil
}

func rooted(url string) string { return "/" + strings.TrimPrefix(url, "/") }
