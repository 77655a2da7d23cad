package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
)

// link is one connection that many calls use at once: each sends its command without waiting for the
// replies to those before. Calls that are ready together leave in one write, and their replies mostly
// come back in one read.
type link struct {
	addr    string
	conn    redis.Conn
	wire    *wire
	timeout time.Duration
	slots   chan struct{} // has room for as many calls as may be pending
	queue   chan *call    // in the order in which they were sent; never fuller than slots

	mu       sync.Mutex // protects sending and the following fields; never held while the network is waited for
	unsent   bool       // something was sent that was not flushed
	flushing bool       // somebody is about to flush, or does
	broken   error      // nothing can be sent any more

	flushers sync.WaitGroup

	born     time.Time
	progress atomic.Int64 // when a reply last came, or a call was sent while none was pending; since born
	waiting  atomic.Int64 // calls pending
	watchdog *time.Timer
	done     chan struct{} // closed when the reader has ended
}

// command is what is sent to Redis.
type command struct {
	name string
	args []any
	raw  []byte // if not nil, all of it as it is sent; see packed
}

// call is one command whose reply is awaited, or several that are sent together.
type call struct {
	more    int   // commands besides the first
	reply   any   // to the only command
	replies []any // to several; some may be a redis.Error
	err     error
	done    chan struct{} // has room for one
	state   atomic.Int32  // pending, then either of the others
	late    func()        // called when the reply to an abandoned call has come, or will not come
}

const (
	pending int32 = iota
	finished
	abandoned
)

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// newLink takes over a connection on which nothing is pending.
func newLink(addr string, conn redis.Conn, w *wire, maxPending int, timeout time.Duration) *link {
	l := &link{addr: addr, conn: conn, wire: w, timeout: timeout, born: time.Now(),
		slots: make(chan struct{}, maxPending), queue: make(chan *call, maxPending), done: make(chan struct{})}
	w.hold = true
	l.watchdog = time.AfterFunc(timeout, l.watch)
	go l.read()
	return l
}

// do sends a command and waits for its reply. When ctx ends it waits for patience more. Should the reply
// come later still, or never, late is called unless it is nil. An error that is no redis.Error is a
// *failure.
func (l *link) do(ctx context.Context, cmd command, patience time.Duration, late func()) (any, error) {
	c := calls.Get().(*call)
	if err := l.exchange(ctx, c, cmd, nil, patience, late); err != nil {
		return nil, err
	}
	reply, err := c.reply, c.err
	c.reuse()
	return reply, err
}

// all sends two or more commands in one go, with no other in between, and returns their replies, some of
// which may be a redis.Error. The error is a *failure. For patience and late see do.
func (l *link) all(ctx context.Context, commands []command, patience time.Duration, late func()) ([]any, error) {
	c := calls.Get().(*call)
	c.more = len(commands) - 1
	if err := l.exchange(ctx, c, commands[0], commands[1:], patience, late); err != nil {
		return nil, err
	}
	replies, err := c.replies, c.err
	c.reuse()
	return replies, err
}

// exchange sends commands and waits until the call is finished. After an error the call may still be in use.
func (l *link) exchange(ctx context.Context, c *call, first command, more []command, patience time.Duration, late func()) error {
	if err := l.room(ctx); err != nil {
		return &failure{err: err}
	}
	if err := l.send(c, first, more); err != nil {
		<-l.slots
		return &failure{err: err}
	}
	return l.await(ctx, c, patience, late)
}

// reuse gives a finished call back.
func (c *call) reuse() {
	c.more, c.reply, c.replies, c.err, c.late = 0, nil, nil, nil, nil
	c.state.Store(pending)
	calls.Put(c)
}

// await returns when the call is finished, or abandons it some time after ctx has ended.
func (l *link) await(ctx context.Context, c *call, patience time.Duration, late func()) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-c.done:
			return nil
		case <-timer.C:
		}
	}
	c.late = late
	if c.state.CompareAndSwap(pending, abandoned) {
		return &failure{sent: true, err: timedOut(ctx, l.addr)}
	}
	<-c.done
	return nil
}

// room waits until one more call may be pending.
func (l *link) room(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: %s: %d are pending", ErrBusy, l.addr, cap(l.slots))
	case <-l.done:
		return l.why()
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: %w", ErrBusy, l.addr, ctx.Err())
	}
}

// send writes the command to memory. Whoever finds nobody about to flush lets others who are ready write
// theirs, and flushes for all of them.
func (l *link) send(c *call, first command, more []command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	if l.waiting.Add(1) == 1 {
		l.progress.Store(int64(time.Since(l.born)))
	}
	l.queue <- c
	l.unsent = true
	l.write(&first)
	for i := range more {
		l.write(&more[i])
	}
	if l.flushing {
		return nil
	}
	l.flushing = true
	l.mu.Unlock()
	runtime.Gosched()
	l.mu.Lock()
	l.flush()
	if l.flushing = l.unsent && l.broken == nil; l.flushing { // more came meanwhile, which is not this caller's to wait for
		l.flushers.Go(l.flushRest)
	}
	return nil
}

// write writes a command to memory, which takes everything. The caller holds mu.
func (l *link) write(c *command) {
	if c.raw == nil {
		_ = l.conn.Send(c.name, c.args...)
		return
	}
	_ = l.conn.Flush() // what redigo has in memory comes first
	_, _ = l.wire.Write(c.raw)
}

func (l *link) flushRest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.unsent && l.broken == nil {
		l.flush()
	}
	l.flushing = false
}

// flush sends what is in memory. The caller holds mu and has set flushing; mu is free meanwhile.
func (l *link) flush() {
	l.unsent = false
	_ = l.conn.Flush()
	b := l.wire.take()
	l.mu.Unlock()
	err := l.wire.deliver(b)
	l.mu.Lock()
	l.wire.giveBack(b)
	if err != nil {
		l.wire.Close() // the reader fails the calls
	}
}

// read hands out replies until the connection breaks, and then fails whoever waits.
func (l *link) read() {
	defer close(l.done)
	defer l.flushers.Wait()
	for {
		reply, err := l.receive()
		if err != nil && !isReply(err) {
			l.fail(err)
			return
		}
		var c *call
		select {
		case c = <-l.queue:
		default: // it would be taken for the reply to the next command
			l.fail(errUncalled)
			return
		}
		if c.more > 0 {
			c.replies = append(make([]any, 0, 1+c.more), either(reply, err))
			for len(c.replies) <= c.more {
				if reply, err = l.receive(); err != nil && !isReply(err) {
					l.finish(c, nil, &failure{sent: true, err: err})
					l.fail(err)
					return
				}
				c.replies = append(c.replies, either(reply, err))
			}
			reply, err = nil, nil
		}
		l.finish(c, reply, err)
	}
}

var errUncalled = errors.New("a reply to nothing")

func (l *link) receive() (any, error) {
	reply, err := redis.ReceiveWithTimeout(l.conn, 0)
	l.progress.Store(int64(time.Since(l.born)))
	return reply, err
}

// isReply reports whether the error is what Redis replied.
func isReply(err error) bool {
	_, ok := err.(redis.Error)
	return ok
}

// refused reports whether one of several replies is an error.
func refused(reply any) bool {
	_, ok := reply.(redis.Error)
	return ok
}

func either(reply any, err error) any {
	if err != nil {
		return err
	}
	return reply
}

func (l *link) finish(c *call, reply any, err error) {
	l.waiting.Add(-1)
	<-l.slots
	c.reply, c.err = reply, err
	if c.state.CompareAndSwap(pending, finished) {
		c.done <- struct{}{}
	} else if c.late != nil {
		c.late()
	}
}

func (l *link) fail(err error) {
	l.conn.Close()
	l.mu.Lock()
	if l.broken == nil {
		l.broken = fmt.Errorf("redisstore: connection to %s: %w", l.addr, err)
	}
	err = &failure{sent: true, err: l.broken}
	l.mu.Unlock()
	l.watchdog.Stop()
	for {
		select {
		case c := <-l.queue:
			l.finish(c, nil, err)
		default:
			return
		}
	}
}

// watch closes the connection when Redis has not answered for too long.
func (l *link) watch() {
	l.mu.Lock() // so that no call is between being counted and being progress
	left := l.timeout
	if l.waiting.Load() > 0 {
		left -= time.Since(l.born) - time.Duration(l.progress.Load())
	}
	if left > 0 && l.broken == nil {
		l.watchdog.Reset(left)
	}
	l.mu.Unlock()
	if left <= 0 {
		l.close(fmt.Errorf("%w: %s", ErrTimeout, l.addr))
	}
}

// why returns the reason for which nothing can be sent any more, or nil.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// close fails all who wait with the reason.
func (l *link) close(reason error) {
	l.mu.Lock()
	if l.broken == nil {
		l.broken = reason
	}
	l.mu.Unlock()
	l.watchdog.Stop()
	l.conn.Close()
}
