package storetest

import (
	"fmt"

	"github.com/holdover-web/holdover/core"
)

var sharedPromises = []promise{
	{"Shared", "What is done in one process shows in every other at once: sessions, versions, locks and ends.", checkShared},
}

func checkShared(e *env) {
	if len(e.stores) == 1 {
		e.Skip("there is one way to the data; the sub-test Second runs if Options.Second is set")
	}
	for i, one := range e.stores {
		for j, other := range e.stores {
			if i != j {
				checkSharedBy(e.by(one), e.by(other), key(fmt.Sprint(i, j)))
			}
		}
	}
}

// checkSharedBy does things by one way and looks at them by the other. Time stands still.
func checkSharedBy(one, other *env, k core.Key) {
	one.create(k, one.record("n", "1"))
	other.wantStored("created elsewhere", k, 1, "n", "1")
	one.save(k, one.set("n", "2"))
	other.wantStored("saved elsewhere", k, 2, "n", "2")
	c := other.set("n", "3")
	c.Version = 1
	_, err := other.st().Save(other.ctx, k, c)
	other.wants("Save of a version that was replaced elsewhere", err, core.ErrConflict)

	if _, ok := one.mayLock(); ok {
		fence := one.lock(k)
		other.wantLocked("locked elsewhere", k)
		one.wants("Unlock", one.locker().Unlock(one.ctx, k, fence), nil)
		next := other.lock(k)
		one.wantFenceless("let go, and locked elsewhere", k, fence)
		other.wants("Unlock", other.locker().Unlock(other.ctx, k, next), nil)
		one.wantUnlocked("let go elsewhere", k)
	}
	moved := one.beside(k, k.ID+" moved")
	one.rotate(k, moved.ID, 0)
	other.wantNothing("rotated elsewhere", k)
	other.wantStored("rotated elsewhere", moved, 2, "n", "2")
	one.delete(moved)
	other.wantNothing("deleted elsewhere", moved)
	_, err = other.st().Save(other.ctx, moved, other.set("n", "4"))
	other.wants("Save of what was deleted elsewhere", err, core.ErrGone)
}
