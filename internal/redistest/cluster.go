package redistest

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	// nodeTimeout is how long a node must be silent to be taken for dead. A fail-over takes about twice
	// as long. It must not be so short that a busy machine makes nodes silent.
	nodeTimeout = 1500 * time.Millisecond

	clusterTime = 40 * time.Second // for nodes to agree; it is seconds, except on a busy machine
	slots       = 16384
)

// Cluster is a Redis Cluster on this machine.
type Cluster struct {
	t     testing.TB
	nodes []*Node
}

// Node is one server of a Cluster. Killed and started again it is the same node.
type Node struct {
	*Server
	ID    string // what CLUSTER MYID replies
	Proxy *Proxy // what other nodes and clients reach it by; nil except in StartProxiedCluster
}

// ClientAddr returns the address that redirects and CLUSTER SLOTS give for the node: its Proxy's, or its
// own.
func (n *Node) ClientAddr() string {
	if n.Proxy != nil {
		return n.Proxy.Addr()
	}
	return n.Addr()
}

// StartCluster starts a Cluster of so many masters, each with a near equal range of the slots and with
// so many replicas, and returns when WaitOK would. It takes about three seconds, for a node wants to be
// up for two before it serves. A fail-over takes three masters at least, of which most live, and some
// three seconds. args are as for Start; a "--requirepass" needs a "--masterauth" too.
func StartCluster(t testing.TB, masters, replicasPerMaster int, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, false, masters, replicasPerMaster, args)
}

// StartProxiedCluster is StartCluster with a Proxy in front of each node, whose address is the one the
// node announces: all that clients send passes the proxies. So does replication, which is not counted,
// but stalled and cut with the rest. What the nodes tell each other on their bus does not.
func StartProxiedCluster(t testing.TB, masters, replicasPerMaster int, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, true, masters, replicasPerMaster, args)
}

func startCluster(t testing.TB, proxied bool, masters, replicas int, args []string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for range masters * (1 + replicas) {
		c.nodes = append(c.nodes, startNode(t, proxied, args))
	}
	for i, n := range c.nodes {
		n.ID, _ = n.must("CLUSTER", "MYID").(string)
		n.must("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i < masters {
			n.addSlots(i*slots/masters, (i+1)*slots/masters)
		}
		for _, other := range c.nodes[:i] { // all of them, for gossip takes longer
			n.must("CLUSTER", "MEET", "127.0.0.1", other.port, other.port+10000)
		}
	}
	c.wait("nodes that know each other", c.acquainted)
	for i, n := range c.nodes[masters:] {
		n.must("CLUSTER", "REPLICATE", c.nodes[i%masters].ID)
	}
	c.WaitOK()
	return c
}

func startNode(t testing.TB, proxied bool, args []string) *Node {
	t.Helper()
	n := &Node{}
	if proxied {
		n.Proxy = NewProxy(t, "") // whose server needs its port first
	}
	n.Server = start(t, true, func(port int, dir string) []string {
		more := []string{
			"--cluster-enabled", "yes",
			"--cluster-config-file", filepath.Join(dir, "nodes.conf"),
			"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
			"--cluster-replica-validity-factor", "0", // a replica may be promoted however old its data
			"--cluster-migration-barrier", "100", // replicas stay with their masters
		}
		if n.Proxy != nil {
			more = append(more, "--cluster-announce-ip", "127.0.0.1",
				"--cluster-announce-port", strconv.Itoa(n.Proxy.Port()),
				"--cluster-announce-bus-port", strconv.Itoa(port+10000))
		}
		return serverArgs(port, dir, append(more, args...)...)
	})
	if n.Proxy != nil {
		n.Proxy.setServer(n.Addr())
	}
	return n
}

// addSlots gives the slots from first to before end to a node that is alone yet.
func (n *Node) addSlots(first, end int) {
	n.t.Helper()
	if _, err := n.Do("CLUSTER", "ADDSLOTSRANGE", first, end-1); err == nil {
		return
	}
	command := []any{"CLUSTER", "ADDSLOTS"} // Redis 6.2 has no ranges
	for slot := first; slot < end; slot++ {
		command = append(command, slot)
	}
	n.must(command...)
}

// wait ends the test if done does not return nil in time.
func (c *Cluster) wait(what string, done func() error) {
	c.t.Helper()
	if err := wait(clusterTime, done); err != nil {
		c.t.Fatalf("redistest: no %s %v", what, err)
	}
}

// Nodes returns all nodes: those that were masters at first, then their replicas, in turn.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// Addrs returns each node's ClientAddr, in the order of Nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.ClientAddr())
	}
	return addrs
}

// Proxies returns each node's Proxy, in the order of Nodes. There are none except after
// StartProxiedCluster.
func (c *Cluster) Proxies() []*Proxy {
	var proxies []*Proxy
	for _, n := range c.nodes {
		if n.Proxy != nil {
			proxies = append(proxies, n.Proxy)
		}
	}
	return proxies
}

// answering returns the nodes that run and are not paused.
func (c *Cluster) answering() []*Node {
	return slices.DeleteFunc(c.Nodes(), func(n *Node) bool { return !n.answering() })
}

// WaitOK waits until the nodes that run, and are not paused, agree that all is well: each slot belongs
// to one of them, none is thought dead, and each replica is linked to its master.
func (c *Cluster) WaitOK() {
	c.t.Helper()
	c.wait("cluster in order", func() error {
		v, err := c.agreed()
		if err != nil {
			return err
		}
		for slot, owner := range v.owner {
			if !slices.ContainsFunc(c.answering(), func(n *Node) bool { return n.ID == owner }) {
				return fmt.Errorf("slot %d: its master %q does not answer", slot, owner)
			}
		}
		return c.linked()
	})
}

// linked returns nil when each node serves and each replica has its master's data.
func (c *Cluster) linked() error {
	for _, n := range c.answering() {
		v, err := n.Do("CLUSTER", "INFO")
		if err != nil {
			return err
		}
		if state := fields(fmt.Sprint(v), "\r\n", ":")["cluster_state"]; state != "ok" {
			return fmt.Errorf("%s: cluster_state is %s", n.Addr(), state)
		}
		info, err := n.info("replication")
		if err != nil {
			return err
		}
		if status := info["master_link_status"]; info["role"] == "slave" && status != "up" {
			return fmt.Errorf("%s: master_link_status is %s", n.Addr(), status)
		}
	}
	return nil
}

// MasterOf returns the master of a slot. It waits until the nodes that run, and are not paused, agree on
// one of them, so after KillMasterOf it waits for the fail-over.
func (c *Cluster) MasterOf(slot int) *Node {
	c.t.Helper()
	var master *Node
	c.wait(fmt.Sprintf("master of slot %d", slot), func() error {
		v, err := c.agreed()
		if err != nil {
			return err
		}
		for _, n := range c.answering() {
			if n.ID == v.owner[slot] {
				master = n
				return nil
			}
		}
		return errors.New("it does not answer")
	})
	return master
}

// ReplicasOf returns the replicas of a slot's master, without those that do not run or are paused.
func (c *Cluster) ReplicasOf(slot int) []*Node {
	c.t.Helper()
	master := c.MasterOf(slot)
	v, err := master.view()
	if err != nil {
		c.t.Fatalf("redistest: %s: %v", master.Addr(), err)
	}
	return slices.DeleteFunc(c.answering(), func(n *Node) bool { return v.master[n.ID] != master.ID })
}

// KillMasterOf kills the master of a slot and returns it. It does not wait for the fail-over: MasterOf
// and WaitOK do.
func (c *Cluster) KillMasterOf(slot int) *Node {
	c.t.Helper()
	n := c.MasterOf(slot)
	n.Kill()
	return n
}

// Keys returns the names on all masters that match the pattern, sorted.
func (c *Cluster) Keys(pattern string) []string {
	c.t.Helper()
	seen := map[string]bool{}
	for _, n := range c.answering() {
		for _, key := range n.Keys(pattern) { // a replica's too: SCAN is not redirected
			seen[key] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
