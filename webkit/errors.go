package webkit

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

var (
	// ErrEndResponse ends a request early and normally: Webware's EndResponse. A servlet returns it, and
	// the error of Application.Forward, up from wherever it is; sleep and the saving of the session happen
	// as usual.
	ErrEndResponse = errors.New("webkit: the response is complete")

	// ErrKey is matched by the errors about a session, session value, field, cookie or header that is not
	// there: Python's KeyError.
	ErrKey = errors.New("webkit: no such key")

	// ErrNesting is returned by Application.IncludeURL and its relatives when servlets include each other
	// without end.
	ErrNesting = errors.New("webkit: too many servlets are nested; does one include itself?")
)

// ended reports whether err says that the response is complete, and nothing else: together with another error,
// as by errors.Join, something has failed.
func ended(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return ended(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !ended(err) })
	}
	return err == ErrEndResponse
}

// keyError tells what kind of thing is missing, such as "session value", and its name.
func keyError(kind, name string) error { return fmt.Errorf("%w: %s %.100q", ErrKey, kind, name) }

// HTTPException is an error that answers the request with a status of its own: Webware's HTTPExceptions. It
// is logged at most at level Debug. With a Code of 400 and above it is a failure as any other for the
// session: nothing is saved.
type HTTPException struct {
	// Code is the status, 300 to 599.
	Code int
	// Reason is the title of the page. Default: net/http's text for the code.
	Reason string
	// Message is for the user. Default: none.
	Message string
	// Header is added to the response, such as Location or WWW-Authenticate.
	Header http.Header
}

func (e *HTTPException) Error() string {
	text := fmt.Sprintf("webkit: %d %s", e.Code, e.Title())
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Title returns the page's title: title() and codeMessage().
func (e *HTTPException) Title() string {
	return cmp.Or(e.Reason, http.StatusText(e.Code), "Error")
}

// HTTPNotFound returns the exception of that name: there is nothing under this URL.
func HTTPNotFound(message string) *HTTPException {
	return &HTTPException{Code: http.StatusNotFound, Message: message}
}

// HTTPForbidden returns the exception of that name: this user may not do that.
func HTTPForbidden(message string) *HTTPException {
	return &HTTPException{Code: http.StatusForbidden, Message: message}
}

// HTTPMovedPermanently returns the exception of that name, which sends the client to another URL.
func HTTPMovedPermanently(location string) *HTTPException {
	return &HTTPException{Code: http.StatusMovedPermanently, Header: http.Header{"Location": {location}}}
}

// HTTPTemporaryRedirect returns the exception of that name, which sends the client to another URL.
func HTTPTemporaryRedirect(location string) *HTTPException {
	return &HTTPException{Code: http.StatusTemporaryRedirect, Header: http.Header{"Location": {location}}}
}

// HTTPSessionExpired returns the exception of that name: the client's session is over. Applications raise
// it themselves, and Transaction.Session returns it if the setting IgnoreInvalidSession is false.
func HTTPSessionExpired() *HTTPException {
	return &HTTPException{Code: http.StatusUnauthorized, Reason: "Session Expired",
		Message: "Your session has expired. Please reload the page to begin a new one."}
}

// PanicError is a panic of a servlet. The application answers it like any other error and logs it with
// the stack.
type PanicError struct {
	// Value is what panic was called with.
	Value any
	// Stack is where.
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("webkit: panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
