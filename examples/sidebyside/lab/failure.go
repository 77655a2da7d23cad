package lab

import (
	"context"
	"errors"
	"net/http"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// failure is the applications' error page: it tells in JSON what went wrong. The status is there already.
type failure struct{ webkit.HTTPServlet }

// Respond answers any request method, because any may have failed.
func (*failure) Respond(t *webkit.Transaction) error {
	err := t.Error()
	if err == nil { // somebody asked for this page by its own URL
		return webkit.HTTPNotFound("There is no such servlet.")
	}
	if e, ok := errors.AsType[*webkit.HTTPException](err); ok {
		for name, values := range e.Header {
			for _, value := range values {
				if err := t.Response().AddHeader(name, value); err != nil {
					return err
				}
			}
		}
	}
	if compat.StatusOf(err) == http.StatusServiceUnavailable {
		if err := t.Response().SetHeader("Retry-After", "1"); err != nil {
			return err
		}
	}
	return writeJSON(t.Response(), struct {
		Error string `json:"error"`
	}{explain(err)})
}

// explain says for a person what happened and what to do next. The error's own text is for the log.
func explain(err error) string {
	if e, ok := errors.AsType[*webkit.HTTPException](err); ok {
		if e.Message != "" {
			return e.Message
		}
		return e.Title()
	}
	switch {
	case errors.Is(err, core.ErrConflict):
		return "another request has changed the session meanwhile, so nothing was saved; try again"
	case errors.Is(err, core.ErrGone):
		return "the session ended meanwhile, so nothing was saved"
	case errors.Is(err, core.ErrLockTimeout):
		return "the session stayed in use for too long, so nothing was done; try again"
	case errors.Is(err, core.ErrQueueFull):
		return "too many requests wait for this session, so nothing was done; try again"
	case errors.Is(err, core.ErrTooLarge):
		return "the session would become too large, so nothing was saved"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "the request was given up"
	case compat.StatusOf(err) == http.StatusServiceUnavailable:
		return "the session could not be read or saved just now; try again"
	default:
		return "something went wrong on our side, and nothing was saved"
	}
}
