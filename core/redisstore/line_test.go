package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// slowConn holds back what is written from the first mention of a script on, until it is released.
type slowConn struct {
	net.Conn
	script []byte
	hold   chan struct{} // gets an item when something is held back; closed to release it

	mu   sync.Mutex // protects the following field
	held []byte
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil && !bytes.Contains(p, c.script) {
		return c.Conn.Write(p)
	}
	if c.held == nil {
		c.hold <- struct{}{}
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func (c *slowConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Conn.Write(c.held)
	c.held, c.script = nil, []byte("nothing more")
	return err
}

// TestLateWaiter has a process give up waiting for a lock before Redis has heard that it waits: another
// connection is quicker. It must not stand in line for ever after.
func TestLateWaiter(t *testing.T) {
	srv := redistest.Start(t)
	direct := open(t, redisstore.Config{Addrs: []string{srv.Addr()}})
	m := managerOn(t, direct, core.Config{})
	id := begin(t, m)
	holder, err := m.Open(t.Context(), id, core.Serialized)
	ok(t, err)
	holding := make(chan struct{}, 8)
	var mu sync.Mutex
	var conns []*slowConn
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		slow := &slowConn{Conn: conn, script: []byte(redisstore.ScriptSHA("wait")), hold: holding}
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, slow)
		return slow, err
	}})
	key := core.Key{Manager: m.ID(), ID: id}
	for range 2 { // so that both connections are there
		_, err := st.Load(t.Context(), key, core.LoadOptions{Touch: core.NoTouch})
		ok(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan struct{})
	go func() {
		defer close(gaveUp)
		_ = st.WaitLock(ctx, key, time.Minute)
	}()
	<-holding
	unlocks := srv.CommandStats()["evalsha"].Calls
	cancel()
	<-gaveUp
	poll(t, 5*time.Second, "it tells Redis that it gives up", func() bool { return srv.CommandStats()["evalsha"].Calls > unlocks })
	mu.Lock()
	for _, c := range conns {
		ok(t, c.release())
	}
	mu.Unlock()
	poll(t, 5*time.Second, "the wait came", func() bool { return srv.CommandStats()["rpush"].Calls == 1 })
	poll(t, 5*time.Second, "nobody stands in line", func() bool { return lineOf(t, m, id) == 0 })
	ok(t, holder.End(t.Context()))
}

// TestLineOfExpired has a session expire while a process waits for its lock.
func TestLineOfExpired(t *testing.T) {
	srv := redistest.Start(t)
	holder, waiter := open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), open(t, redisstore.Config{Addrs: []string{srv.Addr()}})
	key, now := core.Key{Manager: "app", ID: "a"}, time.Now()
	ok(t, holder.Create(t.Context(), key, core.Record{Created: now, Accessed: now, Idle: 500 * time.Millisecond}))
	opt := core.LockOptions{LoadOptions: core.LoadOptions{Touch: core.NoTouch}, Lease: time.Minute}
	_, _, err := holder.Lock(t.Context(), key, opt)
	ok(t, err)
	waited := 0
	for {
		_, _, err := waiter.Lock(t.Context(), key, opt)
		if errors.Is(err, core.ErrNotFound) {
			break
		}
		if !errors.Is(err, core.ErrLocked) {
			t.Fatalf("Lock: %v, want ErrLocked and then ErrNotFound", err)
		}
		ok(t, waiter.WaitLock(t.Context(), key, 50*time.Millisecond))
		waited++
	}
	if waited == 0 {
		t.Error("the session expired before anybody waited")
	}
	poll(t, 5*time.Second, "nobody stands in line", func() bool { return len(srv.Keys("*:q:*")) == 0 })
}

// TestWaitWithoutWakeups has a process that can not listen for wake-ups. It must go on looking by itself.
func TestWaitWithoutWakeups(t *testing.T) {
	srv := redistest.Start(t)
	refused := errors.New("no more connections")
	var mu sync.Mutex
	dials := 0
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Connections: 1,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			dials++
			first := dials == 1
			mu.Unlock()
			if !first {
				<-ctx.Done()
				return nil, refused
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}})
	key := core.Key{Manager: "app", ID: "id"}
	ok(t, st.Create(t.Context(), key, core.Record{Created: time.Now(), Accessed: time.Now()}))
	_, _, err := st.Lock(t.Context(), key, core.LockOptions{Lease: time.Minute})
	ok(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range 3 {
		ok(t, st.WaitLock(ctx, key, 20*time.Millisecond))
	}
}
