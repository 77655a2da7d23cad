package webstack

import (
	"strings"
)

// GetPath returns the path that was asked for, with the query: get_path(encoding). The path is decoded, the query is
// as it was sent.
func (t *Transaction) GetPath(encoding ...*Charset) string {
	path := t.GetPathWithoutQuery(encoding...)
	if q := t.GetQueryString(); q != "" {
		path += "?" + q
	}
	return path
}

// GetPathWithoutQuery returns the path that was asked for, decoded: get_path_without_query(encoding).
func (t *Transaction) GetPathWithoutQuery(encoding ...*Charset) string {
	return t.charset(encoding).Decode(t.env.ScriptName() + t.env.PathInfo())
}

// GetPathWithoutInfo returns the part of the path that leads to the application, decoded:
// get_path_without_info(encoding). It has no slash at its end.
func (t *Transaction) GetPathWithoutInfo(encoding ...*Charset) string {
	return t.charset(encoding).Decode(t.env.ScriptName())
}

// GetPathInfo returns the part of the path inside the application, decoded: get_path_info(encoding).
func (t *Transaction) GetPathInfo(encoding ...*Charset) string {
	return t.charset(encoding).Decode(t.env.PathInfo())
}

// GetQueryString returns the query as it was sent, without the question mark: get_query_string().
func (t *Transaction) GetQueryString() string { return t.env.QueryString() }

// SetVirtualPathInfo says which part of the path the resources that follow have still to look at:
// set_virtual_path_info(path_info). Directing resources such as MapResource call it.
func (t *Transaction) SetVirtualPathInfo(path string) { t.virtual = &path }

// GetVirtualPathInfo returns the part of the path that was not looked at yet, decoded:
// get_virtual_path_info(encoding). It is what SetVirtualPathInfo was given, or else GetPathInfo.
func (t *Transaction) GetVirtualPathInfo(encoding ...*Charset) string {
	if t.virtual != nil {
		return *t.virtual
	}
	return t.GetPathInfo(encoding...)
}

// GetProcessedVirtualPathInfo returns the part of GetPathInfo that was looked at already: what stands before
// GetVirtualPathInfo. get_processed_virtual_path_info(encoding).
func (t *Transaction) GetProcessedVirtualPathInfo(encoding ...*Charset) string {
	path := t.GetPathInfo(encoding...)
	virtual := t.GetVirtualPathInfo(encoding...)
	if i := strings.LastIndex(path, virtual); i >= 0 {
		return path[:i]
	}
	return path
}

// UpdatePath returns where a relative path leads to from a path, as links in pages do: update_path(path,
// relative_path). From "/notes/list", "new" leads to "/notes/new", "" to "/notes/" and "../help" to "/help". What leads
// above the top stays there. The result never begins with two slashes, which browsers take for the name of a host.
func (t *Transaction) UpdatePath(path, relative string) string {
	parts := strings.Split(path, "/")
	parts = parts[:len(parts)-1]
	if strings.HasPrefix(relative, "/") {
		parts, relative = []string{""}, strings.TrimLeft(relative, "/")
	}
	steps := strings.Split(relative, "/")
	for i, step := range steps {
		last := i == len(steps)-1
		switch {
		case step == ".." && len(parts) > 1:
			parts = parts[:len(parts)-1]
		case step != "." && step != "..":
			parts = append(parts, step)
			continue
		}
		if last {
			parts = append(parts, "")
		}
	}
	return singleSlash(strings.Join(parts, "/"))
}

// singleSlash makes one slash of those, and of the backslashes that browsers take for them, at the beginning of a
// path.
func singleSlash(path string) string {
	rest := strings.TrimLeft(path, `/\`)
	if len(path)-len(rest) > 1 {
		return "/" + rest
	}
	return path
}

// EncodePath escapes what can not stand in the path of a URL: encode_path(path, encoding). Slashes stay. The error is
// a *CharsetError: the path has a character that the encoding does not have.
func (t *Transaction) EncodePath(path string, encoding ...*Charset) (string, error) {
	data, err := t.charset(encoding).Encode(path)
	if err != nil {
		return "", err
	}
	return quote(data, "/"), nil
}

// DecodePath undoes EncodePath: decode_path(path, encoding). A percent sign that begins no escape stands for itself.
func (t *Transaction) DecodePath(path string, encoding ...*Charset) string {
	return t.charset(encoding).Decode(unquote(path, false))
}

// location returns the path that was asked for with something added to it, and the query, for a redirect: the path of
// this site in every case.
func (t *Transaction) location(more string) string {
	url := singleSlash(quote(t.env.ScriptName()+t.env.PathInfo(), "/")) + more
	if q := t.GetQueryString(); q != "" {
		url += "?" + q
	}
	return url
}

const hexDigits = "0123456789ABCDEF"

// quote escapes bytes as urllib.quote of Python does.
func quote(s, safe string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter || strings.IndexByte("_.-", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// unquote undoes quote, and with plus also that a form writes a blank as a plus sign. It is lenient, as urllib is.
func unquote(s string, plus bool) string {
	if strings.IndexByte(s, '%') < 0 && !(plus && strings.IndexByte(s, '+') >= 0) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' && plus {
			c = ' '
		} else if c == '%' && i+2 < len(s) {
			hi := strings.IndexByte(hexDigits, upper(s[i+1]))
			lo := strings.IndexByte(hexDigits, upper(s[i+2]))
			if hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		c -= 'a' - 'A'
	}
	return c
}
