package albatross

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/holdover-web/holdover/compat"
)

var (
	// ErrSession is matched by the errors of session variables: a name that is not among the locals, or that may not
	// be used. It is Albatross's SessionError.
	ErrSession = errors.New("albatross: session")

	// ErrSecurity is matched by the error for a field whose name begins with an underscore: such names are not for
	// clients to set. It is Albatross's SecurityError.
	ErrSecurity = errors.New("albatross: names of fields must not begin with an underscore")

	// ErrBranchUsed is returned by Context.ClaimBranch when the page was submitted before: whatever it was to do is
	// being done, or was done, already. Tell the user so.
	ErrBranchUsed = errors.New("albatross: this page was submitted already")

	// ErrNoBranch is returned by Context.ClaimBranch when the request does not come from a page whose branch is
	// known: it is the first of a session, or its branch was pruned, so that nobody knows whether it was used. Show the
	// page again, with what it is about to do, and let the user submit that.
	ErrNoBranch = errors.New("albatross: the request comes from no page that is known")

	// ErrNotBranching is returned by Context.ClaimBranch and Context.Branches in an application that does not keep
	// branches.
	ErrNotBranching = errors.New("albatross: the application has no BranchingSessionMixin")

	// ErrSent is returned by methods of Context that change headers or session variables when the page has begun to
	// leave: it was flushed, or outgrew Config.OutputBuffer. Do such things before.
	ErrSent = errors.New("albatross: the page has begun to leave already")

	// ErrState is matched by the reasons why hidden state of a form was not taken: forged, damaged, of another client
	// or too old. The client gets a new session; the log tells the reason.
	ErrState = errors.New("albatross: the state in the form is not good")
)

// StatusError is an error that answers the request with a status of its own. Nothing of the request is saved.
type StatusError struct {
	Code int    // 400 to 599
	Text string // for the user; no markup
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("albatross: %d %s: %s", e.Code, http.StatusText(e.Code), e.Text)
}

// PanicError is a panic of a page. It is answered like any other error, and logged with the stack.
type PanicError struct {
	Value any // what panic was called with
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("albatross: panic: %v\n%s", e.Value, e.Stack) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// statusOf returns the status that fits an error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code
	}
	if errors.Is(err, ErrBranchUsed) || errors.Is(err, ErrNoBranch) {
		return http.StatusConflict
	}
	return compat.StatusOf(err)
}
