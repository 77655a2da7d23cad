package redisstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// recovery bounds how long Sentinels, or the nodes of a Cluster, and programs may need to go on with a new
// master: at times the Sentinels have to vote again. afterwards bounds what programs need for their part.
// Both leave much room for a busy machine.
const (
	recovery   = 40 * time.Second
	afterwards = 10 * time.Second
)

// masterLost is a way to lose the master.
type masterLost struct {
	name string
	args []string // of redis-server

	// lose returns until when the old master may have acknowledged what the new one never heard of.
	lose func(s *redistest.Sentinel) (until time.Time)
}

func killMaster(s *redistest.Sentinel) time.Time {
	s.KillMaster()
	return time.Now()
}

func hangMaster(s *redistest.Sentinel) time.Time {
	s.Master().Pause()
	return time.Now()
}

func failOver(s *redistest.Sentinel) time.Time {
	s.Failover()
	s.WaitOK() // until then the old master may go on as if it were one
	return time.Now()
}

var mastersLost = []masterLost{
	{"killed", nil, killMaster},
	{"SENTINEL FAILOVER", nil, failOver},
	{"hangs", nil, hangMaster},
	{"SENTINEL FAILOVER, all replicas needed", minReplicas(2), failOver},
}

// minReplicas has a master refuse writes when fewer replicas follow it.
func minReplicas(n int) []string {
	return []string{"--min-replicas-to-write", fmt.Sprint(n), "--min-replicas-max-lag", "2"}
}

// waitReplicated waits until the replicas have heard of what the master has done so far.
func waitReplicated(t *testing.T, master *redistest.Server, replicas int) {
	t.Helper()
	far, err := strconv.Atoi(master.Info("replication")["master_repl_offset"])
	if err != nil {
		t.Fatal(err)
	}
	poll(t, recovery, "the replicas follow", func() bool {
		info, n := master.Info("replication"), 0
		for i := range replicas {
			_, offset, _ := strings.Cut(info[fmt.Sprint("slave", i)], ",offset=")
			offset, _, _ = strings.Cut(offset, ",")
			if at, err := strconv.Atoi(offset); err == nil && at >= far {
				n++
			}
		}
		return n == replicas
	})
}

// TestFaultFailover loses the master while two programs work. They must find the new one by themselves,
// and only what it has never heard of may be lost.
func TestFaultFailover(t *testing.T) {
	for i, tt := range mastersLost {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.StartSentinelReplicas(t, 2, tt.args...)
			cfg := redisstore.Config{Mode: redisstore.Sentinel, Addrs: s.Addrs(), MasterName: s.MasterName()}
			policy := []core.LockingPolicy{core.Serialized, core.Optimistic}[i%2]
			var programs []*core.Manager
			for range 2 {
				// Two programs that update one session all the time may well overtake each other 32 times in a row.
				programs = append(programs, faultManager(t, open(t, cfg), core.Config{Lease: 2 * time.Second, MaxRetries: 1000}))
			}
			l := startLoad(t, policy, 5*time.Millisecond, programs...)
			l.progress(50, recovery)
			waitReplicated(t, s.Master(), 2)
			began := time.Now()
			until := tt.lose(s)
			l.progress(10, recovery)
			s.Master()
			named := time.Since(began)
			l.progress(50, afterwards)
			l.stop()
			cost := l.cost(began)
			t.Logf("%v: all Sentinels name the new master after %v at the latest; %v", policy, named.Round(time.Millisecond), cost)
			cost.only(t, "ErrTimeout", "ErrUnknown", "ErrLockLost", "ErrLockTimeout")
			lost := l.check(programs[0])
			t.Logf("%d acknowledged commits are lost", len(lost))
			for _, c := range lost {
				if c.began.After(until) {
					t.Errorf("%s was acknowledged %v after the old master was out of office and is lost", c.token, c.ended.Sub(until))
				}
			}
			if until.Sub(began) < time.Second { // the master acknowledged nothing more
				l.checkTail(lost, until)
			}
		})
	}
}

// checkTail makes sure that of what was acknowledged before a moment only the last is lost: what the new
// master had not heard of yet.
func (l *faultLoad) checkTail(lost []faultCommit, until time.Time) {
	l.t.Helper()
	isLost := make(map[string]bool)
	first := make(map[string]int) // position of the first that is lost, by session
	for _, c := range lost {
		isLost[c.token] = true
		if at, ok := first[c.id]; !ok || c.position < at {
			first[c.id] = c.position
		}
	}
	for _, c := range l.recorded() {
		at, ok := first[c.id]
		if ok && c.err == nil && c.ended.Before(until) && !isLost[c.token] && c.position > at {
			l.t.Errorf("number %d of a session is lost, and number %d is there", at, c.position)
		}
	}
}
