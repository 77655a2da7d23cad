package redistest

import (
	"fmt"
	"testing"
)

// named returns the master's address that a sentinel gives.
func named(t *testing.T, addr, master string) string {
	t.Helper()
	v, ok := mustDo(t, mustDial(t, addr), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", master).([]any)
	if !ok {
		t.Fatalf("no address for %q", master)
	}
	return fmt.Sprintf("%v:%v", v...)
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	if len(s.Addrs()) != 3 || len(s.Servers()) != 2 {
		t.Fatalf("%d sentinels, %d servers", len(s.Addrs()), len(s.Servers()))
	}
	first := s.Master()
	if first != s.Servers()[0] {
		t.Error("the master is not the first server")
	}
	first.must("SET", "a", 1)
	if first.must("WAIT", 1, 5000) != int64(1) {
		t.Fatal("the replica did not get it")
	}
	if killed := s.KillMaster(); killed != first {
		t.Errorf("killed %s", killed.Addr())
	}
	second := s.Master()
	if second != s.Servers()[1] {
		t.Errorf("the new master is %s", second.Addr())
	}
	for _, addr := range s.Addrs() {
		if got := named(t, addr, s.MasterName()); got != second.Addr() {
			t.Errorf("sentinel %s names %s, not %s", addr, got, second.Addr())
		}
	}
	if got := second.must("GET", "a"); got != "1" {
		t.Errorf("a is %v", got)
	}
	second.must("SET", "a", 2)
	first.Restart()
	s.WaitOK()
	if got := first.must("GET", "a"); got != "2" || s.Master() != second {
		t.Errorf("a is %v with the old master", got)
	}
}

// TestSentinelFailover asks for a fail-over, of servers with a password and while a sentinel is dead.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := StartSentinelReplicas(t, 2, "--requirepass", "secret")
	s.Sentinels()[0].Kill()
	first := s.Master()
	from, to := s.Failover()
	if from != first || to == first || s.Master() != to {
		t.Errorf("from %s to %s", from.Addr(), to.Addr())
	}
}
