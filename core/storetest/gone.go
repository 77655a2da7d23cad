package storetest

import (
	"errors"
	"slices"

	"github.com/holdover-web/holdover/core"
)

var gonePromises = []promise{
	{"NoResurrection", "Once a session has ended (deleted, expired, swept, rotated away), nothing that a request still in flight does brings it or its data back.", checkNoResurrection},
}

func checkNoResurrection(e *env) {
	for _, end := range []struct {
		name string
		end  func(k core.Key)
	}{
		{"deleted", func(k core.Key) { e.delete(k) }},
		{"expired", func(k core.Key) { e.advance(2 * e.unit) }},
		{"swept", func(k core.Key) {
			e.advance(2 * e.unit)
			if sweeper, ok := e.st().(core.Sweeper); ok {
				e.wants("Sweep", sweeper.Sweep(e.ctx, "app", e.now(), func(string, core.Record) {}), nil)
			}
		}},
		{"rotated away", func(k core.Key) {
			rotated := e.beside(k, k.ID+" rotated")
			e.rotate(k, rotated.ID, 0)
			e.delete(rotated)
		}},
	} {
		k := key(end.name)
		e.create(k, e.idle(2*e.unit, "n", "1"))
		var fence uint64
		if locker, ok := e.mayLock(); ok {
			var err error
			_, fence, err = locker.Lock(e.ctx, k, core.LockOptions{
				LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: 1000 * e.unit})
			e.wants("Lock", err, nil)
		}
		last := e.load(k)
		end.end(k)
		e.tryToResurrect(end.name, k, fence)

		if end.name == "expired" {
			e.wantSwept("after all attempts", "app", e.now(), map[string]core.Record{k.ID: last})
		}
	}
}

// tryToResurrect does all that a request in flight may do to a session that has ended.
func (e *env) tryToResurrect(what string, k core.Key, fence uint64) {
	e.Helper()
	for name, c := range map[string]core.Change{
		"merge":               {Set: values("m", "2")},
		"replace":             {Set: values("m", "2"), Replace: true},
		"save of nothing":     {},
		"save of the version": {Set: values("m", "2"), Version: 1},
		"save of another":     {Set: values("m", "2"), Version: 2},
		"save with the lock":  {Set: values("m", "2"), Fence: fence, Unlock: fence != 0},
		"save of a timeout":   {SetIdle: true, Idle: 5000 * e.unit},
	} {
		c.Now = e.now()
		_, err := e.st().Save(e.ctx, k, &c)
		e.wants(what+": "+name, err, core.ErrGone)
		e.wantNothing(what+": after "+name, k)
	}
	e.wants(what+": Touch", e.st().Touch(e.ctx, k, e.now()), core.ErrGone)
	e.wantNothing(what+": after Touch", k)

	elsewhere := e.beside(k, "elsewhere")
	for _, fence := range slices.Compact([]uint64{0, fence}) {
		err := e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: elsewhere.ID, Grace: 1000 * e.unit, Fence: fence})
		e.wants(what+": Rotate", err, core.ErrGone)
		e.wantNothing(what+": after Rotate", k)
		e.wantNothing(what+": where Rotate would have led", elsewhere)
	}
	if locker, ok := e.mayLock(); ok {
		if err := locker.Renew(e.ctx, k, fence, e.now(), e.unit); !errors.Is(err, core.ErrGone) && !errors.Is(err, core.ErrLockLost) {
			e.Errorf("%s: Renew: error %v, want ErrGone or ErrLockLost", what, err)
		}
		e.wantNothing(what+": after Renew", k)
		// Unlock carries no time, so it can not always know that the session has expired.
		err := locker.Unlock(e.ctx, k, fence)
		if what != "expired" && !errors.Is(err, core.ErrGone) && !errors.Is(err, core.ErrLockLost) {
			e.Errorf("%s: Unlock: error %v, want ErrGone or ErrLockLost", what, err)
		}
		e.wantNothing(what+": after Unlock", k)
	}
}
