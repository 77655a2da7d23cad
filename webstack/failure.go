package webstack

import (
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// run authenticates the request and lets the application's resource respond. A panic is turned into a *PanicError.
func (t *Transaction) run() (err error) {
	defer t.recover(&err)
	if err := t.authenticate(); err != nil {
		return err
	}
	if err = t.app.cfg.Resource.Respond(t); err == nil || ended(err) {
		if failed := t.env.Response().Failed(); failed != nil { // which the resource may not have looked at
			return failed
		}
	}
	return err
}

// authenticate asks Config.Authenticator.
func (t *Transaction) authenticate() error {
	a := t.app.cfg.Authenticator
	if a == nil {
		return nil
	}
	ok, err := a.Authenticate(t)
	if err != nil || ok {
		return err
	}
	return &StatusError{Code: http.StatusUnauthorized, Message: "Please say who you are.",
		Header: http.Header{"Www-Authenticate": {basicChallenge(t.app.cfg.Realm)}}}
}

func basicChallenge(realm string) string {
	return `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `", charset="UTF-8"`
}

// recover turns a panic into an error and writes down where it was, because only its value travels on.
func (t *Transaction) recover(err *error) {
	p := recover()
	if p == nil {
		return
	}
	e := &PanicError{Value: p, Stack: debug.Stack()}
	if !e.aborts() {
		t.app.log.ErrorContext(t.Context(), "a resource panicked", "panic", fmt.Sprint(p), "stack", string(e.Stack))
	}
	*err = e
}

// fail takes back what a transaction that failed did, and answers with a page if the error has a status of its own. It
// returns the error if somebody else must answer.
func (t *Transaction) fail(err error) error {
	if p, ok := errors.AsType[*PanicError](err); ok && p.aborts() {
		return err
	}
	if t.app.cfg.Quirks.SaveOnError && t.session != nil {
		if serr := t.session.save(); serr != nil {
			t.app.log.WarnContext(t.Context(), "the session of a failed transaction was not saved", "error", serr)
		}
	}
	if rerr := t.Rollback(); rerr != nil {
		return err // it is too late for a page of ours
	}
	e := statusError(err)
	if e == nil {
		return err
	}
	level := slog.LevelDebug
	if e.Code >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	t.app.log.Log(t.Context(), level, "a resource answered with an error", "error", err)
	return t.response.showStatus(e)
}

// statusError returns what gives the failure a status of its own, or nil.
func statusError(err error) *StatusError {
	if e, ok := errors.AsType[*StatusError](err); ok && e.Code >= 400 && e.Code <= 599 {
		return e
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &StatusError{Code: http.StatusRequestEntityTooLarge, Message: "What was sent is larger than what is accepted."}
	}
	return nil
}

// showStatus writes the page of a StatusError.
func (r *response) showStatus(e *StatusError) error {
	r.code = e.Code
	for name, values := range e.Header {
		for _, value := range values {
			if err := r.set(name, value); err != nil {
				return err
			}
		}
	}
	title := strconv.Itoa(e.Code) + " " + http.StatusText(e.Code)
	if err := r.setContentType(ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
		return err
	}
	if _, err := r.stream.WriteString(pageHTML(title, e.Message, "")); err != nil {
		return err
	}
	return r.commit()
}

// failurePage answers a request that failed, in place of the application: the page with the traceback if the setting
// handle_errors is off.
func (a *Application) failurePage(w http.ResponseWriter, r *http.Request, err error) {
	if a.settings.handleErrors {
		compat.DefaultErrorPage(w, r, err)
		return
	}
	status := compat.StatusOf(err)
	details := err.Error()
	if p, ok := errors.AsType[*PanicError](err); ok {
		details += "\n\n" + string(p.Stack)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		page := pageHTML(strconv.Itoa(status)+" "+http.StatusText(status), "", details)
		_, _ = w.Write([]byte(page)) // the client may have gone; there is nobody else to tell
	}
}

// pageHTML is a short page.
func pageHTML(title, message, details string) string {
	title = html.EscapeString(title)
	page := "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">" +
		"<meta name=\"viewport\" content=\"width=device-width\"><title>" + title + "</title>\n<h1>" + title + "</h1>\n"
	if message != "" {
		page += "<p>" + html.EscapeString(message) + "</p>\n"
	}
	if details != "" {
		page += "<pre>" + html.EscapeString(details) + "</pre>\n"
	}
	return page + "</html>\n"
}
