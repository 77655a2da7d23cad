package core

import (
	"context"
	"sync"
	"time"
)

// detached is a context for work that must be finished although the client has gone away: it has the
// values of its parent, and instead of the parent's end a limit of its own. The limit counts from when
// the work first asks for it, so that work which never waits pays for no clock and no timer.
type detached struct {
	parent context.Context
	limit  time.Duration

	mu       sync.Mutex // protects the following fields
	deadline time.Time
	done     chan struct{}
	timer    *time.Timer
}

func detach(ctx context.Context, limit time.Duration) *detached {
	return &detached{parent: ctx, limit: limit}
}

func (d *detached) Value(key any) any { return d.parent.Value(key) }

func (d *detached) Deadline() (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.start()
	return d.deadline, true
}

func (d *detached) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.start()
	return d.done
}

func (d *detached) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil || time.Now().Before(d.deadline) {
		return nil
	}
	return context.DeadlineExceeded
}

func (d *detached) start() {
	if d.done != nil {
		return
	}
	done := make(chan struct{})
	d.done, d.deadline = done, time.Now().Add(d.limit)
	d.timer = time.AfterFunc(d.limit, func() { close(done) })
}

// stop frees the timer. The context must not be used afterwards.
func (d *detached) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
