package redistest

import (
	"slices"
	"time"
)

// Stall forwards nothing more, in either direction, until Unstall. Connections are kept, and new ones
// accepted. What clients send meanwhile is counted at once or at Unstall, and reaches the server at
// Unstall even if the client has gone away by then: as in a network that comes back.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stalled() {
		p.open = make(chan struct{})
	}
}

// Unstall ends what Stall began.
func (p *Proxy) Unstall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled() {
		close(p.open)
	}
}

// stalled is called with p.mu held.
func (p *Proxy) stalled() bool {
	select {
	case <-p.open:
		return false
	default:
		return true
	}
}

// Cut closes all connections. What they had sent may reach the server or not.
func (p *Proxy) Cut() {
	p.mu.Lock()
	conns := p.conns
	p.conns = map[*proxyConn]struct{}{}
	p.mu.Unlock()
	for c := range conns {
		c.close()
	}
}

// CutReply loses the reply to the next command that match accepts: the command reaches the server and
// is executed, then its connection is closed after so many bytes of the reply: 0 for none of it, more
// than it has for the whole of it. Replies to earlier commands of the connection are passed on first.
// Several orders are tried in the order they were given, and each is for one command.
//
// match gets the command's name as Names has it, and what follows the name. It is called from the
// connections' goroutines, for commands that set up a connection too.
//
// The channel is closed when the connection is.
func (p *Proxy) CutReply(match func(cmd string, args [][]byte) bool, after int) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &cut{match, after, make(chan struct{})}
	p.cuts = append(p.cuts, c)
	return c.done
}

// claim returns the order that the command meets, which is then no other command's.
func (p *Proxy) claim(cmd string, args [][]byte) *cut {
	p.mu.Lock()
	cuts := slices.Clone(p.cuts)
	p.mu.Unlock()
	for _, c := range cuts {
		if c.match(cmd, args) && p.take(c) {
			return c
		}
	}
	return nil
}

func (p *Proxy) take(c *cut) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.cuts, c)
	if i < 0 {
		return false
	}
	p.cuts = slices.Delete(p.cuts, i, i+1)
	return true
}

// Refuse has new connections reset as soon as they are made. (A client's dial succeeds, for the kernel
// answers it; its first read or write fails.) Connections that exist stay.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Delay passes every reply on d after it came, 0 at once. The replies of a burst wait together, so this
// is the latency of a long way, not a narrow one.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}
