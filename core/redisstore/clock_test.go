package redisstore_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// clock moves the time that stores see, which no test can do to Redis itself: on connections made by dial,
// TIME and the scripts that call it are replaced by scripts which add an offset to what it says.
type clock struct {
	t       testing.TB
	servers []*redistest.Server
	offset  atomic.Int64
	replace atomic.Pointer[replacements]

	mu     sync.Mutex // protects the following field
	stores []*redisstore.Store
}

func newClock(t testing.TB, servers ...*redistest.Server) *clock {
	t.Helper()
	c := &clock{t: t, servers: servers}
	c.advance(0)
	return c
}

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// open opens a store that goes by the clock and closes it with the test.
func (c *clock) open(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	cfg.Dial = c.dial
	st := open(t, cfg)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stores = append(c.stores, st)
	return st
}

// advance is called by one goroutine at a time, while no store is called.
func (c *clock) advance(d time.Duration) {
	c.t.Helper()
	const read = "redis.call('TIME')"
	shifted := fmt.Sprintf(`local function shifted()
  local t = %s
  local us = t[1] * 1000000 + t[2] + %d
  return { string.format('%%.0f', math.floor(us / 1000000)), string.format('%%.0f', us %% 1000000) }
end
`, read, c.offset.Add(int64(d))/int64(time.Microsecond))
	named := func(text string) string { return "EVALSHA\r\n$40\r\n" + scriptName(text) }
	var pairs []string
	for _, text := range redisstore.ScriptTexts() {
		if other := strings.ReplaceAll(text, read, "shifted()"); other != text {
			pairs = append(pairs, named(text), named(c.load(shifted+other)))
		}
	}
	if len(pairs) == 0 {
		c.t.Fatalf("no script reads the time by %s", read)
	}
	pairs = append(pairs, "*1\r\n$4\r\nTIME\r\n", "*3\r\n$7\r\n"+named(c.load(shifted+"return shifted()"))+"\r\n$1\r\n0\r\n")
	c.replace.Store(newReplacements(pairs))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.stores {
		redisstore.ForgetClock(st)
	}
}

// load makes a script known to all servers.
func (c *clock) load(text string) string {
	c.t.Helper()
	for _, server := range c.servers {
		_, err := server.Do("SCRIPT", "LOAD", text)
		ok(c.t, err)
	}
	return text
}

func scriptName(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (c *clock) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &shiftedConn{Conn: conn, clock: c}, nil
}

// shiftedConn writes something else than it is told.
type shiftedConn struct {
	net.Conn
	clock *clock
	held  []byte // the beginning of what may have to be replaced; its end comes with the next Write
}

func (c *shiftedConn) Write(p []byte) (int, error) {
	r := c.clock.replace.Load()
	b := append(c.held, p...)
	whole := len(b) - r.begun(b)
	if _, err := r.WriteString(c.Conn, string(b[:whole])); err != nil {
		return 0, err
	}
	c.held = bytes.Clone(b[whole:])
	return len(p), nil
}

// replacements are for a stream that comes in pieces.
type replacements struct {
	*strings.Replacer
	old []string
}

func newReplacements(pairs []string) *replacements {
	r := &replacements{Replacer: strings.NewReplacer(pairs...)}
	for i := 0; i < len(pairs); i += 2 {
		r.old = append(r.old, pairs[i])
	}
	return r
}

// begun returns the length of the end of b that may be the beginning of something to replace.
func (r *replacements) begun(b []byte) int {
	longest := 0
	for _, old := range r.old {
		for n := min(len(b), len(old)-1); n > longest; n-- {
			if string(b[len(b)-n:]) == old[:n] {
				longest = n
			}
		}
	}
	return longest
}
