package webstack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// ContentType says what a body is: WebStack's ContentType.
type ContentType struct {
	// MediaType is for example "text/html".
	MediaType string
	// Charset is for example "utf-8", or "" if none is given.
	Charset string
	// Attributes are the further parameters, such as a boundary.
	Attributes map[string]string
}

// parseContentType reads a Content-Type header, as leniently as WebStack does: what makes no sense is left out.
func parseContentType(header string) ContentType {
	media, rest, _ := strings.Cut(header, ";")
	c := ContentType{MediaType: strings.ToLower(strings.TrimSpace(media))}
	for rest != "" {
		var part string
		part, rest = cutParameter(rest)
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" {
			continue
		}
		value = unquoteString(strings.TrimSpace(value))
		if name == "charset" {
			c.Charset = value
			continue
		}
		if c.Attributes == nil {
			c.Attributes = make(map[string]string)
		}
		c.Attributes[name] = value
	}
	return c
}

// cutParameter returns what stands before the next semicolon that is in no quoted string, and what follows.
func cutParameter(s string) (part, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquoteString undoes the quoting of a quoted string.
func unquoteString(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// String returns the content type as it stands in a header.
func (c ContentType) String() string {
	var b strings.Builder
	b.WriteString(c.MediaType)
	if c.Charset != "" {
		writeParameter(&b, "charset", c.Charset)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		writeParameter(&b, name, c.Attributes[name])
	}
	return b.String()
}

func writeParameter(b *strings.Builder, name, value string) {
	b.WriteString("; " + name + "=")
	if value != "" && !strings.ContainsFunc(value, notToken) {
		b.WriteString(value)
		return
	}
	b.WriteByte('"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	b.WriteByte('"')
}

// notToken tells the characters that HTTP allows in quoted strings only.
func notToken(c rune) bool {
	letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// check says why the content type can not be sent, or returns nil.
func (c ContentType) check() error {
	kind, of, ok := strings.Cut(c.MediaType, "/")
	if !ok || kind == "" || of == "" || strings.ContainsFunc(kind, notToken) || strings.ContainsFunc(of, notToken) {
		return fmt.Errorf("webstack: %.100q is no media type: use one such as text/html", c.MediaType)
	}
	for name, value := range c.Attributes {
		if name == "" || strings.ContainsFunc(name, notToken) {
			return fmt.Errorf("webstack: content type %s: %.100q is no parameter name", c.MediaType, name)
		}
		if err := checkHeader("Content-Type", value); err != nil {
			return err
		}
	}
	return checkHeader("Content-Type", c.Charset)
}

// charset returns what text under the content type is written in, otherwise if it does not say, or nil if it is no text:
// then its bytes are sent as they are.
func (c ContentType) charset(otherwise *Charset) (*Charset, error) {
	switch {
	case c.Charset != "":
		return CharsetNamed(c.Charset)
	case c.isText():
		return otherwise, nil
	}
	return nil, nil
}

func (c ContentType) isText() bool {
	media := strings.ToLower(c.MediaType)
	return strings.HasPrefix(media, "text/") || media == "application/xml" || strings.HasSuffix(media, "+xml")
}

// checkHeader says why a header can not be sent, or returns nil. It is asked when the header is set, and not only
// after the session was saved.
func checkHeader(name, value string) error {
	if strings.ContainsFunc(value, func(c rune) bool { return c >= 0x7f }) {
		return fmt.Errorf("webstack: the value of header %.100q has characters that are no ASCII; quote them, as EncodePath does", name)
	}
	return compat.CheckHeader(compat.Header{Name: name, Value: value})
}
