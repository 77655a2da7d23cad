package storetest

import (
	"time"

	"github.com/holdover-web/holdover/core"
)

var touchPromises = []promise{
	{"Touch", "Touching moves the last access and nothing else: no data, no version, no lock.", checkTouch},
	{"TouchCoalesced", "Load moves the last access when it is at least LoadOptions.Touch ago, zero meaning always and NoTouch never, or a tenth of the idle timeout ago (LoadOptions.TouchDue).", checkTouchCoalesced},
	{"TouchBackwards", "The last access never moves backwards, whatever clock a caller has.", checkTouchBackwards},
	{"TouchAndSave", "A touch between load and save does not fail an optimistic save.", checkTouchAndSave},
	{"AccessedBefore", "Record.Accessed is the last access before the call that returns it.", checkAccessedBefore},
	{"SaveIsAccess", "A save counts as an access.", checkSaveIsAccess},
}

func (e *env) wantAccessed(what string, k core.Key, want time.Time) {
	e.Helper()
	e.wantTime(what+": Accessed", e.load(k).Accessed, want)
}

func checkTouch(e *env) {
	rec := e.idle(1000*e.unit, "n", "1")
	rec.Ends = e.now().Add(2000 * e.unit)
	e.create(key("a"), rec)
	e.create(key("b"), rec)
	want := e.load(key("a"))
	for _, step := range []time.Duration{e.slack, e.unit, e.unit + e.slack} {
		e.advance(step)
		e.touch(key("a"))
		want.Accessed = e.now()
		e.wantRecord("after Touch", e.load(key("a")), want)
	}
	e.wantAccessed("another session", key("b"), rec.Accessed)
}

func checkTouchCoalesced(e *env) {
	at := e.now()
	e.create(key("a"), e.record())
	for _, tt := range []struct {
		name    string
		advance time.Duration
		touch   time.Duration
		moves   bool
	}{
		{"NoTouch", e.unit, core.NoTouch, false},
		{"not yet due", 2*e.unit - e.slack, 3 * e.unit, false},
		{"due", e.slack, 3 * e.unit, true},
		{"not due again", e.unit, 3 * e.unit, false},
		{"zero", e.slack, 0, true},
		{"zero again", e.slack, 0, true},
	} {
		e.advance(tt.advance)
		e.loadTouching(key("a"), tt.touch)
		if tt.moves {
			at = e.now()
		}
		e.wantAccessed(tt.name, key("a"), at)
		if v := e.load(key("a")).Version; v != 1 {
			e.Errorf("%s: the version is %d, want 1", tt.name, v)
		}
	}
	born := e.now()
	e.create(key("short"), e.idle(20*e.unit))
	e.advance(2*e.unit - e.slack)
	e.loadTouching(key("short"), 1000*e.unit)
	e.wantAccessed("less than a tenth of the idle timeout", key("short"), born)
	e.advance(e.slack)
	e.loadTouching(key("short"), 1000*e.unit)
	e.wantAccessed("a tenth of the idle timeout", key("short"), e.now())
}

func (e *env) loadTouching(k core.Key, touch time.Duration) {
	e.Helper()
	if _, err := e.st().Load(e.ctx, k, core.LoadOptions{Now: e.now(), Touch: touch}); err != nil {
		e.Fatalf("Load: %v", err)
	}
}

func checkTouchBackwards(e *env) {
	e.needsCallersClock()
	e.create(key("a"), e.record())
	at, before := e.now(), e.now().Add(-e.unit)
	e.wants("Touch", e.st().Touch(e.ctx, key("a"), before), nil)
	e.wantAccessed("after Touch", key("a"), at)
	_, err := e.st().Load(e.ctx, key("a"), core.LoadOptions{Now: before})
	e.wants("Load", err, nil)
	e.wantAccessed("after Load", key("a"), at)
	_, err = e.st().Save(e.ctx, key("a"), &core.Change{Now: before, Set: values("n", "1")})
	e.wants("Save", err, nil)
	e.wantAccessed("after Save", key("a"), at)
	if locker, ok := e.mayLock(); ok {
		_, _, err = locker.Lock(e.ctx, key("a"), core.LockOptions{LoadOptions: core.LoadOptions{Now: before}, Lease: e.unit})
		e.wants("Lock", err, nil)
		e.wantAccessed("after Lock", key("a"), at)
	}
}

func checkTouchAndSave(e *env) {
	e.create(key("a"), e.record("n", "0"))
	loaded := e.load(key("a"))
	e.advance(e.unit)
	e.touch(key("a"))
	_, err := e.st().Load(e.ctx, key("a"), core.LoadOptions{Now: e.now()})
	e.wants("Load", err, nil)
	_, err = e.st().Save(e.ctx, key("a"), &core.Change{Now: e.now(), Version: loaded.Version, Set: values("n", "1")})
	e.wants("Save after Touch", err, nil)
	e.wantStored("after Save", key("a"), 2, "n", "1")
}

func checkAccessedBefore(e *env) {
	e.create(key("a"), e.record())
	last := e.now()
	for range 3 {
		e.advance(e.unit)
		rec, err := e.st().Load(e.ctx, key("a"), core.LoadOptions{Now: e.now()})
		e.wants("Load", err, nil)
		e.wantTime("Accessed as Load returns it", rec.Accessed, last)
		last = e.now()
	}
	locker := e.locker()
	e.advance(e.unit)
	rec, _, err := locker.Lock(e.ctx, key("a"), core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now()}, Lease: e.unit})
	e.wants("Lock", err, nil)
	e.wantTime("Accessed as Lock returns it", rec.Accessed, last)
	e.wantAccessed("after Lock", key("a"), e.now())
}

func checkSaveIsAccess(e *env) {
	e.create(key("a"), e.record())
	e.advance(e.unit)
	e.save(key("a"), &core.Change{Now: e.now()})
	e.wantAccessed("after Save", key("a"), e.now())
}
