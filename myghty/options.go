package myghty

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Options are the session's options by the names that Myghty and Beaker have for them: "session_timeout", as in Myghty's
// configuration; "session.timeout" and "beaker.session.timeout", as in Beaker's; or "timeout". Values are as in Python, numbers,
// strings, bool and nil for None, or strings as in a configuration file; a timedelta is a time.Duration. DefaultOptions
// has the list.
type Options map[string]any

// DefaultOptions returns the options that hold where none are given.
func DefaultOptions() Options {
	o := make(Options, len(specs))
	for name, spec := range specs {
		o[name] = spec.otherwise
	}
	return o
}

// spec is one option: its default, and what reads a value that was given. What read returns can be compared.
type spec struct {
	otherwise any
	read      func(any) (any, error)
}

var specs = map[string]spec{
	"auto":               {false, readBool},
	"cookie_domain":      {"", readText},
	"cookie_expires":     {true, readExpires},
	"cookie_path":        {"/", readText},
	"data_dir":           {"", readText},
	"data_serializer":    {"", readSerializer},
	"dbm_dir":            {"", readText},
	"file_dir":           {"", readText},
	"httponly":           {true, readBool},
	"id":                 {"", readText},
	"invalidate_corrupt": {true, readBool},
	"key":                {"myghty_session_id", readText},
	"legacy_signatures":  {nil, readSignatures},
	"old_secrets":        {nil, readTexts},
	"samesite":           {"Lax", readSameSite},
	"save_accessed_time": {true, readBool},
	"secret":             {"", readText},
	"secure":             {nil, readSecure},
	"timeout":            {nil, readTimeout},
	"type":               {"", readType},
	"url":                {"", readText},
	"use_cookies":        {true, readBool},
}

// refused are options that have no meaning here, and what to do instead.
var refused = map[string]string{
	"crypto_type":        "sessions are kept in a store, not in the cookie",
	"dbmmodule":          "take it away; there is one kind of DBM file",
	"encrypt_key":        "sessions are kept in a store, not in the cookie",
	"encrypt_nonce_bits": "sessions are kept in a store, not in the cookie",
	"lock_dir":           "take it away; stores keep their locks by themselves",
	"log_file":           "use Config.Logger",
	"memcache_module":    "take it away; there is one client",
	"namespace_class":    "open a store with core.OpenStore, or write a core.Store",
	"session_class":      "use the fields of Config",
	"validate_key":       "sessions are kept in a store, not in the cookie; to sign the id use secret",
	"webtest_varname":    "take it away; tests send requests to Application.Handler",
}

// prefixes are what may stand in front of an option's name. The longest that matches counts.
var prefixes = []string{"beaker.session.", "session.", "session_"}

// nameOf returns an option's bare name.
func nameOf(name string) string {
	if _, ok := refused[name]; ok {
		return name // session_class, which begins like a prefix
	}
	for _, prefix := range prefixes {
		if bare, ok := strings.CutPrefix(name, prefix); ok {
			return bare
		}
	}
	return name
}

// read returns the options under their bare names, with the values read. All mistakes are reported together. No
// error shows a value, which may be a secret.
func (o Options) read() (map[string]any, error) {
	read := make(map[string]any, len(o))
	var errs []error
	for _, given := range slices.Sorted(maps.Keys(o)) {
		name := nameOf(given)
		spec, ok := specs[name]
		switch reason, no := refused[name]; {
		case no:
			errs = append(errs, fmt.Errorf("myghty: the option %s is refused: %s", given, reason))
			continue
		case !ok:
			errs = append(errs, fmt.Errorf("myghty: there is no option %q; DefaultOptions has the list", given))
			continue
		}
		if _, twice := read[name]; twice {
			errs = append(errs, fmt.Errorf("myghty: the option %s is given twice, under two names", name))
			continue
		}
		v, err := spec.read(o[given])
		if err != nil {
			errs = append(errs, fmt.Errorf("myghty: the option %s %w", given, err))
		}
		read[name] = v
	}
	return read, errors.Join(errs...)
}

// defaults are the options as read where none are given.
var defaults = func() map[string]any {
	all, err := DefaultOptions().read()
	if err != nil {
		panic(err) // a mistake in specs
	}
	return all
}()

// options are all options, read: those that were given, and the defaults.
type options struct {
	given map[string]any
}

func (o *options) value(name string) any {
	if v, ok := o.given[name]; ok {
		return v
	}
	return defaults[name]
}

func (o *options) has(name string) bool { _, ok := o.given[name]; return ok }

func (o *options) text(name string) string            { return o.value(name).(string) }
func (o *options) bool(name string) bool              { return o.value(name).(bool) }
func (o *options) texts(name string) []string         { return o.value(name).([]string) }
func (o *options) duration(name string) time.Duration { return o.value(name).(time.Duration) }

// differ returns the names among read whose values are not those that hold, sorted.
func (o *options) differ(read map[string]any) []string {
	var names []string
	for name, v := range read {
		if !reflect.DeepEqual(v, o.value(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
