package lab

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/webkit"
)

// Bounds on what a session of the lab holds.
const (
	maxNames = 32
	maxList  = 100
)

// servlet is what the lab's servlets have in common: they do their work on the session and answer in JSON.
type servlet struct {
	webkit.HTTPServlet
	policy string
}

// worker is a servlet of the lab.
type worker interface {
	work(t *webkit.Transaction, s *webkit.Session) error
}

// answer is what a servlet tells, in JSON. Times are in milliseconds.
type answer struct {
	Policy string         `json:"policy"`
	Values map[string]any `json:"values"`
	Dirty  bool           `json:"dirty"`
	Waited int64          `json:"waited_ms"`
	Took   int64          `json:"took_ms"`
}

// RespondToGet opens the session, lets the running servlet work on it, and answers.
func (v *servlet) RespondToGet(t *webkit.Transaction) error {
	began := time.Now()
	s, err := t.Session()
	if err != nil {
		return err
	}
	waited := time.Since(began)
	if err := t.Servlet().(worker).work(t, s); err != nil {
		return err
	}
	values, err := s.Values()
	if err != nil {
		return err
	}
	return writeJSON(t.Response(), answer{
		Policy: v.policy,
		Values: values,
		Dirty:  s.IsDirty(),
		Waited: waited.Milliseconds(),
		Took:   time.Since(began).Milliseconds(),
	})
}

// RespondToPost does what RespondToGet does.
func (v *servlet) RespondToPost(t *webkit.Transaction) error { return v.RespondToGet(t) }

func writeJSON(r *webkit.HTTPResponse, v any) error {
	err := errors.Join(r.SetHeader("Content-Type", "application/json"), r.SetHeader("Cache-Control", "no-store"))
	if err != nil {
		return err
	}
	return json.NewEncoder(r).Encode(v)
}

// put stores a text, then waits.
type put struct{ servlet }

func (*put) work(t *webkit.Transaction, s *webkit.Session) error {
	q, err := query(t, hasName|hasValue|hasWait)
	if err != nil {
		return err
	}
	if err := room(s, q.name); err != nil {
		return err
	}
	if err := s.SetValue(q.name, q.value); err != nil {
		return err
	}
	return q.pause(s)
}

// incr reads a number, waits, and stores one more.
type incr struct{ servlet }

func (*incr) work(t *webkit.Transaction, s *webkit.Session) error {
	q, err := query(t, hasName|hasWait)
	if err != nil {
		return err
	}
	if err := room(s, q.name); err != nil {
		return err
	}
	n, err := core.Get[int](s.Core(), q.name)
	if err != nil {
		return wrongKind(err, q.name, "number")
	}
	if err := q.pause(s); err != nil {
		return err
	}
	return s.SetValue(q.name, n+1)
}

// appendTo fetches a list and adds to it in place, without telling the session, which has to notice.
type appendTo struct{ servlet }

func (*appendTo) work(t *webkit.Transaction, s *webkit.Session) error {
	q, err := query(t, hasName|hasValue)
	if err != nil {
		return err
	}
	list, found, err := core.Lookup[*[]string](s.Core(), q.name)
	switch {
	case err != nil:
		return wrongKind(err, q.name, "list")
	case !found:
		if err := room(s, q.name); err != nil {
			return err
		}
		return s.SetValue(q.name, []string{q.value})
	case len(*list) >= maxList:
		return badRequest("the list %s has %d elements, and no more are allowed", q.name, maxList)
	}
	*list = append(*list, q.value)
	return nil
}

// slow opens the session for writing, reads it, waits, and changes nothing.
type slow struct{ servlet }

func (*slow) work(t *webkit.Transaction, s *webkit.Session) error {
	q, err := query(t, hasWait)
	if err != nil {
		return err
	}
	if _, err := s.Values(); err != nil {
		return err
	}
	return q.pause(s)
}

// show opens the session for reading only.
type show struct{ servlet }

// SessionOptions makes the transaction open the session without a lock, whatever the policy.
func (*show) SessionOptions() []core.OpenOption { return []core.OpenOption{core.ReadOnly} }

func (*show) work(*webkit.Transaction, *webkit.Session) error { return nil }

// rotate gives the session a new id.
type rotate struct{ servlet }

func (*rotate) work(_ *webkit.Transaction, s *webkit.Session) error { return s.Rotate(0) }

// logout ends the session.
type logout struct{ servlet }

func (*logout) work(_ *webkit.Transaction, s *webkit.Session) error { return s.Invalidate() }

// room refuses a new name when the session has enough of them.
func room(s *webkit.Session, name string) error {
	if !s.HasValue(name) && s.Core().Len() >= maxNames {
		return badRequest("the session has %d values, and no more are allowed", maxNames)
	}
	return nil
}

// wrongKind makes a bad request of an error that is about the type of a stored value.
func wrongKind(err error, name, want string) error {
	if _, ok := errors.AsType[*core.ValueError](err); ok {
		return badRequest("the value %s is no %s", name, want)
	}
	return err
}
