package compat

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"

	"github.com/holdover-web/holdover/core"
)

// ErrorPage answers a request in place of its handler. Headers that the handler set are gone, nothing
// was sent, and cookies that the client must learn of are set already. err says what happened; it is for
// the log and holds no session id, but may name servers and files, so it is not for the client.
type ErrorPage func(w http.ResponseWriter, r *http.Request, err error)

// SessionError tells that a session could not be opened, created, committed, rotated, invalidated or handed over. The
// cause can be found with errors.Is and errors.As; one that is no error of package core is the store's own.
type SessionError struct {
	Op  string // "open", "create", "commit", "rotate", "invalidate" or "hand over"
	Err error
}

func (e *SessionError) Error() string { return fmt.Sprintf("compat: %s session: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *SessionError) Unwrap() error { return e.Err }

// StatusOf returns the HTTP status that fits an error of a handler or an application: 503 when the
// session store failed or the session is busy, so that trying again helps; 409 when another request changed
// or ended the session meanwhile; 413 when the request's body is larger than is read (*http.MaxBytesError); 500 for
// everything else.
func StatusOf(err error) int {
	switch {
	case errors.Is(err, core.ErrConflict), errors.Is(err, core.ErrGone):
		return http.StatusConflict
	case errors.Is(err, core.ErrLockTimeout), errors.Is(err, core.ErrQueueFull), errors.Is(err, core.ErrLockLost):
		return http.StatusServiceUnavailable
	case misuse(err):
		return http.StatusInternalServerError
	}
	var serr *SessionError
	if errors.As(err, &serr) {
		return http.StatusServiceUnavailable
	}
	if tooLarge(err) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}

// misuse reports whether err would come back however often one tries.
func misuse(err error) bool {
	var value *core.ValueError
	return errors.As(err, &value) || errors.Is(err, core.ErrTooLarge) || errors.Is(err, core.ErrReadOnly) ||
		errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrCorrupt)
}

// retryAfter is what a 503 asks of the client, in seconds.
const retryAfter = "1"

// DefaultErrorPage is a short page with the status that StatusOf gives, which says what became of the
// user's work and what to do next.
func DefaultErrorPage(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	page := htmlPage(status, advice(err, status))
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, page) // the client may have gone; there is nobody else to tell
	}
}

// htmlPage is a short page about a status.
func htmlPage(status int, text string) string {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">" +
		"<meta name=\"viewport\" content=\"width=device-width\"><title>" + title + "</title>\n" +
		"<h1>" + title + "</h1>\n<p>" + html.EscapeString(text) + "</p>\n</html>\n"
}

func advice(err error, status int) string {
	switch {
	case errors.Is(err, core.ErrGone):
		return "Your session ended while this page was being made, so nothing was saved. Please sign in again."
	case errors.As(err, new(*RetryError)):
		return "Other pages of yours were saved each time that this one was tried, so this one was not. " +
			"Please go back, reload and try again."
	case errors.Is(err, core.ErrConflict):
		return "Another page of yours was saved at the same moment, so this one was not. Please go back, reload and try again."
	case errors.Is(err, core.ErrLockTimeout), errors.Is(err, core.ErrQueueFull):
		return "Another page of yours is still being worked on. Nothing was saved. Please try again in a moment."
	case status == http.StatusServiceUnavailable:
		return "What you did could not be saved just now, so nothing was changed. Please try again in a moment."
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "This took too long and was given up. Nothing was saved."
	case status == http.StatusRequestEntityTooLarge:
		return "What you sent is too large. Nothing was saved."
	default:
		return "Something went wrong on our side. Nothing was saved."
	}
}

// pageWriter notes the status and the size of an error page.
type pageWriter struct {
	http.ResponseWriter
	status int
	size   int64
}

// WriteHeader notes the status and passes it on.
func (p *pageWriter) WriteHeader(code int) {
	if p.status == 0 {
		p.status = code
	}
	p.ResponseWriter.WriteHeader(code)
}

// Write notes status and size, and passes b on.
func (p *pageWriter) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.status = http.StatusOK
	}
	n, err := p.ResponseWriter.Write(b)
	p.size += int64(n)
	return n, err
}

// Unwrap returns the server's writer.
func (p *pageWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
