// Package program starts a program as its user would, for tests: build it, read from its first line
// where it listens, interrupt it and see it end well.
package program

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit bounds every wait for a program.
const limit = 20 * time.Second

// module is the one that the programs belong to. Tests of nested modules build them too.
const module = "github.com/holdover-web/holdover"

// Build builds the package in a folder of the root module, such as "examples/sidebyside", and returns
// the path of the program. It takes part in the build cache.
func Build(t testing.TB, folder string) string {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("where is module %s: %v", module, err)
	}
	bin := filepath.Join(t.TempDir(), filepath.Base(folder))
	build := exec.Command("go", "build", "-o", bin, "./"+folder)
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	return bin
}

// Program is a program that runs and listens.
type Program struct {
	URL string // where it listens, ending in a slash

	t      testing.TB
	cmd    *exec.Cmd
	stderr logBuffer
	ended  chan struct{} // closed when the program has ended
	err    error         // how it ended; set when ended is closed
}

// Start starts a program, which must print "listening on URL" as its first line. What has not been
// stopped when the test ends is stopped then.
func Start(t testing.TB, bin string, args ...string) *Program {
	t.Helper()
	p := &Program{t: t, cmd: exec.Command(bin, args...), ended: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = limit
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(p.Stop)

	first := make(chan string, 1)
	go func() { // ends when the program does, which Stop sees to
		defer out.Close()
		lines := bufio.NewScanner(out)
		lines.Scan()
		first <- lines.Text()
		for lines.Scan() { // keep reading, or the program would block
		}
	}()
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()

	select {
	case line := <-first:
		url, found := strings.CutPrefix(line, "listening on ")
		if !found {
			p.kill()
			t.Fatalf("the first line is %q; it should be: listening on http://HOST:PORT/\nstderr: %s", line, &p.stderr)
		}
		p.URL = url
	case <-time.After(limit):
		p.kill()
		t.Fatalf("the program printed nothing within %v\nstderr: %s", limit, &p.stderr)
	}
	return p
}

// Stop interrupts the program, as Ctrl-C does, and waits for its end. The test fails if the program
// does not end by itself with exit code 0. Stopping it again does nothing.
func (p *Program) Stop() {
	p.t.Helper()
	select {
	case <-p.ended:
	default:
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			p.t.Errorf("interrupt: %v", err)
		}
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.kill()
		p.t.Errorf("the program did not end within %v of the interrupt", limit)
		return
	}
	if p.err != nil {
		p.t.Errorf("the program ended with %v\nstderr: %s", p.err, &p.stderr)
	}
}

// Signal sends the program a signal.
func (p *Program) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("signal %v: %v", s, err)
	}
}

// Log returns what the program has written to its standard error so far.
func (p *Program) Log() string { return p.stderr.String() }

// logBuffer is written while it is read.
type logBuffer struct {
	mu  sync.Mutex // guards the following field
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (p *Program) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}
