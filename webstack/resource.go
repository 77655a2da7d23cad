package webstack

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
