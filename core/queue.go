package core

import (
	"context"
	"sync"
	"time"
)

// queue makes the requests of one process wait for a session in the order in which they came, so
// that at most one of them asks the store. Each session has a line of its own.
type queue struct {
	mu    sync.Mutex // protects the following field
	lines map[string]*line
}

// line is the queue of one session whose turn is taken. It exists only while the turn is.
type line struct {
	waiters []*waiter
}

type waiter struct {
	turn chan handover // has room for one, so that giving the turn never blocks
}

// handover is what a request passes to the next in line together with the turn. The zero value says
// that the next must ask the store itself.
type handover struct {
	lease *lease
	rec   Record // valid if fresh
	fresh bool   // rec is what the store holds
}

func newQueue() *queue { return &queue{lines: make(map[string]*line)} }

// enter takes the turn, waiting for it up to limit behind at most max others. Who gets no error must
// leave or pass.
func (q *queue) enter(ctx context.Context, id string, max int, limit time.Duration) (handover, error) {
	q.mu.Lock()
	l := q.lines[id]
	if l == nil {
		q.lines[id] = &line{}
		q.mu.Unlock()
		return handover{}, nil
	}
	if len(l.waiters) >= max {
		q.mu.Unlock()
		return handover{}, ErrQueueFull
	}
	w := &waiter{turn: make(chan handover, 1)}
	l.waiters = append(l.waiters, w)
	q.mu.Unlock()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case h := <-w.turn:
		return h, nil
	case <-ctx.Done():
		return q.giveUp(id, w, ctx.Err())
	case <-timer.C:
		return q.giveUp(id, w, ErrLockTimeout)
	}
}

// giveUp takes w out of the line. If its turn came at the same moment, the turn is returned besides
// the error, and the caller must pass it on.
func (q *queue) giveUp(id string, w *waiter, err error) (handover, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case h := <-w.turn:
		return h, &turnError{err}
	default:
	}
	l := q.lines[id]
	for i, other := range l.waiters {
		if other == w {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			break
		}
	}
	return handover{}, err
}

// turnError says that the waiter gave up but holds the turn.
type turnError struct{ error }

func (e *turnError) Unwrap() error { return e.error }

// waiting reports whether somebody is in line behind the turn's holder.
func (q *queue) waiting(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[id]
	return l != nil && len(l.waiters) > 0
}

// pass gives the turn, with h, to the next in line. It returns false, and the turn stays with the
// caller, when nobody waits.
func (q *queue) pass(id string, h handover) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[id]
	if len(l.waiters) == 0 {
		return false
	}
	w := l.waiters[0]
	l.waiters = l.waiters[1:]
	w.turn <- h
	return true
}

// leave ends the caller's turn and wakes the next in line with nothing in hand.
func (q *queue) leave(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[id]
	if len(l.waiters) == 0 {
		delete(q.lines, id)
		return
	}
	w := l.waiters[0]
	l.waiters = l.waiters[1:]
	w.turn <- handover{}
}
