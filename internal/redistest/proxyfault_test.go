package redistest

import (
	"io"
	"net"
	"testing"
	"time"
)

func isCommand(want string) func(string, [][]byte) bool {
	return func(cmd string, _ [][]byte) bool { return cmd == want }
}

// TestProxyCutReply loses replies of commands that were executed.
func TestProxyCutReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after int
		want  string // what arrives, the reply to the command before first
	}{
		{"nothing of it", 0, "+OK\r\n"},
		{"a byte", 1, "+OK\r\n:"},
		{"all of it", 100, "+OK\r\n:8\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			p := NewProxy(t, s.Addr())
			never := p.CutReply(isCommand("DECR"), 0)
			done := p.CutReply(func(cmd string, args [][]byte) bool {
				return cmd == "INCR" && string(args[0]) == "n"
			}, tt.after)
			other := mustDial(t, p.Addr())
			mustDo(t, other, "INCR", "m")

			conn, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("SET n 7\r\nINCR n\r\n")); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			<-done
			if got := mustDo(t, other, "INCR", "n"); got != int64(9) {
				t.Errorf("n is %v after one more: the command that lost its reply was not executed", got)
			}
			select {
			case <-never:
				t.Error("the other order was carried out")
			default:
			}
		})
	}
}

func TestProxyCut(t *testing.T) {
	t.Parallel()
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := mustDial(t, p.Addr())
	mustDo(t, c, "SET", "a", 1)
	p.Cut()
	if _, err := c.Do("GET", "a"); err == nil {
		t.Error("a connection that was cut answers")
	}
	if p.Open() != 0 {
		t.Errorf("%d connections", p.Open())
	}
	mustDo(t, mustDial(t, p.Addr()), "GET", "a")

	cut := p.CutReply(isCommand("BLPOP"), 0)
	blocked := mustDial(t, p.Addr())
	if err := blocked.Send([]any{"BLPOP", "never", 0}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return p.Names()["BLPOP"] == 1 })
	p.Cut()
	<-cut // although no reply came
}

func TestProxyRefuse(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, Start(t).Addr())
	c := mustDial(t, p.Addr())
	mustDo(t, c, "PING")
	p.Refuse(true)
	if refused, err := Dial(p.Addr()); err == nil {
		if _, err := refused.Do("PING"); err == nil {
			t.Error("a connection that is to be refused answers")
		}
		refused.Close()
	}
	mustDo(t, c, "PING")
	p.Refuse(false)
	mustDo(t, mustDial(t, p.Addr()), "PING")
	if p.Accepted() != 2 {
		t.Errorf("%d accepted", p.Accepted())
	}
}

// TestProxyStall has a command wait in the proxy, and reach the server after its client has gone.
func TestProxyStall(t *testing.T) {
	t.Parallel()
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c, gone, blocked := mustDial(t, p.Addr()), mustDial(t, p.Addr()), mustDial(t, p.Addr())
	mustDo(t, c, "SET", "n", 0)
	mustDo(t, gone, "PING")
	got := make(chan error, 3)
	go func() {
		_, err := blocked.Do("BLPOP", "list", 0)
		got <- err
	}()
	waitFor(t, func() bool { return s.Info("clients")["blocked_clients"] == "1" })
	p.Stall()
	p.Stall()
	if v, err := s.Do("RPUSH", "list", 1); err != nil || v != int64(1) {
		t.Fatal(v, err)
	}
	late := mustDial(t, p.Addr())
	for _, c := range []*Conn{c, late} {
		go func() {
			_, err := c.Do("INCR", "n")
			got <- err
		}()
	}
	if err := gone.Send([]any{"INCR", "n"}); err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-got:
		t.Fatalf("an answer came through: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if v, err := s.Do("GET", "n"); err != nil || v != "0" {
		t.Errorf("n is %v, %v: a command came through", v, err)
	}
	p.Unstall()
	p.Unstall()
	for range 3 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	waitFor(t, func() bool {
		v, err := s.Do("GET", "n")
		return err == nil && v == "3"
	})
}

// TestProxyWithoutServer has clients see an end, not a wait.
func TestProxyWithoutServer(t *testing.T) {
	t.Parallel()
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := mustDial(t, p.Addr())
	mustDo(t, c, "PING")
	s.Kill()
	for _, c := range []*Conn{c, mustDial(t, p.Addr())} {
		if _, err := c.Do("PING"); err == nil {
			t.Error("answers for a server that is dead")
		}
	}
	s.Restart()
	mustDo(t, mustDial(t, p.Addr()), "PING")
}
