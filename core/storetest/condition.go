package storetest

import (
	"errors"

	"github.com/holdover-web/holdover/core"
)

var conditionPromises = []promise{
	{"Condition", "A save with a Version applies only to that version. Otherwise it says *ConflictError and changes nothing.", checkCondition},
	{"ConflictCarriesCurrent", "A *ConflictError carries the whole current record, so that a retry needs no second load.", checkConflictCarriesCurrent},
	{"Unconditional", "A save without conditions applies to whatever is stored.", checkUnconditional},
}

func checkCondition(e *env) {
	e.create(key("a"), e.record("n", "0"))
	for _, replace := range []bool{false, true} {
		before := e.load(key("a"))
		for _, version := range []uint64{before.Version - 1, before.Version + 1, 1 << 63} {
			if version == 0 {
				continue // no condition
			}
			_, err := e.st().Save(e.ctx, key("a"), &core.Change{Now: e.now(), Version: version, Replace: replace, Set: values("n", "wrong")})
			e.wants("Save with another version", err, core.ErrConflict)
			e.wantRecord("after the refused Save", e.load(key("a")), before)
		}
		got := e.save(key("a"), &core.Change{Now: e.now(), Version: before.Version, Replace: replace, Set: values("n", "1")})
		if got != before.Version+1 {
			e.Errorf("Save with the stored version returns %d, want %d", got, before.Version+1)
		}
		e.wantStored("after Save with the stored version", key("a"), before.Version+1, "n", "1")
	}
}

func checkConflictCarriesCurrent(e *env) {
	rec := e.idle(1000*e.unit, "n", "0")
	rec.Ends = e.now().Add(2000 * e.unit)
	e.create(key("a"), rec)
	e.advance(e.unit)
	e.save(key("a"), e.set("m", "1"))
	current := e.load(key("a"))
	_, err := e.st().Save(e.ctx, key("a"), &core.Change{Now: e.now(), Version: 1, Set: values("n", "2")})
	var conflict *core.ConflictError
	if !errors.As(err, &conflict) {
		e.Fatalf("Save with an old version: %v, want a *core.ConflictError", err)
	}
	if conflict.Key != key("a") || conflict.Have != 1 {
		e.Errorf("the ConflictError names key %q and version %d, want %q and 1", conflict.Key, conflict.Have, key("a"))
	}
	e.wantRecord("ConflictError.Current", conflict.Current, current)
}

func checkUnconditional(e *env) {
	e.create(key("a"), e.record("n", "0"))
	e.save(key("a"), e.set("n", "1"))
	e.save(key("a"), e.set("m", "2"))
	e.wantStored("after two saves", key("a"), 3, "m", "2", "n", "1")
}
