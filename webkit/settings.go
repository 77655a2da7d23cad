package webkit

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/settings"
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

// parsed are Settings in Go types, with the defaults filled in.
type parsed struct {
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
func (given Settings) parse() (parsed, error) {
	r := reader{settings.New("webkit", DefaultSettings(), given, refused)}
	s := parsed{
		AlwaysSaveSessions:       r.Bool("AlwaysSaveSessions"),
		ErrorPage:                r.errorPage("ErrorPage"),
		ExtraPathInfo:            r.Bool("ExtraPathInfo"),
		HttpOnlySessionCookie:    r.Bool("HttpOnlySessionCookie"),
		IgnoreInvalidSession:     r.Bool("IgnoreInvalidSession"),
		MaxFormFields:            int(r.Number("MaxFormFields", 1)),
		MaxFormSize:              int64(r.Number("MaxFormSize", 1)),
		ResponseBufferSize:       int(r.Number("ResponseBufferSize", 0)),
		SameSiteSessionCookie:    r.SameSite("SameSiteSessionCookie"),
		SecureSessionCookie:      r.Bool("SecureSessionCookie"),
		SessionCookiePath:        r.String("SessionCookiePath"),
		SessionName:              r.String("SessionName"),
		SessionPrefix:            r.prefix("SessionPrefix"),
		SessionStore:             r.store("SessionStore"),
		SessionStoreDir:          r.String("SessionStoreDir"),
		SessionTimeout:           time.Duration(r.Number("SessionTimeout", 1.0/60) * float64(time.Minute)),
		ShowDebugInfoOnErrors:    r.Bool("ShowDebugInfoOnErrors"),
		UseAutomaticPathSessions: r.Bool("UseAutomaticPathSessions"),
		UseCookieSessions:        r.Bool("UseCookieSessions"),
		UseSessionSweeper:        r.Bool("UseSessionSweeper"),
		UserErrorMessage:         r.String("UserErrorMessage"),
	}
	if s.SessionName == "" {
		s.SessionName = DefaultSettings()["SessionName"].(string)
	}
	return s, r.Err()
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
func (given Settings) checkManager(s *parsed, m *core.Manager) error {
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

// reader reads what only Webware has.
type reader struct{ *settings.Reader }

func (r *reader) prefix(name string) string {
	prefix := r.String(name)
	switch prefix {
	case "":
		return ""
	case "hostname":
		host, err := os.Hostname()
		if err != nil {
			r.Fail("the setting %s: %w", name, err)
		}
		prefix = host
	}
	return prefix + "-"
}

func (r *reader) store(name string) string {
	v := r.String(name)
	if !slices.Contains([]string{"Dynamic", "File", "Memcached", "Memory", "Redis", "Shelve"}, v) {
		r.Bad(name, "one of Webware's own stores; open another one with core.OpenStore, or as a core.Store")
	}
	return v
}

// errorPage reads a URL for all failures, or a map from status codes to URLs.
func (r *reader) errorPage(name string) []ErrorPage {
	switch v := r.Value(name).(type) {
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
	r.Bad(name, "a URL, or a map[int]string from status codes to URLs; for error types use Config.ErrorPages")
	return nil
}

func rooted(url string) string { return "/" + strings.TrimPrefix(url, "/") }
