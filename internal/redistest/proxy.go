package redistest

import (
	"maps"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes TCP connections on to one server, counts the commands and trips of its clients, and
// fails them when told to. All methods may be called from any goroutine.
//
// A trip is what a client waits for once: it begins with bytes that arrive on a connection when no
// command on it awaits a reply, and takes in all that arrives until every reply has been passed on. So
// a pipelined burst is one trip, and the counts of a client that sends, waits and sends again are exact.
// A client that sends while replies are on their way may have two bursts counted as one trip or as two.
//
// Commands that set up a connection are counted apart, and so are trips of nothing else: HELLO, AUTH,
// SELECT, CLIENT, PING, ROLE, CLUSTER, SENTINEL, READONLY, READWRITE, QUIT, SCRIPT LOAD, REPLCONF, and
// all that subscribe. A connection that becomes a replica's or a MONITOR is from then on not counted.
type Proxy struct {
	ln      net.Listener
	running sync.WaitGroup

	mu       sync.Mutex // guards the following fields and those of all connections
	upstream string
	conns    map[*proxyConn]struct{}
	accepted int
	work     count
	setup    count
	cuts     []*cut
	open     chan struct{} // closed while bytes are forwarded
	delay    time.Duration
	refuse   bool
	closed   bool
}

// count is what has passed since Reset.
type count struct {
	trips    int
	commands int
	names    map[string]int
}

func (c *count) add(name string, newTrip bool) {
	c.commands++
	c.names[name]++
	if newTrip {
		c.trips++
	}
}

// cut is an order of CutReply.
type cut struct {
	match func(cmd string, args [][]byte) bool
	after int
	done  chan struct{}
}

// NewProxy starts a proxy in front of the server at upstream. It ends with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		ln: ln, upstream: upstream,
		conns: map[*proxyConn]struct{}{}, open: make(chan struct{}),
	}
	close(p.open)
	p.Reset()
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// server returns the address that new connections go to.
func (p *Proxy) server() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

// setServer is for a server that was not there when the proxy was started.
func (p *Proxy) setServer(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = addr
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		c := &proxyConn{p: p, client: client, done: make(chan struct{}), more: make(chan struct{}, 1)}
		if !p.admit(c) {
			reset(client)
			continue
		}
		p.running.Go(c.serve)
	}
}

// admit makes c one of the proxy's connections unless there is to be no other.
func (p *Proxy) admit(c *proxyConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		return false
	}
	p.accepted++
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.running.Wait()
}

// reset closes a connection so that the other side gets an error, not an orderly end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Addr returns the proxy's host:port.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Port returns the port of Addr.
func (p *Proxy) Port() int { return p.ln.Addr().(*net.TCPAddr).Port }

// Trips returns how many trips had a command that is not for set-up, since Reset.
func (p *Proxy) Trips() int { return p.read().work.trips }

// Commands returns how many commands came that are not for set-up, since Reset.
func (p *Proxy) Commands() int { return p.read().work.commands }

// Names returns how often each command came that is not for set-up, since Reset. Names are in upper
// case; those of commands with subcommands have them: "EVALSHA", "SCRIPT EXISTS".
func (p *Proxy) Names() map[string]int { return p.read().work.names }

// SetupTrips returns how many trips had a command for set-up, since Reset. A trip that also had
// another is in Trips too.
func (p *Proxy) SetupTrips() int { return p.read().setup.trips }

// SetupNames returns how often each command for set-up came, since Reset.
func (p *Proxy) SetupNames() map[string]int { return p.read().setup.names }

// Accepted returns how many connections were accepted since Reset. Refused ones are not.
func (p *Proxy) Accepted() int { return p.read().accepted }

// Open returns how many connections there are now.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// counts is a copy of a Proxy's counters.
type counts struct {
	work, setup count
	accepted    int
}

func (p *Proxy) read() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := counts{p.work, p.setup, p.accepted}
	c.work.names, c.setup.names = maps.Clone(c.work.names), maps.Clone(c.setup.names)
	return c
}

// Reset sets all counters to zero. A trip under way is not counted again.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work, p.setup, p.accepted = count{names: map[string]int{}}, count{names: map[string]int{}}, 0
}
