package myghty

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdover-web/holdover/compat"
)

var (
	// ErrKey is matched by the errors about a session value that is not there: Python's KeyError.
	ErrKey = errors.New("myghty: no such key")

	// ErrCommitted is returned when the response has begun to leave and it is too late for a status, a redirect or
	// ClearBuffer.
	ErrCommitted = errors.New("myghty: the response has begun already")

	// ErrNesting is returned by Request.Comp and its relatives when components call each other without end.
	ErrNesting = errors.New("myghty: too many components are nested; does one call itself?")

	// ErrDecline is what a component returns to leave the request to the next dhandler above it: m.decline(). Without
	// one the answer is 404. When the response has begun it is too late for that, and the request fails.
	ErrDecline = errors.New("myghty: the component declined the request")
)

// AbortError ends the request with a status of its own: m.abort() and m.send_redirect() in Myghty raise it. What was
// written so far is dropped. With a Code of 400 and above it is a failure as any other for the session: what was not saved
// is not saved.
type AbortError struct {
	// Code is the status, 200 to 599.
	Code int
	// Reason is the text on the page. Default: net/http's text for the code.
	Reason string
	// Location is where a redirect leads.
	Location string
}

func (e *AbortError) Error() string {
	return fmt.Sprintf("myghty: %d %s", e.Code, e.text())
}

func (e *AbortError) text() string { return cmp.Or(e.Reason, http.StatusText(e.Code), "Error") }

// keyError tells which session value is missing.
func keyError(name string) error { return fmt.Errorf("%w: session value %.100q", ErrKey, name) }

// sessionError makes what a session could not do answerable, see compat.StatusOf.
func sessionError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &compat.SessionError{Op: op, Err: err}
}
