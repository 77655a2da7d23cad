package lint

import (
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// startResponse is the start_response that the application gets.
func (c *call) startResponse(status string, headers []compat.Header, excInfo error) (io.Writer, error) {
	c.mu.Lock()
	late, again := c.over, c.started && excInfo == nil
	c.started = true
	c.mu.Unlock()
	if late {
		c.inside("start-late", "start_response was called when the body was closed already")
	}
	if again {
		c.inside("start-twice", "start_response was called again without excInfo")
	}
	if v := reflect.ValueOf(excInfo); v.Kind() == reflect.Pointer && v.IsNil() {
		c.inside("exc-info-typed-nil", "excInfo is a nil %T inside of an error that is not nil", excInfo)
	}
	code := c.checkStatus(status)
	length := c.checkHeaders(code, headers)
	if err := c.failure(); err != nil {
		c.refuse(err)
		return nil, err
	}

	gone := !late && c.env.Response().Sent()
	w, err := c.start(status, headers, excInfo)
	c.refuse(err)
	if err != nil {
		return w, err
	}
	if gone && excInfo != nil {
		c.outside("exc-info-late", "start_response with excInfo succeeded, though the headers had left")
	}
	if w == nil {
		c.outside("start-no-writer", "start_response returned neither a writer nor an error")
	}
	c.accept(code, length, headers)
	if err := c.failure(); err != nil {
		c.refuse(err)
		return nil, err
	}
	if w == nil {
		return nil, nil
	}
	return &writer{c: c, w: w}, nil
}

// refuse remembers what start_response returned.
func (c *call) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
}

// accept begins a response anew.
func (c *call) accept(code int, length int64, headers []compat.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.declared, c.sent = code, length, 0
	c.given, c.copied = headers, slices.Clone(headers)
}

// checkStatus returns the number in a status, or 0.
func (c *call) checkStatus(status string) int {
	digits, reason, _ := strings.Cut(status, " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil || len(digits) != 3 || code < 200:
		c.inside("status", "the status %s is no final one", quote(status))
		return 0
	case strings.ContainsFunc(reason, isControl):
		c.inside("status", "the status %s has control characters", quote(status))
	case reason == "":
		c.inside("status-reason", "the status %s has no reason after a space", quote(status))
	}
	return int(code)
}

// hopByHop are the headers of RFC 2616, section 13.5.1, in lower case.
var hopByHop = []string{
	"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade",
}

// checkHeaders returns the declared Content-Length, or -1.
func (c *call) checkHeaders(code int, headers []compat.Header) (length int64) {
	length = -1
	lengths, typed := 0, false
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		switch {
		case !goodName(h.Name):
			c.inside("header-name", "a header is named %s", quote(h.Name))
		case name == "status":
			c.inside("header-status", "there is a header Status")
		case slices.Contains(hopByHop, name):
			c.inside("header-hop-by-hop", "the header %s is set", h.Name)
		case name == "content-type":
			typed = true
		case name == "content-length":
			lengths++
			n, err := strconv.ParseUint(h.Value, 10, 63)
			if err != nil {
				c.inside("content-length-value", "the value of Content-Length is no number")
				break
			}
			length = int64(n)
		}
		if strings.ContainsFunc(h.Value, isControl) {
			c.inside("header-value", "the value of the header %s has control characters", quote(h.Name))
		}
	}
	if lengths > 1 {
		c.inside("content-length-value", "there are %d headers Content-Length", lengths)
	}
	switch bodiless := code == 204 || code == 304; {
	case typed && bodiless:
		c.inside("content-type-forbidden", "there is a Content-Type, though a response with status %d has no content", code)
	case !typed && !bodiless:
		c.inside("content-type-missing", "there is no Content-Type")
	}
	return length
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// goodName reports whether a name is one for wsgiref.validate: a letter, then letters, digits, - and _, of which the
// last two do not end it.
func goodName(name string) bool {
	if name == "" || strings.HasSuffix(name, "-") || strings.HasSuffix(name, "_") {
		return false
	}
	for i, r := range name {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		if !letter && (i == 0 || r != '-' && r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return true
}

// checkGiven checks that the headers are still those that were given.
func (c *call) checkGiven() {
	c.mu.Lock()
	changed := !slices.Equal(c.given, c.copied)
	c.given, c.copied = nil, nil
	c.mu.Unlock()
	if changed {
		c.inside("headers-changed", "the slice of headers was changed after start_response had it")
	}
}

// count takes note of n bytes of body that are about to be handed on.
func (c *call) count(n int) {
	if n == 0 {
		return
	}
	c.checkGiven()
	c.mu.Lock()
	c.sent += int64(n)
	status, declared, sent := c.status, c.declared, c.sent
	c.mu.Unlock()
	if status == 204 || status == 304 {
		c.inside("body-forbidden", "a response with status %d has a body", status)
	}
	if declared >= 0 && sent > declared {
		c.inside("content-length-exceeded", "the body is longer than the declared %d bytes", declared)
	}
}

// writer is the write() that start_response returns.
type writer struct {
	c *call
	w io.Writer
}

// Write checks when it is called, and what the server's writer says.
func (w *writer) Write(p []byte) (int, error) {
	c := w.c
	c.mu.Lock()
	late, inBody := c.over, c.inBody
	c.mu.Unlock()
	switch {
	case late:
		c.inside("write-late", "write was called when the body was closed already")
	case inBody:
		c.inside("write-in-body", "write was called while the body was being iterated")
	}
	c.count(len(p))
	if err := c.failure(); err != nil {
		return 0, err
	}
	n, err := w.w.Write(p)
	if n < 0 || n > len(p) || n < len(p) && err == nil {
		c.outside("write-result", "write of %d bytes returned %d without an error, or more than there were", len(p), n)
	}
	if c.pair != nil && c.l.above != "" && n > 0 {
		c.pair.give()
	}
	return n, err
}
