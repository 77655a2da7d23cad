package core

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lease keeps a lock alive while a request, or a run of requests in this process, holds it. A lease
// is renewed three times in its life; when that fails for good its holder is told at once.
type lease struct {
	m     *Manager
	fence uint64
	run   int // how many requests have passed the lock on without letting other hosts have it; the holder's

	mu     sync.Mutex  // protects the following fields
	key    Key         // changes when the session is rotated
	lost   func(error) // called with mu held: it must only signal
	ends   time.Time   // by this process's clock, counted from before the store was asked
	timer  *time.Timer
	closed bool
}

// hold starts to renew a lock that was asked for at the given moment.
func (m *Manager) hold(key Key, fence uint64, asked time.Time) *lease {
	l := &lease{m: m, key: key, fence: fence, ends: asked.Add(m.cfg.Lease)}
	l.mu.Lock()
	l.timer = time.AfterFunc(m.cfg.Lease/3, l.renew)
	l.mu.Unlock()
	m.leases.add(l)
	return l
}

func (l *lease) renew() {
	l.mu.Lock()
	key, closed := l.key, l.closed
	l.mu.Unlock()
	if closed {
		return
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), l.m.cfg.Lease/3)
	err := l.m.locker.Renew(ctx, key, l.fence, l.m.now(), l.m.cfg.Lease)
	cancel()

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.key != key {
		return
	}
	if moved, ok := errors.AsType[*MovedError](err); ok {
		l.key.ID = moved.To // the lock went along
		l.timer.Reset(0)
		return
	}
	switch {
	case err == nil:
		l.ends = asked.Add(l.m.cfg.Lease)
	case errors.Is(err, ErrLockLost), errors.Is(err, ErrGone):
		l.report(err)
		return
	case !time.Now().Before(l.ends):
		l.report(ErrLockLost)
		return
	}
	l.timer.Reset(l.m.cfg.Lease / 3)
}

func (l *lease) report(err error) {
	l.closed = true
	l.m.leases.remove(l)
	if l.lost != nil {
		l.lost(err)
	}
}

// attach makes lost the function that hears of the loss from now on. It returns false if the lock is
// lost already.
func (l *lease) attach(lost func(error)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = lost
	return !l.closed
}

// moved follows a rotation.
func (l *lease) moved(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key = key
	if !l.closed {
		l.timer.Reset(l.m.cfg.Lease / 3)
	}
}

// stop ends the renewing; the lock itself is the caller's matter.
func (l *lease) stop() {
	l.mu.Lock()
	l.closed = true
	l.timer.Stop()
	l.mu.Unlock()
	l.m.leases.remove(l)
}

// leaseSet is what a manager must stop when it closes.
type leaseSet struct {
	mu   sync.Mutex
	held map[*lease]struct{}
}

func (s *leaseSet) add(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[*lease]struct{})
	}
	s.held[l] = struct{}{}
}

func (s *leaseSet) remove(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, l)
}

func (s *leaseSet) stopAll() {
	s.mu.Lock()
	held := make([]*lease, 0, len(s.held))
	for l := range s.held {
		held = append(held, l)
	}
	s.mu.Unlock()
	for _, l := range held {
		l.stop()
	}
}
