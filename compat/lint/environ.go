package lint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// checkArguments refuses what no application can be called with, strict or not.
func (c *call) checkArguments(env *compat.Environ, start compat.StartResponse) error {
	if env == nil {
		return c.impossible("environ-missing", "the environ is nil")
	}
	if env.Request() == nil {
		return c.impossible("environ-made-by-hand", "the environ belongs to no request")
	}
	if start == nil {
		return c.impossible("start-missing", "start_response is nil")
	}
	return nil
}

func (c *call) impossible(name, problem string) error {
	c.outside(name, "%s", problem)
	return &Error{Report{Check: byName[name], By: c.l.outside, Problem: problem, Where: c.l.cfg.Name}}
}

// required are the keys that are always there; strings among them are not empty.
var required = []string{
	"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.errors", "wsgi.input", "wsgi.multiprocess",
	"wsgi.multithread", "wsgi.run_once", "wsgi.url_scheme", "wsgi.version",
}

// methods are those that wsgiref.validate knows.
var methods = []string{"GET", "HEAD", "POST", "OPTIONS", "PATCH", "PUT", "DELETE", "TRACE"}

// checkEnviron checks what the application is given.
func (c *call) checkEnviron() {
	for _, key := range required {
		if v, ok := c.env.Get(key); !ok || v == "" {
			c.outside("environ-key-missing", "%s is missing or empty", key)
		}
	}
	for _, key := range []string{"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} {
		if _, ok := c.env.Get(key); ok {
			c.outside("environ-http-content", "%s is set, but that header is %s", key, key[len("HTTP_"):])
		}
	}
	if _, ok := c.env.Get("QUERY_STRING"); !ok {
		c.outside("environ-query-string", "QUERY_STRING is missing")
	}
	for key, v := range c.env.All() {
		if _, ok := v.(string); !ok && !strings.Contains(key, ".") {
			c.outside("environ-not-string", "%s holds a %T", quote(key), v)
		}
	}
	if m := c.env.Method(); m != "" && !slices.Contains(methods, m) {
		c.outside("environ-method", "the method %s is unusual", quote(m))
	}
	c.checkObjects()
	c.checkPaths()
}

// checkObjects checks the types of the wsgi.* values. Missing ones have been reported.
func (c *call) checkObjects() {
	if v, ok := c.env.Get("wsgi.version"); ok && v != [2]int{1, 0} {
		c.outside("environ-version", "wsgi.version is not [2]int{1, 0} but a %T", v)
	}
	if v, ok := c.env.Get("wsgi.url_scheme"); ok && v != "http" && v != "https" {
		c.outside("environ-url-scheme", "wsgi.url_scheme is neither http nor https")
	}
	if v, ok := c.env.Get("wsgi.input"); ok {
		if in, ok := v.(*compat.Input); !ok || in == nil {
			c.outside("environ-input", "wsgi.input is a %T", v)
		}
	}
	if v, ok := c.env.Get("wsgi.errors"); ok {
		if stream, ok := v.(*compat.ErrorStream); !ok || stream == nil {
			c.outside("environ-errors", "wsgi.errors is a %T", v)
		}
	}
}

func (c *call) checkPaths() {
	script, path := c.env.ScriptName(), c.env.PathInfo()
	switch {
	case script == "/":
		c.outside("environ-script-name-root", "SCRIPT_NAME is a slash and nothing more")
	case script != "" && script[0] != '/':
		c.outside("environ-script-name", "SCRIPT_NAME does not begin with a slash")
	}
	if path != "" && path[0] != '/' {
		c.outside("environ-path-info", "PATH_INFO does not begin with a slash")
	}
	if _, ok := c.env.Get("PATH_INFO"); !ok && script == "" {
		c.outside("environ-path-info-missing", "PATH_INFO is missing, and SCRIPT_NAME is empty")
	}
	if s := c.env.String("CONTENT_LENGTH"); s != "" {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			c.outside("environ-content-length", "CONTENT_LENGTH is no number")
			return
		}
		c.input.declared = int64(n)
	}
}
