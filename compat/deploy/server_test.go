package deploy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
)

// server is a server that runs.
type server struct {
	addr string
	stop func() error // makes it drain, and returns what Serve did; once
}

func serve(t *testing.T, cfg deploy.ServerConfig, h http.Handler) *server {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := deploy.NewServer(cfg, h, slog.New(slog.NewTextHandler(t.Output(), nil)))
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return &server{l.Addr().String(), stop}
}

// talk sends raw bytes and returns what comes back until the server hangs up.
func talk(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, text) // the server may have hung up already
	answer, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the server does not hang up; so far: %s", answer)
	}
	return string(answer)
}

var echoBody = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		status := http.StatusBadRequest
		if _, is := errors.AsType[*http.MaxBytesError](err); is {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "no", status)
		return
	}
	fmt.Fprintf(w, "%d bytes", n)
})

func TestLimits(t *testing.T) {
	s := serve(t, deploy.ServerConfig{MaxBody: 100, MaxHeader: 1000, ReadHeaderTimeout: 50 * time.Millisecond,
		ReadTimeout: 100 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}, echoBody)
	for _, tt := range []struct{ name, send, want string }{
		{"a body that fits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100), "100 bytes"},
		{"a body that says it is too large", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", "413 "},
		{"a body that turns out too large", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + strings.Repeat("x", 255) + "\r\n0\r\n\r\n", "413 "},
		{"headers that are too large", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 8000) + "\r\n\r\n", "431 "},
		{"headers that do not come", "GET / HTTP/1.1\r\nHost: x\r\n", ""},
		{"a body that does not come", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx", "400 "},
		{"a connection that stays", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "0 bytes"},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := talk(t, s.addr, tt.send); !strings.Contains(got, tt.want) || tt.want == "" && strings.Contains(got, " 200 ") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Connections beyond the limit wait for their turn.
func TestMaxConnections(t *testing.T) {
	s := serve(t, deploy.ServerConfig{MaxConnections: 1}, echoBody)
	first, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := bufio.NewReader(first).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	fmt.Fprint(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := second.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the second one was served: %v", err)
	}
	first.Close()
	if err := second.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Errorf("the second one: %v", err)
	}
}

// Requests under way are finished. Connections on which nothing was ever asked, as browsers keep them, delay nothing.
func TestDrain(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := serve(t, deploy.ServerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-goOn
		fmt.Fprint(w, "done")
	}))
	silent, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	answer := make(chan string, 1)
	go func() { answer <- talk(t, s.addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }()
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	for { // until it takes no new ones
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			break
		}
		c.Close()
	}
	close(goOn)
	if got := <-answer; !strings.HasSuffix(got, "done") {
		t.Errorf("the request under way: %q", got)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(4 * time.Second): // net/http alone waits five
		t.Error("a silent connection delays the end")
	}
}

func TestDrainEnds(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	defer close(goOn)
	s := serve(t, deploy.ServerConfig{Drain: 50 * time.Millisecond}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-goOn
	}))
	go func() { _, _ = http.Get("http://" + s.addr) }()
	<-begun
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "requests were cut off after 50ms") {
		t.Error(err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cfg := deploy.ServerConfig{Listen: "unix:" + path, SocketMode: 0o600}
	s := serve(t, cfg, echoBody)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := deploy.NewServer(cfg, echoBody, nil).Listen(t.Context()); err == nil {
		t.Error("two servers on one socket")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
	resp, err := client.Get("http://any/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	// What a process leaves that was killed is no hindrance; what is no socket is left alone.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := serve(t, cfg, echoBody).stop(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := deploy.NewServer(cfg, echoBody, nil).Listen(t.Context()); err == nil {
		t.Error("it listens in the place of a file")
	}
	if text, err := os.ReadFile(path); string(text) != "keep me" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFilesAreLeftToTheSystem sees to it that what a listener with a limit accepts can still copy a file by itself, which is
// how net/http sends one, and close one direction alone.
func TestFilesAreLeftToTheSystem(t *testing.T) {
	l, err := deploy.NewServer(deploy.ServerConfig{Listen: "127.0.0.1:0"}, echoBody, nil).Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan string, 1)
	go func() {
		defer close(received)
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer c.Close()
		text, _ := io.ReadAll(c) // ends with the other side's direction
		received <- string(text)
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to, can := c.(io.ReaderFrom)
	half, canClose := c.(interface{ CloseWrite() error })
	if !can || !canClose {
		t.Fatalf("a connection has ReadFrom: %t, CloseWrite: %t", can, canClose)
	}
	if n, err := to.ReadFrom(io.LimitReader(f, 4)); n != 4 || err != nil {
		t.Errorf("copied %d bytes, %v", n, err)
	}
	if err := half.CloseWrite(); err != nil {
		t.Error(err)
	}
	if got := <-received; got != "cont" {
		t.Errorf("the client has %q", got)
	}
}

// TestUploadsLeaveNoFiles sends a file to a plain handler, in an application and alone, behind the limit for bodies.
func TestUploadsLeaveNoFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	left := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	upload := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil || left() == 0 {
			t.Errorf("%v, and there are %d files", err, left())
		}
	})
	form := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 64<<10) + "\r\n--x--\r\n"
	for name, h := range map[string]http.Handler{"alone": upload, "application": compat.Handler(deploy.FromHandler(upload), compat.HandlerConfig{})} {
		s := serve(t, deploy.ServerConfig{}, h)
		answer := talk(t, s.addr, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n"+
			"Content-Length: %d\r\n\r\n%s", len(form), form))
		if !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%s: %s", name, answer)
		}
		if err := s.stop(); err != nil { // after which all is done
			t.Error(err)
		}
		if n := left(); n != 0 {
			t.Errorf("%s: %d files are left", name, n)
			_ = os.RemoveAll(dir)
			_ = os.Mkdir(dir, 0o700)
		}
	}
}

// TestBodiesThatGrowTooLarge: a body that does not say how large it is fails the application that reads it, which is the
// client's mistake and not the server's.
func TestBodiesThatGrowTooLarge(t *testing.T) {
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := io.ReadAll(env.Input())
		return nil, err
	})
	s := serve(t, deploy.ServerConfig{MaxBody: 100}, compat.Handler(app, compat.HandlerConfig{}))
	answer := talk(t, s.addr, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"+strings.Repeat("x", 0x65)+"\r\n0\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 413") || !strings.Contains(answer, "too large") {
		t.Errorf("the answer is %q", answer)
	}
}
