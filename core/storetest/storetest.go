// Package storetest checks that a core.Store keeps the promises of its contract. Run it on every
// store, ours or yours:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) core.Store { return mystore.New() }, storetest.Options{})
//	}
//
// Each promise is a sub-test of its own and explains itself when it is broken. Which optional powers
// (core.Locker, core.Lister, ...) a store has is found out by asking it; sub-tests of powers that it
// lacks are skipped and say so.
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Options say what a store claims beyond core.Store. The zero value is right for a store that lives
// in one process, goes by the times that calls carry, and forgets everything when it is closed.
type Options struct {
	// Reopen returns a store with the data of st, which was closed just before. Set it if the store
	// keeps sessions beyond its own life.
	Reopen func(t *testing.T, st core.Store) core.Store

	// Second returns another way to the data of st: a store in another process, or one that was opened
	// apart from st and shares no memory with it. Set it if several processes may use the data at once.
	// The suite then runs a second time, with every call going to the one and the other in turn. Run
	// closes the returned store.
	Second func(t *testing.T, st core.Store) core.Store

	// LocksStay says that a lock is of use only to the store that took it, as when it ends with its
	// process. Without it, Second must be able to renew, use and let go a lock that was taken by st.
	LocksStay bool

	// OwnClock is for a store that goes by a clock of its own instead of the times that calls carry.
	OwnClock *OwnClock
}

// OwnClock is how the suite goes along with a store's own clock. A store whose clock can be set makes
// for a quick and sharp test; one that can only be waited for needs a small Unit and a generous Slack.
type OwnClock struct {
	// Now reads the store's clock.
	Now func() time.Time

	// Advance returns when the store's clock has moved on by at least d: it moves the clock, or waits.
	Advance func(d time.Duration)

	// Unit is what timeouts in the suite are small multiples of, for example 200 ms where waiting is
	// real. The suite advances by some 100 units in all.
	Unit time.Duration

	// Slack is how far the suite stays away from the exact moment of expiry, and by how much times that
	// the store returns may differ from Now. It is less than a quarter of Unit.
	Slack time.Duration
}

// promise is one sub-test.
type promise struct {
	name  string
	text  string // what is promised, shown when the check fails
	check func(e *env)
}

func promises() []promise {
	return slices.Concat(recordPromises, conditionPromises, keyPromises, expiryPromises, touchPromises,
		gonePromises, rotatePromises, placePromises, lockPromises, listPromises, sweepPromises, cancelPromises,
		concurrencyPromises, sharedPromises, closePromises)
}

// Run checks every promise on stores that newStore returns, each used by one sub-test and empty to
// begin with. Run closes them. newStore may use t.Cleanup and t.TempDir; it must not return nil.
func Run(t *testing.T, newStore func(t *testing.T) core.Store, opts Options) {
	t.Helper()
	for _, p := range promises() {
		t.Run(p.name, func(t *testing.T) { run(t, p, newStore, opts, false) })
	}
	if opts.Second == nil {
		return
	}
	t.Run("Second", func(t *testing.T) {
		for _, p := range promises() {
			t.Run(p.name, func(t *testing.T) { run(t, p, newStore, opts, true) })
		}
	})
}

func run(t *testing.T, p promise, newStore func(t *testing.T) core.Store, opts Options, second bool) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("broken promise %s: %s", p.name, p.text)
		}
	})
	st := newStore(t)
	stores := []core.Store{st}
	if second {
		stores = append(stores, opts.Second(t, st))
	}
	p.check(newEnv(t, opts, stores))
}
