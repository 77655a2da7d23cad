package storetest

import (
	"time"

	"github.com/holdover-web/holdover/core"
)

var expiryPromises = []promise{
	{"IdleExpiry", "A session is there until its idle timeout has passed since the last access, and gone at that very moment.", checkIdleExpiry},
	{"AbsoluteExpiry", "A session is gone at the moment it ends absolutely, however often it is accessed.", checkAbsoluteExpiry},
	{"NoExpiry", "A session without timeouts never expires.", checkNoExpiry},
	{"Extends", "Touching, saving, and loading or locking with a touch move the moment of expiry; other calls do not.", checkExtends},
	{"IdleChange", "A changed idle timeout counts from the last access, at once.", checkIdleChange},
	{"ExpiredIsAbsent", "To every method, an expired session is as if it had never been, swept or not.", checkExpiredIsAbsent},
	{"CreateOverExpired", "An id whose session has expired may be used again, swept or not, and nothing of the old session shows in the new one.", checkCreateOverExpired},
	{"DeleteExpired", "Deleting a session that has expired and was not swept returns it, so that its end is told.", checkDeleteExpired},
	{"WrongClock", "A store with a clock of its own does not care what time the caller believes it is.", checkWrongClock},
}

// wantEnd checks that k is there just before d from now has passed, and gone then. It leaves the
// clock there.
func (e *env) wantEnd(what string, k core.Key, d time.Duration) {
	e.Helper()
	e.advance(d - e.slack)
	if _, err := e.peek(k); err != nil {
		e.Errorf("%s: %v before its end: %v", what, e.slack, err)
	}
	e.advance(e.slack)
	e.wantNothing(what+": at its end", k)
}

func checkIdleExpiry(e *env) {
	e.create(key("a"), e.idle(2*e.unit))
	e.create(key("b"), e.idle(3*e.unit))
	e.wantEnd("created", key("a"), 2*e.unit)
	e.wantEnd("the next", key("b"), e.unit)
}

func checkAbsoluteExpiry(e *env) {
	rec := e.idle(2 * e.unit)
	rec.Ends = e.now().Add(3 * e.unit)
	e.create(key("a"), rec)
	e.advance(e.unit)
	e.touch(key("a"))
	e.save(key("a"), e.set("n", "1"))
	e.wantEnd("touched, with both timeouts", key("a"), 2*e.unit)

	rec = e.record()
	rec.Ends = e.now().Add(2 * e.unit)
	e.create(key("b"), rec)
	e.wantEnd("with an absolute end alone", key("b"), 2*e.unit)

	rec = e.idle(e.unit)
	rec.Ends = e.now().Add(2 * e.unit)
	e.create(key("c"), rec)
	e.wantEnd("idle before its absolute end", key("c"), e.unit)
}

func checkNoExpiry(e *env) {
	e.needsCallersClock()
	e.create(key("a"), e.record())
	e.advance(200 * 365 * 24 * time.Hour)
	e.load(key("a"))
	e.touch(key("a"))
	e.load(key("a"))
}

func checkExtends(e *env) {
	load := func(touch time.Duration) func(k core.Key) error {
		return func(k core.Key) error {
			_, err := e.st().Load(e.ctx, k, core.LoadOptions{Now: e.now(), Touch: touch})
			return err
		}
	}
	lock := func(touch time.Duration) func(k core.Key) error {
		return func(k core.Key) error {
			locker, ok := e.mayLock()
			if !ok {
				return load(touch)(k)
			}
			opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now(), Touch: touch}, Lease: e.unit}
			_, fence, err := locker.Lock(e.ctx, k, opt)
			if err != nil {
				return err
			}
			e.wants("Renew", locker.Renew(e.ctx, k, fence, e.now(), e.unit), nil)
			return locker.Unlock(e.ctx, k, fence)
		}
	}
	for _, tt := range []struct {
		name    string
		access  func(k core.Key) error
		extends bool
	}{
		{"Touch", func(k core.Key) error { return e.st().Touch(e.ctx, k, e.now()) }, true},
		{"Save", func(k core.Key) error { _, err := e.st().Save(e.ctx, k, e.set("n", "1")); return err }, true},
		{"Load with Touch", load(0), true},
		{"Load when the touch is due", load(e.unit / 2), true},
		{"Load without touch", load(core.NoTouch), false},
		{"Lock with Touch", lock(0), true},
		{"Lock without touch", lock(core.NoTouch), false},
		{"nothing", func(core.Key) error { return nil }, false},
	} {
		k := key(tt.name)
		e.create(k, e.idle(2*e.unit))
		e.advance(e.unit)
		e.wants(tt.name, tt.access(k), nil)
		if tt.extends {
			e.wantEnd("after "+tt.name, k, 2*e.unit)
		} else {
			e.wantEnd("after "+tt.name, k, e.unit)
		}
	}
}

func checkIdleChange(e *env) {
	e.create(key("a"), e.idle(1000*e.unit))
	e.save(key("a"), &core.Change{Now: e.now(), SetIdle: true, Idle: 2 * e.unit})
	e.wantEnd("after a shorter timeout", key("a"), 2*e.unit)

	e.create(key("b"), e.idle(e.unit))
	e.save(key("b"), &core.Change{Now: e.now(), SetIdle: true, Idle: 3 * e.unit})
	e.wantEnd("after a longer timeout", key("b"), 3*e.unit)

	e.create(key("c"), e.idle(e.unit))
	e.save(key("c"), &core.Change{Now: e.now(), SetIdle: true})
	e.advance(3 * e.unit)
	if _, err := e.peek(key("c")); err != nil {
		e.Errorf("after the timeout was taken away: %v", err)
	}
}

func checkExpiredIsAbsent(e *env) {
	k := key("a")
	e.create(k, e.idle(e.unit, "n", "1"))
	e.advance(e.unit)
	for range 2 { // the first round must not make a difference for the second
		for _, touch := range []time.Duration{core.NoTouch, 0, e.unit} {
			_, err := e.st().Load(e.ctx, k, core.LoadOptions{Now: e.now(), Touch: touch})
			e.wants("Load", err, core.ErrNotFound)
		}
		_, err := e.st().Save(e.ctx, k, e.set("n", "2"))
		e.wants("Save", err, core.ErrGone)
		_, err = e.st().Save(e.ctx, k, &core.Change{Now: e.now(), Set: values("n", "2"), Version: 1, SetIdle: true})
		e.wants("Save with a condition", err, core.ErrGone)
		e.wants("Touch", e.st().Touch(e.ctx, k, e.now()), core.ErrGone)
		e.wants("Rotate", e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: e.beside(k, "b").ID}), core.ErrGone)
		if locker, ok := e.mayLock(); ok {
			_, _, err := locker.Lock(e.ctx, k, core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: e.unit})
			e.wants("Lock", err, core.ErrNotFound)
		}
		e.wantIDs("after expiry", "app")
	}
}

func checkCreateOverExpired(e *env) {
	e.create(key("a"), e.idle(e.unit, "n", "old", "m", "old"))
	e.create(key("b"), e.record("n", "1"))
	c := e.beside(key("b"), "c")
	e.create(c, e.idle(e.unit, "n", "old"))
	e.advance(e.unit)
	e.create(key("a"), e.idle(1000*e.unit, "n", "new"))
	e.wantStored("the new session", key("a"), 1, "n", "new")
	e.rotate(key("b"), c.ID, 0)
	e.wantStored("the session rotated to an expired id", c, 1, "n", "1")

	sweeper, ok := e.st().(core.Sweeper)
	if !ok {
		return
	}
	told := make(map[string]int)
	for range 2 {
		err := sweeper.Sweep(e.ctx, "app", e.now(), func(id string, rec core.Record) {
			told[id]++
			if data, _ := rec.Values.Get("n"); data != "old" {
				e.Errorf("Sweep tells the end of %s with %s, which is not the session that ended", id, short(rec.Values))
			}
		})
		e.wants("Sweep", err, nil)
	}
	for id, n := range told {
		if n > 1 {
			e.Errorf("Sweep tells the end of %s %d times", id, n)
		}
	}
	e.wantStored("the new session after Sweep", key("a"), 1, "n", "new")
	e.wantStored("the rotated session after Sweep", c, 1, "n", "1")
}

func checkDeleteExpired(e *env) {
	if _, ok := e.st().(core.Sweeper); !ok {
		e.Skip("the store is no core.Sweeper, so that it may forget expired sessions by itself")
	}
	e.create(key("a"), e.idle(e.unit, "n", "1"))
	want := e.load(key("a"))
	e.advance(e.unit)
	e.wantRecord("what Delete returns", e.delete(key("a")), want)
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("the second Delete: ok %v, error %v; want neither", ok, err)
	}
	e.wantSwept("after Delete", "app", e.now(), nil)
}

func checkWrongClock(e *env) {
	if e.opts.OwnClock == nil {
		e.Skip("the store goes by the times that calls carry")
	}
	e.create(key("a"), e.idle(1000*e.unit))
	wrong := e.now().Add(100 * 365 * 24 * time.Hour)
	_, err := e.st().Load(e.ctx, key("a"), core.LoadOptions{Now: wrong})
	e.wants("Load from a clock that is ahead", err, nil)
	e.wants("Touch from a clock that is ahead", e.st().Touch(e.ctx, key("a"), wrong), nil)
	_, err = e.st().Save(e.ctx, key("a"), &core.Change{Now: wrong, Set: values("n", "1")})
	e.wants("Save from a clock that is ahead", err, nil)
	e.wantTime("Accessed", e.load(key("a")).Accessed, e.now())
	if sweeper, ok := e.st().(core.Sweeper); ok {
		err := sweeper.Sweep(e.ctx, "app", wrong, func(id string, _ core.Record) { e.Errorf("a clock that is ahead ended %s", id) })
		e.wants("Sweep", err, nil)
	}
	e.load(key("a"))
}
