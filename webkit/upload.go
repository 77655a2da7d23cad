package webkit

import (
	"io"
	"mime/multipart"
	"net/textproto"
)

// Upload is a file that came with a form: what HTTPRequest.field of Webware returns for a field with a
// filename, a FieldStorage. It lives as long as its request: a file above a megabyte is in a temporary
// file that is removed when the transaction ends.
type Upload struct {
	name   string
	header *multipart.FileHeader
}

// Name returns the name of the field.
func (u *Upload) Name() string { return u.name }

// Filename returns what the browser says the file is called, without folders. It is made up by the
// client, so it is nothing to store files under.
func (u *Upload) Filename() string { return u.header.Filename }

// Type returns the media type that the browser claims, or "".
func (u *Upload) Type() string { return u.header.Header.Get("Content-Type") }

// Headers returns the headers of the part.
func (u *Upload) Headers() textproto.MIMEHeader { return u.header.Header }

// Size returns the length in bytes.
func (u *Upload) Size() int64 { return u.header.Size }

// Open returns the contents: the attribute file of a FieldStorage. Close it. The error is that of the
// temporary file.
func (u *Upload) Open() (multipart.File, error) { return u.header.Open() }

// Value returns the contents: the attribute value of a FieldStorage. The error is that of the temporary
// file.
func (u *Upload) Value() ([]byte, error) {
	f, err := u.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
