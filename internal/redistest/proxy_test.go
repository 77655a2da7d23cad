package redistest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// wantCounts checks a proxy's counters of all but set-up, and of set-up.
func wantCounts(t *testing.T, p *Proxy, trips int, names map[string]int, setupTrips int, setup map[string]int) {
	t.Helper()
	commands := 0
	for n := range maps.Values(names) {
		commands += n
	}
	if p.Trips() != trips || p.Commands() != commands || !maps.Equal(p.Names(), names) {
		t.Errorf("%d trips, %d commands %v; want %d trips of %v", p.Trips(), p.Commands(), p.Names(), trips, names)
	}
	if p.SetupTrips() != setupTrips || !maps.Equal(p.SetupNames(), setup) {
		t.Errorf("set-up: %d trips of %v; want %d of %v", p.SetupTrips(), p.SetupNames(), setupTrips, setup)
	}
}

func TestProxyCounts(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	c := mustDial(t, p.Addr())

	mustDo(t, c, "SELECT", 1)
	mustDo(t, c, "SCRIPT", "LOAD", "return 1")
	mustDo(t, c, "PING")
	wantCounts(t, p, 0, map[string]int{}, 3, map[string]int{"SELECT": 1, "SCRIPT LOAD": 1, "PING": 1})
	p.Reset()

	const rounds = 2000
	for i := range rounds {
		mustDo(t, c, "set", "a", strings.Repeat("x", i))
		mustDo(t, c, "EVAL", "return redis.call('GET', KEYS[1])", 1, "a")
	}
	wantCounts(t, p, 2*rounds, map[string]int{"SET": rounds, "EVAL": rounds}, 0, map[string]int{})
	p.Reset()

	var burst [][]any
	for range 300 {
		burst = append(burst, []any{"INCR", "n"})
	}
	burst = append(burst, []any{"CLIENT", "ID"})
	for range 100 {
		if err := c.Send(burst...); err != nil {
			t.Fatal(err)
		}
		for range burst {
			if _, err := c.Receive(); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantCounts(t, p, 100, map[string]int{"INCR": 30000}, 100, map[string]int{"CLIENT ID": 100})
	if got := mustDo(t, c, "GET", "n"); got != "30000" {
		t.Errorf("n is %v", got)
	}
	if p.Open() != 1 || p.Accepted() != 0 {
		t.Errorf("%d connections, %d accepted", p.Open(), p.Accepted())
	}
}

// TestProxyLargeCommand has one command arrive in many pieces, and its reply leave so.
func TestProxyLargeCommand(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	c := mustDial(t, p.Addr())
	big := strings.Repeat("0123456789", 500_000)
	for range 5 {
		mustDo(t, c, "SET", "a", big)
		if got := mustDo(t, c, "GET", "a"); got != big {
			t.Fatal("it came back changed")
		}
	}
	wantCounts(t, p, 10, map[string]int{"SET": 5, "GET": 5}, 0, map[string]int{})
}

// TestProxySplitBurst has a burst arrive in two pieces, the second when the first has been answered.
func TestProxySplitBurst(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	c := mustDial(t, p.Addr())
	burst := string(appendCommand(appendCommand(nil, "INCR", "n"), "INCR", "n"))
	for i := len(burst)/2 + 1; i < len(burst); i++ {
		for _, part := range []string{burst[:i], burst[i:]} {
			if _, err := c.conn.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		wantCounts(t, p, 1, map[string]int{"INCR": 2}, 0, map[string]int{})
		p.Reset()
	}
}

// TestProxySettle tells replies from messages, which answer no command.
func TestProxySettle(t *testing.T) {
	t.Parallel()
	const (
		message    = "3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"
		confirm    = "3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
		noLonger   = "3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"
		invalidate = "2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"
	)
	for _, tt := range []struct {
		name, frame string
		subscribes  bool
		pending     string
		replies     int
		want        int // replies that are awaited then
	}{
		{"simple reply", "+OK\r\n", false, "SET", 1, 0},
		{"list", "*0\r\n", true, "LRANGE", 1, 0},
		{"list that looks like a message", "*" + message, false, "LRANGE", 1, 0},
		{"message", "*" + message, true, "PING", 1, 1},
		{"message, RESP3", ">" + message, true, "GET", 1, 1},
		{"first confirmation", "*" + confirm, true, "SUBSCRIBE", 2, 1},
		{"first confirmation, RESP3", ">" + confirm, true, "SUBSCRIBE", 2, 1},
		{"last confirmation", "*" + confirm, true, "SUBSCRIBE", 1, 0},
		{"confirmation that was not counted on", "*" + noLonger, true, "GET", 1, 1},
		{"word of a cache", ">" + invalidate, false, "GET", 1, 1},
	} {
		s := &sent{name: tt.pending, replies: tt.replies}
		c := &proxyConn{p: &Proxy{}, subscribes: tt.subscribes, pending: []*sent{s}}
		c.settle([]byte(tt.frame))
		if s.replies != tt.want || (len(c.pending) == 0) != (tt.want == 0) {
			t.Errorf("%s: %d replies awaited, want %d", tt.name, s.replies, tt.want)
		}
	}
}

// TestProxyManyConnections counts sequential clients that run together.
func TestProxyManyConnections(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	const clients, rounds = 8, 200
	var wg sync.WaitGroup
	for range clients {
		c := mustDial(t, p.Addr())
		wg.Go(func() {
			for i := range rounds {
				if _, err := c.Do("INCRBY", "n", i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantCounts(t, p, clients*rounds, map[string]int{"INCRBY": clients * rounds}, 0, map[string]int{})
	if p.Open() != clients || p.Accepted() != clients {
		t.Errorf("%d connections, %d accepted", p.Open(), p.Accepted())
	}
}

// TestProxySubscriber has messages come between replies, which must not be taken for them.
func TestProxySubscriber(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			p := NewProxy(t, s.Addr())
			c := mustDial(t, p.Addr())
			mustDo(t, c, "HELLO", protocol)
			if err := c.Send([]any{"SUBSCRIBE", "a", "b"}); err != nil {
				t.Fatal(err)
			}
			receive := func(want ...any) {
				t.Helper()
				if got, err := c.Receive(); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %v, %v; want %v", got, err, want)
				}
			}
			receive("subscribe", "a", int64(1))
			receive("subscribe", "b", int64(2))
			for i := range 10 {
				if _, err := s.Do("PUBLISH", "b", i); err != nil {
					t.Fatal(err)
				}
				receive("message", "b", fmt.Sprint(i))
			}
			if got := p.awaited(); got != 0 {
				t.Errorf("%d replies awaited", got)
			}
			if err := c.Send([]any{"UNSUBSCRIBE", "a", "b"}); err != nil {
				t.Fatal(err)
			}
			receive("unsubscribe", "a", int64(1))
			receive("unsubscribe", "b", int64(0))
			mustDo(t, c, "SET", "a", 1)
			mustDo(t, c, "GET", "a")
			wantCounts(t, p, 2, map[string]int{"SET": 1, "GET": 1},
				3, map[string]int{"HELLO": 1, "SUBSCRIBE": 1, "UNSUBSCRIBE": 1})
		})
	}
}

// awaited returns how many commands of all connections await a reply.
func (p *Proxy) awaited() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.conns {
		n += len(c.pending)
	}
	return n
}

// TestProxyReplica has a replica connect through the proxy, which is no client to be understood.
func TestProxyReplica(t *testing.T) {
	t.Parallel()
	master, replica := Start(t), Start(t)
	p := NewProxy(t, master.Addr())
	replica.must("REPLICAOF", "127.0.0.1", p.Port())
	for i := range 3 {
		master.must("SET", "a", strings.Repeat(fmt.Sprint(i), 100_000))
		waitFor(t, func() bool { return replica.must("GET", "a") == strings.Repeat(fmt.Sprint(i), 100_000) })
	}
	if p.Trips() != 0 || p.SetupNames()["REPLCONF"] == 0 {
		t.Errorf("%d trips %v, set-up %v", p.Trips(), p.Names(), p.SetupNames())
	}
}

// TestProxyDelay has a delayed burst take one delay, not one a command.
func TestProxyDelay(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	c := mustDial(t, p.Addr())
	const delay = 100 * time.Millisecond
	p.Delay(delay)
	started := time.Now()
	commands := slices.Repeat([][]any{{"INCR", "n"}}, 50)
	if err := c.Send(commands...); err != nil {
		t.Fatal(err)
	}
	for range commands {
		if _, err := c.Receive(); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(started); d < delay || d > 10*delay {
		t.Errorf("took %v", d)
	}
	wantCounts(t, p, 1, map[string]int{"INCR": 50}, 0, map[string]int{})
}
