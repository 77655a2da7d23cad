package storetest

import (
	"time"

	"github.com/holdover-web/holdover/core"
)

var rotatePromises = []promise{
	{"Rotate", "Rotating gives the session a new id and nothing else; without grace the old id is not found any more.", checkRotate},
	{"RotateGrace", "Within the grace every method leads from the old id to the new one by *MovedError; at its end the old id is free.", checkRotateGrace},
	{"RotateExists", "Rotating to an id that is in use says ErrExists and changes nothing.", checkRotateExists},
	{"RotateChain", "An id that was rotated twice leads on step by step.", checkRotateChain},
	{"RotateLock", "The lock goes along with a rotated session, under the same fence, and only its holder rotates with a fence.", checkRotateLock},
	{"DeleteForward", "Deleting an id that was rotated away removes the forwarding, says *MovedError, and leaves the session alone.", checkDeleteForward},
}

func checkRotate(e *env) {
	rec := e.idle(1000*e.unit, "n", "1")
	rec.Ends = e.now().Add(2000 * e.unit)
	e.create(key("a"), rec)
	e.save(key("a"), e.set("n", "2"))
	want := e.load(key("a"))
	e.advance(e.unit)
	e.rotate(key("a"), "b", 0)
	e.wantRecord("under the new id", e.load(key("b")), want)
	e.wantNothing("under the old id", key("a"))
	_, err := e.st().Save(e.ctx, key("a"), e.set("n", "3"))
	e.wants("Save under the old id", err, core.ErrGone)
	e.wantIDs("after Rotate", "app", "b")
	e.save(key("b"), e.set("n", "4"))
	e.create(key("a"), e.record("n", "new"))
	e.wantStored("a new session under the old id", key("a"), 1, "n", "new")
	e.wantStored("the rotated session", key("b"), 3, "n", "4")
}

func checkRotateGrace(e *env) {
	e.create(key("a"), e.idle(1000*e.unit, "n", "1"))
	e.rotate(key("a"), "b", 2*e.unit)
	_, err := e.peek(key("a"))
	e.wantMoved("Load", err, key("a"), "b")
	_, err = e.st().Save(e.ctx, key("a"), e.set("n", "2"))
	e.wantMoved("Save", err, key("a"), "b")
	e.wantMoved("Touch", e.st().Touch(e.ctx, key("a"), e.now()), key("a"), "b")
	err = e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: "c"})
	e.wantMoved("Rotate", err, key("a"), "b")
	if locker, ok := e.mayLock(); ok {
		_, _, err = locker.Lock(e.ctx, key("a"), core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: e.unit})
		e.wantMoved("Lock", err, key("a"), "b")
		e.wantMoved("Renew", locker.Renew(e.ctx, key("a"), 1, e.now(), e.unit), key("a"), "b")
		e.wantMoved("Unlock", locker.Unlock(e.ctx, key("a"), 1), key("a"), "b")
	}
	e.wants("Create", e.st().Create(e.ctx, key("a"), e.record()), core.ErrExists)
	e.wantStored("the rotated session", key("b"), 1, "n", "1")
	e.wantIDs("within the grace", "app", "b")

	e.advance(2*e.unit - e.slack)
	_, err = e.peek(key("a"))
	e.wantMoved("Load just before the grace ends", err, key("a"), "b")
	e.advance(e.slack)
	e.wantNothing("at the end of the grace", key("a"))
	e.wants("Touch at the end of the grace", e.st().Touch(e.ctx, key("a"), e.now()), core.ErrGone)
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("Delete at the end of the grace: ok %v, error %v; want neither", ok, err)
	}
	e.wantSwept("at the end of the grace", "app", e.now(), nil)
	e.create(key("a"), e.record("n", "new"))
	e.wantStored("a new session under the old id", key("a"), 1, "n", "new")
	e.wantStored("the rotated session", key("b"), 1, "n", "1")
}

func checkRotateExists(e *env) {
	e.create(key("a"), e.record("n", "a"))
	e.create(key("b"), e.record("n", "b"))
	e.create(key("c"), e.record("n", "c"))
	e.rotate(key("c"), "d", 1000*e.unit)
	for what, to := range map[string]string{"another session's id": "b", "its own id": "a", "an id that forwards": "c"} {
		for _, grace := range []time.Duration{0, 1000 * e.unit} {
			r := core.Rotation{Now: e.now(), To: to, Grace: grace}
			e.wants("Rotate to "+what, e.st().Rotate(e.ctx, key("a"), r), core.ErrExists)
			e.wantStored("after Rotate to "+what, key("a"), 1, "n", "a")
			e.wantStored("after Rotate to "+what, key("b"), 1, "n", "b")
			e.wantStored("after Rotate to "+what, key("d"), 1, "n", "c")
		}
	}
	_, err := e.peek(key("c"))
	e.wantMoved("Load of the id that forwards", err, key("c"), "d")
}

func checkRotateChain(e *env) {
	e.create(key("a"), e.record("n", "1"))
	e.rotate(key("a"), "b", 2*e.unit)
	e.advance(e.unit)
	e.rotate(key("b"), "c", 2*e.unit)
	_, err := e.peek(key("a"))
	e.wantMoved("Load of the first id", err, key("a"), "b")
	_, err = e.peek(key("b"))
	e.wantMoved("Load of the second id", err, key("b"), "c")
	e.wantStored("under the third id", key("c"), 1, "n", "1")
	e.wantIDs("after two rotations", "app", "c")

	e.advance(e.unit)
	e.wantNothing("the first id after its grace", key("a"))
	_, err = e.peek(key("b"))
	e.wantMoved("Load of the second id", err, key("b"), "c")
	e.advance(e.unit)
	e.wantNothing("the second id after its grace", key("b"))
	e.wantStored("under the third id", key("c"), 1, "n", "1")
}

func checkRotateLock(e *env) {
	e.locker()
	e.create(key("a"), e.record("n", "1"))
	fence := e.lock(key("a"))
	err := e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: "b", Fence: fence + 1})
	e.wants("Rotate with another fence", err, core.ErrLockLost)
	e.wantStored("after the refused Rotate", key("a"), 1, "n", "1")
	e.wantNothing("after the refused Rotate", key("b"))

	err = e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: "b", Fence: fence})
	e.wants("Rotate by the holder", err, nil)
	e.wantLocked("after Rotate by the holder", key("b"))
	e.wants("Renew under the new id", e.locker().Renew(e.ctx, key("b"), fence, e.now(), 1000*e.unit), nil)
	_, err = e.st().Save(e.ctx, key("b"), &core.Change{Now: e.now(), Set: values("n", "2"), Fence: fence})
	e.wants("Save under the new id", err, nil)

	e.rotate(key("b"), "c", 0)
	e.wantLocked("after Rotate by someone else", key("c"))
	e.wants("Unlock under the new id", e.locker().Unlock(e.ctx, key("c"), fence), nil)
	if next := e.lock(key("c")); next == fence {
		e.Errorf("fence %d was given out twice", fence)
	}
}

func checkDeleteForward(e *env) {
	e.create(key("a"), e.record("n", "1"))
	e.rotate(key("a"), "b", 1000*e.unit)
	_, ok, err := e.st().Delete(e.ctx, key("a"), e.now())
	e.wantMoved("Delete of the old id", err, key("a"), "b")
	if ok {
		e.Error("Delete of the old id: ok is true, want false")
	}
	e.wantNothing("after Delete of the old id", key("a"))
	e.wantStored("after Delete of the old id", key("b"), 1, "n", "1")
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("the second Delete: ok %v, error %v; want neither", ok, err)
	}
}
