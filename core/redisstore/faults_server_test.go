package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestFaultServerKilled kills a Redis that writes each command to disk before it answers, and starts it
// again. Nothing that was acknowledged may be lost.
func TestFaultServerKilled(t *testing.T) {
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			var programs []*core.Manager
			for range 2 {
				st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Timeout: 10 * time.Second})
				programs = append(programs, faultManager(t, st, core.Config{}))
			}
			l := startLoad(t, policy, 5*time.Millisecond, programs...)
			began := time.Now()
			for range 3 {
				l.progress(20, 10*time.Second)
				srv.Kill()
				srv.Restart()
			}
			l.progress(20, 10*time.Second)
			l.stop()
			c := l.cost(began)
			t.Log(c)
			c.only(t, "ErrUnknown")
			l.checkNothingLost(programs[0])
		})
	}
}

// TestFaultMemoryLost kills a Redis that keeps nothing on disk. All sessions are gone, and requests that
// have one open must not bring it back.
func TestFaultMemoryLost(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	m := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{})
	ctx := t.Context()
	opened := make(map[core.LockingPolicy]*core.Session)
	for _, policy := range everyPolicy {
		s, err := m.Open(ctx, newSession(t, m), policy)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Set("n", 1); err != nil {
			t.Fatal(err)
		}
		opened[policy] = s
	}
	l := startLoad(t, core.Merge, 5*time.Millisecond, m)
	l.progress(5, 10*time.Second)
	srv.Kill()
	srv.Restart()
	restarted := time.Now()

	for policy, s := range opened {
		if err := s.Commit(ctx); !errors.Is(err, core.ErrGone) && !errors.Is(err, core.ErrLockLost) {
			t.Errorf("%v: commit: %v, want ErrGone", policy, err)
		}
		if _, err := m.Open(ctx, s.ID()); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("%v: open after the commit: %v, want ErrNotFound", policy, err)
		}
	}
	poll(t, 10*time.Second, "a client hears that its session is gone", func() bool {
		return l.cost(restarted).errs["ErrNotFound"] > 0
	})
	l.stop()
	t.Log(l.cost(restarted))
	if n, err := m.Count(ctx); n != 0 || err != nil {
		t.Errorf("%d sessions have come back, %v", n, err)
	}
	if keys := srv.Keys("*s:*"); len(keys) != 0 {
		t.Errorf("there are %q", keys)
	}
	id := newSession(t, m)
	if err := m.Update(ctx, id, func(s *core.Session) error { return s.Set("n", 1) }); err != nil {
		t.Errorf("a new session: %v", err)
	}
}
