package storetest

import (
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/holdover-web/holdover/core"
)

var listPromises = []promise{
	{"List", "IDs and Count show the living sessions of one manager, each once.", checkList},
	{"ListStops", "Enumeration stops when its user does.", checkListStops},
	{"ListWhileWriting", "Sessions that stay are shown exactly once, however many come, go, change and rotate meanwhile, and nothing stops a user from working with them on the way.", checkListWhileWriting},
}

// collect stops at the first error.
func collect(seq iter.Seq2[string, error]) ([]string, error) {
	var ids []string
	for id, err := range seq {
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func checkList(e *env) {
	power[core.Lister](e)
	e.wantIDs("empty", "app")
	var want []string
	for i := range 300 {
		id := fmt.Sprintf("id-%d", i)
		e.create(key(id), e.record())
		e.create(core.Key{Manager: "other", ID: id + " of the other"}, e.record())
		want = append(want, id)
	}
	e.wantIDs("after Create", "app", want...)
	e.create(key("short"), e.idle(2*e.unit))
	e.create(key("touched"), e.idle(2*e.unit))
	e.create(key("deleted"), e.record())
	e.create(key("rotated"), e.record())
	e.delete(key("deleted"))
	moved := e.beside(key("rotated"), "moved")
	e.rotate(key("rotated"), moved.ID, 1000*e.unit)
	want = append(want, moved.ID, "touched")
	e.wantIDs("before expiry", "app", append(slices.Clone(want), "short")...)
	e.advance(e.unit)
	e.touch(key("touched"))
	e.advance(e.unit - e.slack)
	e.wantIDs("just before expiry", "app", append(slices.Clone(want), "short")...)
	e.advance(e.slack)
	e.wantIDs("at expiry", "app", want...)
	e.wantSwept("at expiry", "app", e.now(), nil, "short")
	e.wantIDs("after Sweep", "app", want...)
}

func checkListStops(e *env) {
	lister := power[core.Lister](e)
	for i := range 10 {
		e.create(key(fmt.Sprint(i)), e.record())
	}
	n := 0
	lister.IDs(e.ctx, "app", e.now())(func(string, error) bool {
		n++
		return n < 3
	})
	if n != 3 {
		e.Errorf("%d ids were shown to one who wanted 3", n)
	}
	e.wantIDs("afterwards", "app", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
}

func checkListWhileWriting(e *env) {
	power[core.Lister](e)
	const staying, rounds = 100, 5
	for i := range staying {
		e.create(key(fmt.Sprintf("stays-%d", i)), e.record())
	}
	var stop atomic.Bool
	e.goAll(4, func(worker int) {
		if worker == 0 {
			defer stop.Store(true)
			for range rounds {
				e.wantStaying(staying)
			}
			return
		}
		for i := 0; !stop.Load(); i++ {
			k := key(fmt.Sprintf("comes-%d-%d", worker, i))
			e.wants("Create", e.st().Create(e.ctx, k, e.record()), nil)
			_, err := e.st().Save(e.ctx, key(fmt.Sprintf("stays-%d", i%staying)), e.set("n", fmt.Sprint(i)))
			e.wants("Save", err, nil)
			moved := e.beside(k, k.ID+"-moved")
			e.wants("Rotate", e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: moved.ID}), nil)
			_, _, err = e.st().Delete(e.ctx, moved, e.now())
			e.wants("Delete", err, nil)
		}
	})
}

// wantStaying lists once, working with the sessions on the way.
func (e *env) wantStaying(staying int) {
	lister := power[core.Lister](e)
	e.soon("IDs", func() {
		seen := make(map[string]int)
		for id, err := range lister.IDs(e.ctx, "app", e.now()) {
			if !e.wants("IDs", err, nil) {
				return
			}
			if seen[id]++; len(seen) == 10 {
				e.wants("Touch while listing", e.st().Touch(e.ctx, key("stays-1"), e.now()), nil)
				e.wants("Create while listing", e.st().Create(e.ctx, key("made while listing"), e.record()), nil)
				_, _, err := e.st().Delete(e.ctx, key("made while listing"), e.now())
				e.wants("Delete while listing", err, nil)
			}
		}
		for i := range staying {
			if id := fmt.Sprintf("stays-%d", i); seen[id] != 1 {
				e.Errorf("IDs shows %s %d times, want once", id, seen[id])
			}
		}
	})
}
