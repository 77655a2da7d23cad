package webstack

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

// Fields are the fields of a request, name to values, in the order in which they were sent: the dictionary that
// get_fields() returns. Blank values are kept.
type Fields map[string][]Field

// Field is one value of a field: a text, or an uploaded file.
type Field struct {
	Text string       // "" for a file
	File *FileContent // nil for a text
}

// Has reports whether there is a field of that name: has_key(name).
func (f Fields) Has(name string) bool { return len(f[name]) > 0 }

// Text returns the first text of a field, or "": fields.get(name, [""])[0].
func (f Fields) Text(name string) string {
	for _, field := range f[name] {
		if field.File == nil {
			return field.Text
		}
	}
	return ""
}

// File returns the first file of a field, or nil.
func (f Fields) File(name string) *FileContent {
	for _, field := range f[name] {
		if field.File != nil {
			return field.File
		}
	}
	return nil
}

// GetRequestStream returns the body of the request: get_request_stream(). What the methods about fields have read of it
// is gone. After the setting max_body_size reading fails with a *http.MaxBytesError, which makes the answer 413 if the
// resource returns it.
func (t *Transaction) GetRequestStream() io.Reader {
	return http.MaxBytesReader(nil, io.NopCloser(t.env.Input()), t.app.settings.maxBody)
}

// GetFieldsFromPath returns the fields of the query: get_fields_from_path(encoding). The error is a *StatusError with
// Code 413: there are more than the setting max_fields allows.
func (t *Transaction) GetFieldsFromPath(encoding ...*Charset) (Fields, error) {
	var raw []rawField
	if err := parseForm(&raw, t.GetQueryString(), t.app.settings.maxFields); err != nil {
		return nil, t.formError(err)
	}
	return decodeFields(make(Fields), raw, t.charset(encoding)), nil
}

// GetFieldsFromBody returns the fields of a form in the body: get_fields_from_body(encoding). A charset in the request's
// content type counts more than the encoding. A body that is no form has no fields, and is left alone.
//
// The error is a *StatusError: Code 413 for a body that is larger, or has more fields, than the settings max_body_size and
// max_fields allow, 400 for one that is broken, and 415 for a charset that is not known here.
func (t *Transaction) GetFieldsFromBody(encoding ...*Charset) (Fields, error) {
	return t.addBody(make(Fields), encoding)
}

// GetFields returns the fields of query and body together: get_fields(encoding). Where both have a field, the values of
// the query come first. Errors are those of GetFieldsFromPath and GetFieldsFromBody.
func (t *Transaction) GetFields(encoding ...*Charset) (Fields, error) {
	fields, err := t.GetFieldsFromPath(encoding...)
	if err != nil {
		return nil, err
	}
	return t.addBody(fields, encoding)
}

// addBody adds the fields of the body to fields.
func (t *Transaction) addBody(fields Fields, encoding []*Charset) (Fields, error) {
	if t.body == nil {
		t.body, t.bodyErr = t.readBody()
	}
	if t.bodyErr != nil {
		return nil, t.bodyErr
	}
	charset := t.charset(encoding)
	if name := t.GetContentType().Charset; name != "" && len(t.body.fields) > 0 {
		var err error
		if charset, err = CharsetNamed(name); err != nil {
			return nil, &StatusError{Code: http.StatusUnsupportedMediaType, Message: "The character set of the form is not known here."}
		}
	}
	return decodeFields(fields, t.body.fields, charset), nil
}

// rawField is a field before it is known what its bytes mean.
type rawField struct {
	name, value string
	file        *FileContent
}

func decodeFields(fields Fields, raw []rawField, charset *Charset) Fields {
	for _, r := range raw {
		name := charset.Decode(r.name)
		f := Field{File: r.file}
		if r.file == nil {
			f.Text = charset.Decode(r.value)
		}
		fields[name] = append(fields[name], f)
	}
	return fields
}

// body is what a request's body holds.
type body struct {
	fields    []rawField
	temporary *multipart.Form // has files to remove, or nil
}

// close removes temporary files.
func (b *body) close() error {
	if b == nil || b.temporary == nil {
		return nil
	}
	return b.temporary.RemoveAll()
}

// formMemory is how many bytes of a request's uploaded files are kept in memory; larger ones go to temporary files.
const formMemory = 1 << 20

// errFields is an error about too many fields.
var errFields = errors.New("too many fields")

func (t *Transaction) readBody() (*body, error) {
	b := new(body)
	err := b.read(t)
	if err != nil {
		_ = b.close() // the request fails anyway
		return new(body), t.formError(err)
	}
	return b, nil
}

func (b *body) read(t *Transaction) error {
	limit := t.app.settings.maxFields
	if r := t.env.Request(); r.PostForm != nil { // a middleware has read the body
		for name, values := range r.PostForm {
			for _, value := range values {
				b.fields = append(b.fields, rawField{name: name, value: value})
			}
		}
		b.adoptFiles(r.MultipartForm)
		return nil
	}
	kind := t.GetContentType()
	switch kind.MediaType {
	case "application/x-www-form-urlencoded":
		data, err := io.ReadAll(t.GetRequestStream())
		if err != nil {
			return err
		}
		return parseForm(&b.fields, string(data), limit)
	case "multipart/form-data":
		form, err := multipart.NewReader(t.GetRequestStream(), kind.Attributes["boundary"]).ReadForm(formMemory)
		if err != nil {
			return err
		}
		b.temporary = form
		for name, values := range form.Value {
			for _, value := range values {
				b.fields = append(b.fields, rawField{name: name, value: value})
			}
		}
		b.adoptFiles(form)
		if len(b.fields) > limit {
			return errFields
		}
	}
	return nil
}

func (b *body) adoptFiles(form *multipart.Form) {
	if form == nil {
		return
	}
	for name, files := range form.File {
		for _, file := range files {
			b.fields = append(b.fields, rawField{name: name, file: &FileContent{file}})
		}
	}
}

// parseForm reads urlencoded fields, at most limit of them, leaving their bytes as they are. Blank values are kept.
func parseForm(fields *[]rawField, s string, limit int) error {
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		if limit--; limit < 0 {
			return errFields
		}
		name, value, _ := strings.Cut(pair, "=")
		*fields = append(*fields, rawField{name: unquote(name, true), value: unquote(value, true)})
	}
	return nil
}

// formError makes the answer to fields that can not be read.
func (t *Transaction) formError(err error) error {
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &size):
		return &StatusError{Code: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The form is larger than the %d bytes that are accepted.", size.Limit)}
	case errors.Is(err, errFields), errors.Is(err, multipart.ErrMessageTooLarge):
		return &StatusError{Code: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The form has more than the %d fields that are accepted.", t.app.settings.maxFields)}
	default:
		return &StatusError{Code: http.StatusBadRequest, Message: "The form is broken or incomplete."}
	}
}
