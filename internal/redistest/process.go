package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a server program that runs.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the program has ended and been waited for
}

func startProcess(tool, dir string, args ...string) (*process, error) {
	p := &process{exec.Command(tool, args...), make(chan struct{})}
	p.cmd.Dir = dir
	dieWithParent(p.cmd)
	out, err := os.OpenFile(filepath.Join(dir, "output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is not our matter
		close(p.exited)
	}()
	return p, nil
}

// running reports whether the program has not ended.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the program at once, if it runs, and waits for it.
func (p *process) kill() error {
	if p == nil {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}

// output returns the end of what the programs wrote that ran in dir.
func output(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "output"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// freePort returns a port of 127.0.0.1 that was free a moment ago. If bus is set, the port 10000 above
// it, where a Cluster's nodes talk, is free too.
func freePort(bus bool) (int, error) {
	for range 100 {
		port, err := tryPort(0)
		if err != nil {
			return 0, err
		}
		if !bus {
			return port, nil
		}
		if _, err := tryPort(port + 10000); err == nil {
			return port, nil
		}
	}
	return 0, errors.New("redistest: no port is free whose bus port is free too")
}

func tryPort(port int) (int, error) {
	ln, err := net.Listen("tcp", address(port))
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// wait calls done until it returns nil. If that takes longer than within, it returns the last error.
func wait(within time.Duration, done func() error) error {
	deadline := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := done()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", within, err)
		}
		time.Sleep(pause)
	}
}

// processState returns the letter that Linux has for what a process does: "T" is stopped. It returns
// "" where that can not be read.
func processState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:min(1, len(after))]
}
