package myghty

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
)

// What follows reads values as Python code and configuration files have them. The errors complete "the option x ...".

func readText(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", errors.New("must be a string")
}

// readTexts reads a list of strings, or one string with blanks or commas in between.
func readTexts(v any) (any, error) {
	var texts []string
	switch v := v.(type) {
	case nil:
	case []string:
		texts = slices.Clone(v)
	case string:
		texts = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' })
	default:
		return texts, errors.New("must be a list of strings")
	}
	return texts, nil
}

func readSignatures(v any) (any, error) {
	read, err := readTexts(v)
	for _, text := range read.([]string) {
		if form := LegacySignature(text); form != MyghtySignature && form != BeakerSignature {
			err = errors.New(`must be "myghty", "beaker" or both`)
		}
	}
	return read, err
}

// readBool takes Python's 0 and 1 and the words of configuration files.
func readBool(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	case string:
		if b, ok := boolWord(v); ok {
			return b, nil
		}
	}
	return false, errors.New("must be true or false")
}

func boolWord(word string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "true", "yes", "on", "y", "t", "1":
		return true, true
	case "false", "no", "off", "n", "f", "0":
		return false, true
	}
	return false, false
}

// readSecure tells "not given" from false.
func readSecure(v any) (any, error) {
	if v == nil {
		return compat.SecureAuto, nil
	}
	on, err := readBool(v)
	if on.(bool) {
		return compat.SecureOn, err
	}
	return compat.SecureOff, err
}

func readSameSite(v any) (any, error) {
	text, ok := v.(string)
	switch strings.ToLower(text) {
	case "strict":
		return http.SameSiteStrictMode, nil
	case "lax":
		return http.SameSiteLaxMode, nil
	case "none":
		return http.SameSiteNoneMode, nil
	}
	if ok || v != nil {
		return http.SameSiteLaxMode, errors.New(`must be "Strict", "Lax" or "None"`)
	}
	return http.SameSiteLaxMode, nil
}

// readTimeout reads seconds. None, which is 0, is never.
func readTimeout(v any) (any, error) {
	if v == nil || v == "None" {
		return time.Duration(0), nil
	}
	d, ok := seconds(v)
	if !ok || d < time.Second {
		return time.Duration(0), errors.New("must be a number of seconds, at least 1, or nil for no timeout")
	}
	return d, nil
}

// forever is the longest that browsers keep a cookie.
const forever = 400 * 24 * time.Hour

// readExpires reads how long browsers keep the cookie. 0 is until they close.
func readExpires(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return time.Duration(0), nil
		}
		return forever, nil
	case time.Time:
		return time.Duration(0), errors.New("must not be a moment: when it has come, every cookie is over at once; give a time.Duration")
	case string:
		switch strings.ToLower(v) {
		case "true":
			return time.Duration(0), nil
		case "false":
			return forever, nil
		}
	}
	if d, ok := seconds(v); ok && d >= time.Second {
		return min(d, forever), nil
	}
	return time.Duration(0), errors.New("must be true (until the browser closes), false (for ever), a time.Duration or a number of seconds")
}

func seconds(v any) (time.Duration, bool) {
	n := math.NaN()
	switch v := v.(type) {
	case time.Duration:
		return v, v <= math.MaxInt32*time.Second
	case int:
		n = float64(v)
	case int64:
		n = float64(v)
	case float64:
		n = v
	case string:
		var err error
		if n, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			return 0, false
		}
	}
	return time.Duration(n * float64(time.Second)), n >= 0 && n <= math.MaxInt32
}

func readSerializer(v any) (any, error) {
	text, err := readText(v)
	switch text {
	case "", "json":
		return text, err
	case "pickle":
		return "", errors.New("must not be pickle, which can run code; leave it away, or give json")
	}
	return "", errors.New("must be json; for another format use core.Config.Codec")
}

// types are the values of the option type and the schemes of their stores.
var types = map[string]string{
	"memory": "memory", "file": "file", "dbm": "dbm", "ext:memcached": "memcached", "ext:redis": "redis",
}

func readType(v any) (any, error) {
	text, err := readText(v)
	if _, ok := types[text.(string)]; ok || text == "" {
		return text, err
	}
	if text == "cookie" {
		return "", errors.New("must not be cookie: such a session can not be ended, and can be played back; use a store")
	}
	return "", errors.New("must be memory, file, dbm, ext:memcached or ext:redis; for another place write a core.Store")
}
