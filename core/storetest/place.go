package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

var placePromises = []promise{
	{"Places", "A Placer puts each id in one place: SamePlace has one answer for two ids, in whatever order, and for all ids of a place, whoever asks by whatever way.", checkPlaces},
	{"RotateElsewhere", "Rotating to an id of another place says ErrUnsupported and changes nothing.", checkRotateElsewhere},
}

const placeTries = 1 << 16 // how many ids are drawn for one of a certain place; managers draw more

// placer returns the first way to the data that has places.
func (e *env) placer() (core.Placer, bool) {
	for _, st := range e.stores {
		if placer, ok := st.(core.Placer); ok {
			return placer, true
		}
	}
	return nil, false
}

func (e *env) needsPlacer() core.Placer {
	e.Helper()
	placer, ok := e.placer()
	if !ok {
		e.Skip("the store is no core.Placer")
	}
	return placer
}

// beside returns the key to rotate k to. It has the wished id or, where a core.Placer has that in another
// place, one that begins with it; always the same for the same k and wish.
func (e *env) beside(k core.Key, wish string) core.Key {
	e.Helper()
	to, ok := e.find(k, wish, true)
	if !ok {
		e.Errorf("none of %d ids has the place of another: managers would give up rotating", placeTries)
	}
	return to
}

// find looks for a key whose id begins with wish and that has the place of k, or has it not. All keys of
// a store that is no core.Placer have one place.
func (e *env) find(k core.Key, wish string, same bool) (core.Key, bool) {
	to := core.Key{Manager: k.Manager, ID: wish}
	placer, ok := e.placer()
	if !ok {
		return to, same
	}
	for i := range placeTries {
		if placer.SamePlace(k.Manager, k.ID, to.ID) == same {
			return to, true
		}
		to.ID = fmt.Sprintf("%s~%d", wish, i)
	}
	return to, false
}

func checkPlaces(e *env) {
	placer := e.needsPlacer()
	ids := []string{"", " ", "\x00", "\xff", "{", "{}", "{a}", "{a}b", strings.Repeat("k", 64<<10)}
	for i := range 20 {
		id := fmt.Sprintf("id-%d", i)
		ids = append(ids, id, e.beside(key(id), id+" moved").ID)
	}
	for _, manager := range []string{"app", "other", ""} {
		place := make([]int, len(ids)) // the first of the ids that has the same
		for i, id := range ids {
			place[i] = slices.IndexFunc(ids, func(other string) bool { return placer.SamePlace(manager, other, id) })
		}
		e.goAll(len(e.stores)*2, func(worker int) {
			way := worker % len(e.stores)
			placer, ok := e.stores[way].(core.Placer)
			if !ok {
				e.Errorf("way %d to the data is no core.Placer, another is", way)
				return
			}
			e.wantPlaces(placer, manager, ids, place)
		})
	}
}

// wantPlaces asks about each two of the ids. Those whose numbers in place are the same have one place.
func (e *env) wantPlaces(placer core.Placer, manager string, ids []string, place []int) {
	e.Helper()
	for i, id := range ids {
		for j, other := range ids {
			if got, want := placer.SamePlace(manager, id, other), i == j || place[i] == place[j]; got != want {
				e.Errorf("SamePlace(%q, %.20q, %.20q) is %v, other answers make it %v", manager, id, other, got, want)
				return
			}
		}
	}
}

func checkRotateElsewhere(e *env) {
	e.needsPlacer()
	a := key("SECRET-HERE")
	away, ok := e.find(a, "SECRET-AWAY", false)
	if !ok {
		e.Skipf("%d ids have one place", placeTries)
	}
	used := e.beside(away, "SECRET-USED")
	e.create(a, e.idle(1000*e.unit, "n", "1"))
	e.create(used, e.record("n", "other"))
	var fence uint64
	if _, ok := e.mayLock(); ok {
		fence = e.lock(a)
	}
	before := e.load(a)
	e.advance(e.unit)
	for what, to := range map[string]string{"a free id": away.ID, "another session's id": used.ID} {
		for _, grace := range []time.Duration{0, 1000 * e.unit} {
			for _, fence := range slices.Compact([]uint64{0, fence}) {
				what := fmt.Sprintf("Rotate to %s of another place, grace %v, fence %d", what, grace, fence)
				e.wantRefused(what, a, core.Rotation{Now: e.now(), To: to, Grace: grace, Fence: fence})
				e.wantRecord("after "+what, e.load(a), before)
				e.wantNothing("after "+what, away)
				e.wantStored("after "+what, used, 1, "n", "other")
				e.wantIDs("after "+what, "app", a.ID, used.ID)
			}
		}
	}
	if fence != 0 {
		e.wantLocked("after Rotate to another place", a)
		e.wants("Unlock after Rotate to another place", e.locker().Unlock(e.ctx, a, fence), nil)
	}
	b := e.beside(a, "SECRET-BESIDE")
	e.rotate(a, b.ID, 0)
	e.wantStored("rotated within its place", b, 1, "n", "1")
}

// wantRefused checks what Rotate says to an id of another place.
func (e *env) wantRefused(what string, k core.Key, r core.Rotation) {
	e.Helper()
	err := e.st().Rotate(e.ctx, k, r)
	e.wants(what, err, core.ErrUnsupported)
	if err != nil && strings.Contains(err.Error(), "SECRET") {
		e.Errorf("%s: the error text contains an id: %v", what, err)
	}
}
