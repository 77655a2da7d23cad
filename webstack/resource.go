package webstack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Resource answers requests: WebStack's resource. One Resource serves all requests, from several goroutines, so what
// belongs to a request is kept in the transaction, see Transaction.GetAttributes.
type Resource interface {
	// Respond answers a request: respond(trans). ErrEndOfResponse, however wrapped, ends it normally. After any
	// other error the application takes back what the transaction did, and answers with an error page.
	Respond(t *Transaction) error
}

// ResourceFunc is a function that is a Resource.
type ResourceFunc func(t *Transaction) error

// Respond calls f.
func (f ResourceFunc) Respond(t *Transaction) error { return f(t) }

// Authenticator recognises who sent a request: WebStack's Authenticator. It is used from several goroutines.
type Authenticator interface {
	// Authenticate reports whether the sender is known, and if so tells the transaction who it is, with SetUser:
	// authenticate(trans). The error is of a store or a directory that could not be asked; the request fails with it.
	Authenticate(t *Transaction) (bool, error)
}

// AuthenticatorFunc is a function that is an Authenticator.
type AuthenticatorFunc func(t *Transaction) (bool, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(t *Transaction) (bool, error) { return f(t) }

// checkedResource is a resource that can tell, when the application is built, what would fail at the first request.
type checkedResource interface{ check(where string) error }

// checkResource asks a resource, and those that it hands requests on to. where says in the words of the configuration
// which one it is.
func checkResource(where string, r Resource) error {
	if c, ok := r.(checkedResource); ok {
		return c.check(where)
	}
	return nil
}

// missing reports the required fields that are nil.
func missing(where string, fields map[string]bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] {
			errs = append(errs, fmt.Errorf("webstack: %s.%s is not set", where, name))
		}
	}
	return errors.Join(errs...)
}
