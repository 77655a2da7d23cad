package core

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// EventKind says what happened to a session.
type EventKind uint8

// The events that listeners are told of.
const (
	EventCreated      EventKind = 1 + iota // a new session was stored for the first time
	EventSaved                             // changes were stored
	EventRolledBack                        // a request's changes were dropped
	EventRotated                           // the session has a new id
	EventEnded                             // the session is gone; Reason says why
	EventCommitFailed                      // changes could not be stored; Err says why
)

var eventNames = [...]string{EventCreated: "created", EventSaved: "saved", EventRolledBack: "rolled back",
	EventRotated: "rotated", EventEnded: "ended", EventCommitFailed: "commit failed"}

// String returns the kind in words.
func (k EventKind) String() string { return nameOf(eventNames[:], int(k), "EventKind") }

// EndReason says why a session ended.
type EndReason uint8

// The reasons of EventEnded.
const (
	EndInvalidated EndReason = 1 + iota // Session.Invalidate or Manager.Delete
	EndExpired                          // its idle or absolute timeout passed; told when it is swept
	EndEvicted                          // the store needed the room
	EndLost                             // its stored bytes could not be read; Event.Err has the details
)

var reasonNames = [...]string{EndInvalidated: "invalidated", EndExpired: "expired", EndEvicted: "evicted", EndLost: "lost"}

// String returns the reason in words.
func (r EndReason) String() string { return nameOf(reasonNames[:], int(r), "EndReason") }

// Event is one thing that happened to one session. Sessions are named by Key.Hash, never by their id.
type Event struct {
	Kind       EventKind
	Reason     EndReason // for EventEnded
	Manager    string    // the manager's id
	Session    string    // the hash of the session's id
	NewSession string    // for EventRotated: the hash of its new id
	Time       time.Time // by the manager's clock
	Data       *Snapshot // the session's values: as stored, or as last stored when it ended; nil if unknown
	Err        error     // for EventCommitFailed and EndLost
}

// Snapshot is a session's values at one moment, for reading: use Get and Lookup. It may be used from
// several goroutines.
type Snapshot struct {
	Version  uint64
	Created  time.Time
	Accessed time.Time

	values Values
	codec  Codec
}

// Keys returns the names of the values, sorted.
func (s *Snapshot) Keys() []string {
	keys := make([]string, len(s.values))
	for i, it := range s.values {
		keys[i] = it.Name
	}
	return keys
}

func (m *Manager) snapshot(rec Record) *Snapshot {
	return &Snapshot{rec.Version, rec.Created, rec.Accessed, rec.Values, m.cfg.Codec}
}

// Listen has fn called for each event of the manager's sessions that this process causes or finds, in
// order, one at a time, on a goroutine of its own and with no lock held. A function that panics is
// called again for the next event; the panic is logged.
//
// Events wait in a queue of Config.ListenerQueue. When a slow function lets it fill up, requests do not
// wait: further events of theirs are dropped for that function, and counted in the log. Sweeps do wait,
// so that the end of an expired session is always told.
//
// The context ends when the manager closes. The returned function ends the listening; events that are
// in the queue by then are still delivered, unless the manager closes first. Both may be called from
// several goroutines.
func (m *Manager) Listen(fn func(context.Context, Event)) (stop func()) {
	l := &listener{fn: fn, log: m.cfg.Logger, queue: make(chan Event, m.cfg.ListenerQueue), stopped: make(chan struct{})}
	if !m.listeners.add(l, func() { m.work.Go(func() { l.run(m.hearing) }) }) {
		return func() {}
	}
	return func() { m.listeners.remove(l) }
}

type listener struct {
	fn      func(context.Context, Event)
	log     *slog.Logger
	queue   chan Event
	stopped chan struct{}
	dropped atomic.Uint64
}

func (l *listener) run(ctx context.Context) {
	for {
		select {
		case ev := <-l.queue:
			l.call(ctx, ev)
		case <-l.stopped:
			l.drain(ctx)
			return
		}
	}
}

func (l *listener) drain(ctx context.Context) {
	for {
		select {
		case ev := <-l.queue:
			l.call(ctx, ev)
		default:
			return
		}
	}
}

func (l *listener) call(ctx context.Context, ev Event) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("session listener panicked", "event", ev.Kind.String(), "manager", ev.Manager,
				"session", ev.Session, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	l.fn(ctx, ev)
}

// listenerSet is read on each event and changed hardly ever.
type listenerSet struct {
	list atomic.Pointer[[]*listener]

	mu     sync.Mutex // serialises changes of list; protects the following field
	closed bool
}

func (s *listenerSet) get() []*listener {
	if p := s.list.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *listenerSet) add(l *listener, start func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	list := append(slices.Clone(s.get()), l)
	s.list.Store(&list)
	start()
	return true
}

func (s *listenerSet) remove(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.get(), l) {
		return // a second time, or closed
	}
	list := slices.DeleteFunc(slices.Clone(s.get()), func(other *listener) bool { return other == l })
	s.list.Store(&list)
	close(l.stopped)
}

func (s *listenerSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.get() {
		close(l.stopped)
	}
	s.list.Store(nil)
}

// heard reports whether anyone listens, so that events are made only then.
func (m *Manager) heard() bool { return len(m.listeners.get()) > 0 }

// tell hands an event of a request to the listeners, without waiting.
func (m *Manager) tell(ev Event) {
	for _, l := range m.listeners.get() {
		l.offer(ev)
	}
}

func (l *listener) offer(ev Event) {
	select {
	case l.queue <- ev:
	default:
		l.log.Error("session listener is too slow, an event was dropped", "event", ev.Kind.String(),
			"manager", ev.Manager, "session", ev.Session, "dropped", l.dropped.Add(1))
	}
}

// tellWaiting hands an event of a sweep to the listeners and waits for room.
func (m *Manager) tellWaiting(ctx context.Context, ev Event) {
	for _, l := range m.listeners.get() {
		select {
		case l.queue <- ev:
		case <-l.stopped:
		case <-ctx.Done():
			l.offer(ev)
		case <-m.hearing.Done():
			l.offer(ev)
		}
	}
}

func (m *Manager) ended(id string, rec Record, reason EndReason) Event {
	return Event{Kind: EventEnded, Reason: reason, Manager: m.id, Session: m.key(id).Hash(), Time: m.now(), Data: m.snapshot(rec)}
}
