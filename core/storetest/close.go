package storetest

import (
	"errors"

	"github.com/holdover-web/holdover/core"
)

var closePromises = []promise{
	{"Close", "After Close every method says ErrClosed, and a second Close returns nil.", checkClose},
	{"CloseDuring", "Close may come while others work: they succeed or get ErrClosed.", checkCloseDuring},
	{"Reopen", "A store that keeps sessions beyond its own life has them all when it is opened again, exactly.", checkReopen},
	{"ReopenLocks", "Fences stay unique beyond the store's life.", checkReopenLocks},
}

func checkClose(e *env) {
	e.create(key("a"), e.idle(1000*e.unit))
	var fence uint64
	if _, ok := e.mayLock(); ok {
		e.create(key("locked"), e.record())
		fence = e.lock(key("locked"))
	}
	for _, st := range e.stores {
		if err := st.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
	for range e.stores {
		for name, err := range e.callAll(e.ctx, fence) {
			e.wants(name+" after Close", err, core.ErrClosed)
		}
	}
	for _, st := range e.stores {
		if err := st.Close(); err != nil {
			e.Errorf("the second Close: %v", err)
		}
	}
}

func checkCloseDuring(e *env) {
	e.create(key("a"), e.record())
	e.goAll(workers, func(worker int) {
		if worker == 0 {
			for _, st := range e.stores {
				e.wants("Close", st.Close(), nil)
			}
			return
		}
		for {
			_, err := e.st().Save(e.ctx, key("a"), e.set("n", "1"))
			if errors.Is(err, core.ErrClosed) {
				return
			}
			if !e.wants("Save", err, nil) {
				return
			}
		}
	})
}

// reopen closes the store and opens its data again.
func (e *env) reopen() {
	e.Helper()
	if e.opts.Reopen == nil {
		e.Skip("the store does not claim to keep sessions beyond its own life: Options.Reopen is not set")
	}
	first := e.stores[0]
	for _, st := range e.stores {
		if err := st.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
	e.stores = []core.Store{e.opts.Reopen(e.T, first)}
	if e.opts.Second != nil {
		e.stores = append(e.stores, e.opts.Second(e.T, e.stores[0]))
	}
}

func checkReopen(e *env) {
	rec := e.idle(1000*e.unit+1, "\x00\xff", "\xfe\r\n", "n", "1")
	rec.Ends = e.now().Add(2000*e.unit + 1)
	e.create(key("a"), rec)
	e.create(core.Key{Manager: "other", ID: "a"}, e.record("n", "other"))
	e.create(key("deleted"), rec)
	e.create(key("rotated"), rec)
	e.create(key("short"), e.idle(3*e.unit, "n", "short"))
	e.save(key("a"), &core.Change{Now: e.now(), Set: values("m", "2"), Delete: []string{"n"}})
	e.advance(e.unit)
	e.touch(key("a"))
	e.delete(key("deleted"))
	moved := e.beside(key("rotated"), "moved")
	e.rotate(key("rotated"), moved.ID, 2*e.unit)
	want := map[string]core.Record{"a": e.load(key("a")), moved.ID: e.load(moved), "short": e.load(key("short"))}

	e.reopen()
	for id, rec := range want {
		e.wantRecord("after opening again", e.load(key(id)), rec)
	}
	e.wantStored("the other manager's", core.Key{Manager: "other", ID: "a"}, 1, "n", "other")
	e.wantNothing("the deleted one", key("deleted"))
	_, err := e.peek(key("rotated"))
	e.wantMoved("Load of the rotated id", err, key("rotated"), moved.ID)
	e.wantIDs("after opening again", "app", "a", moved.ID, "short")
	_, err = e.st().Save(e.ctx, key("a"), &core.Change{Now: e.now(), Version: 1, Set: values("n", "3")})
	e.wants("Save of an old version", err, core.ErrConflict)

	e.reopen()
	e.advance(2 * e.unit)
	e.wantNothing("what expired after opening again", key("short"))
	e.wantNothing("the rotated id after its grace", key("rotated"))
	e.wantSwept("after opening again", "app", e.now(), map[string]core.Record{"short": want["short"]})
	e.reopen()
	e.wantSwept("after opening once more", "app", e.now(), nil)
}

func checkReopenLocks(e *env) {
	e.locker()
	e.create(key("a"), e.record("n", "1"))
	seen := make(map[uint64]bool)
	for range 3 {
		fence := e.lock(key("a"))
		if seen[fence] {
			e.Errorf("fence %d was given out before", fence)
		}
		for old := range seen {
			e.wantFenceless("a fence from before", key("a"), old)
		}
		seen[fence] = true
		e.wants("Unlock", e.locker().Unlock(e.ctx, key("a"), fence), nil)
		e.reopen()
	}
}
