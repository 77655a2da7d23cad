package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/holdover-web/holdover/core"
)

var concurrencyPromises = []promise{
	{"ConcurrentVersions", "Saves that are conditional on the version lose nothing: of those that began with one version, one wins.", checkConcurrentVersions},
	{"ConcurrentMerges", "Saves of different names lose nothing, whoever else saves or touches.", checkConcurrentMerges},
	{"ConcurrentLocks", "Work done under the lock loses nothing, and no two hold it at once.", checkConcurrentLocks},
	{"ConcurrentCreates", "Of those who create one key at once, exactly one succeeds.", checkConcurrentCreates},
	{"ConcurrentRotations", "Of those who rotate one session at once, exactly one succeeds, and the session is under its id alone.", checkConcurrentRotations},
	{"ConcurrentDeletes", "Of those who delete one session at once, exactly one gets the record.", checkConcurrentDeletes},
	{"DeleteDuringSaves", "Delete against saves in flight: all saves acknowledged before are in the record it returns, none after it does anything.", checkDeleteDuringSaves},
	{"WholeRecords", "A reader sees a save as a whole or not at all.", checkWholeRecords},
}

const (
	workers = 8
	rounds  = 25 // by each worker
)

func checkConcurrentVersions(e *env) {
	e.create(key("a"), e.record("n", "0"))
	e.goAll(workers, func(int) {
		rec := e.loadOrFail(key("a"))
		for range rounds {
			for {
				data, _ := rec.Values.Get("n")
				n, _ := strconv.Atoi(data)
				c := e.set("n", strconv.Itoa(n+1))
				c.Version = rec.Version
				version, err := e.st().Save(e.ctx, key("a"), c)
				if err == nil {
					rec.Version, rec.Values = version, c.Set
					break
				}
				var conflict *core.ConflictError
				if !errors.As(err, &conflict) {
					e.Errorf("Save: %v", err)
					return
				}
				rec = conflict.Current
			}
		}
	})
	e.wantStored("after all increments", key("a"), 1+workers*rounds, "n", strconv.Itoa(workers*rounds))
}

// loadOrFail may be called from any goroutine, unlike load.
func (e *env) loadOrFail(k core.Key) core.Record {
	rec, err := e.peek(k)
	e.wants("Load", err, nil)
	return rec
}

func checkConcurrentMerges(e *env) {
	e.create(key("a"), e.record("untouched", "1"))
	var want []string
	for worker := range workers {
		want = append(want, fmt.Sprint("name", worker), fmt.Sprint(rounds-1))
	}
	want = append(want, "untouched", "1")
	e.goAll(workers, func(worker int) {
		for i := range rounds {
			c := e.set(fmt.Sprint("name", worker), fmt.Sprint(i))
			c.Delete = []string{fmt.Sprint("temporary", worker)}
			if i%2 == 0 {
				c.Set = append(c.Set, core.Item{Name: c.Delete[0], Data: "x"})
				c.Delete = nil
			}
			_, err := e.st().Save(e.ctx, key("a"), c)
			e.wants("Save", err, nil)
			later := e.now().Add(time.Duration(i))
			e.wants("Touch", e.st().Touch(e.ctx, key("a"), later), nil)
			_, err = e.st().Load(e.ctx, key("a"), core.LoadOptions{Now: later.Add(1)})
			e.wants("Load", err, nil)
		}
		_, err := e.st().Save(e.ctx, key("a"), &core.Change{Now: e.now(), Delete: []string{fmt.Sprint("temporary", worker)}})
		e.wants("Save", err, nil)
	})
	e.wantStored("after all merges", key("a"), 1+workers*(rounds+1), want...)
}

func checkConcurrentLocks(e *env) {
	e.by(e.st()).locker()
	e.create(key("a"), e.record("n", "0"))
	var holders atomic.Int32
	e.goAll(workers, func(worker int) {
		e := e.by(e.stores[worker%len(e.stores)])
		for range rounds {
			rec, fence, err := e.waitForLock(key("a"))
			if !e.wants("Lock", err, nil) {
				return
			}
			if holders.Add(1) != 1 {
				e.Error("two hold the lock at once")
			}
			data, _ := rec.Values.Get("n")
			n, _ := strconv.Atoi(data)
			c := e.set("n", strconv.Itoa(n+1))
			c.Fence, c.Unlock = fence, true
			holders.Add(-1)
			_, err = e.st().Save(e.ctx, key("a"), c)
			e.wants("Save", err, nil)
		}
	})
	e.wantStored("after all increments", key("a"), 1+workers*rounds, "n", strconv.Itoa(workers*rounds))
}

// waitForLock tries again until it has the lock.
func (e *env) waitForLock(k core.Key) (core.Record, uint64, error) {
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for {
		rec, fence, err := e.tryLock(k)
		if !errors.Is(err, core.ErrLocked) {
			return rec, fence, err
		}
		if waiter, ok := e.st().(core.LockWaiter); ok {
			if err := waiter.WaitLock(e.ctx, k, time.Second); err != nil {
				return core.Record{}, 0, err
			}
			continue
		}
		select {
		case <-pause.C:
		case <-e.ctx.Done():
			return core.Record{}, 0, e.ctx.Err()
		}
	}
}

func checkConcurrentCreates(e *env) {
	for round := range rounds {
		k := key(fmt.Sprint(round))
		var won atomic.Int32
		winner := make(chan string, workers)
		e.goAll(workers, func(worker int) {
			err := e.st().Create(e.ctx, k, e.record("n", fmt.Sprint(worker)))
			if err == nil {
				won.Add(1)
				winner <- fmt.Sprint(worker)
			} else {
				e.wants("Create", err, core.ErrExists)
			}
		})
		if won.Load() != 1 {
			e.Fatalf("%d of %d concurrent Creates succeeded, want 1", won.Load(), workers)
		}
		e.wantStored("after Create", k, 1, "n", <-winner)
	}
}

func checkConcurrentRotations(e *env) {
	for round := range rounds {
		k := key(fmt.Sprint(round))
		e.create(k, e.record("n", k.ID))
		ids := make([]string, workers)
		for worker := range ids {
			ids[worker] = e.beside(k, fmt.Sprint(round, "-", worker)).ID
		}
		winner := make(chan string, workers)
		e.goAll(workers, func(worker int) {
			to := ids[worker]
			err := e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: to})
			if err == nil {
				winner <- to
			} else {
				e.wants("Rotate", err, core.ErrGone)
			}
		})
		if len(winner) != 1 {
			e.Fatalf("%d of %d concurrent Rotates succeeded, want 1", len(winner), workers)
		}
		e.wantNothing("under the old id", k)
		to := <-winner
		for _, id := range ids {
			if id == to {
				e.wantStored("under the winner's id", key(id), 1, "n", k.ID)
			} else if _, err := e.peek(key(id)); !errors.Is(err, core.ErrNotFound) {
				e.Errorf("under a loser's id: error %v, want ErrNotFound", err)
			}
		}
	}
}

func checkConcurrentDeletes(e *env) {
	for round := range rounds {
		k := key(fmt.Sprint(round))
		e.create(k, e.record("n", k.ID))
		var got atomic.Int32
		e.goAll(workers, func(int) {
			rec, ok, err := e.st().Delete(e.ctx, k, e.now())
			e.wants("Delete", err, nil)
			if ok {
				got.Add(1)
				if data, _ := rec.Values.Get("n"); data != k.ID {
					e.Errorf("Delete returns %s", short(rec.Values))
				}
			}
		})
		if got.Load() != 1 {
			e.Fatalf("%d of %d concurrent Deletes got the record, want 1", got.Load(), workers)
		}
	}
}

func checkDeleteDuringSaves(e *env) {
	for round := range rounds {
		k := key(fmt.Sprint(round))
		e.create(k, e.record())
		var saved, savers atomic.Int64
		savers.Store(workers - 1)
		var deleted atomic.Bool
		var last core.Record
		e.goAll(workers, func(worker int) {
			if worker == 0 {
				for saved.Load() < int64(round) && savers.Load() > 0 { // so that each round deletes at another moment
					e.peek(k)
				}
				rec, ok, err := e.st().Delete(e.ctx, k, e.now())
				deleted.Store(true)
				if last = rec; !ok || err != nil {
					e.Errorf("Delete: ok %v, error %v", ok, err)
				}
				return
			}
			defer savers.Add(-1)
			for i := 0; ; i++ {
				late := deleted.Load()
				_, err := e.st().Save(e.ctx, k, e.saveKind(worker, i))
				if err != nil {
					e.wants("Save", err, core.ErrGone)
					return
				}
				saved.Add(1)
				if late {
					e.Error("a save succeeded after Delete had returned")
					return
				}
			}
		})
		if want := uint64(saved.Load() + 1); last.Version != want {
			e.Errorf("Delete returns version %d, want %d: %d saves were acknowledged", last.Version, want, saved.Load())
		}
		e.wantNothing("after Delete and the last save", k)
	}
}

// saveKind returns one of the kinds of save that always apply to a living session.
func (e *env) saveKind(worker, i int) *core.Change {
	c := e.set(fmt.Sprint("name", worker), fmt.Sprint(i))
	switch i % 3 {
	case 1:
		c.Replace = true
	case 2:
		c.SetIdle, c.Idle = true, 1000*e.unit
	}
	return c
}

func checkWholeRecords(e *env) {
	e.create(key("a"), e.record("a", "0", "b", "0"))
	var stop atomic.Bool
	e.goAll(workers, func(worker int) {
		if worker < 2 {
			defer stop.Store(true)
			for i := range 4 * rounds {
				data := fmt.Sprint(worker, "-", i)
				_, err := e.st().Save(e.ctx, key("a"), e.set("a", data, "b", data))
				e.wants("Save", err, nil)
			}
			return
		}
		version := uint64(0)
		for !stop.Load() {
			rec := e.loadOrFail(key("a"))
			a, _ := rec.Values.Get("a")
			b, _ := rec.Values.Get("b")
			if a != b {
				e.Errorf("a reader sees a=%s and b=%s", a, b)
				return
			}
			if rec.Version < version {
				e.Errorf("a reader sees version %d after %d", rec.Version, version)
				return
			}
			version = rec.Version
		}
	})
}
