package webstack

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/settings"
)

// Settings are what was given to WebStack's deploy function, its session store and its transactions, by their names
// there, and a few new ones in the same spelling. Their types are those of DefaultSettings; where it has a number,
// any number is taken, and 0 and 1 for a bool. NewApplication refuses what it does not know, and every setting that
// is refused; the error says what to use instead.
type Settings map[string]any

// DefaultSettings returns the settings that hold where none are given. session_cookie_name, session_directory,
// handle_errors and default_charset are WebStack's, with its defaults. The others are new: session_timeout is in minutes,
// lock_timeout in seconds, max_body_size and response_buffer_size in bytes.
func DefaultSettings() Settings {
	return Settings{
		"default_charset":         "iso-8859-1",
		"handle_errors":           true,
		"lock_timeout":            30,
		"max_body_size":           10 << 20,
		"max_fields":              1000,
		"response_buffer_size":    64 << 10,
		"session_cookie_name":     "SID",
		"session_cookie_path":     nil,
		"session_cookie_samesite": "Lax",
		"session_cookie_secure":   true,
		"session_directory":       "WebStack-sessions",
		"session_timeout":         60,
	}
}

// refused are settings that have no effect here, and what to do instead.
var refused = map[string]string{
	"address":       "listen with net/http or Echo",
	"authenticator": "use Config.Authenticator",
	"concurrent":    "choose how two requests share a session with Locking of the manager's core.Config",
	"delay":         "nobody polls for a session here; say with lock_timeout how long a request waits",
	"handle_class":  "the application is an http.Handler, see Application.Handler",
	"path_encoding": "default_charset holds for paths too; give another one to the methods that take one",
	"urlencoding":   "default_charset holds for paths too; give another one to the methods that take one",
}

// parsed are Settings in Go types, with the defaults filled in.
type parsed struct {
	charset      *Charset
	handleErrors bool
	lockTimeout  time.Duration
	maxBody      int64
	maxFields    int
	buffer       int
	cookieName   string
	cookiePath   string
	sameSite     http.SameSite
	secure       bool
	directory    string
	timeout      time.Duration
}

// parse reads the settings and reports all mistakes at once.
func (given Settings) parse() (parsed, error) {
	r := settings.New("webstack", DefaultSettings(), given, refused)
	s := parsed{
		charset:      charset(r, "default_charset"),
		handleErrors: r.Bool("handle_errors"),
		lockTimeout:  time.Duration(r.Number("lock_timeout", 0.001) * float64(time.Second)),
		maxBody:      int64(r.Number("max_body_size", 1)),
		maxFields:    int(r.Number("max_fields", 1)),
		buffer:       int(r.Number("response_buffer_size", 0)),
		cookieName:   r.String("session_cookie_name"),
		cookiePath:   r.String("session_cookie_path"),
		sameSite:     sameSite(r, "session_cookie_samesite"),
		secure:       r.Bool("session_cookie_secure"),
		directory:    r.String("session_directory"),
		timeout:      time.Duration(r.Number("session_timeout", 1.0/60) * float64(time.Minute)),
	}
	return s, r.Err()
}

// ManagerConfig returns base with what an application of WebStack expects of its sessions' manager: core.Serialized, if
// base does not choose another policy, and session_timeout and lock_timeout, as far as they are given. Build the manager
// from it, also where there are no settings:
//
//	cfg, err := webstack.Settings(nil).ManagerConfig(core.Config{Logger: log})
//	m, err := core.New("notes", store, cfg)
func (given Settings) ManagerConfig(base core.Config) (core.Config, error) {
	s, err := given.parse()
	if err != nil {
		return core.Config{}, err
	}
	if base.Locking == 0 {
		base.Locking = core.Serialized
	}
	if _, ok := given["session_timeout"]; ok {
		base.IdleTimeout = s.timeout
	}
	if _, ok := given["lock_timeout"]; ok {
		base.LockWait = s.lockTimeout
	}
	return base, nil
}

// StoreURL returns the URL for core.OpenStore that session_directory means: a "file:" one. Write the URLs of other
// stores by hand.
func (given Settings) StoreURL() (string, error) {
	s, err := given.parse()
	if err != nil {
		return "", err
	}
	if s.directory == "" {
		return "", errors.New("webstack: the setting session_directory is empty")
	}
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3F").Replace(s.directory), nil
}

// checkManager reports settings that the manager was built without.
func (given Settings) checkManager(s *parsed, m *core.Manager) error {
	var errs []error
	for _, d := range []struct {
		name, field string
		want, have  time.Duration
	}{
		{"session_timeout", "IdleTimeout", s.timeout, m.Config().IdleTimeout},
		{"lock_timeout", "LockWait", s.lockTimeout, m.Config().LockWait},
	} {
		if _, ok := given[d.name]; ok && d.want != d.have {
			errs = append(errs, fmt.Errorf("webstack: %s is %v, but the manager's %s is %v; build the manager from Settings.ManagerConfig",
				d.name, d.want, d.field, d.have))
		}
	}
	return errors.Join(errs...)
}

// sameSite takes no None without quotes, by which people mean the word.
func sameSite(r *settings.Reader, name string) http.SameSite {
	if r.Value(name) == nil || r.Value(name) == "" {
		r.Bad(name, `"Lax", "Strict" or "None"`)
		return 0
	}
	return r.SameSite(name)
}

func charset(r *settings.Reader, name string) *Charset {
	c, err := CharsetNamed(r.String(name))
	if err != nil {
		r.Fail("the setting %s: %w", name, err)
		return ISO8859_1
	}
	return c
}
