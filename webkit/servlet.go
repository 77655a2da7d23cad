package webkit

import (
	"net/http"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Servlet answers requests: Webware's Servlet. The transaction calls the three methods in this order.
// Most servlets embed HTTPServlet or Page, which have all three.
type Servlet interface {
	// Awake prepares for the transaction: awake(trans). One that overrides it calls the embedded
	// servlet's Awake first.
	Awake(t *Transaction) error
	// Respond answers: respond(trans).
	Respond(t *Transaction) error
	// Sleep cleans up, also when Awake or Respond failed: sleep(trans). One that overrides it calls the
	// embedded servlet's Sleep last.
	Sleep(t *Transaction) error
}

// TransactionRunner is a Servlet that runs its transactions itself, to catch errors or to do things
// around them: one that overrides runTransaction(trans). It calls Transaction.Run.
type TransactionRunner interface {
	RunTransaction(t *Transaction) error
}

// SessionChooser is a Servlet that says how it wants its sessions opened: core.ReadOnly, a locking policy, a
// save policy. This is the "opt in or out of session storage by servlet" that Webware never had.
type SessionChooser interface {
	SessionOptions() []core.OpenOption
}

// Methods that a servlet has for the request methods that it answers. An HTTPServlet finds them by name,
// as Webware does; a servlet never names these types.
type (
	// GetResponder answers GET, and HEAD unless it is a HeadResponder too: respondToGet(trans).
	GetResponder interface {
		RespondToGet(t *Transaction) error
	}
	// HeadResponder answers HEAD: respondToHead(trans).
	HeadResponder interface {
		RespondToHead(t *Transaction) error
	}
	// PostResponder answers POST: respondToPost(trans).
	PostResponder interface {
		RespondToPost(t *Transaction) error
	}
	// PutResponder answers PUT: respondToPut(trans).
	PutResponder interface {
		RespondToPut(t *Transaction) error
	}
	// DeleteResponder answers DELETE: respondToDelete(trans).
	DeleteResponder interface {
		RespondToDelete(t *Transaction) error
	}
	// PatchResponder answers PATCH: respondToPatch(trans).
	PatchResponder interface {
		RespondToPatch(t *Transaction) error
	}
	// OptionsResponder answers OPTIONS: respondToOptions(trans).
	OptionsResponder interface {
		RespondToOptions(t *Transaction) error
	}
	// MethodResponder answers any method for which there is no other: notImplemented(trans).
	MethodResponder interface {
		NotImplemented(t *Transaction) error
	}
	// LastModifier knows when what it answers to GET and HEAD last changed, so that a client which
	// has it need not get it again: lastModified(trans). The zero time means not known.
	LastModifier interface {
		LastModified(t *Transaction) time.Time
	}
)

// HTTPServlet sends each request to the method of the running servlet that is named after the request
// method: Webware's HTTPServlet. It is for embedding.
type HTTPServlet struct {
	transaction *Transaction
}

// Awake keeps the transaction for the methods that are not given it: awake(trans).
func (s *HTTPServlet) Awake(t *Transaction) error {
	s.transaction = t
	return nil
}

// Sleep does nothing: sleep(trans).
func (s *HTTPServlet) Sleep(*Transaction) error { return nil }

// Transaction returns the running transaction: transaction(). It is nil before Awake.
func (s *HTTPServlet) Transaction() *Transaction { return s.transaction }

// Respond calls the running servlet's method for the request method: respond(trans). If there is none it
// returns an *HTTPException with Code 405 and the methods that there are. Webware answers 501.
func (s *HTTPServlet) Respond(t *Transaction) error {
	self, method := t.Servlet(), t.Request().Method()
	if !t.ErrorOccurred() && (method == http.MethodGet || method == http.MethodHead) {
		if m, ok := self.(LastModifier); ok {
			if fresh, err := notModified(t, m.LastModified(t)); fresh || err != nil {
				return err
			}
		}
	}
	if ok, err := respondTo(self, method, t); ok {
		return err
	}
	if t.ErrorOccurred() { // an error page answers whatever the failed request's method was
		if ok, err := respondTo(self, http.MethodGet, t); ok {
			return err
		}
	}
	if m, ok := self.(MethodResponder); ok {
		return m.NotImplemented(t)
	}
	return &HTTPException{Code: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {allowed(self)}},
		Message: "This page can not be asked for in this way."}
}

// respondTo calls the servlet's method for a request method, if it has one.
func respondTo(self Servlet, method string, t *Transaction) (ok bool, err error) {
	switch method {
	case http.MethodGet:
		if r, ok := self.(GetResponder); ok {
			return true, r.RespondToGet(t)
		}
	case http.MethodHead:
		if r, ok := self.(HeadResponder); ok {
			return true, r.RespondToHead(t)
		}
		return respondTo(self, http.MethodGet, t) // the server drops the body
	case http.MethodPost:
		if r, ok := self.(PostResponder); ok {
			return true, r.RespondToPost(t)
		}
	case http.MethodPut:
		if r, ok := self.(PutResponder); ok {
			return true, r.RespondToPut(t)
		}
	case http.MethodDelete:
		if r, ok := self.(DeleteResponder); ok {
			return true, r.RespondToDelete(t)
		}
	case http.MethodPatch:
		if r, ok := self.(PatchResponder); ok {
			return true, r.RespondToPatch(t)
		}
	case http.MethodOptions:
		if r, ok := self.(OptionsResponder); ok {
			return true, r.RespondToOptions(t)
		}
	}
	return false, nil
}

// allowed lists the request methods that the servlet has a method for.
func allowed(self Servlet) string {
	_, get := self.(GetResponder)
	_, head := self.(HeadResponder)
	_, post := self.(PostResponder)
	_, put := self.(PutResponder)
	_, del := self.(DeleteResponder)
	_, patch := self.(PatchResponder)
	_, options := self.(OptionsResponder)
	var list []string
	for _, m := range []struct {
		name string
		has  bool
	}{
		{http.MethodGet, get}, {http.MethodHead, get || head}, {http.MethodPost, post}, {http.MethodPut, put},
		{http.MethodDelete, del}, {http.MethodPatch, patch}, {http.MethodOptions, options},
	} {
		if m.has {
			list = append(list, m.name)
		}
	}
	return strings.Join(list, ", ")
}

// notModified answers 304 if the client has what was last modified at that time.
func notModified(t *Transaction, modified time.Time) (bool, error) {
	if modified.IsZero() {
		return false, nil
	}
	modified = modified.UTC().Truncate(time.Second)
	if err := t.Response().SetHeader("Last-Modified", modified.Format(http.TimeFormat)); err != nil {
		return false, err
	}
	have, err := http.ParseTime(t.env.String("HTTP_IF_MODIFIED_SINCE"))
	if err != nil || modified.After(have) {
		return false, nil
	}
	return true, t.Response().SetStatus(http.StatusNotModified, "")
}
