package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Redis is a redis-server of the comparison's own, on a free port of this machine. It keeps nothing on
// disk. Its methods may be called from several goroutines.
type Redis struct {
	addr string
	dir  string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended

	mu   sync.Mutex // guards conn
	conn redis.Conn // for what the measurements themselves ask
}

// ErrNoRedis is returned by StartRedis where no redis-server is installed.
var ErrNoRedis = errors.New("this comparison needs redis-server: apt-get install redis-server")

// startTime is how long a server may take until it answers.
const startTime = 20 * time.Second

// StartRedis starts a server and returns when it answers. The caller closes it.
func StartRedis() (*Redis, error) {
	tool, err := exec.LookPath("redis-server")
	if err != nil {
		if tool, err = exec.LookPath("valkey-server"); err != nil {
			return nil, ErrNoRedis
		}
	}
	dir, err := os.MkdirTemp("", "holdover-bench-redis-")
	if err != nil {
		return nil, err
	}
	for range 5 { // another process may take the port first
		var r *Redis
		if r, err = launch(tool, dir); err == nil {
			return r, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

func launch(tool, dir string) (*Redis, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return nil, err
	}
	r := &Redis{addr: addr.String(), dir: dir, gone: make(chan struct{})}
	r.cmd = exec.Command(tool, "--bind", "127.0.0.1", "--port", strconv.Itoa(addr.Port), "--dir", dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.gone)
	}()
	for start := time.Now(); ; {
		if err = r.answers(); err == nil {
			return r, nil
		}
		select {
		case <-r.gone:
			return nil, fmt.Errorf("%s ended at once", tool)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(start) > startTime {
			return nil, errors.Join(fmt.Errorf("%s does not answer: %w", tool, err), r.stop())
		}
	}
}

// answers returns nil when it is this process that serves the port.
func (r *Redis) answers() error {
	info, err := r.info("server")
	if err != nil {
		return err
	}
	if got, want := info["process_id"], strconv.Itoa(r.cmd.Process.Pid); got != want {
		return fmt.Errorf("process %s serves %s, not %s", got, r.addr, want)
	}
	return nil
}

// Close ends the server and removes what it left.
func (r *Redis) Close() error { return errors.Join(r.stop(), os.RemoveAll(r.dir)) }

func (r *Redis) stop() error {
	r.mu.Lock()
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
	r.mu.Unlock()
	err := r.cmd.Process.Kill()
	<-r.gone
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Do sends one command on a connection of the server's own.
func (r *Redis) Do(command string, args ...any) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		conn, err := redis.Dial("tcp", r.addr)
		if err != nil {
			return nil, err
		}
		r.conn = conn
	}
	reply, err := r.conn.Do(command, args...)
	if r.conn.Err() != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
	return reply, err
}

// Flush removes all data.
func (r *Redis) Flush() error {
	_, err := r.Do("FLUSHALL", "SYNC")
	return err
}

// Version returns the server's version.
func (r *Redis) Version() (string, error) {
	info, err := r.info("server")
	return info["redis_version"], err
}

// info returns the fields of a section of INFO.
func (r *Redis) info(section string) (map[string]string, error) {
	text, err := redis.String(r.Do("INFO", section))
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, v, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = v
		}
	}
	return fields, nil
}

// usage is what the server has done so far.
type usage struct {
	cpu      time.Duration
	commands int64 // executed, those of scripts and transactions too
}

func (r *Redis) usage() (u usage, err error) {
	cpu, err := r.info("cpu")
	if err != nil {
		return u, err
	}
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, err := strconv.ParseFloat(cpu[name], 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(seconds * float64(time.Second))
	}
	stats, err := r.info("commandstats")
	if err != nil {
		return u, err
	}
	for name, stat := range stats {
		if name == "cmdstat_info" {
			continue // our own
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%s: %w", name, err)
		}
		u.commands += n
	}
	return u, nil
}

// used returns how many bytes of memory the server has in use.
func (r *Redis) used() (int64, error) {
	memory, err := r.info("memory")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(memory["used_memory"], 10, 64)
}

// Target says where a peer finds Redis. A Dial of nil is what the peer's client does by itself.
type Target struct {
	Addr string
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Target returns the server for peers to be measured on.
func (r *Redis) Target() Target { return Target{Addr: r.addr} }

// pool returns a pool of redigo connections that never has to close one.
func (t Target) pool() *redis.Pool {
	var options []redis.DialOption
	if t.Dial != nil {
		options = append(options, redis.DialContextFunc(t.Dial))
	}
	return &redis.Pool{MaxIdle: 2 * InFlight, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", t.Addr, options...) }}
}

// trips counts how often clients wait for Redis: a trip begins with what is written when no reply is
// awaited. It is exact for one request at a time.
type trips struct {
	mu    sync.Mutex // guards count
	count int
}

func (t *trips) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

func (t *trips) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tripConn{Conn: conn, trips: t}, nil
}

type tripConn struct {
	net.Conn
	trips   *trips
	waiting bool // guarded by trips.mu
}

func (c *tripConn) Write(p []byte) (int, error) {
	c.trips.mu.Lock()
	if !c.waiting {
		c.waiting = true
		c.trips.count++
	}
	c.trips.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tripConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.trips.mu.Lock()
	c.waiting = false
	c.trips.mu.Unlock()
	return n, err
}
