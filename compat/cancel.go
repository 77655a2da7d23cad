package compat

import (
	"context"
	"sync/atomic"
)

// lazyCancel is a cancellable child of a context that is made when somebody first waits for it, or
// cancels it. Most requests do neither.
type lazyCancel struct{ child atomic.Pointer[cancelChild] }

type cancelChild struct {
	context.Context
	cancel context.CancelCauseFunc
}

// made returns the child, or nil if nobody needed it yet.
func (l *lazyCancel) made() context.Context {
	if c := l.child.Load(); c != nil {
		return c.Context
	}
	return nil
}

// context returns the child and makes it if necessary.
func (l *lazyCancel) context(parent context.Context) context.Context { return l.of(parent).Context }

// with cancels the child.
func (l *lazyCancel) with(parent context.Context, cause error) { l.of(parent).cancel(cause) }

func (l *lazyCancel) of(parent context.Context) *cancelChild {
	if c := l.child.Load(); c != nil {
		return c
	}
	c := new(cancelChild)
	c.Context, c.cancel = context.WithCancelCause(parent)
	if !l.child.CompareAndSwap(nil, c) {
		c.cancel(nil) // somebody else was faster
	}
	return l.child.Load()
}

// end cancels the child, if there is one, so that its parent forgets it.
func (l *lazyCancel) end() {
	if c := l.child.Load(); c != nil {
		c.cancel(context.Canceled)
	}
}
