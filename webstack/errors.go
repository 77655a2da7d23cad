package webstack

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

var (
	// ErrEndOfResponse ends a request early and normally: WebStack's EndOfResponse. A resource returns it up from
	// wherever it is. The session is saved and the response sent as usual.
	ErrEndOfResponse = errors.New("webstack: the response is complete")

	// ErrKey is matched by the errors about a session value that is not there: Python's KeyError.
	ErrKey = errors.New("webstack: no such key")

	// ErrCommitted is returned by the methods that change the code, headers, cookies or the content type when the
	// headers have been handed over to the server. Do such things before the output outgrows the setting
	// response_buffer_size, and before Commit.
	ErrCommitted = errors.New("webstack: the response is committed already")
)

// ended reports whether err says that the response is complete, and nothing else: together with another error,
// as by errors.Join, something has failed.
func ended(err error) bool {
	switch e := err.(type) {
	case *PanicError: // whatever the panic was called with
		return false
	case interface{ Unwrap() error }:
		return ended(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !ended(err) })
	}
	return err == ErrEndOfResponse
}

func keyError(key string) error { return fmt.Errorf("%w: session value %.100q", ErrKey, key) }

// StatusError is an error that answers the request with a status of its own and a short page. It is logged at
// level Debug, and at level Error with a Code from 500. It is a failure as any other for the session: nothing is saved.
type StatusError struct {
	// Code is the status, 400 to 599.
	Code int
	// Message is for the user. Default: none.
	Message string
	// Header is added to the response, such as WWW-Authenticate.
	Header http.Header
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("webstack: %d %s", e.Code, cmp.Or(http.StatusText(e.Code), "Error"))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// PanicError is a panic of a resource. The application answers it like any other error, and logs where it was.
type PanicError struct {
	// Value is what panic was called with.
	Value any
	// Stack is where.
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("webstack: panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// aborts reports whether the panic is the one that asks net/http to cut the connection.
func (e *PanicError) aborts() bool { return e.Value == any(http.ErrAbortHandler) }
