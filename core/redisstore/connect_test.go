package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestUnreachable makes many calls at once to a server that can not be connected to. None waits for the
// attempts of all the others.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	for name, mode := range map[string]redisstore.Mode{"plain": redisstore.Plain, "cluster": redisstore.Cluster} {
		t.Run(name, func(t *testing.T) {
			var gone atomic.Bool
			cfg := redisstore.Config{Mode: mode, Timeout: timeout, DialTimeout: timeout, Connections: 1, Shards: 1}
			if mode == redisstore.Cluster {
				cfg.Addrs = redistest.StartCluster(t, 1, 0).Addrs()
			} else {
				cfg.Addrs = []string{redistest.Start(t).Addr()}
			}
			var conns sync.Map
			cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if gone.Load() {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				conns.Store(conn, nil)
				return conn, err
			}
			st := open(t, cfg)
			gone.Store(true)
			conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
			began := time.Now()
			var calls sync.WaitGroup
			for i := range 16 {
				calls.Go(func() {
					_, err := st.Load(t.Context(), core.Key{Manager: "m", ID: fmt.Sprint(i)}, core.LoadOptions{})
					if !errors.Is(err, redisstore.ErrTimeout) {
						t.Errorf("got %v, want ErrTimeout", err)
					}
				})
			}
			calls.Wait()
			if took := time.Since(began); took > 4*timeout {
				t.Errorf("the last call took %v; Timeout and DialTimeout are %v", took, timeout)
			}
		})
	}
}

// TestUncalledReply has the server say something that nobody asked for.
func TestUncalledReply(t *testing.T) {
	t.Parallel()
	ends := make(chan net.Conn, 8)
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Connections: 1, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(server, theirs); server.Close() }()
		go func() { _, _ = io.Copy(theirs, server); theirs.Close() }()
		ends <- theirs
		return ours, nil
	}})
	key := core.Key{Manager: "m", ID: "a"}
	ok(t, st.Create(t.Context(), key, anHour("a", "1")))
	_, err := (<-ends).Write([]byte("$5\r\nhello\r\n"))
	ok(t, err)
	for range 2 {
		if rec, err := st.Load(t.Context(), key, core.LoadOptions{Touch: core.NoTouch}); err != nil || len(rec.Values) != 1 {
			t.Errorf("got %v, %v", rec.Values, err)
		}
	}
	_, err = (<-ends).Write([]byte("$5\r\nhello\r\n"))
	ok(t, err)
	closed := make(chan struct{})
	go func() { st.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("Close hangs")
	}
}

// TestMovedWithoutHost has nodes of a Cluster that do not know under what name clients reach them, and so leave the
// host of another node out: it is that under which they were asked.
func TestMovedWithoutHost(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0)
	st := open(t, redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs(), Connections: 1, Shards: 1,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(addr); host != "127.0.0.1" {
				t.Errorf("a connection to %s, which is none of the nodes", addr)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}})
	key := core.Key{Manager: "m", ID: "a"}
	ok(t, st.Create(t.Context(), key, anHour("a", "1")))
	for _, n := range c.Nodes() {
		if _, err := n.Do("CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint"); err != nil {
			t.Skipf("skipped: this needs a node that does not tell its host, as Redis 7 can be told: %v", err)
		}
	}
	from, to := c.Nodes()[0], c.Nodes()[1]
	slot := redistest.Slot(redisstore.DataKey(st, key))
	if c.MasterOf(slot) != from {
		from, to = to, from
	}
	c.MoveSlot(slot, from, to, nil)
	_, err := st.Load(t.Context(), key, core.LoadOptions{})
	ok(t, err)
}

func TestRedirect(t *testing.T) {
	for reply, want := range map[string]string{
		"MOVED 3999 127.0.0.1:6381":      "MOVED 127.0.0.1:6381",
		"ASK 3999 redis-2.example.com:1": "ASK redis-2.example.com:1",
		"MOVED 3999 :6381":               "MOVED [fe80::1]:6381",
		"MOVED 3999 ?:6381":              "MOVED [fe80::1]:6381",
		"MOVED 3999 ::1:6381":            "MOVED [::1]:6381",
		"MOVED 3999 [::1]:6381":          "MOVED [::1]:6381",
		"ERR":                            "ERR ",
	} {
		if word, addr := redisstore.Redirect(reply, "[fe80::1]:7000"); word+" "+addr != want {
			t.Errorf("%s: got %s %s, want %s", reply, word, addr, want)
		}
	}
}

// A call that has been sent to a node which then left the Cluster finds another at once.
func TestClosedNodeIsNotDialed(t *testing.T) {
	err := redisstore.LinkOfClosed(t.Context(), redisstore.Config{Addrs: []string{"127.0.0.1:1"},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialed")
			return nil, errors.New("refused")
		}})
	if err == nil {
		t.Error("a connection of a closed node")
	}
}

// TestOneMaster has the connections to a master find another one after the other.
func TestOneMaster(t *testing.T) {
	t.Parallel()
	old, next := redistest.Start(t), redistest.Start(t)
	for _, tt := range []struct {
		name, second string
		used         bool
	}{{"the same", old.Addr(), true}, {"another", next.Addr(), false}} {
		t.Run(tt.name, func(t *testing.T) {
			used, err := redisstore.DialTwice(t.Context(), redisstore.Config{Addrs: []string{old.Addr()}}, old.Addr(), tt.second)
			ok(t, err)
			if used != tt.used {
				t.Errorf("the first connection is used: %v, want %v", used, tt.used)
			}
		})
	}
}
