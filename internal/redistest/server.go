package redistest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/internal/testenv"
)

const (
	startTime = 20 * time.Second // for a server to answer; it is a moment, except on a busy machine
	stopTime  = 20 * time.Second // for a server to end by itself; Redis 7 gives its replicas ten seconds
)

// Server is a running redis-server, or was one: Kill, Stop and Restart may follow each other in any
// order.
type Server struct {
	t        testing.TB
	tool     string
	port     int
	dir      string
	password string
	args     []string

	mu     sync.Mutex // guards the following fields
	proc   *process
	paused bool
	conn   *Conn // for Do; nil when there is none
}

// Start starts a server with an empty database and returns when it answers. It keeps nothing on disk
// unless args say so; they are options of redis-server such as "--appendonly", "yes", and later ones
// win. The password of a "--requirepass" is used by Do and the methods that build on it.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, false, func(port int, dir string) []string { return serverArgs(port, dir, args...) })
}

// serverArgs returns the arguments of a server that is no sentinel.
func serverArgs(port int, dir string, more ...string) []string {
	return append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no",
		"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
	}, more...)
}

// start starts a server with the arguments for the port it gets. bus asks for a port that a Cluster's
// node can have.
func start(t testing.TB, bus bool, args func(port int, dir string) []string) *Server {
	t.Helper()
	s := &Server{t: t, tool: testenv.Tool(t, "redis-server", "valkey-server"), dir: t.TempDir()}
	t.Cleanup(s.cleanup)
	var err error
	for range 5 { // another process may take the port before the server does
		if s.port, err = freePort(bus); err != nil {
			break
		}
		s.args = args(s.port, s.dir)
		if i := slices.Index(s.args, "--requirepass"); i >= 0 && i+1 < len(s.args) {
			s.password = s.args[i+1]
		}
		if err = s.launch(); !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.tool, err, output(s.dir))
	}
	return s
}

var errEnded = errors.New("the server ended")

// launch starts the program and waits until it answers. errEnded is returned when it ended instead.
func (s *Server) launch() error {
	p, err := startProcess(s.tool, s.dir, s.args...)
	if err != nil {
		return err
	}
	s.setProcess(p)
	err = wait(startTime, func() error {
		if !p.running() {
			return nil
		}
		return s.answers(p)
	})
	if !p.running() {
		return errEnded
	}
	return err
}

// answers returns nil when it is p that serves the port, and has loaded what was on disk.
func (s *Server) answers(p *process) error {
	if v, err := s.Do("PING"); err != nil || v != "PONG" {
		return fmt.Errorf("no PONG: %v, %v", v, err)
	}
	info, err := s.info("server")
	if err != nil {
		return err
	}
	if got, want := info["process_id"], strconv.Itoa(p.cmd.Process.Pid); got != want {
		return fmt.Errorf("process %s has port %d, not %s", got, s.port, want)
	}
	return nil
}

// setProcess makes p the server's process. What is left of an earlier one is forgotten.
func (s *Server) setProcess(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc, s.paused = p, false
	s.hangUp()
}

// hangUp closes the connection of Do. The caller holds s.mu.
func (s *Server) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

func (s *Server) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *Server) cleanup() {
	if err := s.process().kill(); err != nil {
		s.t.Errorf("redistest: %v", err)
	}
	s.setProcess(nil)
}

// Addr returns the server's host:port. It stays the same over Restart.
func (s *Server) Addr() string { return address(s.port) }

// Port returns the port of Addr.
func (s *Server) Port() int { return s.port }

// URL returns "redis://" and Addr, with the password of a "--requirepass".
func (s *Server) URL() string {
	if s.password != "" {
		return "redis://:" + s.password + "@" + s.Addr()
	}
	return "redis://" + s.Addr()
}

// Running reports whether the server's process is there, paused or not. It may be called from any
// goroutine.
func (s *Server) Running() bool { return s.process().running() }

// answering reports whether a command can be expected to be answered.
func (s *Server) answering() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.running() && !s.paused
}

// Kill ends the server with SIGKILL, as a crash would, and waits until it is gone. It does nothing to a
// server that does not run. It may be called from any goroutine.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.process().kill(); err != nil {
		s.t.Errorf("redistest: kill: %v", err)
	}
	s.setProcess(nil)
}

// Stop sends SHUTDOWN with args, such as "NOSAVE", and waits until the server is gone. Without args it
// saves what Start's args told it to save. A paused server is resumed first.
func (s *Server) Stop(args ...string) {
	s.t.Helper()
	p := s.process()
	if !p.running() {
		return
	}
	s.Resume()
	command := []any{"SHUTDOWN"}
	for _, arg := range args {
		command = append(command, arg)
	}
	_, err := s.Do(command...) // an error, for the connection ends with the server
	select {
	case <-p.exited:
	case <-time.After(stopTime):
		s.t.Fatalf("redistest: SHUTDOWN: the server still runs after %v; its reply: %v", stopTime, err)
	}
	s.setProcess(nil)
}

// Restart starts the server again on its port and in its folder, with the arguments it had, after a
// Stop if it still runs. It returns when the server answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	err := wait(startTime, func() error { // a passing connection may have the port
		err := s.launch()
		if err != nil {
			_ = s.process().kill()
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("redistest: restart: %v\n%s", err, output(s.dir))
	}
}

// Pause stops the server's process with SIGSTOP and returns when it stands still: connections stay, new
// ones are even accepted by the kernel, but nothing is answered. It may be called from any goroutine.
func (s *Server) Pause() {
	s.t.Helper()
	if s.signal(true) != nil {
		return
	}
	pid := s.process().cmd.Process.Pid
	err := wait(startTime, func() error {
		if state := processState(pid); state != "T" && state != "" {
			return fmt.Errorf("process %d is in state %s", pid, state)
		}
		return nil
	})
	if err != nil {
		s.t.Errorf("redistest: pause: %v", err)
	}
}

// Resume lets a paused server go on, with what came in meanwhile too. It does nothing to one that is
// not paused. It may be called from any goroutine.
func (s *Server) Resume() {
	s.t.Helper()
	_ = s.signal(false)
}

func (s *Server) signal(pause bool) error {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if pause == s.paused {
		return nil
	}
	sig := signalContinue
	if pause {
		sig = signalStop
	}
	err := errEnded
	if s.proc.running() {
		err = s.proc.cmd.Process.Signal(sig)
	}
	if err != nil {
		s.t.Errorf("redistest: %v: %v", sig, err)
		return err
	}
	s.paused = pause
	return nil
}
