package redistest

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	s := Start(t)
	for _, tt := range []struct {
		args []any
		want any
	}{
		{[]any{"SET", "a", []byte("1\r\n2")}, "OK"},
		{[]any{"GET", "a"}, "1\r\n2"},
		{[]any{"GET", "b"}, nil},
		{[]any{"RPUSH", "l", 1, 2.5}, int64(2)},
		{[]any{"LRANGE", "l", 0, -1}, []any{"1", "2.5"}},
		{[]any{"CONFIG", "GET", "appendonly"}, []any{"appendonly", "no"}},
	} {
		if got, err := s.Do(tt.args...); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: got %#v, %v; want %#v", tt.args, got, err, tt.want)
		}
	}
	_, err := s.Do("LLEN", "a")
	if e, ok := errors.AsType[Error](err); !ok || e.Code() != "WRONGTYPE" {
		t.Errorf("LLEN of a string: %v", err)
	}
	if got := s.CommandStats()["llen"]; got.Calls != 1 || got.Failed != 1 {
		t.Errorf("llen: %+v", got)
	}
	for i := range 2500 {
		if _, err := s.Do("SET", "many:"+string(rune('a'+i%26))+time.Duration(i).String(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if keys := s.Keys("many:*"); len(keys) != 2500 || !strings.HasPrefix(keys[0], "many:a") {
		t.Errorf("%d keys", len(keys))
	}
	if d := s.UsedCPU(); d <= 0 || d > time.Minute {
		t.Errorf("used %v", d)
	}
	if got := s.Info("server")["tcp_port"]; "127.0.0.1:"+got != s.Addr() {
		t.Errorf("port %s of %s", got, s.Addr())
	}
}

// TestEnds has a server end in each way, and what it had with it unless it keeps it on disk.
func TestEnds(t *testing.T) {
	t.Parallel()
	memory, disk := Start(t), Start(t, "--appendonly", "yes", "--requirepass", "secret")
	if got, want := disk.URL(), "redis://:secret@"+disk.Addr(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := mustDial(t, disk.Addr()).Do("GET", "a"); err == nil {
		t.Error("served without the password")
	}
	for name, end := range map[string]func(s *Server){
		"killed":        (*Server).Kill,
		"killed, twice": func(s *Server) { s.Kill(); s.Kill() },
		"stopped":       func(s *Server) { s.Stop("NOSAVE") },
		"restarted":     func(*Server) {},
		"paused":        func(s *Server) { s.Pause(); s.Kill() },
		"shut down":     func(s *Server) { s.Pause(); s.Stop() },
	} {
		for s, want := range map[*Server]any{memory: nil, disk: "1"} {
			addr := s.Addr()
			if _, err := s.Do("SET", "a", 1); err != nil {
				t.Fatal(err)
			}
			end(s)
			if name != "restarted" {
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					t.Errorf("%s: still there", name)
				}
				if _, err := s.Do("PING"); err == nil || s.Running() {
					t.Errorf("%s: answers", name)
				}
			}
			s.Restart()
			if got, err := s.Do("GET", "a"); err != nil || got != want || s.Addr() != addr {
				t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
			}
		}
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	s := Start(t)
	c := mustDial(t, s.Addr())
	s.Pause()
	if err := c.Send([]any{"PING"}); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := c.Receive()
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Resume()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestPortTaken has two servers want one port.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	first := Start(t)
	second := &Server{t: t, tool: first.tool, dir: t.TempDir(), port: first.port}
	t.Cleanup(second.cleanup)
	second.args = serverArgs(second.port, second.dir)
	if err := second.launch(); !errors.Is(err, errEnded) {
		t.Errorf("launched on another's port: %v", err)
	}
}
