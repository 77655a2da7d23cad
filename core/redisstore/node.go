package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gomodule/redigo/redis"
)

// node is one Redis server, or the server that plays one part: the master that a Sentinel names.
type node struct {
	cfg     *Config
	resolve func(ctx context.Context) (addr string, err error)
	lines   []line
	next    atomic.Uint32
}

// line is the place of one connection, which is made when it is needed.
type line struct {
	link    atomic.Pointer[link]
	dialing chan struct{} // holds one token while somebody dials
}

func newNode(cfg *Config, resolve func(context.Context) (string, error)) *node {
	n := &node{cfg: cfg, resolve: resolve, lines: make([]line, cfg.Connections)}
	for i := range n.lines {
		n.lines[i].dialing = make(chan struct{}, 1)
	}
	return n
}

// at is the resolve function of a server whose address is known.
func at(addr string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return addr, nil }
}

// link returns a connection that works as far as is known. It waits for at most Config.DialTimeout, whoever
// dials. Errors are *failure.
func (n *node) link(ctx context.Context) (*link, error) {
	ln := &n.lines[n.next.Add(1)%uint32(len(n.lines))]
	if l := ln.link.Load(); l != nil && l.why() == nil {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.DialTimeout)
	defer cancel()
	select {
	case ln.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, &failure{err: timedOut(ctx, "connecting")}
	}
	defer func() { <-ln.dialing }()
	switch l := ln.link.Load(); {
	case l == closedLink:
		return nil, &failure{err: errClosed}
	case l != nil && l.why() == nil:
		return l, nil
	}
	l, err := n.dial(ctx)
	if err != nil {
		return nil, &failure{err: err}
	}
	if old := ln.link.Swap(l); old == closedLink { // the node was closed meanwhile
		ln.link.Store(old)
		l.close(errClosed)
		<-l.done
		return nil, &failure{err: errClosed}
	}
	n.agree(l.addr)
	return l, nil
}

var (
	errClosed  = errors.New("redisstore: closed")
	closedLink = &link{broken: errClosed}
)

func (n *node) dial(ctx context.Context) (*link, error) {
	addr, err := n.resolve(ctx)
	if err != nil {
		return nil, err
	}
	conn, w, err := connect(ctx, n.cfg, addr)
	if err != nil {
		return nil, err
	}
	if err := greet(ctx, n.cfg, addr, conn); err != nil {
		conn.Close()
		return nil, err
	}
	return newLink(addr, conn, w, n.cfg.MaxPending, n.cfg.Timeout), nil
}

// agree closes connections to other servers than the one that was found last. After a failover the old
// master may go on for a while, and no call may be half with it and half with the new one.
func (n *node) agree(addr string) {
	for i := range n.lines {
		if l := n.lines[i].link.Load(); l != nil && l != closedLink && l.addr != addr {
			l.close(fmt.Errorf("redisstore: %s is not the master any more, %s is", l.addr, addr))
		}
	}
}

// forget closes the connections, so that the next call finds the server anew.
func (n *node) forget(reason error) {
	for i := range n.lines {
		if l := n.lines[i].link.Load(); l != nil && l != closedLink {
			l.close(reason)
		}
	}
}

// close ends all connections for good.
func (n *node) close() {
	var wg sync.WaitGroup
	for i := range n.lines {
		wg.Go(func() {
			if l := n.lines[i].link.Swap(closedLink); l != nil && l != closedLink {
				l.close(errClosed)
				<-l.done
			}
		})
	}
	wg.Wait()
}

// connect makes a connection and authenticates. It ends with ctx, the TLS handshake included.
func connect(ctx context.Context, cfg *Config, addr string) (redis.Conn, *wire, error) {
	raw, err := cfg.dialer()(ctx, "tcp", addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, timedOut(ctx, "connecting to "+addr)
		}
		return nil, nil, fmt.Errorf("redisstore: %w", err)
	}
	if cfg.TLS != nil {
		if raw, err = handshake(ctx, cfg, addr, raw); err != nil {
			if ctx.Err() != nil {
				return nil, nil, timedOut(ctx, "TLS with "+addr)
			}
			return nil, nil, fmt.Errorf("redisstore: TLS with %s: %w", addr, err)
		}
	}
	w := newWire(raw, cfg.Timeout)
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn := redis.NewConn(w, 0, 0)
	err = authenticate(cfg, conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			return nil, nil, timedOut(ctx, addr)
		}
		return nil, nil, fmt.Errorf("redisstore: %s: %w", addr, err)
	}
	return conn, w, nil
}

// authenticate says who we are and chooses the database.
func authenticate(cfg *Config, conn redis.Conn) error {
	if cfg.Password != "" {
		args := []any{cfg.Password}
		if cfg.Username != "" {
			args = []any{cfg.Username, cfg.Password}
		}
		if _, err := conn.Do("AUTH", args...); err != nil {
			return fmt.Errorf("AUTH: %w", err)
		}
	}
	if cfg.DB != 0 {
		if _, err := conn.Do("SELECT", cfg.DB); err != nil {
			return fmt.Errorf("SELECT %d: %w", cfg.DB, err)
		}
	}
	return nil
}

// greet makes sure that the server is one to write to, and gives it the scripts.
func greet(ctx context.Context, cfg *Config, addr string, conn redis.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := func() error {
		if cfg.Mode == Sentinel {
			if err := checkMaster(conn); err != nil {
				return err
			}
		}
		for _, s := range scripts {
			if err := conn.Send("SCRIPT", "LOAD", s.text); err != nil {
				return err
			}
		}
		_, err := conn.Do("") // who may not load scripts may still run them: replies do not matter
		return err
	}()
	if !stop() && err == nil { // the connection is closed, or will be
		err = ctx.Err()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return timedOut(ctx, addr)
	case err != nil:
		return fmt.Errorf("redisstore: %s: %w", addr, err)
	}
	return nil
}

// handshake ends with ctx, unlike redigo's own.
func handshake(ctx context.Context, cfg *Config, addr string, raw net.Conn) (net.Conn, error) {
	conn := tlsClient(cfg, addr, raw)
	err := conn.HandshakeContext(ctx)
	if err == nil {
		err = accepted(ctx, conn)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// accepted waits for a first reply, whatever it is: only after the handshake does a server say that it refuses our
// certificate, and whoever sends much before reading may not hear it.
func accepted(ctx context.Context, conn *tls.Conn) error {
	defer context.AfterFunc(ctx, func() { conn.NetConn().Close() })()
	_, failed := conn.Write([]byte("*1\r\n$4\r\nPING\r\n"))
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := conn.Read(b); err != nil {
			return err
		}
	}
	return failed
}

// dedicated makes a connection of its own, to any server that messages of all others reach. ctx bounds
// only the making of it.
func (s *Store) dedicated(ctx context.Context) (redis.Conn, error) {
	n, err := s.route.node(ctx, 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
	defer cancel()
	addr, err := n.resolve(ctx)
	if err != nil {
		return nil, err
	}
	conn, _, err := connect(ctx, &s.cfg, addr)
	return conn, err
}
