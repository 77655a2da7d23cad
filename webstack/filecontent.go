package webstack

import (
	"io"
	"mime/multipart"
	"net/textproto"
)

// FileContent is a file that came with a form: WebStack's FileContent. It lives as long as its transaction: a file above
// a megabyte is in a temporary file that is removed then.
type FileContent struct {
	header *multipart.FileHeader
}

// Content returns the bytes of the file: the attribute content. The error is that of the temporary file.
func (f *FileContent) Content() ([]byte, error) {
	file, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// Open returns the file for reading piece by piece. Close it. The error is that of the temporary file.
func (f *FileContent) Open() (multipart.File, error) { return f.header.Open() }

// Size returns the length in bytes.
func (f *FileContent) Size() int64 { return f.header.Size }

// Headers returns the headers that came with the file: the attribute headers.
func (f *FileContent) Headers() textproto.MIMEHeader { return f.header.Header }

// ContentType returns what the browser says the file is.
func (f *FileContent) ContentType() ContentType {
	return parseContentType(f.header.Header.Get("Content-Type"))
}

// Filename returns what the browser says the file is called, without folders. It is made up by the client, so it is
// nothing to store files under.
func (f *FileContent) Filename() string { return f.header.Filename }
