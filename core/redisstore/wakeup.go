package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

// wakeups tell those who wait for locks when Redis has given one to this process. They come over one
// connection that listens on a channel of the process's own, from the first wait on. They are
// hints: whoever waits looks again after a while without one.
type wakeups struct {
	s       *Store
	channel string

	mu        sync.Mutex // protects the following fields
	tickets   map[core.Key]ticket
	waiting   map[[8]byte]chan struct{} // closed to wake who waits under that fence
	listening bool
	ready     chan struct{} // closed while the channel is listened on
	closed    bool
	done      chan struct{}
}

// ticket is a place in the queue of a lock. The fence is that under which the lock will be held.
type ticket struct {
	fence [8]byte
	since time.Time
}

// stale is how long a ticket is kept that nobody uses, and queueTime how long Redis keeps a queue.
const (
	stale     = 10 * time.Second
	queueTime = time.Minute
)

func newWakeups(s *Store, channel string) *wakeups {
	return &wakeups{s: s, channel: channel, tickets: make(map[core.Key]ticket),
		waiting: make(map[[8]byte]chan struct{}), ready: make(chan struct{}), done: make(chan struct{})}
}

// entry is what stands in a lock's queue in Redis: the fence, whether a server alone can tell that
// nobody listens, and the channel.
func (w *wakeups) entry(fence [8]byte) []byte {
	b := make([]byte, 0, 9+len(w.channel))
	b = append(b, fence[:]...)
	if w.s.cfg.Mode == Cluster {
		b = append(b, 'c')
	} else {
		b = append(b, 's')
	}
	return append(b, w.channel...)
}

// silence is after how long without a word the connection counts as broken.
const silence = 15 * time.Second

// every runs fn at intervals until stop has returned.
func every(interval time.Duration, fn func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for sleep(ctx, interval) == nil {
			fn()
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// take returns the ticket for a session's lock, if there is one, to its only user.
func (w *wakeups) take(key core.Key) (ticket, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tickets[key]
	if ok {
		delete(w.tickets, key)
		w.release(t.fence)
	}
	return t, ok
}

// release wakes who waits under a fence, because of good news or because the ticket is used up. The
// caller holds mu.
func (w *wakeups) release(fence [8]byte) {
	if woken, ok := w.waiting[fence]; ok {
		close(woken)
		delete(w.waiting, fence)
	}
}

// putBack keeps a ticket that was of no use yet, unless another has come in its place.
func (w *wakeups) putBack(key core.Key, t ticket) {
	w.mu.Lock()
	_, taken := w.tickets[key]
	if !taken {
		t.since = time.Now()
		w.tickets[key] = t
	}
	w.mu.Unlock()
	if taken {
		w.s.letGo(key, t.fence)
	}
}

// ticketFor returns the ticket for a session's lock, which all who wait for it in this process share,
// and the channel that is closed to wake them.
func (w *wakeups) ticketFor(key core.Key) (ticket, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tickets[key]
	if !ok {
		t.fence = nonce()
	}
	t.since = time.Now()
	w.dropStale()
	w.tickets[key] = t
	woken := w.waiting[t.fence]
	if woken == nil {
		woken = make(chan struct{})
		w.waiting[t.fence] = woken
	}
	return t, woken
}

// dropStale forgets tickets that nobody came back for. The caller holds mu.
func (w *wakeups) dropStale() {
	if len(w.tickets) < 64 {
		return
	}
	for key, t := range w.tickets {
		if time.Since(t.since) > stale {
			delete(w.tickets, key)
			w.release(t.fence)
		}
	}
}

// wake wakes who waits under a fence.
func (w *wakeups) wake(fence [8]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.release(fence)
}

func (w *wakeups) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for fence := range w.waiting {
		w.release(fence)
	}
}

// WaitLock puts this process in the line for a session's lock and returns when it is its turn, when the
// session is no more, at the latest after limit or half a second, or with ctx.Err() when ctx ends.
func (s *Store) WaitLock(ctx context.Context, key core.Key, limit time.Duration) error {
	it := s.subject(key)
	timer := time.NewTimer(min(limit, reserve)) // those in front may have died
	defer timer.Stop()
	if listening, err := s.wakeups.listen(ctx, timer.C); err != nil || !listening {
		return err
	}
	t, woken := s.wakeups.ticketFor(key)
	var gaveUp atomic.Bool
	late := func() { // it may have come to Redis, on another connection, after what giveUp sent
		if gaveUp.Load() {
			s.letGo(key, t.fence)
		}
	}
	reply, err := s.run(ctx, it.slot, request{script: waitScript, late: late, args: func(bool) []any {
		return []any{nil, 2, it.data, it.queue(key.ID), t.fence[:], s.wakeups.entry(t.fence), queueTime.Milliseconds()}
	}})
	if err != nil {
		s.giveUp(key, t, &gaveUp)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.explain(err)
	}
	left, _ := reply.(int64)
	if left == 0 {
		return nil
	}
	select {
	case <-woken:
	case <-timer.C:
	case <-s.ending.Done():
		return core.ErrClosed
	case <-ctx.Done():
		s.giveUp(key, t, &gaveUp)
		return ctx.Err()
	}
	return nil
}

// giveUp leaves the line. It sets done, before it says so to Redis, unless the ticket is another's by now.
func (s *Store) giveUp(key core.Key, t ticket, done *atomic.Bool) {
	w := s.wakeups
	w.mu.Lock()
	held, ok := w.tickets[key]
	ok = ok && held.fence == t.fence
	if ok {
		delete(w.tickets, key)
		w.release(t.fence) // others who share the ticket get a new one
	}
	w.mu.Unlock()
	if ok {
		done.Store(true)
		s.letGo(key, t.fence)
	}
}

// listen makes sure that the channel is listened on. It returns false when the time is over before.
func (w *wakeups) listen(ctx context.Context, timeout <-chan time.Time) (bool, error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false, core.ErrClosed
	}
	if !w.listening {
		w.listening = true
		go w.receive()
	}
	ready := w.ready
	w.mu.Unlock()
	select {
	case <-ready:
		return true, nil
	default:
	}
	select {
	case <-ready:
		return true, nil
	case <-timeout:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// receive listens until the store is closed.
func (w *wakeups) receive() {
	defer close(w.done)
	for pause := retryMin; w.s.ending.Err() == nil; pause = min(2*pause, time.Second) {
		began := time.Now()
		err := w.subscribe(w.s.ending)
		if w.s.ending.Err() != nil {
			return
		}
		w.s.cfg.Logger.Warn("the connection that wakes waiting requests broke", "error", err)
		w.mu.Lock()
		select {
		case <-w.ready:
			w.ready = make(chan struct{})
		default:
		}
		w.mu.Unlock()
		w.wakeAll() // what was sent meanwhile is lost
		if time.Since(began) > time.Second {
			pause = retryMin
		}
		_ = sleep(w.s.ending, pause)
	}
}

// subscribe listens on the channel until the connection breaks.
func (w *wakeups) subscribe(ctx context.Context) error {
	conn, err := w.s.dedicated(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ps := redis.PubSubConn{Conn: conn}
	if err := ps.Subscribe(w.channel); err != nil {
		return err
	}
	stop := every(silence/3, func() { _ = ps.Ping("") }) // a broken connection is found out below
	defer stop()
	for {
		switch m := ps.ReceiveWithTimeout(silence).(type) {
		case redis.Subscription:
			w.mu.Lock()
			close(w.ready)
			w.mu.Unlock()
			w.wakeAll()
		case redis.Message:
			var fence [8]byte
			copy(fence[:], m.Data)
			w.wake(fence)
		case error:
			return m
		}
	}
}

// close stops listening.
func (w *wakeups) close() {
	w.mu.Lock()
	w.closed = true
	listening := w.listening
	w.mu.Unlock()
	if listening {
		<-w.done
	}
	w.wakeAll()
}
