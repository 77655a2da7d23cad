package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// wrongClocks are how much the clocks of programs that share sessions are off.
var wrongClocks = []time.Duration{0, time.Hour, -time.Hour}

func clockOff(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// TestFaultClockLifetime makes sure that a session ends when its time is over, whatever the clocks of
// those who made it and who use it say.
func TestFaultClockLifetime(t *testing.T) {
	const life = 1500 * time.Millisecond
	for _, maker := range wrongClocks {
		for _, timeout := range []string{"idle", "absolute"} {
			t.Run(fmt.Sprintf("%s timeout, made by a clock that is off by %v", timeout, maker), func(t *testing.T) {
				t.Parallel()
				st := open(t, redisstore.Config{Addrs: []string{redistest.Start(t).Addr()}})
				cfg := core.Config{IdleTimeout: life}
				if timeout == "absolute" {
					cfg = core.Config{IdleTimeout: -1, AbsoluteTimeout: life}
				}
				cfg.Now = clockOff(maker)
				id := newSession(t, faultManager(t, st, cfg))
				began := time.Now()
				for _, user := range wrongClocks {
					cfg.Now = clockOff(user)
					s, err := faultManager(t, st, cfg).Open(t.Context(), id)
					if err != nil {
						t.Errorf("ended %v after it was made, for a clock that is off by %v: %v", time.Since(began), user, err)
						continue
					}
					if err := s.End(t.Context()); err != nil {
						t.Error(err)
					}
				}
				used := time.Now()
				ended := func(by time.Duration) func() bool {
					cfg.Now = clockOff(by)
					m := faultManager(t, st, cfg)
					return func() bool {
						has, err := m.Has(t.Context(), id)
						return err == nil && !has
					}
				}
				poll(t, 2*life, "the session has ended", ended(0))
				if lived := time.Since(began); lived < life-life/10 || time.Since(used) > 2*life {
					t.Errorf("it lived for %v", lived)
				}
				for _, user := range wrongClocks {
					if !ended(user)() {
						t.Errorf("a clock that is off by %v still finds it", user)
					}
				}
			})
		}
	}
}

// TestFaultClockPolicies has programs whose clocks are off share sessions, under each policy.
func TestFaultClockPolicies(t *testing.T) {
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t)
			var programs []*core.Manager
			for _, by := range wrongClocks {
				st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}})
				programs = append(programs, faultManager(t, st, core.Config{Now: clockOff(by), IdleTimeout: time.Minute}))
			}
			l := startLoad(t, policy, time.Millisecond, programs...)
			began := time.Now()
			l.progress(200, 20*time.Second)
			l.stop()
			c := l.cost(began)
			t.Log(c)
			c.only(t)
			l.checkNothingLost(programs[0])
		})
	}
}

// TestFaultClockLease makes sure that a lock's lease runs by the clock of Redis.
func TestFaultClockLease(t *testing.T) {
	const lease = 300 * time.Millisecond
	for _, by := range wrongClocks[1:] {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			t.Parallel()
			st := open(t, redisstore.Config{Addrs: []string{redistest.Start(t).Addr()}})
			r := newReplyRun(t, st)
			if err := st.Unlock(r.ctx, r.key, r.fence); err != nil {
				t.Fatal(err)
			}
			lock := func(by time.Duration) error {
				opt := lockFor
				opt.Now, opt.Lease = time.Now().Add(by), lease
				_, _, err := st.Lock(r.ctx, r.key, opt)
				return err
			}
			began := time.Now()
			if err := lock(-by); err != nil {
				t.Fatal(err)
			}
			poll(t, 5*time.Second, "the lease is over", func() bool {
				err := lock(by)
				if err != nil && !errors.Is(err, core.ErrLocked) {
					t.Fatal(err)
				}
				return err == nil
			})
			if held := time.Since(began); held < lease {
				t.Errorf("the lock was taken over after %v, the lease is %v", held, lease)
			}
		})
	}
}
