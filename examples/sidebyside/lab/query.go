package lab

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/holdover-web/holdover/webkit"
)

// Bounds on what a request asks for.
const (
	maxWait     = 5 * time.Second
	maxName     = 64
	maxValue    = 1000
	nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
)

// parameters are those that a servlet has.
type parameters uint8

const (
	hasName parameters = 1 << iota
	hasValue
	hasWait
)

// queryValues are a request's parameters.
type queryValues struct {
	name  string
	value string
	wait  time.Duration
}

// query reads the parameters that a servlet has. The error is a bad request.
func query(t *webkit.Transaction, has parameters) (q queryValues, err error) {
	r := t.Request()
	if err := r.ParseForm(); err != nil {
		return q, err
	}
	if has&hasName != 0 {
		q.name = r.FieldDefault("name", "")
		if q.name == "" || len(q.name) > maxName || strings.Trim(q.name, nameLetters) != "" {
			return q, badRequest("name must be 1 to %d letters, digits, '-', '_' and '.'", maxName)
		}
	}
	if has&hasValue != 0 {
		q.value, err = r.Field("value")
		if err != nil || len(q.value) > maxValue || strings.ContainsFunc(q.value, unicode.IsControl) {
			return q, badRequest("value must be a text of at most %d bytes", maxValue)
		}
	}
	if has&hasWait != 0 {
		q.wait, err = parseWait(r.FieldDefault("ms", "0"))
	}
	return q, err
}

// parseWait reads milliseconds. More than maxWait counts as that.
func parseWait(s string) (time.Duration, error) {
	ms, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, badRequest("ms must be a whole number of milliseconds, 0 to %d", maxWait.Milliseconds())
	}
	return min(time.Duration(ms)*time.Millisecond, maxWait), nil
}

// pause waits as long as the request asked for. It ends early when the client hangs up, the program ends, or the
// session's lock is lost.
func (q queryValues) pause(s *webkit.Session) error {
	ctx := s.Core().Context()
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func badRequest(format string, args ...any) error {
	return &webkit.HTTPException{Code: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}
