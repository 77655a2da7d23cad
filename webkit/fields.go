package webkit

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// formLimits bound what a form may cost.
type formLimits struct {
	size   int64 // bytes of body
	fields int   // fields in body and query together
}

// formMemory is how many bytes of a request's uploaded files are kept in memory; larger ones go to
// temporary files.
const formMemory = 1 << 20

// form is what a request's query and body hold.
type form struct {
	values    url.Values
	files     map[string][]*Upload
	temporary *multipart.Form // has files to remove, or nil
}

// has reports whether there is a field or an uploaded file of that name.
func (f *form) has(name string) bool {
	return len(f.values[name]) > 0 || len(f.files[name]) > 0
}

// remove drops a field and the uploaded files of that name.
func (f *form) remove(name string) {
	delete(f.values, name)
	delete(f.files, name)
}

// readForm reads the query and, unless the method is GET or HEAD, a form in the body. As in Webware a
// field of the body hides those of the same name in the query. A body of another type is left alone.
func readForm(env *compat.Environ, limits formLimits) (*form, error) {
	f := &form{values: make(url.Values)}
	if method := env.Method(); method != http.MethodGet && method != http.MethodHead {
		if err := f.readBody(env, limits); err != nil {
			_ = f.close() // the request fails anyway
			return nil, formError(err, limits)
		}
	}
	query := make(url.Values)
	if err := parseURLEncoded(query, env.QueryString(), limits.fields-f.count()); err != nil {
		_ = f.close() // the request fails anyway
		return nil, formError(err, limits)
	}
	for name, values := range query {
		if !f.has(name) {
			f.values[name] = values
		}
	}
	return f, nil
}

func (f *form) readBody(env *compat.Environ, limits formLimits) error {
	if r := env.Request(); r.PostForm != nil { // a middleware has read the body
		f.adopt(r.PostForm, r.MultipartForm)
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(env.String("CONTENT_TYPE"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) { // the type itself is good then
		return nil // no form
	}
	body := http.MaxBytesReader(nil, io.NopCloser(env.Input()), limits.size)
	switch mediaType {
	case "application/x-www-form-urlencoded":
		data, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		return parseURLEncoded(f.values, string(data), limits.fields)
	case "multipart/form-data":
		parsed, err := multipart.NewReader(body, params["boundary"]).ReadForm(formMemory)
		if err != nil {
			return err
		}
		f.temporary = parsed
		f.adopt(nil, parsed)
		if f.count() > limits.fields {
			return errFields
		}
	}
	return nil
}

// adopt takes over fields that were read by others.
func (f *form) adopt(values url.Values, parsed *multipart.Form) {
	for name, list := range values {
		f.values[name] = list
	}
	if parsed == nil {
		return
	}
	for name, list := range parsed.Value {
		for i, value := range list {
			list[i] = strings.ToValidUTF8(value, "\uFFFD")
		}
		f.values[strings.ToValidUTF8(name, "\uFFFD")] = list
	}
	f.files = make(map[string][]*Upload, len(parsed.File))
	for name, headers := range parsed.File {
		for _, header := range headers {
			f.files[name] = append(f.files[name], &Upload{name: name, header: header})
		}
	}
}

func (f *form) count() int {
	n := 0
	for _, list := range f.values {
		n += len(list)
	}
	for _, list := range f.files {
		n += len(list)
	}
	return n
}

// close removes temporary files.
func (f *form) close() error {
	if f == nil || f.temporary == nil {
		return nil
	}
	return f.temporary.RemoveAll()
}

var errFields = errors.New("too many fields")

// formError makes the answer to a form that can not be read.
func formError(err error, limits formLimits) *HTTPException {
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &size):
		return &HTTPException{Code: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The form is larger than the %d bytes that are accepted.", limits.size)}
	case errors.Is(err, errFields), errors.Is(err, multipart.ErrMessageTooLarge):
		return &HTTPException{Code: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The form has more than the %d fields that are accepted.", limits.fields)}
	default:
		return &HTTPException{Code: http.StatusBadRequest, Message: "The form is broken or incomplete."}
	}
}

// parseURLEncoded adds the fields in s to values, at most limit of them. It is as lenient as Python's
// parse_qsl with blank values kept: a percent sign that begins no escape stands for itself, and bytes that
// are no UTF-8 become U+FFFD.
func parseURLEncoded(values url.Values, s string, limit int) error {
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		if limit--; limit < 0 {
			return errFields
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unquotePlus(name)
		values[name] = append(values[name], unquotePlus(value))
	}
	return nil
}

// unquotePlus is urllib's unquote_plus.
func unquotePlus(s string) string {
	if strings.IndexByte(s, '%') >= 0 {
		return strings.ToValidUTF8(unescape(s), "\uFFFD")
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "+", " "), "\uFFFD")
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
