package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

var cancelPromises = []promise{
	{"CancelledBefore", "A call whose context has ended returns an error that matches ctx.Err(), changes nothing and leaves no lock.", checkCancelledBefore},
	{"CancelledDuring", "A call whose context ends on the way has all of its effect or none, and leaves no lock.", checkCancelledDuring},
}

func checkCancelledBefore(e *env) {
	cancelled, cancel := context.WithCancel(e.ctx)
	cancel()
	late, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Hour))
	defer cancel()
	e.create(key("a"), e.idle(1000*e.unit, "n", "1"))
	e.create(key("expired"), e.idle(e.unit))
	before := e.load(key("a"))
	var fence uint64
	if _, ok := e.mayLock(); ok {
		e.create(key("locked"), e.record())
		fence = e.lock(key("locked"))
	}
	e.advance(e.unit)
	for _, ctx := range []context.Context{cancelled, late} {
		for name, err := range e.callAll(ctx, fence) {
			e.wants(name, err, ctx.Err())
		}
		e.wantRecord("afterwards", e.load(key("a")), before)
		e.wantNothing("where Create would have put a session", key("new"))
		e.wantNothing("where Rotate would have put the session", e.beside(key("a"), "moved"))
		if fence != 0 {
			e.wantUnlocked("afterwards", key("a"))
			e.wantLocked("after Unlock and Renew with an ended context", key("locked"))
		}
	}
	e.wantSwept("afterwards", "app", e.now(), nil, "expired")
}

// callAll calls every method there is with ctx, and returns their errors.
func (e *env) callAll(ctx context.Context, fence uint64) map[string]error {
	errs := make(map[string]error)
	st, k := e.st(), key("a")
	errs["Create"] = st.Create(ctx, key("new"), e.record())
	_, errs["Load"] = st.Load(ctx, k, core.LoadOptions{Now: e.now()})
	_, errs["Save"] = st.Save(ctx, k, e.set("n", "2"))
	_, errs["Save, replacing"] = st.Save(ctx, k, &core.Change{Now: e.now(), Replace: true, Version: 1})
	errs["Touch"] = st.Touch(ctx, k, e.now())
	errs["Rotate"] = st.Rotate(ctx, k, core.Rotation{Now: e.now(), To: e.beside(k, "moved").ID, Grace: e.unit})
	_, _, errs["Delete"] = st.Delete(ctx, k, e.now())
	if locker, ok := st.(core.Locker); ok {
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: 1000 * e.unit}
		_, _, errs["Lock"] = locker.Lock(ctx, k, opt)
		errs["Renew"] = locker.Renew(ctx, key("locked"), fence, e.now(), e.unit/4)
		errs["Unlock"] = locker.Unlock(ctx, key("locked"), fence)
	}
	if waiter, ok := st.(core.LockWaiter); ok {
		errs["WaitLock"] = waiter.WaitLock(ctx, key("locked"), time.Hour)
	}
	if lister, ok := st.(core.Lister); ok {
		_, errs["IDs"] = collect(lister.IDs(ctx, "app", e.now()))
		_, errs["Count"] = lister.Count(ctx, "app", e.now())
	}
	if sweeper, ok := st.(core.Sweeper); ok {
		errs["Sweep"] = sweeper.Sweep(ctx, "app", e.now(), func(id string, _ core.Record) {
			e.Errorf("Sweep with an ended context tells the end of %s", id)
		})
	}
	return errs
}

func checkCancelledDuring(e *env) {
	const rounds = 200
	k := key("a")
	e.create(k, e.record("a", "0", "b", "0"))
	last, version := "0", uint64(1)
	for i := range rounds {
		data := fmt.Sprint(i)
		ctx, done := e.cancelMeanwhile(i)
		_, err := e.st().Save(ctx, k, &core.Change{Now: e.now(), Set: values("a", data, "b", data)})
		done()
		rec := e.load(k)
		a, _ := rec.Values.Get("a")
		b, _ := rec.Values.Get("b")
		made := a == data && b == data && rec.Version == version+1
		not := a == last && b == last && rec.Version == version
		if err != nil && !errors.Is(err, context.Canceled) {
			e.Fatalf("Save: error %v, want nil or context.Canceled", err)
		}
		if !made && !not || err == nil && !made {
			e.Fatalf("after Save (error %v) of %s over %s the record has a=%s, b=%s and version %d, it was %d",
				err, data, last, a, b, rec.Version, version)
		}
		last, version = a, rec.Version
	}
	if _, ok := e.mayLock(); !ok {
		return
	}
	for i := range rounds {
		ctx, done := e.cancelMeanwhile(i)
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: 1000 * e.unit}
		_, fence, err := e.locker().Lock(ctx, k, opt)
		done()
		if err == nil {
			e.wants("Unlock", e.locker().Unlock(e.ctx, k, fence), nil)
		} else {
			e.wants("Lock", err, context.Canceled)
		}
		e.wantUnlocked("after Lock with a context that ended on the way", k)
	}
}

// cancelMeanwhile returns a context that ends at some moment soon, different for each i. done waits
// until it has.
func (e *env) cancelMeanwhile(i int) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(e.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range i * i { // some work that takes from nothing to some 20 microseconds
			if ctx.Err() != nil {
				return
			}
		}
		cancel()
	})
	return ctx, func() {
		wg.Wait()
		cancel()
	}
}
