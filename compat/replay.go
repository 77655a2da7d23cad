package compat

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
)

// replay is a request's body that can be read more than once. What is read from the client is kept, in memory up to
// a number of bytes and then in a temporary file. Nothing is read before somebody asks for it.
type replay struct {
	memory int64 // how many bytes are kept in memory
	limit  int64 // how many bytes are kept at all
	cut    bool  // reading past the limit fails; otherwise nothing more is kept

	mu   sync.Mutex // protects the following fields
	src  io.Reader
	kept []byte   // what was read, while it is in memory
	file *os.File // what was read, once that is too much
	size int64    // how much was read and kept
	done error    // how src ended, io.EOF if well
	over bool     // there was more than the limit
	lost bool     // some of it was not kept, so that it can not be read again
	last bool     // nobody will read again
}

// reader returns the body from its beginning. It is closed when the attempt is over: nothing that is left of the
// attempt can then take the client's bytes away.
func (p *replay) reader() *replayReader { return &replayReader{body: p} }

// final is reader for an attempt that no other follows: nothing more is kept, and there is no limit.
func (p *replay) final() *replayReader {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = true
	return &replayReader{body: p}
}

// exceeded reports whether the client sent more than the limit, as far as anybody looked.
func (p *replay) exceeded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// again reports whether all that was read can be read again.
func (p *replay) again() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.lost
}

// close removes the temporary file.
func (p *replay) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept, p.lost, p.done = nil, true, http.ErrBodyReadAfterClose
	if p.file == nil {
		return nil
	}
	f := p.file
	p.file = nil
	return errors.Join(f.Close(), removeSpool(f.Name()))
}

// removeSpool removes a temporary file, which may be gone already.
func removeSpool(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// readAt reads what is kept from off on, or more of the client's.
func (p *replay) readAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case off < p.size && p.file != nil:
		return p.file.ReadAt(b[:min(int64(len(b)), p.size-off)], off)
	case off < p.size && p.kept != nil:
		return copy(b, p.kept[off:]), nil
	case p.done != nil:
		return 0, p.done
	case p.last || p.lost:
		n, err := p.src.Read(b)
		p.lost = p.lost || n > 0
		p.done = err
		return n, err
	}
	return p.readOn(b)
}

// readOn reads from the client and keeps it.
func (p *replay) readOn(b []byte) (int, error) {
	n, err := p.src.Read(b[:min(int64(len(b)), p.limit-p.size+1)])
	p.done = err
	if p.size+int64(n) > p.limit {
		p.over = true
		if p.cut {
			p.done = &http.MaxBytesError{Limit: p.limit}
			return 0, p.done
		}
		p.lost, p.kept = true, nil
		p.size = 0 // it is behind the only reader that goes on
		return n, err
	}
	if kerr := p.keep(b[:n]); kerr != nil {
		p.done = kerr
		return 0, kerr
	}
	return n, err
}

func (p *replay) keep(b []byte) error {
	if p.file == nil && p.size+int64(len(b)) > p.memory {
		f, err := os.CreateTemp("", "holdover-body-")
		if err != nil {
			return err
		}
		p.file = f
		_ = removeSpool(f.Name()) // at once, where the system allows that; else when it is closed
		if _, err := f.Write(p.kept); err != nil {
			return err
		}
		p.kept = nil
	}
	p.size += int64(len(b))
	if p.file == nil {
		p.kept = append(p.kept, b...)
		return nil
	}
	_, err := p.file.Write(b)
	return err
}

// replayReader is the body of one attempt.
type replayReader struct {
	body *replay

	mu     sync.Mutex // protects the following fields
	off    int64
	closed bool
}

// Read implements io.Reader.
func (r *replayReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := r.body.readAt(b, r.off)
	r.off += int64(n)
	return n, err
}

// Close implements io.Closer: the attempt reads no more.
func (r *replayReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}
