package redisstore_test

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestFaultConnectionsCut cuts all connections every few milliseconds while two programs work. The users
// must not notice.
func TestFaultConnectionsCut(t *testing.T) {
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t)
			proxy := redistest.NewProxy(t, srv.Addr())
			var programs []*core.Manager
			for range 2 {
				st := open(t, redisstore.Config{Addrs: []string{proxy.Addr()}, Timeout: 10 * time.Second})
				programs = append(programs, faultManager(t, st, core.Config{}))
			}
			l := startLoad(t, policy, 5*time.Millisecond, programs...)
			l.progress(20, 10*time.Second)

			began, cuts := time.Now(), 0
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ; cuts < 80; cuts++ {
				<-tick.C
				proxy.Cut()
			}
			l.progress(20, 10*time.Second)
			l.stop()
			c := l.cost(began)
			t.Logf("%d cuts: %v", cuts, c)
			// Commits come so fast that seven others can overtake one whose connection was cut.
			c.only(t, "ErrUnknown")
			l.checkNothingLost(faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{}))
		})
	}
}

// TestFaultScriptsFlushed takes the scripts from Redis again and again.
func TestFaultScriptsFlushed(t *testing.T) {
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			srv := redistest.Start(t)
			a := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{})
			b := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{})
			l := startLoad(t, policy, 2*time.Millisecond, a, b)
			began := time.Now()
			for range 20 {
				if _, err := srv.Do("SCRIPT", "FLUSH"); err != nil {
					t.Fatal(err)
				}
				l.progress(4, 10*time.Second)
			}
			l.stop()
			c := l.cost(began)
			t.Log(c)
			c.only(t)
			l.checkNothingLost(a)
		})
	}
}
