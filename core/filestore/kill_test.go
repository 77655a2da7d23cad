//go:build unix && !aix

package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/testenv"
)

// seen is what is to be found of one session.
type seen struct {
	ID    string // the id it has, or had last
	N     int    // the number stored in it; 0 when there is no session
	From  string // the id it had before, if the last operation was a rotation
	Grace bool   // From leads to ID; otherwise nothing is found there
}

// step is one operation on session number Slot: first told as Begun, then as done.
type step struct {
	Slot  int
	Begun bool
	After seen
}

const (
	slotsPerWorker = 3
	killWorkers    = 3
)

// changeUntilKilled gets the sessions as they are and changes them for ever.
func changeUntilKilled(orders io.Reader, s *Store) error {
	var sessions []seen
	if err := json.NewDecoder(orders).Decode(&sessions); err != nil {
		return err
	}
	var mu sync.Mutex
	tell := func(st step) {
		line, _ := json.Marshal(st)
		mu.Lock()
		defer mu.Unlock()
		os.Stdout.Write(append(line, '\n'))
	}
	failed := make(chan error)
	for w := range killWorkers {
		go func() {
			for {
				slot := w*slotsPerWorker + rand.IntN(slotsPerWorker)
				after, change := nextChange(s, sessions[slot])
				tell(step{slot, true, after})
				if err := change(); err != nil {
					failed <- fmt.Errorf("%+v to %+v: %w", sessions[slot], after, err)
					return
				}
				tell(step{slot, false, after})
				sessions[slot] = after
			}
		}()
	}
	return <-failed
}

// content is what a session with number n holds: of another length for each n, so that a mix shows.
func content(n int) core.Values {
	return core.Values{
		{Name: "n", Data: fmt.Sprint(n)},
		{Name: "pad", Data: strings.Repeat(fmt.Sprintf("%d,", n), n*37%5000)},
	}
}

// nextChange chooses an operation on a session: what it leads to, and how to do it.
func nextChange(s *Store, cur seen) (after seen, change func() error) {
	ctx, now, k := context.Background(), time.Now().UTC(), testKey(cur.ID)
	if cur.N == 0 {
		after = seen{ID: newID(), N: 1 + rand.IntN(1000)}
		return after, func() error {
			return s.Create(ctx, testKey(after.ID), core.Record{Values: content(after.N), Created: now, Accessed: now, Idle: time.Hour})
		}
	}
	switch rand.IntN(6) {
	case 0:
		return seen{ID: cur.ID}, func() error { _, _, err := s.Delete(ctx, k, now); return err }
	case 1, 2:
		after = seen{ID: newID(), N: cur.N, From: cur.ID, Grace: rand.IntN(2) == 0}
		r := core.Rotation{Now: now, To: after.ID}
		if after.Grace {
			r.Grace = time.Hour
		}
		return after, func() error { return s.Rotate(ctx, k, r) }
	case 3:
		return seen{ID: cur.ID, N: cur.N + 1}, func() error {
			_, fence, err := s.Lock(ctx, k, lockOptions())
			if err != nil {
				return err
			}
			_, err = s.Save(ctx, k, &core.Change{Now: now, Set: content(cur.N + 1), Fence: fence, Unlock: true})
			return err
		}
	default:
		return seen{ID: cur.ID, N: cur.N + 1}, func() error {
			_, err := s.Save(ctx, k, &core.Change{Now: now, Set: content(cur.N + 1), Replace: true})
			return err
		}
	}
}

func newID() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// TestKillSoak kills a process that works on sessions at random moments, again and again, and finds each
// session exactly as it was before the operation under way or as it was after it.
func TestKillSoak(t *testing.T) {
	const leastKills = 150
	end := time.Now().Add(testenv.Soak(t, 0))
	dir := t.TempDir()
	s := open(t, dir)
	sessions := make([]seen, killWorkers*slotsPerWorker)
	for i := range sessions {
		sessions[i].ID = newID()
	}
	kills, interrupted, undone := 0, 0, 0
	for ; kills < leastKills || time.Now().Before(end); kills++ {
		begun := killOnce(t, dir, sessions)
		for slot, after := range begun {
			interrupted++
			before := sessions[slot]
			isAfter := after.check(s, before)
			isBefore := before.checkBefore(s, after)
			switch {
			case isAfter == nil && isBefore == nil:
				t.Fatalf("session %d is both as before and as after: %+v, %+v", slot, before, after)
			case isAfter == nil:
				sessions[slot] = after
			case isBefore == nil:
				undone++
			default:
				t.Fatalf("session %d is neither as before nor as after:\n%+v: %v\n%+v: %v", slot, before, isBefore, after, isAfter)
			}
		}
		for slot, cur := range sessions {
			if err := cur.check(s, seen{}); err != nil {
				t.Fatalf("session %d, of which nothing was under way: %+v: %v", slot, cur, err)
			}
		}
		checkNothingLeft(t, s, sessions)
	}
	t.Logf("%d kills interrupted %d operations, %d of them before they took effect", kills, interrupted, undone)
	if interrupted < kills/4 || undone == 0 || undone == interrupted {
		t.Errorf("the kills did not fall at both sides of the operations")
	}
}

// killOnce starts a child, kills it soon, and brings sessions up to date with what it said is done. It
// returns what it had begun.
func killOnce(t *testing.T, dir string, sessions []seen) (begun map[int]seen) {
	c := startChild(t, "change", dir, sessions)
	c.line(t) // it works
	timer := time.AfterFunc(time.Duration(rand.IntN(15000))*time.Microsecond, c.kill)
	defer timer.Stop()
	begun = make(map[int]seen)
	begin := func(line string) {
		var st step
		if err := json.Unmarshal([]byte(line), &st); err != nil {
			t.Fatalf("the child wrote %q: %v", line, err)
		}
		if st.Begun {
			begun[st.Slot] = st.After
			return
		}
		delete(begun, st.Slot)
		sessions[st.Slot] = st.After
	}
	begin(c.out.Text())
	for c.out.Scan() {
		begin(c.out.Text())
	}
	if err := c.cmd.Wait(); err == nil || c.cmd.ProcessState.Exited() {
		t.Fatalf("the child was not killed: %v", err)
	}
	return begun
}

// check tells what is wrong if the session is not as it should be after an operation. Nothing may be
// left of what was before.
func (want seen) check(s *Store, before seen) error {
	rec, err := load(s, testKey(want.ID))
	if want.N == 0 {
		if !errors.Is(err, core.ErrNotFound) {
			return fmt.Errorf("Load: %v, want ErrNotFound", err)
		}
	} else if err != nil || !slices.Equal(rec.Values, content(want.N)) {
		return fmt.Errorf("Load: %v, %d bytes of values; want those of %d", err, rec.Values.Size(), want.N)
	}
	if want.From == "" {
		return nil
	}
	_, err = load(s, testKey(want.From))
	if moved, ok := errors.AsType[*core.MovedError](err); want.Grace && (!ok || moved.To != want.ID) {
		return fmt.Errorf("Load of the old id: %v, want a *core.MovedError", err)
	}
	if !want.Grace && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("Load of the old id: %v, want ErrNotFound", err)
	}
	return nil
}

// checkBefore tells what is wrong if the session is not as it was before the operation that would have
// led to after.
func (want seen) checkBefore(s *Store, after seen) error {
	if err := want.check(s, seen{}); err != nil {
		return err
	}
	if after.ID == want.ID {
		return nil
	}
	if _, err := load(s, testKey(after.ID)); !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("Load of the new id: %v, want ErrNotFound", err)
	}
	return nil
}

// checkNothingLeft checks that the dead process holds nobody up and that sweeping removes its remains.
func checkNothingLeft(t *testing.T, s *Store, sessions []seen) {
	t.Helper()
	ctx := context.Background()
	living := make(map[string]bool)
	for _, cur := range sessions {
		if cur.N == 0 {
			continue
		}
		living[cur.ID] = true
		_, fence, err := s.Lock(ctx, testKey(cur.ID), lockOptions())
		if err != nil {
			t.Fatalf("Lock after the kill: %v", err)
		}
		if err := s.Unlock(ctx, testKey(cur.ID), fence); err != nil {
			t.Fatalf("Unlock: %v", err)
		}
	}
	listed := make(map[string]bool)
	for id, err := range s.IDs(ctx, "app", time.Now()) {
		if err != nil || listed[id] {
			t.Fatalf("IDs: %q, %v", id, err)
		}
		listed[id] = true
	}
	if !maps.Equal(listed, living) {
		t.Fatalf("IDs gives %v, want %v", listed, living)
	}
	err := s.Sweep(ctx, "app", time.Now(), func(id string, _ core.Record) { t.Errorf("Sweep ends %s", id) })
	if err != nil {
		t.Fatal(err)
	}
	for i := range shardCount {
		_, names, err := s.list(ctx, "app", i)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, tempSuffix) {
				t.Errorf("%s is still there after Sweep", name)
			}
		}
	}
}
