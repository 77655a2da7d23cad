package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

var lockPromises = []promise{
	{"Lock", "One holder at a time has a session's lock, and gets the record with it. Others are refused at once.", checkLock},
	{"LockAbsent", "Only a living session can be locked, and trying leaves no lock.", checkLockAbsent},
	{"LockPerSession", "A lock concerns its session alone, and those who lock or give its fence alone.", checkLockPerSession},
	{"Fence", "Without the lock, under whatever fence, Save, Rotate, Renew and Unlock say ErrLockLost and do nothing.", checkFence},
	{"FenceUnique", "No two acquisitions of a key have the same fence, and none has 0, also across deletion of the session.", checkFenceUnique},
	{"Lapse", "A lock can be taken over at the moment its lease ends and not before, and then the old fence fails everywhere.", checkLapse},
	{"LapseUntaken", "A lock whose lease ran out stays good for its holder until someone else takes it.", checkLapseUntaken},
	{"Renew", "Renewing makes the lease end that long after now.", checkRenew},
	{"SaveUnlocks", "A save with Unlock lets the lock go if and only if the save was made and gave the fence.", checkSaveUnlocks},
	{"LockEndsWithSession", "A lock ends with its session: a later session of the same key is not locked, and the old fence is no good for it.", checkLockEndsWithSession},
	{"WaitLock", "Waiting for a lock ends when it is let go, by whatever way, at the limit, or with the context.", checkWaitLock},
}

// locker returns the store as a core.Locker, or skips the test.
func (e *env) locker() core.Locker {
	e.Helper()
	if e.locksStay() {
		e.Skip("a lock works only by the way that took it; see Shared and ConcurrentLocks")
	}
	return power[core.Locker](e)
}

// mayLock is for checks that go on without.
func (e *env) mayLock() (core.Locker, bool) {
	if e.locksStay() {
		return nil, false
	}
	locker, ok := e.st().(core.Locker)
	return locker, ok
}

// locksStay reports whether a lock that one call takes may be of no use to the next.
func (e *env) locksStay() bool { return e.opts.LocksStay && len(e.stores) > 1 }

func (e *env) tryLock(k core.Key) (core.Record, uint64, error) {
	return e.locker().Lock(e.ctx, k, core.LockOptions{
		LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: 1000 * e.unit})
}

func (e *env) lock(k core.Key) (fence uint64) {
	e.Helper()
	_, fence, err := e.tryLock(k)
	if err != nil {
		e.Fatalf("Lock: %v", err)
	}
	if fence == 0 {
		e.Error("Lock gives fence 0")
	}
	return fence
}

func (e *env) wantLocked(what string, k core.Key) {
	e.Helper()
	if _, _, err := e.tryLock(k); !errors.Is(err, core.ErrLocked) {
		e.Errorf("%s: Lock: error %v, want a *core.LockedError", what, err)
	}
}

// wantUnlocked leaves the lock free.
func (e *env) wantUnlocked(what string, k core.Key) {
	e.Helper()
	_, fence, err := e.tryLock(k)
	if e.wants(what+": Lock", err, nil) {
		e.wants(what+": Unlock", e.locker().Unlock(e.ctx, k, fence), nil)
	}
}

// wantFenceless checks that a fence is good for nothing at k, which is a living session.
func (e *env) wantFenceless(what string, k core.Key, fence uint64) {
	e.Helper()
	before := e.load(k)
	for name, c := range map[string]core.Change{
		"merge":            {Set: values("stale", "1")},
		"replace":          {Set: values("stale", "1"), Replace: true},
		"save and unlock":  {Set: values("stale", "1"), Unlock: true},
		"save the version": {Set: values("stale", "1"), Version: before.Version},
	} {
		c.Now, c.Fence = e.now(), fence
		_, err := e.st().Save(e.ctx, k, &c)
		e.wants(what+": "+name, err, core.ErrLockLost)
	}
	err := e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: e.beside(k, k.ID+" stale").ID, Fence: fence})
	e.wants(what+": Rotate", err, core.ErrLockLost)
	e.wants(what+": Renew", e.locker().Renew(e.ctx, k, fence, e.now(), e.unit), core.ErrLockLost)
	e.wants(what+": Unlock", e.locker().Unlock(e.ctx, k, fence), core.ErrLockLost)
	e.wantRecord(what+": afterwards", e.load(k), before)
}

func checkLock(e *env) {
	e.create(key("a"), e.idle(1000*e.unit, "n", "1"))
	want := e.load(key("a"))
	rec, fence, err := e.tryLock(key("a"))
	e.wants("Lock", err, nil)
	e.wantRecord("what Lock returns", rec, want)
	_, _, err = e.tryLock(key("a"))
	var locked *core.LockedError
	if !errors.As(err, &locked) {
		e.Fatalf("the second Lock: %v, want a *core.LockedError", err)
	}
	if locked.Key != key("a") || locked.Left < 0 || locked.Left > 1000*e.unit {
		e.Errorf("the LockedError names key %q and %v left, want %q and at most %v", locked.Key, locked.Left, key("a"), 1000*e.unit)
	}
	e.wants("Unlock", e.locker().Unlock(e.ctx, key("a"), fence), nil)
	e.wantUnlocked("after Unlock", key("a"))
	e.wantRecord("after all of it", e.load(key("a")), want)
}

func checkLockAbsent(e *env) {
	_, _, err := e.tryLock(key("a"))
	e.wants("Lock", err, core.ErrNotFound)
	e.wants("Renew", e.locker().Renew(e.ctx, key("a"), 1, e.now(), e.unit), core.ErrGone)
	if err := e.locker().Unlock(e.ctx, key("a"), 1); !errors.Is(err, core.ErrGone) && !errors.Is(err, core.ErrLockLost) {
		e.Errorf("Unlock: error %v, want ErrGone or ErrLockLost", err)
	}
	e.wantNothing("afterwards", key("a"))
	e.create(key("a"), e.record())
	e.wantUnlocked("after Create", key("a"))
}

func checkLockPerSession(e *env) {
	e.create(key("a"), e.record("n", "1"))
	e.create(key("b"), e.record("n", "1"))
	fence := e.lock(key("a"))
	e.wantUnlocked("another session", key("b"))
	e.wantFenceless("the fence of another session", key("b"), fence+1)

	e.load(key("a"))
	e.touch(key("a"))
	e.save(key("a"), e.set("n", "2"))
	e.wantLocked("after a save without fence", key("a"))
	c := e.set("n", "3")
	c.Unlock = true
	e.save(key("a"), c)
	e.wantLocked("after a save without fence, with Unlock", key("a"))
	c = e.set("n", "4")
	c.Fence = fence
	e.save(key("a"), c)
	e.wantLocked("after a save by the holder", key("a"))
	e.delete(key("a"))
	e.wantNothing("after Delete by someone else", key("a"))
}

func checkFence(e *env) {
	e.create(key("a"), e.record("n", "1"))
	e.wantFenceless("never locked", key("a"), 1)
	fence := e.lock(key("a"))
	e.wantFenceless("a fence that nobody had", key("a"), fence+1)
	e.wantLocked("after failed attempts", key("a"))
	e.wants("Renew with fence 0", e.locker().Renew(e.ctx, key("a"), 0, e.now(), e.unit), core.ErrLockLost)
	e.wants("Unlock with fence 0", e.locker().Unlock(e.ctx, key("a"), 0), core.ErrLockLost)
	e.wantLocked("after failed attempts", key("a"))
	e.wants("Unlock", e.locker().Unlock(e.ctx, key("a"), fence), nil)
	e.wantFenceless("let go", key("a"), fence)
	e.wants("Unlock with fence 0 when free", e.locker().Unlock(e.ctx, key("a"), 0), core.ErrLockLost)
	next := e.lock(key("a"))
	e.wantFenceless("let go and taken by another", key("a"), fence)
	e.wants("Unlock by the other", e.locker().Unlock(e.ctx, key("a"), next), nil)
}

func checkFenceUnique(e *env) {
	seen := make(map[uint64]bool)
	take := func(what string, k core.Key) uint64 {
		fence := e.lock(k)
		if seen[fence] {
			e.Errorf("%s: fence %d was given out before", what, fence)
		}
		seen[fence] = true
		return fence
	}
	for range 10 {
		e.create(key("a"), e.idle(2000*e.unit))
		for range 5 {
			fence := take("after Unlock", key("a"))
			e.wants("Unlock", e.locker().Unlock(e.ctx, key("a"), fence), nil)
			fence = take("after Save", key("a"))
			e.save(key("a"), &core.Change{Now: e.now(), Fence: fence, Unlock: true})
		}
		take("before Delete", key("a"))
		e.delete(key("a"))
	}
}

func checkLapse(e *env) {
	k := key("a")
	e.create(k, e.record("n", "1"))
	opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: 2 * e.unit}
	_, stale, err := e.locker().Lock(e.ctx, k, opt)
	e.wants("Lock", err, nil)
	e.advance(2*e.unit - e.slack)
	_, _, err = e.tryLock(k)
	var locked *core.LockedError
	if !errors.As(err, &locked) {
		e.Errorf("Lock %v before the lease ends: %v, want a *core.LockedError", e.slack, err)
	} else if locked.Left < 0 || locked.Left > e.slack {
		e.Errorf("LockedError.Left is %v, want at most %v", locked.Left, e.slack)
	}
	e.advance(e.slack)
	fence := e.lock(k)
	if fence == stale {
		e.Errorf("fence %d was given out twice", fence)
	}
	e.wantFenceless("after the takeover", k, stale)
	e.wantLocked("after the old holder's attempts", k)
	c := e.set("n", "2")
	c.Fence, c.Unlock = fence, true
	e.save(k, c)
	e.wantStored("after the new holder's save", k, 2, "n", "2")
}

func checkLapseUntaken(e *env) {
	for name, use := range map[string]func(k core.Key, fence uint64) error{
		"Save": func(k core.Key, fence uint64) error {
			_, err := e.st().Save(e.ctx, k, &core.Change{Now: e.now(), Fence: fence, Set: values("n", "2")})
			return err
		},
		"Rotate": func(k core.Key, fence uint64) error {
			return e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: e.beside(k, k.ID+"2").ID, Fence: fence})
		},
		"Renew": func(k core.Key, fence uint64) error {
			err := e.locker().Renew(e.ctx, k, fence, e.now(), 1000*e.unit)
			e.wantLocked("after Renew of a lapsed lock", k)
			return err
		},
		"Unlock": func(k core.Key, fence uint64) error { return e.locker().Unlock(e.ctx, k, fence) },
	} {
		k := key(name)
		e.create(k, e.record("n", "1"))
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: e.unit}
		_, fence, err := e.locker().Lock(e.ctx, k, opt)
		e.wants("Lock", err, nil)
		e.advance(2 * e.unit)
		e.wants(name+" under a lapsed lock that nobody took", use(k, fence), nil)
	}
}

func checkRenew(e *env) {
	k := key("a")
	e.create(k, e.record())
	opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: 2 * e.unit}
	_, fence, err := e.locker().Lock(e.ctx, k, opt)
	e.wants("Lock", err, nil)
	e.advance(e.unit)
	e.wants("Renew", e.locker().Renew(e.ctx, k, fence, e.now(), 3*e.unit), nil)
	e.advance(3*e.unit - e.slack)
	e.wantLocked("just before the renewed lease ends", k)
	e.advance(e.slack)
	e.wantUnlocked("at the end of the renewed lease", k)
}

func checkSaveUnlocks(e *env) {
	k := key("a")
	e.create(k, e.record("n", "1"))
	fence := e.lock(k)
	for name, tt := range map[string]struct {
		c    core.Change
		want error
	}{
		"a conflict":    {core.Change{Version: 9}, core.ErrConflict},
		"too much data": {core.Change{Set: values("n", "1234"), MaxSize: 4}, core.ErrTooLarge},
	} {
		tt.c.Now, tt.c.Fence, tt.c.Unlock = e.now(), fence, true
		_, err := e.st().Save(e.ctx, k, &tt.c)
		e.wants("Save with "+name, err, tt.want)
		e.wantLocked("after a save that failed for "+name, k)
	}
	c := e.set("n", "2")
	c.Fence = fence
	e.save(k, c)
	e.wantLocked("after a save without Unlock", k)
	c = e.set("n", "3")
	c.Fence, c.Unlock = fence, true
	e.save(k, c)
	e.wantUnlocked("after a save with Unlock", k)
	e.wantFenceless("after a save with Unlock", k, fence)
	e.wantStored("afterwards", k, 3, "n", "3")
}

func checkLockEndsWithSession(e *env) {
	for name, end := range map[string]func(k core.Key){
		"Delete": func(k core.Key) { e.delete(k) },
		"expiry": func(core.Key) { e.advance(e.unit) },
		"Rotate": func(k core.Key) { e.rotate(k, e.beside(k, k.ID+" rotated").ID, 0) },
	} {
		k := key(name)
		e.create(k, e.idle(e.unit))
		fence := e.lock(k)
		end(k)
		e.create(k, e.record("n", "new"))
		e.wantFenceless("the old fence after "+name, k, fence)
		next := e.lock(k)
		e.wantFenceless("the old fence after "+name+" and Lock", k, fence)
		e.wants("Unlock of the new lock", e.locker().Unlock(e.ctx, k, next), nil)
	}
}

func checkWaitLock(e *env) {
	e.locker()
	power[core.LockWaiter](e)
	wait := func(ctx context.Context, k core.Key, limit time.Duration) error {
		return power[core.LockWaiter](e).WaitLock(ctx, k, limit)
	}
	for name, free := range map[string]func(k core.Key, fence uint64) error{
		"Unlock": func(k core.Key, fence uint64) error { return e.locker().Unlock(e.ctx, k, fence) },
		"Save": func(k core.Key, fence uint64) error {
			_, err := e.st().Save(e.ctx, k, &core.Change{Now: e.now(), Fence: fence, Unlock: true})
			return err
		},
		"Delete": func(k core.Key, _ uint64) error { _, _, err := e.st().Delete(e.ctx, k, e.now()); return err },
		"Rotate": func(k core.Key, _ uint64) error {
			return e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: e.beside(k, k.ID+" rotated").ID})
		},
	} {
		k := key(name)
		e.create(k, e.record())
		fence := e.lock(k)
		waited := make(chan error, 3)
		for range cap(waited) {
			ctx := watch(e.ctx)
			go func() { waited <- wait(ctx, k, time.Hour) }()
			ctx.waitAsked()
		}
		e.wants(name, free(k, fence), nil)
		e.soon("WaitLock after "+name, func() {
			for range cap(waited) {
				e.wants("WaitLock after "+name, <-waited, nil)
			}
		})
	}
	e.create(key("a"), e.record())
	e.soon("WaitLock of a free lock", func() { e.wants("WaitLock", wait(e.ctx, key("a"), time.Hour), nil) })
	e.soon("WaitLock of an absent session", func() { e.wants("WaitLock", wait(e.ctx, key("absent"), time.Hour), nil) })
	e.lock(key("a"))
	e.soon("WaitLock with a limit", func() { e.wants("WaitLock", wait(e.ctx, key("a"), 10*time.Millisecond), nil) })
	e.checkWaitCancelled(wait)
}

// checkWaitCancelled ends the context of one who is waiting already.
func (e *env) checkWaitCancelled(wait func(context.Context, core.Key, time.Duration) error) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	watched := watch(ctx)
	waited := make(chan error, 1)
	go func() { waited <- wait(watched, key("a"), time.Hour) }()
	watched.waitAsked()
	cancel()
	e.soon("WaitLock with a cancelled context", func() { e.wants("WaitLock", <-waited, context.Canceled) })
}

// watchedContext tells when someone asked for its Done channel, as those who wait do.
type watchedContext struct {
	context.Context
	once  sync.Once
	asked chan struct{}
}

func watch(ctx context.Context) *watchedContext {
	return &watchedContext{Context: ctx, asked: make(chan struct{})}
}

// Done is context.Context's.
func (c *watchedContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.asked) })
	return c.Context.Done()
}

// waitAsked returns when Done was called. A store that never calls it gets a moment to begin.
func (c *watchedContext) waitAsked() { ends(c.asked, time.Second) }
