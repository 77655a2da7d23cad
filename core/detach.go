package core

import (
	"context"
	"sync/atomic"
	"time"
)

// detached is a context for work that must be finished although the client has gone away: it has the
// values of its parent, and instead of the parent's end a limit of its own. The limit counts from when
// the work first asks for it, so that work which never waits pays for no clock and no timer.
type detached struct {
	parent context.Context
	limit  time.Duration
	end    atomic.Pointer[deadline] // nil until somebody asks for it
}

// deadline is when the work must be finished.
type deadline struct {
	at    time.Time
	done  chan struct{}
	timer *time.Timer
}

func detach(ctx context.Context, limit time.Duration) *detached {
	return &detached{parent: ctx, limit: limit}
}

func (d *detached) Value(key any) any { return d.parent.Value(key) }

func (d *detached) Deadline() (time.Time, bool) { return d.start().at, true }

func (d *detached) Done() <-chan struct{} { return d.start().done }

func (d *detached) Err() error {
	if end := d.end.Load(); end != nil && !time.Now().Before(end.at) {
		return context.DeadlineExceeded
	}
	return nil
}

func (d *detached) start() *deadline {
	if end := d.end.Load(); end != nil {
		return end
	}
	done := make(chan struct{})
	end := &deadline{at: time.Now().Add(d.limit), done: done}
	end.timer = time.AfterFunc(d.limit, func() { close(done) })
	if !d.end.CompareAndSwap(nil, end) {
		end.timer.Stop() // somebody else was faster
	}
	return d.end.Load()
}

// stop frees the timer. The context must not be used afterwards.
func (d *detached) stop() {
	if end := d.end.Load(); end != nil {
		end.timer.Stop()
	}
}
