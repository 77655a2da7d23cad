package redisstore_test

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// slotOfSession returns the slot in which a session lies.
func slotOfSession(t *testing.T, c *redistest.Cluster, id string) int {
	t.Helper()
	keys := c.Keys("*:s:" + id)
	if len(keys) != 1 {
		t.Fatalf("the keys of session: %q", keys)
	}
	return redistest.Slot(keys[0])
}

// clusterLoad starts two programs on a Cluster, and returns the slot of a session that they use.
func clusterLoad(t *testing.T, c *redistest.Cluster, policy core.LockingPolicy, timeout time.Duration, shards int) (*faultLoad, int) {
	t.Helper()
	cfg := redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs(), Timeout: timeout, Shards: shards}
	var programs []*core.Manager
	for range 2 {
		programs = append(programs, faultManager(t, open(t, cfg), core.Config{Lease: 2 * time.Second}))
	}
	l := startLoad(t, policy, 5*time.Millisecond, programs...)
	l.progress(50, recovery)
	return l, slotOfSession(t, c, l.ids[0])
}

// TestFaultClusterNodeKilled kills the master that has a session of each load while programs use it.
func TestFaultClusterNodeKilled(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 1)
	var loads []*faultLoad
	l, slot := clusterLoad(t, c, core.Optimistic, 0, 0)
	loads = append(loads, l)
	l, _ = clusterLoad(t, c, core.Serialized, 0, 0)
	loads = append(loads, l)
	waitReplicated(t, c.MasterOf(slot).Server, 1)
	began := time.Now()
	c.KillMasterOf(slot)
	until := time.Now()
	c.MasterOf(slot) // a new one
	t.Logf("the nodes agree on a new master after %v", time.Since(began).Round(time.Millisecond))
	for _, l := range loads {
		l.progress(50, afterwards)
		l.stop()
		cost := l.cost(began)
		t.Logf("%v: %v", l.policy, cost)
		cost.only(t, "ErrTimeout", "ErrUnknown", "ErrLockLost", "ErrLockTimeout")
		lost := l.check(l.programs[0])
		t.Logf("%d acknowledged commits are lost", len(lost))
		for _, x := range lost {
			if x.began.After(until) {
				t.Errorf("%s was acknowledged by the new master and is lost", x.token)
			}
		}
		l.checkTail(lost, until)
		l.checkUsed(until)
	}
}

// checkUsed makes sure that each session could be used again after a moment.
func (l *faultLoad) checkUsed(after time.Time) {
	l.t.Helper()
	used := make(map[string]bool)
	for _, x := range l.recorded() {
		used[x.id] = used[x.id] || x.err == nil && x.began.After(after)
	}
	for _, id := range l.ids {
		if !used[id] {
			l.t.Error("nobody could use a session any more")
		}
	}
}

// halfMoved is for how long some keys of a slot are at the new node and some at the old one. A session
// whose keys are apart has to wait.
const halfMoved = 200 * time.Millisecond

// TestFaultClusterSlotMoved moves the slot of all sessions from node to node while two programs use it.
func TestFaultClusterSlotMoved(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0)
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			l, slot := clusterLoad(t, c, policy, 10*time.Second, 1)
			began := time.Now()
			for range 2 { // there and back
				from, to := c.Nodes()[0], c.Nodes()[1]
				if c.MasterOf(slot) != from {
					from, to = to, from
				}
				c.MoveSlot(slot, from, to, func() { <-time.After(halfMoved) })
				l.progress(20, recovery)
			}
			l.stop()
			x := l.cost(began)
			t.Log(x)
			x.only(t, "ErrUnknown")
			l.checkNothingLost(l.programs[0])
		})
	}
}
