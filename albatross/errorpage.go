package albatross

import (
	"errors"
	"html"
	"io"
	"net/http"
	"strconv"

	"github.com/holdover-web/holdover/compat"
)

// ErrorInfo is what the template traceback.html gets. It tells no details: those are in the log.
type ErrorInfo struct {
	Status int    // such as 500
	Title  string // such as "Internal Server Error"
	Text   string // for the user
}

func infoAbout(err error) ErrorInfo {
	code := statusOf(err)
	info := ErrorInfo{Status: code, Title: http.StatusText(code), Text: "Something went wrong on our side. Nothing was saved."}
	e, ok := errors.AsType[*StatusError](err)
	switch {
	case ok:
		info.Text = e.Text
	case errors.Is(err, ErrBranchUsed):
		info.Text = "This page was submitted already. Nothing was done a second time."
	case errors.Is(err, ErrNoBranch):
		info.Text = "This page is too old. Nothing was done. Please begin anew."
	case code == http.StatusConflict:
		info.Text = "Your session ended, or was changed by another page of yours, while this page was being made. Nothing was saved."
	case code == http.StatusServiceUnavailable:
		info.Text = "What you did could not be saved just now, so nothing was changed. Please try again in a moment."
	}
	return info
}

// failurePage is what the client gets where nothing else answers.
func failurePage(w http.ResponseWriter, r *http.Request, err error) {
	info := infoAbout(err)
	if info.Status == compat.StatusOf(err) {
		compat.DefaultErrorPage(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(info.Status)
	if r.Method != http.MethodHead {
		_ = writeShortPage(w, info) // the client may have gone; there is nobody else to tell
	}
}

func writeShortPage(w io.Writer, info ErrorInfo) error {
	title := strconv.Itoa(info.Status) + " " + info.Title
	_, err := io.WriteString(w, "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">"+
		"<meta name=\"viewport\" content=\"width=device-width\"><title>"+title+"</title>\n<h1>"+title+"</h1>\n<p>"+
		html.EscapeString(info.Text)+"</p>\n</html>\n")
	return err
}
