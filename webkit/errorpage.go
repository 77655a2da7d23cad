package webkit

import (
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// ErrorPage sends failures to a servlet of the application, as the setting ErrorPage of Application.config does
// for exception classes and status codes. It matches a failure if all of its conditions do; without one it
// matches every failure.
//
// The servlet finds what happened with Transaction.Error. It runs as in a request of its own: what the failed
// servlet wrote is gone, its session changes are rolled back, and what the page itself changes in the
// session is saved. The status is that of the failure unless the page sets one.
type ErrorPage struct {
	// Status is that of an *HTTPException. 0 is any failure.
	Status int
	// Match reports whether the page is for an error; use errors.Is and errors.As. Nil is any error.
	Match func(error) bool
	// URL is the path of the servlet inside the application.
	URL string
}

func (p *ErrorPage) matches(err error) bool {
	if p.Status != 0 {
		e, ok := errors.AsType[*HTTPException](err)
		if !ok || e.Code != p.Status {
			return false
		}
	}
	return p.Match == nil || p.Match(err)
}

// statusOf returns the status for a failure.
func statusOf(err error) int {
	if e, ok := errors.AsType[*HTTPException](err); ok {
		return e.Code
	}
	return compat.StatusOf(err)
}

// answer answers a request that failed, with a servlet of the application if there is one for the error, or
// the page of an *HTTPException. It returns the error if somebody else must answer.
func (a *Application) answer(t *Transaction, err error) error {
	tried := make(map[*ErrorPage]bool)
	for {
		t.err = err
		rerr := t.startOver(err)
		if p, ok := errors.AsType[*PanicError](err); rerr != nil || ok && p.aborts() {
			return err
		}
		page := a.errorPage(err)
		if page == nil || tried[page] {
			break
		}
		tried[page] = true
		a.logFailure(t, err)
		t.request.formErr = nil // it is answered now; for the page the form is empty
		if rerr := t.response.SetStatus(statusOf(err), ""); rerr != nil {
			return rerr
		}
		next := a.IncludeURL(t, page.URL)
		if next == nil {
			return nil
		}
		err = fmt.Errorf("webkit: error page %s: %w", page.URL, next)
	}
	if e, ok := errors.AsType[*HTTPException](err); ok {
		a.logFailure(t, err)
		return t.response.showException(e)
	}
	return err
}

// startOver rolls the session back and drops the response so far. It fails if part of that has left.
func (t *Transaction) startOver(err error) error {
	if t.session != nil {
		if derr := t.session.abandon(); derr != nil {
			t.app.log.WarnContext(t.Context(), "a session was not released properly", "error", derr)
		}
	}
	if rerr := t.env.Response().Rollback(); rerr != nil {
		return rerr
	}
	return t.response.restart(err)
}

// errorPage returns the page for a failure, or nil: errorPage(errorClass).
func (a *Application) errorPage(err error) *ErrorPage {
	if !failed(err) {
		return nil
	}
	for i := range a.settings.ErrorPage {
		if p := &a.settings.ErrorPage[i]; p.matches(err) {
			return p
		}
	}
	return nil
}

func (a *Application) logFailure(t *Transaction, err error) {
	if _, ok := errors.AsType[*HTTPException](err); ok {
		a.log.DebugContext(t.Context(), "a servlet raised an HTTP exception", "error", err, "path", t.request.ServerPath())
		return
	}
	level := slog.LevelError
	if busy(err) {
		level = slog.LevelInfo
	}
	a.log.Log(t.Context(), level, "a servlet failed", "error", err, "method", t.request.Method(), "path", t.request.ServerPath())
}

// busy reports whether err is what requests for one session do to each other in normal running.
func busy(err error) bool {
	for _, e := range []error{core.ErrConflict, core.ErrGone, core.ErrLockTimeout, core.ErrQueueFull} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// showException writes the page of an HTTP exception: displayError(err).
func (r *HTTPResponse) showException(e *HTTPException) error {
	if err := r.SetStatus(e.Code, e.Reason); err != nil {
		return err
	}
	for name, values := range e.Header {
		for _, value := range values {
			if err := r.AddHeader(name, value); err != nil {
				return err
			}
		}
	}
	_, err := r.WriteString(pageHTML(strconv.Itoa(e.Code)+" "+e.Title(), e.Message, ""))
	return err
}

// failurePage answers a request that failed, in place of the application.
func (a *Application) failurePage(w http.ResponseWriter, r *http.Request, err error) {
	s := &a.settings
	status := statusOf(err)
	if !s.ShowDebugInfoOnErrors && (s.UserErrorMessage == "" || status != http.StatusInternalServerError) {
		compat.DefaultErrorPage(w, r, err)
		return
	}
	details := ""
	if s.ShowDebugInfoOnErrors {
		details = err.Error()
		if p, ok := errors.AsType[*PanicError](err); ok {
			details += "\n\n" + string(p.Stack)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		page := pageHTML(strconv.Itoa(status)+" "+http.StatusText(status), s.UserErrorMessage, details)
		_, _ = w.Write([]byte(page)) // the client may have gone; there is nobody else to tell
	}
}

func pageHTML(title, message, details string) string {
	page := "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">" +
		"<meta name=\"viewport\" content=\"width=device-width\"><title>" + html.EscapeString(title) + "</title>\n" +
		"<h1>" + html.EscapeString(title) + "</h1>\n"
	if message != "" {
		page += "<p>" + html.EscapeString(message) + "</p>\n"
	}
	if details != "" {
		page += "<pre>" + html.EscapeString(details) + "</pre>\n"
	}
	return page + "</html>\n"
}
