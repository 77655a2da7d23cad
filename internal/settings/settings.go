// Package settings reads settings as legacy frameworks had them: Python's values under the framework's own names. It is
// for adapters.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
)

// Reader reads settings of a given kind, and keeps what is wrong with them.
type Reader struct {
	adapter string
	all     map[string]any
	errs    []error
}

// New returns a Reader for the settings that hold: those that are given, and defaults for the others. It notes those that
// are not among the defaults, and those that are refused, with the reason. adapter is what errors begin with.
func New(adapter string, defaults, given map[string]any, refused map[string]string) *Reader {
	r := &Reader{adapter: adapter, all: defaults}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if reason, ok := refused[name]; ok {
			r.Fail("the setting %s is refused: %s", name, reason)
		} else if _, ok := defaults[name]; !ok {
			r.Fail("there is no setting %q here; DefaultSettings has the list", name)
		} else {
			r.all[name] = given[name]
		}
	}
	return r
}

// Err returns all that is wrong, or nil.
func (r *Reader) Err() error { return errors.Join(r.errs...) }

// Fail notes that something is wrong.
func (r *Reader) Fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(r.adapter+": "+format, args...))
}

// Bad notes that a setting is not what it must be.
func (r *Reader) Bad(name, want string) {
	r.Fail("the setting %s must be %s, not %#v", name, want, r.all[name])
}

// Value returns a setting as it is.
func (r *Reader) Value(name string) any { return r.all[name] }

// Bool takes numbers for Python's 0 and 1, which old configurations are full of.
func (r *Reader) Bool(name string) bool {
	switch r.all[name] {
	case true, 1:
		return true
	case false, 0:
		return false
	}
	r.Bad(name, "true or false")
	return false
}

// String returns "" for None.
func (r *Reader) String(name string) string {
	v := r.all[name]
	text, ok := v.(string)
	if !ok && v != nil {
		r.Bad(name, "a string")
	}
	return text
}

// Number returns a number of at least least, and least if it is none.
func (r *Reader) Number(name string, least float64) float64 {
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
	r.Bad(name, fmt.Sprintf("a number, and at least %.3g", least))
	return least
}

// SameSite reads the attribute of a cookie. None in Python's sense is Lax.
func (r *Reader) SameSite(name string) http.SameSite {
	switch strings.ToLower(r.String(name)) {
	case "strict":
		return http.SameSiteStrictMode
	case "", "lax":
		return http.SameSiteLaxMode
	case "none":
		return http.SameSiteNoneMode
	}
	r.Bad(name, `"Strict", "Lax" or "None"`)
	return 0
}
