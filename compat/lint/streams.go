package lint

import (
	"context"
	"io"
	"log/slog"
	"unicode/utf8"

	"github.com/holdover-web/holdover/compat"
)

// inputWatch is what a call knows of its input.
type inputWatch struct {
	declared int64 // CONTENT_LENGTH, or -1; fixed before the application is called

	// protected by call.mu
	got     int64
	byInput bool // read through wsgi.input
	byBody  bool // read through Environ.Request
	handed  int  // reads of whoever has the environ after the call
}

// watchStreams puts watched streams into the environ. What is no stream has been reported.
func (c *call) watchStreams() {
	if v, ok := c.env.Get("wsgi.input"); ok {
		if in, ok := v.(*compat.Input); ok && in != nil {
			c.watchInput(in)
		}
	}
	if v, ok := c.env.Get("wsgi.errors"); ok {
		if stream, ok := v.(*compat.ErrorStream); ok && stream != nil {
			c.watchErrors(stream)
		}
	}
}

func (c *call) watchInput(in *compat.Input) {
	c.env.Set("wsgi.input", compat.NewInput(&inputReader{c: c, in: in}))
	r := c.env.Request()
	was := r.Body
	if was != nil {
		b := &requestBody{c: c, rc: was}
		r.Body = b
		c.undo = append(c.undo, func() {
			if r.Body == b {
				r.Body = was
			}
		})
	}
	c.undo = append(c.undo, func() {
		// Not in itself: an input may hold bytes that it has read ahead.
		c.env.Set("wsgi.input", compat.NewInput(&handedBack{c: c, in: c.env.Input()}))
	})
}

// inputReader is what a watched wsgi.input reads.
type inputReader struct {
	c  *call
	in *compat.Input
}

// Read checks who reads, and what comes.
func (r *inputReader) Read(p []byte) (int, error) { return r.c.read(r.in, p, false) }

// requestBody is the watched body of the http.Request.
type requestBody struct {
	c  *call
	rc io.ReadCloser
}

// Read checks who reads, and what comes.
func (b *requestBody) Read(p []byte) (int, error) { return b.c.read(b.rc, p, true) }

// Close is not for the application to call.
func (b *requestBody) Close() error {
	b.c.inside("input-closed", "the request's body was closed")
	if err := b.c.failure(); err != nil {
		return err
	}
	return b.rc.Close()
}

// handedBack is the watched input for whoever has the environ after the call.
type handedBack struct {
	c  *call
	in *compat.Input
}

// Read reads without being held to be the application.
func (h *handedBack) Read(p []byte) (int, error) {
	h.hand(1)
	defer h.hand(-1)
	return h.in.Read(p)
}

func (h *handedBack) hand(n int) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	h.c.input.handed += n
}

// read reads from src for the application.
func (c *call) read(src io.Reader, p []byte, byBody bool) (int, error) {
	c.mu.Lock()
	in := &c.input
	late := c.over && in.handed == 0
	in.byBody = in.byBody || byBody
	in.byInput = in.byInput || !byBody
	both := in.byBody && in.byInput
	c.mu.Unlock()
	if late {
		c.inside("input-late", "the input was read when the body was closed already")
	}
	if both {
		c.inside("input-two-readers", "the input was read through wsgi.input and through the request's Body")
	}
	if len(p) == 0 {
		c.inside("input-read-empty", "the input was read into no room")
	}
	if err := c.failure(); err != nil {
		return 0, err
	}
	n, err := src.Read(p)
	if n < 0 || n > len(p) {
		c.outside("input-result", "a read of up to %d bytes returned %d", len(p), n)
		return 0, io.ErrNoProgress // what else is there to say; n would make the application panic
	}
	c.checkLength(n, err)
	return n, err
}

// checkLength checks that the input ends where CONTENT_LENGTH says.
func (c *call) checkLength(n int, err error) {
	c.mu.Lock()
	c.input.got += int64(n)
	got, declared := c.input.got, c.input.declared
	c.mu.Unlock()
	switch {
	case declared < 0:
	case got > declared:
		c.outside("input-length", "the input goes on after CONTENT_LENGTH, %d bytes", declared)
	case err == io.EOF && got < declared:
		c.outside("input-length", "the input ended after %d of %d bytes, and said that this was its end", got, declared)
	}
}

func (c *call) watchErrors(stream *compat.ErrorStream) {
	watched := compat.NewErrorStream(c.ctx, slog.New(&errorsHandler{c: c, stream: stream}))
	c.env.Set("wsgi.errors", watched)
	c.errors = watched
	c.undo = append(c.undo, func() {
		if v, _ := c.env.Get("wsgi.errors"); v == watched {
			c.env.Set("wsgi.errors", stream)
		}
	})
}

// errorsHandler passes on what the watched wsgi.errors logs.
type errorsHandler struct {
	c      *call
	stream *compat.ErrorStream
}

// Enabled implements slog.Handler.
func (h *errorsHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle checks one line and passes it on.
func (h *errorsHandler) Handle(_ context.Context, line slog.Record) error {
	if !utf8.ValidString(line.Message) {
		h.c.inside("errors-not-text", "a line of %d bytes that are not UTF-8 was written to wsgi.errors", len(line.Message))
	}
	if h.c.ended() {
		h.c.inside("errors-late", "wsgi.errors was written to when the body was closed already")
	}
	_, err := h.stream.WriteString(line.Message + "\n")
	return err
}

// WithAttrs implements slog.Handler; the stream's own attributes are added below.
func (h *errorsHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h *errorsHandler) WithGroup(string) slog.Handler { return h }
