package compat

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdover-web/holdover/core"
)

// OpenID opens the session with an id that a program passes as an argument of its call, as clients of XML-RPC do. The
// session belongs to the request like any other: opened twice it is the same one, it is committed before the response
// leaves, and rolled back when the handler fails. But it is not the session of the request's own client, gets no
// cookie, and there may be several. An id of no living session is not adopted.
//
// The caller tells the program a new id, after Session.Rotate say, in its answer.
//
// Errors: core.ErrNotFound (also for an id that can not be ours); ErrNoSessions, ErrOver, and a *SessionError with
// those of core.Manager.Open.
func (s *Sessions) OpenID(ctx context.Context, id string, opts ...core.OpenOption) (*core.Session, error) {
	return s.explicit(ctx, "open", func(m *core.Manager) (*core.Session, error) {
		return m.Open(ctx, id, withPolicy(ctx, opts)...)
	})
}

// CreateID returns a new session for a program that is going to pass its id as an argument, see OpenID. It is stored
// with the first value that is put into it; the caller answers with Session.ID.
//
// Errors: ErrNoSessions, ErrOver, and a *SessionError with those of core.Manager.Create.
func (s *Sessions) CreateID(ctx context.Context, opts ...core.OpenOption) (*core.Session, error) {
	return s.explicit(ctx, "create", func(m *core.Manager) (*core.Session, error) {
		return m.Create(ctx, withPolicy(ctx, opts)...)
	})
}

func (s *Sessions) explicit(ctx context.Context, op string, get func(*core.Manager) (*core.Session, error)) (*core.Session, error) {
	q, sl, err := s.of(ctx)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.resp.over {
		return nil, ErrOver
	}
	session, err := get(s.manager)
	if err != nil {
		if errors.Is(err, core.ErrNotFound) {
			return nil, fmt.Errorf("compat: OpenID: %w", err)
		}
		return nil, &SessionError{Op: op, Err: err}
	}
	if session.Locked() {
		q.claim(sl)
		q.watchToo(sl.more(), session.Context())
	}
	return session, nil
}
