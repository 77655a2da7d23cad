package deploy

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// options are the values that a section has, its own and those it inherits, and which of them were asked for.
type options struct {
	m      *mistakes
	doc    *document
	at     position // of the section
	local  map[string]value
	global map[string]value // [DEFAULT], and what "set" made of it
	asked  map[string]bool
}

// find returns a value and notes that it was asked for.
func (o *options) find(key string) (value, bool) {
	o.asked[key] = true
	if v, ok := o.local[key]; ok {
		return v, true
	}
	v, ok := o.global[key]
	if ok {
		o.doc.used[key] = true
	}
	return v, ok
}

// Lookup returns the text of an option and whether it is given, in the section or in [DEFAULT].
func (o *options) Lookup(key string) (string, bool) {
	v, ok := o.find(key)
	return v.text, ok
}

// String returns the text of an option, or otherwise.
func (o *options) String(key, otherwise string) string {
	if text, ok := o.Lookup(key); ok {
		return text
	}
	return otherwise
}

// Mistake reports that the value of an option is wrong, at its line. With the name of an option that is not given, or with
// "", it points at the section. It says the key itself.
func (o *options) Mistake(key, format string, args ...any) {
	at, text := o.at, fmt.Sprintf(format, args...)
	if v, ok := o.find(key); ok {
		at = v.at
	}
	if key != "" {
		text = key + ": " + text
	}
	o.m.add(at, "%s", text)
}

// Bool returns an option that is yes or no; true, on, y, t and 1 mean the same as yes, as in Paste.
func (o *options) Bool(key string, otherwise bool) bool {
	v, ok := o.find(key)
	if !ok {
		return otherwise
	}
	b, ok := parseBool(v.text)
	if !ok {
		o.Mistake(key, "%q is neither yes nor no", v.text)
		return otherwise
	}
	return b
}

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "y", "t", "1":
		return true, true
	case "false", "no", "off", "n", "f", "0":
		return false, true
	}
	return false, false
}

// Int returns an option that is a number of at least least.
func (o *options) Int(key string, otherwise, least int) int {
	v, ok := o.find(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(v.text)
	if err != nil || n < least {
		o.Mistake(key, "%q is no number of at least %d", v.text, least)
		return otherwise
	}
	return n
}

// Size returns an option that is a number of bytes of at least one: 4096, 64KiB, 10MB.
func (o *options) Size(key string, otherwise int64) int64 {
	v, ok := o.find(key)
	if !ok {
		return otherwise
	}
	n, ok := parseSize(v.text)
	if !ok {
		o.Mistake(key, "%q is no size of at least a byte, such as 4096, 64KiB or 10MiB", v.text)
		return otherwise
	}
	return n
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func parseSize(text string) (int64, bool) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		return n * unit.bytes, err == nil && n > 0 && n <= math.MaxInt64/unit.bytes
	}
	return 0, false
}

// Duration returns an option that is a time: 90s, 1h30m, 14d. For "never" it returns -1, as the configs of this module have it.
func (o *options) Duration(key string, otherwise time.Duration) time.Duration {
	v, ok := o.find(key)
	if !ok {
		return otherwise
	}
	if v.text == "never" {
		return -1
	}
	d, ok := parseDuration(v.text)
	if !ok {
		o.Mistake(key, "%q is no time with a unit, such as 500ms, 90s, 30m, 12h or 14d", v.text)
		return otherwise
	}
	return d
}

// limit is Duration where never makes no sense.
func (o *options) limit(key string, otherwise time.Duration) time.Duration {
	d := o.Duration(key, otherwise)
	if d < 0 {
		o.Mistake(key, "it can not be never: give a time")
		return otherwise
	}
	return d
}

func parseDuration(text string) (time.Duration, bool) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.Atoi(digits)
			return time.Duration(n) * unit, err == nil && n > 0 && n < 36500
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

// Choice returns an option that is one of a few words.
func (o *options) Choice(key, otherwise string, words ...string) string {
	v, ok := o.find(key)
	if !ok {
		return otherwise
	}
	if !slices.Contains(words, v.text) {
		o.Mistake(key, "%q is none of %s%s", v.text, strings.Join(words, ", "), meant(v.text, words))
		return otherwise
	}
	return v.text
}

// word returns an option that gets into URLs as it is.
func (o *options) word(key, otherwise string) string {
	text, ok := o.Lookup(key)
	if !ok {
		return otherwise
	}
	if text == "" || strings.ContainsFunc(text, notInURL) {
		o.Mistake(key, "%q: use letters, digits, '-', '_' and '.', which need no encoding in a URL", text)
		return otherwise
	}
	return text
}

func notInURL(c rune) bool {
	return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.", c)
}

// List returns an option that is several words, with commas, blanks or line breaks between them.
func (o *options) List(key string) []string {
	text, _ := o.Lookup(key)
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' })
}

// Switches turns on those fields of a struct that the List names. into is a pointer to a struct of which all
// fields are bool, such as an adapter's Quirks.
func (o *options) Switches(key string, into any) {
	v := reflect.ValueOf(into).Elem()
	var names []string
	for i := range v.NumField() {
		names = append(names, v.Type().Field(i).Name)
	}
	for _, word := range o.List(key) {
		if !slices.Contains(names, word) {
			o.Mistake(key, "there is no %q; there are %s%s", word, strings.Join(names, ", "), meant(word, names))
			continue
		}
		v.FieldByName(word).SetBool(true)
	}
}

// Rest returns the options of the section that nobody has asked for, for an adapter that knows by itself what it can take.
// It reports wrong ones by Mistake.
func (o *options) Rest() map[string]string {
	rest := make(map[string]string)
	for key, v := range o.local {
		if !o.asked[key] {
			o.asked[key] = true
			rest[key] = v.text
		}
	}
	return rest
}

// unknown reports the options of the section that nobody has asked for.
func (o *options) unknown() {
	for key, v := range o.local {
		if o.asked[key] {
			continue
		}
		names := slices.Sorted(maps.Keys(o.asked))
		o.m.add(v.at, "%s: there is no option of this name here%s", key, meant(key, names))
	}
}
