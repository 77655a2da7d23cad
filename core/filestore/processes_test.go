//go:build unix && !aix

package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

const (
	incrementers = 3
	increments   = 60
)

// incrementAll adds to a number in three ways, as one of several processes that do.
func incrementAll(orders io.Reader, s *Store) error {
	var own string
	if err := json.NewDecoder(orders).Decode(&own); err != nil {
		return err
	}
	for range increments {
		if err := errors.Join(incrementVersion(s), incrementLocked(s), incrementOwn(s, own)); err != nil {
			return err
		}
	}
	return nil
}

func incremented(rec core.Record, name string) core.Values {
	data, _ := rec.Values.Get(name)
	n, _ := strconv.Atoi(data)
	return value(name, strconv.Itoa(n+1))
}

// incrementVersion saves on the condition that nobody else did.
func incrementVersion(s *Store) error {
	k := testKey("version")
	rec, err := load(s, k)
	for err == nil {
		_, err = s.Save(context.Background(), k, &core.Change{Now: time.Now(), Set: incremented(rec, "n"), Version: rec.Version})
		conflict, ok := errors.AsType[*core.ConflictError](err)
		if !ok {
			return err
		}
		rec, err = conflict.Current, nil
	}
	return err
}

// incrementLocked saves with the lock held, and gives the session another id now and then.
func incrementLocked(s *Store) error {
	ctx, k := context.Background(), testKey("locked")
	for {
		rec, fence, err := s.Lock(ctx, k, lockOptions())
		if errors.Is(err, core.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		c := &core.Change{Now: time.Now(), Set: incremented(rec, "n"), Fence: fence, Unlock: true}
		_, err = s.Save(ctx, k, c)
		return err
	}
}

// incrementOwn changes a name that no other process changes.
func incrementOwn(s *Store, own string) error {
	k := testKey("merge")
	rec, err := load(s, k)
	if err != nil {
		return err
	}
	_, err = s.Save(context.Background(), k, &core.Change{Now: time.Now(), Set: incremented(rec, own)})
	return err
}

func TestProcessesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, id := range []string{"version", "locked", "merge"} {
		mustCreate(t, s, testKey(id), nil)
	}
	var running []*child
	for i := range incrementers {
		running = append(running, startChild(t, "increment", dir, fmt.Sprintf("own%d", i)))
	}
	for _, c := range running {
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]core.Values{
		"version": value("n", strconv.Itoa(incrementers*increments)),
		"locked":  value("n", strconv.Itoa(incrementers*increments)),
	}
	for i := range incrementers {
		want["merge"] = append(want["merge"], core.Item{Name: fmt.Sprintf("own%d", i), Data: strconv.Itoa(increments)})
	}
	for id, values := range want {
		rec, err := load(s, testKey(id))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(rec.Values) != fmt.Sprint(values) {
			t.Errorf("%s: %v, want %v", id, rec.Values, values)
		}
		if rec.Version != 1+incrementers*increments {
			t.Errorf("%s: version %d after %d saves", id, rec.Version, incrementers*increments)
		}
	}
}

// holdUntilKilled locks a session, says so, and waits to be killed.
func holdUntilKilled(orders io.Reader, s *Store) error {
	var id string
	dec := json.NewDecoder(orders)
	if err := dec.Decode(&id); err != nil {
		return err
	}
	_, fence, err := s.Lock(context.Background(), testKey(id), lockOptions())
	if err != nil {
		return err
	}
	fmt.Println("locked")
	_ = dec.Decode(&id) // returns when the parent orders the end
	return s.Unlock(context.Background(), testKey(id), fence)
}

func TestLockEndsWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	mustCreate(t, s, testKey("a"), value("n", "1"))
	c := startChild(t, "hold", dir, "a")
	c.line(t)

	late := lockOptions()
	late.Now = late.Now.Add(2 * time.Minute) // its lease has ended; it lives
	for _, opt := range []core.LockOptions{lockOptions(), late} {
		_, _, err := s.Lock(ctx, testKey("a"), opt)
		locked, ok := errors.AsType[*core.LockedError](err)
		if !ok || locked.Left != 0 {
			t.Errorf("Lock while another process has it: %v, want a *core.LockedError with nothing said about the lease", err)
		}
	}
	c.kill()
	_ = c.cmd.Wait()
	rec, fence, err := s.Lock(ctx, testKey("a"), lockOptions())
	if err != nil {
		t.Fatalf("Lock after the holder was killed: %v", err)
	}
	if _, err := s.Save(ctx, testKey("a"), &core.Change{Now: time.Now(), Set: incremented(rec, "n"), Fence: fence, Unlock: true}); err != nil {
		t.Error(err)
	}
}

// TestLockBetweenStores has two stores on one folder, as two processes would.
func TestLockBetweenStores(t *testing.T) {
	dir := t.TempDir()
	mine, other := open(t, dir), open(t, dir)
	ctx, now := context.Background(), time.Now()
	mustFence := func(s *Store, id string) uint64 {
		t.Helper()
		_, fence, err := s.Lock(ctx, testKey(id), lockOptions())
		if err != nil {
			t.Fatal(err)
		}
		return fence
	}
	wantLocked := func(s *Store, id string) {
		t.Helper()
		if _, _, err := s.Lock(ctx, testKey(id), lockOptions()); !errors.Is(err, core.ErrLocked) {
			t.Errorf("Lock: %v, want a *core.LockedError", err)
		}
	}
	save := func(s *Store, id string, fence uint64) error {
		_, err := s.Save(ctx, testKey(id), &core.Change{Now: now, Fence: fence})
		return err
	}

	t.Run("Rotated", func(t *testing.T) {
		mustCreate(t, mine, testKey("a"), nil)
		fence := mustFence(mine, "a")
		if err := other.Rotate(ctx, testKey("a"), core.Rotation{Now: now, To: "b"}); err != nil {
			t.Fatal(err)
		}
		wantLocked(other, "b")
		if err := save(mine, "b", fence); err != nil {
			t.Errorf("Save by the holder under the new id: %v", err)
		}
		if err := mine.Unlock(ctx, testKey("b"), fence); err != nil {
			t.Errorf("Unlock by the holder under the new id: %v", err)
		}
		if err := other.Unlock(ctx, testKey("b"), mustFence(other, "b")); err != nil {
			t.Error(err)
		}
	})

	t.Run("Deleted", func(t *testing.T) {
		mustCreate(t, mine, testKey("c"), nil)
		fence := mustFence(mine, "c")
		if _, ok, err := other.Delete(ctx, testKey("c"), now); !ok || err != nil {
			t.Fatal(ok, err)
		}
		mustCreate(t, other, testKey("c"), nil)
		next := mustFence(other, "c") // the lock ended with its session
		if err := save(mine, "c", fence); !errors.Is(err, core.ErrLockLost) {
			t.Errorf("Save under the fence of an earlier session: %v, want ErrLockLost", err)
		}
		if len(mine.locks.byFence) != 0 || len(mine.locks.byBirth) != 0 {
			t.Error("the lock of a session that another process ended is kept for ever")
		}
		if err := save(other, "c", next); err != nil {
			t.Errorf("Save by the new session's holder: %v", err)
		}
	})

	t.Run("Closed", func(t *testing.T) {
		mustCreate(t, mine, testKey("d"), nil)
		third := open(t, dir)
		mustFence(third, "d")
		wantLocked(mine, "d")
		third.Close()
		mustFence(mine, "d")
	})
}

// enterUntilKilled is stopped in the middle of a change.
func enterUntilKilled(orders io.Reader, s *Store) error {
	c, err := s.enter(context.Background(), testKey("a"), false)
	if err != nil {
		return err
	}
	defer c.leave()
	fmt.Println("entered")
	_, err = io.Copy(io.Discard, orders)
	return err
}

// TestStoppedProcess has a process that stands still while it changes a session. Others wait for that
// session no longer than their contexts, and for no other session.
func TestStoppedProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mustCreate(t, s, testKey("a"), nil)
	mustCreate(t, s, testKey("b"), nil)
	c := startChild(t, "stop", dir, "")
	c.line(t)
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var waiting sync.WaitGroup
	for range 3 { // the second and third wait in line behind the first
		waiting.Go(func() { s.Touch(ctx, testKey("a"), time.Now().Add(time.Second)) })
	}
	if _, err := s.Save(ctx, testKey("a"), &core.Change{Now: time.Now()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Save of the session: %v, want the context's error", err)
	}
	waiting.Wait()
	if _, err := load(s, testKey("a")); err != nil {
		t.Errorf("Load of the session: %v", err)
	}
	if _, err := s.Save(t.Context(), testKey("b"), &core.Change{Now: time.Now()}); err != nil {
		t.Errorf("Save of another session: %v", err)
	}
	c.kill()
	_ = c.cmd.Wait()
	if _, err := s.Save(t.Context(), testKey("a"), &core.Change{Now: time.Now()}); err != nil {
		t.Errorf("Save of the session after the stopped process was killed: %v", err)
	}
}

// TestCloseEndsWaiting closes a store that waits for another process.
func TestCloseEndsWaiting(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	mustCreate(t, s, testKey("a"), nil)
	c, err := other.enter(t.Context(), testKey("a"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.leave()
	waiting := make(chan error)
	go func() {
		_, err := s.Save(t.Context(), testKey("a"), &core.Change{Now: time.Now()})
		waiting <- err
	}()
	slot := c.hash.slot()
	waitFor(t, func() bool {
		sh := s.managers["app"].shards[c.hash.shard()].Load()
		sh.mu.Lock()
		defer sh.mu.Unlock()
		_, busy := sh.busy[slot]
		return busy
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, core.ErrClosed) {
		t.Errorf("Save that waited when the store was closed: %v, want ErrClosed", err)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}
