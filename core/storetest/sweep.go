package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

var sweepPromises = []promise{
	{"Sweep", "Sweep tells the end of each expired session of its manager once, with its last data, and of no other.", checkSweep},
	{"SweepExact", "Sweep takes what ends at that very moment and leaves what ends a moment later.", checkSweepExact},
	{"SweepConcurrently", "However many sweep at once, each end is told exactly once.", checkSweepConcurrently},
	{"SweepCallsBackFree", "Sweep holds no lock while it tells an end: the listener may work with the store.", checkSweepCallsBackFree},
	{"SweepStops", "A sweep that is cancelled has told all that it removed, and the next one tells the rest.", checkSweepStops},
}

func (e *env) sweeper() core.Sweeper {
	e.Helper()
	return power[core.Sweeper](e)
}

// wantSwept sweeps and checks that exactly the ends in want are told, with those records, and those
// of ids, with any. It passes for a store that is no Sweeper.
func (e *env) wantSwept(what, manager string, now time.Time, want map[string]core.Record, ids ...string) {
	e.Helper()
	sweeper, ok := e.st().(core.Sweeper)
	if !ok {
		return
	}
	told := make(map[string]core.Record)
	err := sweeper.Sweep(e.ctx, manager, now, func(id string, rec core.Record) {
		if _, twice := told[id]; twice {
			e.Errorf("%s: Sweep tells the end of %s twice", what, id)
		}
		told[id] = rec
	})
	e.wants(what+": Sweep", err, nil)
	expected := make(map[string]bool)
	for id, rec := range want {
		expected[id] = true
		e.wantRecord(what+": as Sweep tells "+id, told[id], rec)
	}
	for _, id := range ids {
		expected[id] = true
		if _, ok := told[id]; !ok {
			e.Errorf("%s: Sweep does not tell the end of %s", what, id)
		}
	}
	for id := range told {
		if !expected[id] {
			e.Errorf("%s: Sweep tells the end of %s, want not", what, id)
		}
	}
}

func checkSweep(e *env) {
	e.sweeper()
	rec := e.idle(2*e.unit, "n", "1")
	rec.Ends = e.now().Add(3 * e.unit)
	e.create(key("idle"), rec)
	rec.Idle = 0
	e.create(key("absolute"), rec)
	e.create(key("never"), e.record())
	e.create(key("deleted"), rec)
	e.delete(key("deleted"))
	e.create(key("rotated"), e.idle(2*e.unit, "n", "1"))
	moved := e.beside(key("rotated"), "moved")
	e.rotate(key("rotated"), moved.ID, e.unit)
	e.create(core.Key{Manager: "other", ID: "idle"}, rec)
	e.wantSwept("before anything ends", "app", e.now(), nil)

	e.advance(e.unit)
	e.save(key("idle"), &core.Change{Now: e.now(), Set: values("m", "2"), SetIdle: true, Idle: e.unit})
	want := map[string]core.Record{
		"idle": e.load(key("idle")), "absolute": e.load(key("absolute")), moved.ID: e.load(moved),
	}
	e.advance(2 * e.unit)
	for id := range want {
		e.wantNothing("before Sweep", key(id))
	}
	e.wantSwept("after they ended", "app", e.now(), want)
	e.wantSwept("again", "app", e.now(), nil)
	e.load(key("never"))
	for id := range want {
		e.wantNothing("after Sweep", key(id))
		if _, ok, err := e.st().Delete(e.ctx, key(id), e.now()); ok || err != nil {
			e.Errorf("Delete of %s after Sweep: ok %v, error %v; want neither", id, ok, err)
		}
	}
	e.wantSwept("the other manager's", "other", e.now(), nil, "idle")
}

func checkSweepExact(e *env) {
	e.sweeper()
	e.create(key("a"), e.idle(2*e.unit))
	e.create(key("b"), e.idle(2*e.unit+2*e.slack))
	e.advance(2*e.unit - e.slack)
	e.wantSwept("just before the first ends", "app", e.now(), nil)
	e.advance(e.slack)
	e.wantSwept("when the first ends", "app", e.now(), nil, "a")
	e.advance(2 * e.slack)
	e.wantSwept("when the second ends", "app", e.now(), nil, "b")
}

func checkSweepConcurrently(e *env) {
	e.sweeper()
	const sessions = 300
	for i := range sessions {
		e.create(key(fmt.Sprint(i)), e.idle(2*e.unit, "n", fmt.Sprint(i)))
	}
	e.create(key("living"), e.idle(1000*e.unit))
	e.advance(2 * e.unit)
	var mu sync.Mutex
	told := make(map[string]int)
	tell := func(id string, rec core.Record) {
		mu.Lock()
		defer mu.Unlock()
		told[id]++
		if data, _ := rec.Values.Get("n"); data != id {
			e.Errorf("the end of %s is told with the data of %q", id, data)
		}
	}
	e.goAll(8, func(worker int) {
		if worker > 5 { // deleting tells an end as well
			for i := worker; i < sessions; i += 7 {
				rec, ok, err := e.st().Delete(e.ctx, key(fmt.Sprint(i)), e.now())
				e.wants("Delete", err, nil)
				if ok {
					tell(fmt.Sprint(i), rec)
				}
			}
			return
		}
		e.wants("Sweep", e.sweeper().Sweep(e.ctx, "app", e.now(), tell), nil)
	})
	for i := range sessions {
		if n := told[fmt.Sprint(i)]; n != 1 {
			e.Errorf("the end of %d was told %d times, want once", i, n)
		}
	}
	if told["living"] != 0 {
		e.Error("the end of a living session was told")
	}
}

func checkSweepCallsBackFree(e *env) {
	e.sweeper()
	e.create(key("a"), e.idle(e.unit))
	e.create(key("b"), e.record())
	e.advance(e.unit)
	e.soon("Sweep", func() {
		err := e.sweeper().Sweep(e.ctx, "app", e.now(), func(id string, rec core.Record) {
			_, err := e.peek(key(id))
			e.wants("Load of the ended session", err, core.ErrNotFound)
			_, err = e.st().Save(e.ctx, key("b"), e.set("n", "1"))
			e.wants("Save", err, nil)
			e.wants("Create under the same id", e.st().Create(e.ctx, key(id), e.record("n", "new")), nil)
			e.wants("Sweep within Sweep", e.sweeper().Sweep(e.ctx, "app", e.now(), func(id string, _ core.Record) {
				e.Errorf("a sweep within the sweep tells the end of %s", id)
			}), nil)
		})
		e.wants("Sweep", err, nil)
	})
	e.wantStored("what the listener created", key("a"), 1, "n", "new")
}

func checkSweepStops(e *env) {
	e.sweeper()
	const sessions = 50
	for i := range sessions {
		e.create(key(fmt.Sprint(i)), e.idle(2*e.unit))
	}
	e.advance(2 * e.unit)
	told := make(map[string]int)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	err := e.sweeper().Sweep(ctx, "app", e.now(), func(id string, _ core.Record) {
		told[id]++
		cancel()
	})
	if len(told) < sessions || err != nil {
		e.wants("Sweep that was cancelled", err, context.Canceled)
	}
	err = e.sweeper().Sweep(e.ctx, "app", e.now(), func(id string, _ core.Record) { told[id]++ })
	e.wants("the next Sweep", err, nil)
	for i := range sessions {
		if n := told[fmt.Sprint(i)]; n != 1 {
			e.Errorf("the end of %d was told %d times, want once", i, n)
		}
	}
}
