package webstack

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
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

// settings are Settings in Go types, with the defaults filled in.
type settings struct {
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
func (given Settings) parse() (settings, error) {
	all := DefaultSettings()
	r := reader{all: all}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if reason, ok := refused[name]; ok {
			r.fail("the setting %s is refused: %s", name, reason)
		} else if _, ok := all[name]; !ok {
			r.fail("there is no setting %q here; DefaultSettings has the list", name)
		} else {
			all[name] = given[name]
		}
	}
	s := settings{
		charset:      r.charset("default_charset"),
		handleErrors: r.bool("handle_errors"),
		lockTimeout:  time.Duration(r.number("lock_timeout", 0.001) * float64(time.Second)),
		maxBody:      int64(r.number("max_body_size", 1)),
		maxFields:    int(r.number("max_fields", 1)),
		buffer:       int(r.number("response_buffer_size", 0)),
		cookieName:   r.string("session_cookie_name"),
		cookiePath:   r.string("session_cookie_path"),
		sameSite:     r.sameSite("session_cookie_samesite"),
		secure:       r.bool("session_cookie_secure"),
		directory:    r.string("session_directory"),
		timeout:      time.Duration(r.number("session_timeout", 1.0/60) * float64(time.Minute)),
	}
	return s, errors.Join(r.errs...)
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
func (given Settings) checkManager(s *settings, m *core.Manager) error {
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

// reader reads settings of a given kind and keeps what is wrong.
type reader struct {
	all  Settings
	errs []error
}

func (r *reader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("webstack: "+format, args...))
}

func (r *reader) bad(name, want string) {
	r.fail("the setting %s must be %s, not %#v", name, want, r.all[name])
}

func (r *reader) bool(name string) bool {
	switch r.all[name] {
	case true, 1:
		return true
	case false, 0:
		return false
	}
	r.bad(name, "true or false")
	return false
}

func (r *reader) string(name string) string {
	v := r.all[name]
	text, ok := v.(string)
	if !ok && v != nil {
		r.bad(name, "a string")
	}
	return text
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

func (r *reader) charset(name string) *Charset {
	c, err := CharsetNamed(r.string(name))
	if err != nil {
		r.fail("the setting %s: %w", name, err)
		return ISO8859_1
	}
	return c
}

func (r *reader) sameSite(name string) http.SameSite {
	switch strings.ToLower(r.string(name)) {
	case "lax":
		return http.SameSiteLaxMode
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	r.bad(name, `"Lax", "Strict" or "None"`)
	return 0
}
