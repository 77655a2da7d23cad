package webkit

import (
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
)

// HTTPRequest is the request of a transaction: Webware's HTTPRequest. Nothing is parsed before it is asked
// for: the first method about fields reads the query and the form in the body, the first one about cookies
// the Cookie header.
//
// A form that is broken, or larger than the settings MaxFormSize and MaxFormFields allow, can not be read:
// ParseForm, Field, File and Value return an *HTTPException with Code 400 or 413. The methods without an
// error see no fields then, and the transaction fails with that exception after the servlet has responded.
// A servlet that does more than read calls ParseForm first, as Page does for a POST.
type HTTPRequest struct {
	transaction *Transaction
	env         *compat.Environ
	received    time.Time

	form    *form // nil until it was read
	formErr error // why there is no form
	cookies map[string]string

	requestPath
}

// init prepares the request of a transaction. Its place is set by the application.
func (r *HTTPRequest) init(t *Transaction) {
	*r = HTTPRequest{transaction: t, env: t.env, received: time.Now()}
}

// Transaction returns the transaction that the request belongs to: transaction().
func (r *HTTPRequest) Transaction() *Transaction { return r.transaction }

// Environ returns the request as a WSGI environ: environ() and serverDictionary().
func (r *HTTPRequest) Environ() *compat.Environ { return r.env }

// Time returns when the request was received: time(), which is in seconds since 1970.
func (r *HTTPRequest) Time() time.Time { return r.received }

// Method returns the request method in upper case: method().
func (r *HTTPRequest) Method() string { return strings.ToUpper(r.env.Method()) }

// Protocol returns the protocol and its version, such as "HTTP/1.1": protocol().
func (r *HTTPRequest) Protocol() string { return r.env.String("SERVER_PROTOCOL") }

// IsSecure reports whether the request came over HTTPS: isSecure().
func (r *HTTPRequest) IsSecure() bool { return r.env.Scheme() == "https" }

// RawInput returns the body: rawInput(). It is a stream: what ParseForm has read of it is gone, so
// a servlet reads either fields or the raw input.
func (r *HTTPRequest) RawInput() io.Reader { return r.env.Input() }

// RemoteUser returns the user whom a middleware has authenticated and put into the environ as REMOTE_USER,
// or "": remoteUser().
func (r *HTTPRequest) RemoteUser() string { return r.env.String("REMOTE_USER") }

// RemoteAddress returns the address that the connection comes from, without port: remoteAddress(). Behind
// a proxy that is the proxy's, unless a middleware has put the client's in place.
func (r *HTTPRequest) RemoteAddress() string { return r.env.String("REMOTE_ADDR") }

// RemoteName returns the client's name if a middleware has put it into the environ as REMOTE_NAME, and
// the address otherwise: remoteName().
func (r *HTTPRequest) RemoteName() string {
	if name := r.env.String("REMOTE_NAME"); name != "" {
		return name
	}
	return r.RemoteAddress()
}

// Accept returns what the client prefers, in its own order and without weights: accept(which). kind is
// "language", "charset", "encoding", or "" for media types.
func (r *HTTPRequest) Accept(kind string) []string {
	key := "HTTP_ACCEPT"
	if kind != "" {
		key += "_" + strings.ToUpper(kind)
	}
	var list []string
	for part := range strings.SplitSeq(r.env.String(key), ",") {
		part, _, _ = strings.Cut(part, ";")
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// ParseForm reads the fields of the query and the body, if that has not happened yet. Calling it is only
// necessary to see its error, an *HTTPException with Code 400 or 413, before anything else is done.
func (r *HTTPRequest) ParseForm() error {
	if r.form == nil {
		s := &r.transaction.app.settings
		r.form, r.formErr = readForm(r.env, formLimits{size: s.MaxFormSize, fields: s.MaxFormFields})
		if r.formErr != nil {
			r.form = &form{values: make(url.Values)}
		}
	}
	return r.formErr
}

// fields returns the form, an empty one if it can not be read.
func (r *HTTPRequest) fields() *form {
	_ = r.ParseForm() // kept in formErr
	return r.form
}

// Field returns the value of a field, the first one if it has several: field(name). Errors: ErrKey if
// there is no such field, or it is an uploaded file; and that of ParseForm.
func (r *HTTPRequest) Field(name string) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", err
	}
	if list := r.form.values[name]; len(list) > 0 {
		return list[0], nil
	}
	return "", keyError("field", name)
}

// FieldDefault returns the value of a field like Field, or otherwise if there is none: field(name, default).
func (r *HTTPRequest) FieldDefault(name, otherwise string) string {
	if list := r.fields().values[name]; len(list) > 0 {
		return list[0]
	}
	return otherwise
}

// FieldList returns all values of a field: what field(name) returns in Webware if there are several.
func (r *HTTPRequest) FieldList(name string) []string { return r.fields().values[name] }

// HasField reports whether there is a field, or an uploaded file, of that name: hasField(name).
func (r *HTTPRequest) HasField(name string) bool { return r.fields().has(name) }

// Fields returns all fields: fields(). It is the request's own map, so changes are seen by the other methods.
// Uploaded files are not in it, see File.
func (r *HTTPRequest) Fields() url.Values { return r.fields().values }

// SetField gives a field new values: setField(name, value).
func (r *HTTPRequest) SetField(name string, values ...string) { r.fields().values[name] = values }

// DelField removes a field, or uploaded files, of that name: delField(name). The error is ErrKey if there is
// none.
func (r *HTTPRequest) DelField(name string) error {
	if !r.HasField(name) {
		return keyError("field", name)
	}
	r.form.remove(name)
	return nil
}

// File returns an uploaded file, the first one if the field has several: field(name) of a field with a
// file. Errors are those of Field.
func (r *HTTPRequest) File(name string) (*Upload, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	if list := r.form.files[name]; len(list) > 0 {
		return list[0], nil
	}
	return nil, keyError("uploaded file", name)
}

// Files returns all uploaded files of a field.
func (r *HTTPRequest) Files(name string) []*Upload { return r.fields().files[name] }

// Cookie returns the value of a cookie: cookie(name). The error is ErrKey if there is none.
func (r *HTTPRequest) Cookie(name string) (string, error) {
	if value, ok := r.Cookies()[name]; ok {
		return value, nil
	}
	return "", keyError("cookie", name)
}

// CookieDefault returns the value of a cookie, or otherwise if there is none: cookie(name, default).
func (r *HTTPRequest) CookieDefault(name, otherwise string) string {
	if value, ok := r.Cookies()[name]; ok {
		return value
	}
	return otherwise
}

// HasCookie reports whether the client sent a cookie of that name: hasCookie(name).
func (r *HTTPRequest) HasCookie(name string) bool {
	_, ok := r.Cookies()[name]
	return ok
}

// Cookies returns the cookies that the client sent: cookies(). Of several with one name it is the first, the
// one with the longest path. Broken ones are left out.
func (r *HTTPRequest) Cookies() map[string]string {
	if r.cookies == nil {
		r.cookies = parseCookies(r.env.String("HTTP_COOKIE"))
	}
	return r.cookies
}

// Value returns the field, or else the cookie, of that name: value(name). Errors are those of Field.
func (r *HTTPRequest) Value(name string) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", err
	}
	if list := r.form.values[name]; len(list) > 0 {
		return list[0], nil
	}
	if value, ok := r.Cookies()[name]; ok {
		return value, nil
	}
	return "", keyError("field or cookie", name)
}

// ValueDefault returns the field or cookie like Value, or otherwise if there is neither: value(name, default).
func (r *HTTPRequest) ValueDefault(name, otherwise string) string {
	if list := r.fields().values[name]; len(list) > 0 {
		return list[0]
	}
	return r.CookieDefault(name, otherwise)
}

// HasValue reports whether there is a field, an uploaded file or a cookie of that name: hasValue(name).
func (r *HTTPRequest) HasValue(name string) bool { return r.HasField(name) || r.HasCookie(name) }

// close removes what the request has left on disk.
func (r *HTTPRequest) close() error { return r.form.close() }
