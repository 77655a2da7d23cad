package core_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdover-web/holdover/core"
)

// The usual request commits and then ends in a deferred call: the second must not do what the first
// was refused, whatever the other holder is at by then.
func TestLostLockVoidsTheWholeRequest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ended   bool // the other holder is done before the deferred End
		changes bool // and has changed something
		want    int
	}{
		{"other still holds it", false, true, 10},
		{"other has changed the session", true, true, 10},
		{"other has changed nothing", true, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, st := newClock(), newStore(t)
			cfg := core.Config{Locking: core.Serialized, Now: c.now, Lease: 10 * time.Second, CommitTimeout: 50 * time.Millisecond}
			a, b := managerOn(t, st, cfg), managerOn(t, st, cfg)
			id := begin(t, a, "n", 0)
			stopped := open(t, a, id)
			c.advance(11 * time.Second)
			other := open(t, b, id)
			ok(t, stopped.Set("n", 1))
			if err := stopped.Commit(t.Context()); !errors.Is(err, core.ErrLockLost) {
				t.Errorf("Commit: %v, want ErrLockLost", err)
			}
			if tt.changes {
				ok(t, other.Set("n", 10))
			}
			if tt.ended {
				ok(t, other.End(t.Context()))
			}
			if err := stopped.End(t.Context()); !errors.Is(err, core.ErrLockLost) {
				t.Errorf("End: %v, want ErrLockLost", err)
			}
			ok(t, other.End(t.Context()))
			if n := peek(t, a, id, "n"); n != tt.want {
				t.Errorf("n = %v, want %d", n, tt.want)
			}
		})
	}
}

// A late commit takes the lock again, so that it does not write into the turn of the next holder.
func TestLateCommitWaitsForTheHolder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		holder func(context.Context, *core.Session) error
		err    error // of the late commit
		n      int
	}{
		{"which changes", func(ctx context.Context, s *core.Session) error { return errors.Join(s.Set("n", 11), s.End(ctx)) }, core.ErrConflict, 11},
		{"which changes nothing", func(ctx context.Context, s *core.Session) error { return s.End(ctx) }, nil, 2},
		{"which ends the session", func(ctx context.Context, s *core.Session) error { return s.Invalidate(ctx) }, core.ErrGone, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, core.Config{Locking: core.Serialized})
				id := begin(t, m, "n", 0)
				s := open(t, m, id)
				ok(t, s.Set("n", 1))
				ok(t, s.Commit(t.Context()))
				holder := open(t, m, id)
				ok(t, s.Set("n", 2))
				late := make(chan error, 1)
				go func() { late <- s.Commit(t.Context()) }()
				synctest.Wait()
				if len(late) != 0 {
					t.Fatalf("the late commit did not wait: %v", <-late)
				}
				ok(t, tt.holder(t.Context(), holder))
				if err := <-late; !errors.Is(err, tt.err) {
					t.Errorf("late commit: %v, want %v", err, tt.err)
				}
				if tt.err == core.ErrGone {
					return
				}
				if n := peek(t, m, id, "n"); n != tt.n {
					t.Errorf("n = %v, want %d", n, tt.n)
				}
			})
		})
	}
}

func TestLateCommitWaitsNotForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, core.Config{Locking: core.Serialized, CommitTimeout: 2 * time.Second})
		id := begin(t, m, "n", 0)
		s := open(t, m, id)
		ok(t, s.Commit(t.Context()))
		holder := open(t, m, id)
		ok(t, s.Set("n", 2))
		begun := time.Now()
		if err := s.Commit(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 2*time.Second {
			t.Errorf("late commit: %v after %v, want a timeout after 2s", err, time.Since(begun))
		}
		ok(t, holder.End(t.Context()))
		ok(t, s.Commit(t.Context())) // nobody has changed the session, so nothing speaks against another try
		if n := peek(t, m, id, "n"); n != 2 {
			t.Errorf("n = %v, want 2", n)
		}
	})
}

// A lock goes along when somebody else rotates the session. Its holder learns of the new id when it
// renews, and must not take the move for the loss of the lock.
func TestLeaseFollowsARotationByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a := managerOn(t, st, core.Config{Locking: core.Serialized, Lease: 3 * time.Second})
		b := managerOn(t, st, core.Config{Locking: core.Serialized, LockWait: time.Millisecond})
		id := begin(t, a, "n", 0)
		holder := open(t, a, id)
		other := open(t, a, id, core.Merge)
		ok(t, other.Rotate(t.Context(), time.Minute))
		time.Sleep(30 * time.Second) // of simulated time, ten leases
		if err := holder.Context().Err(); err != nil {
			t.Errorf("the holder is told %v, because of %v", err, context.Cause(holder.Context()))
		}
		if _, err := b.Open(t.Context(), other.ID()); !errors.Is(err, core.ErrLockTimeout) {
			t.Errorf("another process gets the lock: %v, want ErrLockTimeout", err)
		}
		ok(t, increment(holder))
		ok(t, holder.End(t.Context()))
		if n := peek(t, a, other.ID(), "n"); n != 1 {
			t.Errorf("n = %v, want 1", n)
		}
	})
}

// Who has lost the lock may take it again and go on: then the context is that of the new lock.
func TestContextOfTheNextLock(t *testing.T) {
	c, st := newClock(), newStore(t)
	a := managerOn(t, st, core.Config{Now: c.now, Lease: 30 * time.Millisecond})
	b := managerOn(t, st, core.Config{Now: c.now, Lease: time.Hour})
	id := begin(t, a, "n", 0)
	ctx := core.WithScope(t.Context(), new(core.Scope))
	s, err := a.Open(ctx, id, core.Serialized)
	ok(t, err)
	c.advance(time.Second)
	thief := open(t, b, id, core.Serialized)
	select {
	case <-s.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the lock was taken over, and the context goes on")
	}
	ok(t, thief.End(t.Context()))
	if err := s.Unlock(ctx, core.Merge); !errors.Is(err, core.ErrLockLost) {
		t.Errorf("Unlock: %v, want ErrLockLost", err)
	}
	ok(t, s.Revert())
	_, err = a.Open(ctx, id, core.Serialized)
	ok(t, err)
	if err := context.Cause(s.Context()); err != nil || !s.Locked() {
		t.Errorf("the session is locked anew, but its context is over: %v", err)
	}
	ok(t, s.Set("n", 1))
	ok(t, s.Commit(ctx))
	if n := peek(t, a, id, "n"); n != 1 {
		t.Errorf("n = %v, want 1", n)
	}
}
