package redistest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// clusterDo sends a command to addr and follows redirects as a client does. It returns the redirects.
func clusterDo(t testing.TB, addr string, args ...any) (v any, redirects []string) {
	t.Helper()
	for asking := false; len(redirects) < 5; {
		c := mustDial(t, addr)
		if asking {
			mustDo(t, c, "ASKING")
		}
		v, err := c.Do(args...)
		e, _ := errors.AsType[Error](err)
		if err == nil || (e.Code() != "MOVED" && e.Code() != "ASK") {
			if err != nil {
				t.Errorf("%v: %v", args, err)
			}
			return v, redirects
		}
		redirects = append(redirects, e.Code())
		asking = e.Code() == "ASK"
		addr = strings.Fields(string(e))[2]
	}
	t.Fatalf("%v: too many redirects: %v", args, redirects)
	return nil, nil
}

// TestCluster moves a slot, then kills a master, then has it come back.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, 1)
	if len(c.Nodes()) != 6 || len(c.Addrs()) != 6 || len(c.Proxies()) != 0 {
		t.Fatalf("%d nodes, %d addresses, %d proxies", len(c.Nodes()), len(c.Addrs()), len(c.Proxies()))
	}
	const keys = 25
	slot := Slot("{tag}")
	from, to := c.MasterOf(slot), c.MasterOf((slot+slots/2)%slots)
	if from == to {
		t.Fatal("one master for both")
	}
	key := func(i int) string { return fmt.Sprintf("{tag}:%d", i) }
	for i := range keys {
		if _, redirects := clusterDo(t, to.Addr(), "SET", key(i), i); !slices.Equal(redirects, []string{"MOVED"}) {
			t.Fatalf("redirects: %v", redirects)
		}
	}
	// read returns by which ways the keys were found.
	read := func(addr string) map[string]int {
		ways := map[string]int{}
		for i := range keys {
			v, redirects := clusterDo(t, addr, "GET", key(i))
			if v != fmt.Sprint(i) {
				t.Errorf("%s is %v", key(i), v)
			}
			ways[strings.Join(redirects, " ")]++
		}
		return ways
	}
	c.MoveSlot(slot, from, to, func() {
		if ways := read(from.Addr()); ways[""] != 12 || ways["ASK"] != 13 {
			t.Errorf("half-way, keys by redirect: %v", ways)
		}
		if c.MasterOf(slot) != from {
			t.Error("half-way, the slot has a new master")
		}
		if _, redirects := clusterDo(t, from.Addr(), "SET", "{tag}:new", 1); !slices.Equal(redirects, []string{"ASK"}) {
			t.Errorf("half-way, a new key: %v", redirects)
		}
	})
	if ways := read(from.Addr()); ways["MOVED"] != keys {
		t.Errorf("after the move, keys by redirect: %v", ways)
	}
	if c.MasterOf(slot) != to {
		t.Error("after the move, the slot has its old master")
	}
	if got := c.Keys("{tag}:*"); len(got) != keys+1 {
		t.Errorf("%d keys", len(got))
	}
	replica := c.ReplicasOf(slot)
	if len(replica) != 1 || to.must("WAIT", 1, 5000) != int64(1) {
		t.Fatalf("replicas: %v", replica)
	}
	testFailOver(t, c, slot, to, replica[0])
	if ways := read(replica[0].Addr()); ways[""] != keys {
		t.Errorf("after the fail-over, keys by redirect: %v", ways)
	}
}

func testFailOver(t *testing.T, c *Cluster, slot int, master, replica *Node) {
	t.Helper()
	if n := c.KillMasterOf(slot); n != master {
		t.Errorf("killed %s, not %s", n.Addr(), master.Addr())
	}
	c.WaitOK()
	if n := c.MasterOf(slot); n != replica {
		t.Errorf("%s took over, not the replica %s", n.Addr(), replica.Addr())
	}
	master.Restart()
	c.WaitOK()
	if n := c.MasterOf(slot); n != replica {
		t.Errorf("the master changed again, to %s", n.Addr())
	}
	if r := c.ReplicasOf(slot); len(r) != 1 || r[0] != master {
		t.Errorf("the old master is no replica")
	}
}

// TestProxiedCluster has redirects lead to the proxies, and a paused master be replaced.
func TestProxiedCluster(t *testing.T) {
	t.Parallel()
	c := StartProxiedCluster(t, 3, 1, "--requirepass", "secret", "--masterauth", "secret")
	if len(c.Proxies()) != 6 {
		t.Fatalf("%d proxies", len(c.Proxies()))
	}
	for _, p := range c.Proxies() {
		p.Reset()
	}
	master, other := c.MasterOf(Slot("a")), c.MasterOf((Slot("a")+slots/2)%slots)
	conn := mustDial(t, other.ClientAddr())
	mustDo(t, conn, "AUTH", "secret")
	_, err := conn.Do("SET", "a", 1)
	if want := fmt.Sprintf("MOVED %d %s", Slot("a"), master.ClientAddr()); err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	conn = mustDial(t, master.ClientAddr())
	mustDo(t, conn, "AUTH", "secret")
	mustDo(t, conn, "SET", "a", 1)
	mustDo(t, conn, "GET", "a")
	for _, n := range c.Nodes() {
		want := map[*Node]int{master: 2, other: 1}[n]
		if got := n.Proxy.Trips(); got != want {
			t.Errorf("%s: %d trips %v, want %d", n.Addr(), got, n.Proxy.Names(), want)
		}
	}
	c.MoveSlot(Slot("a"), master, other, nil)
	if got := other.must("GET", "a"); got != "1" {
		t.Errorf("a is %v where it was moved to", got)
	}
	replica := c.ReplicasOf(Slot("a"))[0]
	other.must("WAIT", 1, 5000)
	other.Pause()
	if got := c.MasterOf(Slot("a")); got != replica {
		t.Errorf("%s took over from the paused master, not %s", got.Addr(), replica.Addr())
	}
	if got := replica.must("GET", "a"); got != "1" {
		t.Errorf("a is %v with the new master", got)
	}
	other.Resume()
	c.WaitOK()
}

// TestSlot asks a server.
func TestSlot(t *testing.T) {
	t.Parallel()
	n := startNode(t, false, nil)
	for _, key := range []string{
		"", "123456789", "foo", "x{foo}y", "{foo}{bar}", "foo{{bar}}zap", "{", "}{", "foo{}", "foo{}{bar}", "\x00\xff{\xfe}",
	} {
		if got, want := Slot(key), n.must("CLUSTER", "KEYSLOT", key); int64(got) != want {
			t.Errorf("%q: slot %d, want %v", key, got, want)
		}
	}
}
