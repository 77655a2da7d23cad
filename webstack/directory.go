package webstack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// DirectoryResource serves the files of one directory: WebStack's DirectoryResource. The name of the file is the first
// part of the path that was not looked at yet; what follows it is ignored. Build it with NewDirectoryResource, and Close it
// when the server has stopped.
//
// Names that lead out of the directory, also by a symbolic link, hidden files, whose name begins with a dot, and
// directories are not found. A file is sent as it is, whatever its charset. There is a Last-Modified header, and an answer
// to If-Modified-Since, which WebStack did not have.
type DirectoryResource struct {
	root *os.Root
	cfg  DirectoryConfig
}

// DirectoryConfig says how the files of a DirectoryResource are served. The zero value is a good start.
type DirectoryConfig struct {
	// ContentTypes are what files are, by the ending of their name without the dot: the argument content_types, and
	// media_types. Endings that are not there are looked up in the system's list of types.
	ContentTypes map[string]ContentType

	// Unrecognised is what other files are: unrecognised_content_type. Default: application/octet-stream, which
	// browsers offer to save.
	Unrecognised ContentType

	// NotFound answers where there is no file: the method not_found. Default: a page with status 404.
	NotFound Resource

	// Charset is how the path is decoded: path_encoding. File names are UTF-8. Default: the setting default_charset.
	Charset *Charset
}

// NewDirectoryResource opens a directory. The error is the system's, or tells which content type is none.
func NewDirectoryResource(directory string, cfg DirectoryConfig) (*DirectoryResource, error) {
	if cfg.Unrecognised.MediaType == "" {
		cfg.Unrecognised = ContentType{MediaType: "application/octet-stream"}
	}
	err := cfg.Unrecognised.check()
	for ending, c := range cfg.ContentTypes {
		if cerr := c.check(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("files named .%s: %w", ending, cerr))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("webstack: directory %s: %w", directory, err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, fmt.Errorf("webstack: %w", err)
	}
	return &DirectoryResource{root, cfg}, nil
}

// Close lets go of the directory.
func (d *DirectoryResource) Close() error { return d.root.Close() }

// Respond implements Resource.
func (d *DirectoryResource) Respond(t *Transaction) error {
	if method := t.GetRequestMethod(); method != http.MethodGet && method != http.MethodHead {
		return &StatusError{Code: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {"GET, HEAD"}}}
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(t.GetVirtualPathInfo(d.cfg.Charset), "/"), "/")
	file, info, err := d.open(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case err != nil && d.cfg.NotFound != nil:
		return d.cfg.NotFound.Respond(t)
	case err != nil:
		return &StatusError{Code: http.StatusNotFound, Message: "There is no such file."}
	}
	defer file.Close()
	return d.send(t, file, info)
}

// open opens a file that may be served. Every error but that of the system about permissions means that there is none.
func (d *DirectoryResource) open(name string) (*os.File, fs.FileInfo, error) {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\\x00") {
		return nil, nil, fs.ErrNotExist
	}
	info, err := d.root.Stat(name)
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular(): // and opening a pipe would wait for ever
		return nil, nil, fs.ErrNotExist
	}
	file, err := d.root.Open(name)
	return file, info, err
}

func (d *DirectoryResource) send(t *Transaction, file *os.File, info fs.FileInfo) error {
	if err := t.SetHeaderValue("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat)); err != nil {
		return err
	}
	if since, err := http.ParseTime(t.env.String("HTTP_IF_MODIFIED_SINCE")); err == nil && !info.ModTime().Truncate(time.Second).After(since) {
		return t.SetResponseCode(http.StatusNotModified)
	}
	if t.response.started {
		return ErrCommitted
	}
	t.response.kind, t.response.charset = d.contentType(info.Name()).String(), nil // nil, so that the file is sent as it is
	if err := t.SetHeaderValue("X-Content-Type-Options", "nosniff"); err != nil {
		return err
	}
	if err := t.SetHeaderValue("Content-Length", strconv.FormatInt(info.Size(), 10)); err != nil {
		return err
	}
	if t.GetRequestMethod() == http.MethodHead {
		return nil
	}
	_, err := io.Copy(t.GetResponseStream(), io.LimitReader(file, info.Size()))
	return err
}

func (d *DirectoryResource) contentType(name string) ContentType {
	ending := filepath.Ext(name)
	if c, ok := d.cfg.ContentTypes[strings.TrimPrefix(ending, ".")]; ok {
		return c
	}
	if known := mime.TypeByExtension(ending); known != "" {
		return parseContentType(known)
	}
	return d.cfg.Unrecognised
}
