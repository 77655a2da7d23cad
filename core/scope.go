package core

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Scope is the set of sessions that one request has open. Within a scope a session that is opened
// twice, by nested or included applications, is the same *Session, so that a request never waits for
// itself and never overwrites itself. The zero value is an empty scope, ready for use. Its methods
// may be called from several goroutines.
type Scope struct {
	opening sync.Mutex              // held while a session is opened, so that two goroutines do not open the same one
	latest  atomic.Pointer[Session] // the one opened last; Session.next leads to the others
	held    atomic.Int32            // see Hold
}

// ScopeKey is the key under which a context holds its *Scope.
type ScopeKey struct{}

// WithScope returns a context in which sessions are opened in sc.
func WithScope(ctx context.Context, sc *Scope) context.Context {
	return context.WithValue(ctx, ScopeKey{}, sc)
}

func scopeOf(ctx context.Context) *Scope {
	sc, _ := ctx.Value(ScopeKey{}).(*Scope)
	return sc
}

// find returns the session that the request knows by this id, now or before a rotation.
func (sc *Scope) find(m *Manager, id string) *Session {
	if sc == nil {
		return nil
	}
	for s := sc.latest.Load(); s != nil; s = s.next {
		if s.m == m && s.knownAs(id) {
			return s
		}
	}
	return nil
}

// enter lets one goroutine of the request open a session at a time.
func (sc *Scope) enter() {
	if sc != nil {
		sc.opening.Lock()
	}
}

func (sc *Scope) leave() {
	if sc != nil {
		sc.opening.Unlock()
	}
}

func (sc *Scope) add(s *Session) {
	if sc == nil {
		return
	}
	for {
		s.next = sc.latest.Load()
		if sc.latest.CompareAndSwap(s.next, s) {
			return
		}
	}
}

// End ends the request's use of its sessions: each commits or releases as its save policy says. All
// are ended even if one fails; the errors are joined. What a session under SaveExplicit has not committed is kept until
// Rollback, because a request may end its use of the sessions early, when its response begins, and commit later.
func (sc *Scope) End(ctx context.Context) error {
	if s := sc.latest.Load(); s != nil {
		return s.each(func(s *Session) error { return s.end(ctx, false) })
	}
	return nil
}

// Hold makes Session.End do nothing in the scope until release is called: what the sessions hold by then is left to
// End of the scope. So the work of a part of the request that ends its sessions by itself can still be taken back, see
// Savepoint. Session.Commit writes all the same. Holds can be nested; release must be called once.
func (sc *Scope) Hold() (release func()) {
	sc.held.Add(1)
	return func() { sc.held.Add(-1) }
}

// Rollback drops the uncommitted changes of all sessions and releases them. The errors are joined.
func (sc *Scope) Rollback(ctx context.Context) error {
	if s := sc.latest.Load(); s != nil {
		return s.each(func(s *Session) error { return s.Rollback(ctx) })
	}
	return nil
}

// each calls do for the session and those opened before it. It is apart from its callers because most requests
// open no session, and pay for no call then.
func (s *Session) each(do func(*Session) error) error {
	var errs []error
	for ; s != nil; s = s.next {
		if err := do(s); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
