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
	b := e.beside(key("a"), "b")
	rec := e.idle(1000*e.unit, "n", "1")
	rec.Ends = e.now().Add(2000 * e.unit)
	e.create(key("a"), rec)
	e.save(key("a"), e.set("n", "2"))
	want := e.load(key("a"))
	e.advance(e.unit)
	e.rotate(key("a"), b.ID, 0)
	e.wantRecord("under the new id", e.load(b), want)
	e.wantNothing("under the old id", key("a"))
	_, err := e.st().Save(e.ctx, key("a"), e.set("n", "3"))
	e.wants("Save under the old id", err, core.ErrGone)
	e.wantIDs("after Rotate", "app", b.ID)
	e.save(b, e.set("n", "4"))
	e.create(key("a"), e.record("n", "new"))
	e.wantStored("a new session under the old id", key("a"), 1, "n", "new")
	e.wantStored("the rotated session", b, 3, "n", "4")
}

func checkRotateGrace(e *env) {
	b := e.beside(key("a"), "b")
	e.create(key("a"), e.idle(1000*e.unit, "n", "1"))
	e.rotate(key("a"), b.ID, 2*e.unit)
	_, err := e.peek(key("a"))
	e.wantMoved("Load", err, key("a"), b.ID)
	_, err = e.st().Save(e.ctx, key("a"), e.set("n", "2"))
	e.wantMoved("Save", err, key("a"), b.ID)
	e.wantMoved("Touch", e.st().Touch(e.ctx, key("a"), e.now()), key("a"), b.ID)
	err = e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: e.beside(key("a"), "c").ID})
	e.wantMoved("Rotate", err, key("a"), b.ID)
	if locker, ok := e.mayLock(); ok {
		_, _, err = locker.Lock(e.ctx, key("a"), core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: e.unit})
		e.wantMoved("Lock", err, key("a"), b.ID)
		e.wantMoved("Renew", locker.Renew(e.ctx, key("a"), 1, e.now(), e.unit), key("a"), b.ID)
		e.wantMoved("Unlock", locker.Unlock(e.ctx, key("a"), 1), key("a"), b.ID)
	}
	e.wants("Create", e.st().Create(e.ctx, key("a"), e.record()), core.ErrExists)
	e.wantStored("the rotated session", b, 1, "n", "1")
	e.wantIDs("within the grace", "app", b.ID)

	e.advance(2*e.unit - e.slack)
	_, err = e.peek(key("a"))
	e.wantMoved("Load just before the grace ends", err, key("a"), b.ID)
	e.advance(e.slack)
	e.wantNothing("at the end of the grace", key("a"))
	e.wants("Touch at the end of the grace", e.st().Touch(e.ctx, key("a"), e.now()), core.ErrGone)
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("Delete at the end of the grace: ok %v, error %v; want neither", ok, err)
	}
	e.wantSwept("at the end of the grace", "app", e.now(), nil)
	e.create(key("a"), e.record("n", "new"))
	e.wantStored("a new session under the old id", key("a"), 1, "n", "new")
	e.wantStored("the rotated session", b, 1, "n", "1")
}

func checkRotateExists(e *env) {
	b, c, d := e.beside(key("a"), "b"), e.beside(key("a"), "c"), e.beside(key("a"), "d")
	e.create(key("a"), e.record("n", "a"))
	e.create(b, e.record("n", "b"))
	e.create(c, e.record("n", "c"))
	e.rotate(c, d.ID, 1000*e.unit)
	for what, to := range map[string]string{"another session's id": b.ID, "its own id": "a", "an id that forwards": c.ID} {
		for _, grace := range []time.Duration{0, 1000 * e.unit} {
			r := core.Rotation{Now: e.now(), To: to, Grace: grace}
			e.wants("Rotate to "+what, e.st().Rotate(e.ctx, key("a"), r), core.ErrExists)
			e.wantStored("after Rotate to "+what, key("a"), 1, "n", "a")
			e.wantStored("after Rotate to "+what, b, 1, "n", "b")
			e.wantStored("after Rotate to "+what, d, 1, "n", "c")
		}
	}
	_, err := e.peek(c)
	e.wantMoved("Load of the id that forwards", err, c, d.ID)
}

func checkRotateChain(e *env) {
	b, c := e.beside(key("a"), "b"), e.beside(key("a"), "c")
	e.create(key("a"), e.record("n", "1"))
	e.rotate(key("a"), b.ID, 2*e.unit)
	e.advance(e.unit)
	e.rotate(b, c.ID, 2*e.unit)
	_, err := e.peek(key("a"))
	e.wantMoved("Load of the first id", err, key("a"), b.ID)
	_, err = e.peek(b)
	e.wantMoved("Load of the second id", err, b, c.ID)
	e.wantStored("under the third id", c, 1, "n", "1")
	e.wantIDs("after two rotations", "app", c.ID)

	e.advance(e.unit)
	e.wantNothing("the first id after its grace", key("a"))
	_, err = e.peek(b)
	e.wantMoved("Load of the second id", err, b, c.ID)
	e.advance(e.unit)
	e.wantNothing("the second id after its grace", b)
	e.wantStored("under the third id", c, 1, "n", "1")
}

func checkRotateLock(e *env) {
	e.locker()
	b, c := e.beside(key("a"), "b"), e.beside(key("a"), "c")
	e.create(key("a"), e.record("n", "1"))
	fence := e.lock(key("a"))
	err := e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: b.ID, Fence: fence + 1})
	e.wants("Rotate with another fence", err, core.ErrLockLost)
	e.wantStored("after the refused Rotate", key("a"), 1, "n", "1")
	e.wantNothing("after the refused Rotate", b)

	err = e.st().Rotate(e.ctx, key("a"), core.Rotation{Now: e.now(), To: b.ID, Fence: fence})
	e.wants("Rotate by the holder", err, nil)
	e.wantLocked("after Rotate by the holder", b)
	e.wants("Renew under the new id", e.locker().Renew(e.ctx, b, fence, e.now(), 1000*e.unit), nil)
	_, err = e.st().Save(e.ctx, b, &core.Change{Now: e.now(), Set: values("n", "2"), Fence: fence})
	e.wants("Save under the new id", err, nil)

	e.rotate(b, c.ID, 0)
	e.wantLocked("after Rotate by someone else", c)
	e.wants("Unlock under the new id", e.locker().Unlock(e.ctx, c, fence), nil)
	if next := e.lock(c); next == fence {
		e.Errorf("fence %d was given out twice", fence)
	}
}

func checkDeleteForward(e *env) {
	b := e.beside(key("a"), "b")
	e.create(key("a"), e.record("n", "1"))
	e.rotate(key("a"), b.ID, 1000*e.unit)
	_, ok, err := e.st().Delete(e.ctx, key("a"), e.now())
	e.wantMoved("Delete of the old id", err, key("a"), b.ID)
	if ok {
		e.Error("Delete of the old id: ok is true, want false")
	}
	e.wantNothing("after Delete of the old id", key("a"))
	e.wantStored("after Delete of the old id", b, 1, "n", "1")
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("the second Delete: ok %v, error %v; want neither", ok, err)
	}
}
