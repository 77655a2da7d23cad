package redistest

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// proxyConn is one client's connection and its own to the server. One goroutine forwards what the
// client sends, one reads what the server replies, one forwards that.
type proxyConn struct {
	p      *Proxy
	client net.Conn
	once   sync.Once
	done   chan struct{} // closed when the connection is
	more   chan struct{} // has an item when replies or ended have changed

	// The proxy's mu guards the rest.
	server       net.Conn // nil until it is dialled, and never changed again
	pending      []*sent  // what awaits replies, first sent first
	begun        bool     // part of a command has come, the rest not
	workCounted  bool     // the trip under way is in the proxy's work
	setupCounted bool     // the trip under way is in the proxy's setup
	subscribes   bool     // messages may come that answer no command
	raw          bool     // no commands and replies any more, only bytes
	replies      []reply  // what is to be forwarded
	ended        bool     // the server has closed the connection
}

// sent is a command that awaits replies.
type sent struct {
	name    string
	replies int // how many
	cut     *cut
}

func (c *proxyConn) serve() {
	defer c.close()
	server, err := net.DialTimeout("tcp", c.p.server(), replyTime)
	if err != nil || !c.setServer(server) {
		return
	}
	c.p.running.Go(c.readReplies)
	c.p.running.Go(c.forwardReplies)
	c.forwardCommands()
}

// setServer reports whether the connection is still wanted.
func (c *proxyConn) setServer(server net.Conn) bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.isClosed() {
		_ = server.Close()
		return false
	}
	c.server = server
	return true
}

// close closes both sides. It may be called many times.
func (c *proxyConn) close() {
	c.once.Do(func() {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		close(c.done)
		delete(c.p.conns, c)
		_ = c.client.Close()
		if c.server != nil {
			_ = c.server.Close()
		}
		for _, s := range c.pending {
			if s.cut != nil {
				close(s.cut.done)
			}
		}
	})
}

// pass waits while the proxy is stalled. It reports whether the connection is still there.
func (c *proxyConn) pass() bool {
	for {
		c.p.mu.Lock()
		open, stalled := c.p.open, c.p.stalled()
		c.p.mu.Unlock()
		if !stalled {
			return true
		}
		select {
		case <-open:
		case <-c.done:
			return false
		}
	}
}

// forwardCommands forwards what the client sends until it closes or sends what is no command.
func (c *proxyConn) forwardCommands() {
	in := framer{r: c.client, len: commandLen}
	for {
		if in.read() != nil {
			return
		}
		c.arrived()
		burst, err := c.takeCommands(&in)
		c.setBegun(len(in.buf) > 0)
		if len(burst) > 0 && !c.pass() {
			return
		}
		if _, e := c.server.Write(burst); err != nil || e != nil {
			return
		}
	}
}

// takeCommands takes all whole commands that have been read. All are pending before one is forwarded,
// or the reply to the first could end the trip that the others are part of.
func (c *proxyConn) takeCommands(in *framer) (burst []byte, err error) {
	for {
		if c.isRaw() {
			burst, in.buf = append(burst, in.buf...), nil
			return burst, nil
		}
		frame, err := in.take()
		switch {
		case errors.Is(err, errShort):
			return burst, nil
		case err != nil:
			return burst, err
		}
		burst = append(burst, frame...)
		if name, args := commandName(frame); name != "" {
			c.expect(name, args, c.p.claim(name, args))
		}
	}
}

// arrived begins a trip if none is under way.
func (c *proxyConn) arrived() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if len(c.pending) == 0 && !c.begun {
		c.workCounted, c.setupCounted = false, false
	}
}

func (c *proxyConn) setBegun(begun bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.begun = begun
}

func (c *proxyConn) isRaw() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.raw
}

func (c *proxyConn) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// expect counts a command and notes what it awaits.
func (c *proxyConn) expect(name string, args [][]byte, cut *cut) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	s := &sent{name: name, replies: 1, cut: cut}
	switch {
	case c.isClosed(), streams[name]: // close will not come again, nor a reply
		if cut != nil {
			close(cut.done)
		}
		c.raw = true
		return
	case subscriptions[name]:
		c.subscribes = true
		s.replies = max(1, len(args)) // one for each channel
	}
	c.pending = append(c.pending, s)
	if isSetup(name) {
		c.p.setup.add(name, !c.setupCounted)
		c.setupCounted = true
		return
	}
	c.p.work.add(name, !c.workCounted)
	c.workCounted = true
}

// reply is what came from the server, and when it is to be forwarded.
type reply struct {
	frame []byte
	due   time.Time
}

// readReplies queues what the server replies until it closes the connection, or this side does.
func (c *proxyConn) readReplies() {
	in := framer{r: c.server, len: frameLen}
	for {
		frames, err := c.takeReplies(&in)
		if err == nil && len(frames) == 0 {
			err = in.read()
		}
		c.queue(frames, err != nil)
		if err != nil {
			return
		}
	}
}

// takeReplies takes all whole replies that have been read.
func (c *proxyConn) takeReplies(in *framer) (frames [][]byte, err error) {
	for len(in.buf) > 0 {
		if c.isRaw() {
			frames, in.buf = append(frames, in.buf), nil
			break
		}
		frame, err := in.take()
		switch {
		case errors.Is(err, errShort):
			return frames, nil
		case err != nil:
			return frames, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

func (c *proxyConn) queue(frames [][]byte, ended bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	due := time.Now().Add(c.p.delay)
	for _, frame := range frames {
		c.replies = append(c.replies, reply{frame, due})
	}
	c.ended = ended
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// dequeue waits for replies. There are none when the connection is to be closed.
func (c *proxyConn) dequeue() []reply {
	for {
		c.p.mu.Lock()
		replies, ended := c.replies, c.ended
		c.replies = nil
		c.p.mu.Unlock()
		if len(replies) > 0 || ended {
			return replies
		}
		select {
		case <-c.more:
		case <-c.done:
			return nil
		}
	}
}

// forwardReplies forwards what readReplies has queued, when it is due.
func (c *proxyConn) forwardReplies() {
	defer c.close()
	for {
		replies := c.dequeue()
		if len(replies) == 0 {
			return
		}
		for _, r := range replies {
			if !c.waitUntil(r.due) || !c.pass() || !c.forwardReply(r.frame) {
				return
			}
		}
	}
}

// forwardReply reports whether the connection is to go on.
func (c *proxyConn) forwardReply(frame []byte) bool {
	// The command is done with before its reply leaves: a client that has the reply may have sent the
	// next command before Write returns here.
	cut := c.settle(frame)
	if cut == nil {
		_, err := c.client.Write(frame)
		return err == nil
	}
	_, _ = c.client.Write(frame[:min(cut.after, len(frame))])
	c.close()
	close(cut.done)
	return false
}

// waitUntil reports whether the connection is still there.
func (c *proxyConn) waitUntil(due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.done:
		return false
	}
}

// settle takes note of a reply. If it is the last that its command awaits, it returns the command's cut.
func (c *proxyConn) settle(frame []byte) *cut {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if len(c.pending) == 0 || c.raw {
		return nil
	}
	first := c.pending[0]
	if frame[0] == '>' || c.subscribes && frame[0] == '*' {
		kind := strings.ToUpper(firstWord(frame))
		if (frame[0] == '>' || subscriptions[kind] || messages[kind]) && kind != first.name {
			return nil // it answers no command
		}
	}
	if first.replies--; first.replies > 0 {
		return nil
	}
	c.pending = c.pending[1:]
	return first.cut
}
