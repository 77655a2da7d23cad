package albatross

import (
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// Request is what the browser sent: Albatross's Request, as far as applications use it. It is for one goroutine at a time.
type Request struct {
	env   *compat.Environ
	query url.Values
	body  url.Values
	files *multipart.Form // to be removed, or nil
}

// fileMemory is how many bytes of uploads are kept in memory; larger ones go to temporary files.
const fileMemory = 1 << 20

// read parses the query and the body.
func (r *Request) read(cfg *Config) error {
	var err error
	if r.query, err = parseQuery(r.env.QueryString(), cfg.MaxFormFields); err == nil {
		switch r.env.Method() {
		case http.MethodGet, http.MethodHead:
		default:
			err = r.readBody(cfg)
		}
	}
	if err == nil && count(r.query)+count(r.body) > cfg.MaxFormFields {
		err = errFields
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errFields) || errors.Is(err, multipart.ErrMessageTooLarge) {
		return &StatusError{http.StatusRequestEntityTooLarge, "The form is too large."}
	}
	if err != nil {
		return &StatusError{http.StatusBadRequest, "The form could not be read."}
	}
	return nil
}

func (r *Request) readBody(cfg *Config) error {
	if req := r.env.Request(); req.PostForm != nil { // a middleware has read it
		r.body = clean(req.PostForm)
		if req.MultipartForm != nil {
			r.files = &multipart.Form{File: req.MultipartForm.File}
		}
		return nil
	}
	kind, params, err := mime.ParseMediaType(r.env.String("CONTENT_TYPE"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return nil // no form
	}
	body := http.MaxBytesReader(nil, io.NopCloser(r.env.Input()), cfg.MaxFormBytes)
	switch kind {
	case "application/x-www-form-urlencoded":
		data, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		r.body, err = parseQuery(string(data), cfg.MaxFormFields)
		return err
	case "multipart/form-data":
		form, err := multipart.NewReader(body, params["boundary"]).ReadForm(fileMemory)
		if err != nil {
			return err
		}
		r.files, r.body = form, clean(form.Value)
	}
	return nil
}

var errFields = errors.New("albatross: too many fields")

// parseQuery refuses what has too many fields before it makes a map of them.
func parseQuery(s string, limit int) (url.Values, error) {
	if s == "" {
		return nil, nil
	}
	if strings.Count(s, "&") >= limit {
		return nil, errFields
	}
	values, err := url.ParseQuery(s)
	return clean(values), err
}

// clean makes UTF-8 of what browsers send, because nothing else can be stored as a string.
func clean(values url.Values) url.Values {
	out := make(url.Values, len(values))
	for name, list := range values {
		name = strings.ToValidUTF8(name, "\uFFFD")
		for _, v := range list {
			out[name] = append(out[name], strings.ToValidUTF8(v, "\uFFFD"))
		}
	}
	return out
}

func count(values url.Values) (n int) {
	for _, list := range values {
		n += len(list)
	}
	return n
}

func (r *Request) close() error {
	if r.files == nil {
		return nil
	}
	return r.files.RemoveAll()
}

// HTTP returns the request as net/http has it. Its body has been read.
func (r *Request) HTTP() *http.Request { return r.env.Request() }

// Method returns the method, in capitals: get_method().
func (r *Request) Method() string { return r.env.Method() }

// PathInfo returns the part of the path below the application: get_path_info().
func (r *Request) PathInfo() string { return r.env.PathInfo() }

// URI returns the path and query of the request: get_uri().
func (r *Request) URI() string { return r.env.String("REQUEST_URI") }

// FieldValues returns the values of a field, or none: field_value(name) of a field that comes several times. A field of the
// body hides those of its name in the query.
func (r *Request) FieldValues(name string) []string {
	if list, ok := r.body[name]; ok {
		return list
	}
	return r.query[name]
}

// FieldValue returns the first value of a field, or "": field_value(name).
func (r *Request) FieldValue(name string) string { return first(r.FieldValues(name)) }

// BodyValue is FieldValue for the body alone: what is in a URL anybody can have put there.
func (r *Request) BodyValue(name string) string { return first(r.body[name]) }

// HasField reports whether the field was sent: has_field(name). Uploaded files count.
func (r *Request) HasField(name string) bool {
	return len(r.FieldValues(name)) > 0 || len(r.Files(name)) > 0
}

// FieldNames returns the names of all fields, sorted: field_names(). Uploaded files count.
func (r *Request) FieldNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(r.query)), slices.Collect(maps.Keys(r.body)))
	if r.files != nil {
		names = append(names, slices.Collect(maps.Keys(r.files.File))...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Files returns the uploaded files of a field: field_file(name). What they hold is gone when the request ends.
func (r *Request) Files(name string) []*multipart.FileHeader {
	if r.files == nil {
		return nil
	}
	return r.files.File[name]
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
