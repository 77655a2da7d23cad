package compat

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
)

const (
	// maxFieldSearch is how much of a body is searched for a session id, and kept for that.
	maxFieldSearch = 64 << 10

	// maxFieldParts is how many fields of a multipart form are looked at.
	maxFieldParts = 100

	// maxFieldID is more than the longest id.
	maxFieldID = 256
)

// formBody is the body of a request that may have a session id among its fields. It can be searched at any time, and is
// read as if nobody had looked. So an application may read its form before it asks for its session, or after.
type formBody struct {
	io.ReadCloser
	boundary string // of a multipart form; "" if it is urlencoded

	mu     sync.Mutex // protects the following fields
	kept   []byte     // the beginning of the body, for as long as the request lives: another Sessions may search it later
	off    int        // how much of kept was read by the handler
	passed bool       // the handler has read on behind kept
	done   bool       // it was searched: all is kept that ever will be
	err    error      // how the body ended
}

// formOf returns the body of r as one that can be searched, or nil if it has no fields.
func formOf(r *http.Request, body io.ReadCloser) *formBody {
	if f, ok := body.(*formBody); ok {
		return f
	}
	if body == nil || body == http.NoBody {
		return nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return nil
	case kind == "application/x-www-form-urlencoded":
		return &formBody{ReadCloser: body}
	case kind == "multipart/form-data" && params["boundary"] != "":
		return &formBody{ReadCloser: body, boundary: params["boundary"]}
	}
	return nil
}

// Read implements io.Reader.
func (b *formBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.off < len(b.kept) {
		n := copy(p, b.kept[b.off:])
		b.off += n
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.err = err
	if room := maxFieldSearch - len(b.kept); !b.done && !b.passed {
		b.passed = n > room
		b.kept = append(b.kept, p[:min(n, room)]...)
		b.off = len(b.kept)
	}
	return n, err
}

// find returns the first value of a field that valid accepts, or "".
func (b *formBody) find(name string, valid func(string) bool) string {
	if b == nil {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil && !b.passed && len(b.kept) < maxFieldSearch {
		if len(b.kept) == cap(b.kept) {
			b.kept = append(b.kept, 0)[:len(b.kept)]
		}
		n, err := b.ReadCloser.Read(b.kept[len(b.kept):min(cap(b.kept), maxFieldSearch)])
		b.kept, b.err = b.kept[:len(b.kept)+n], err
	}
	b.done = true
	if b.boundary != "" {
		return findPart(b.kept, b.boundary, name, valid)
	}
	return findParam(string(b.kept), name+"=", valid)
}

// findPart is findParam for the beginning of a multipart form.
func findPart(form []byte, boundary, name string, valid func(string) bool) string {
	parts := multipart.NewReader(bytes.NewReader(form), boundary)
	for range maxFieldParts {
		part, err := parts.NextPart()
		if err != nil {
			return ""
		}
		if part.FormName() != name || part.FileName() != "" {
			continue
		}
		var value strings.Builder
		if _, err := io.Copy(&value, io.LimitReader(part, maxFieldID)); err != nil {
			return "" // it is cut off
		}
		if valid(value.String()) {
			return value.String()
		}
	}
	return ""
}

// searchForm makes the body of r one that can be searched for the slot's field.
func (q *request) searchForm(sl *slot, r *http.Request) {
	if f := formOf(r, r.Body); f != nil {
		r.Body = f
		q.mu.Lock()
		defer q.mu.Unlock()
		sl.strays().form = f
	}
}

// searchInput is searchForm for an application, whose input may be another than the client's.
func (q *request) searchInput(sl *slot, env *Environ) {
	in := env.Input()
	body, ok := in.body.(io.ReadCloser)
	if in.buf != nil || !ok {
		return // it was read from, or replaced by middleware
	}
	f := formOf(env.r, body)
	if f == nil {
		return
	}
	if env.r.Body == body {
		env.r.Body = f
	}
	in.body = f
	q.mu.Lock()
	defer q.mu.Unlock()
	sl.strays().form = f
}
