package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

const (
	patience = 15 * time.Second // how long a call may take that should return soon
	limit    = time.Minute      // how long a whole check may take; contexts end then
)

// start has a digit in every place, so that a store that rounds times is found out.
var start = time.Date(2004, 5, 6, 7, 8, 9, 123456789, time.UTC)

// env is what a check works with: a store, a clock, and short words for what is done with them.
type env struct {
	*testing.T
	ctx    context.Context
	cancel context.CancelFunc
	opts   Options
	stores []core.Store // ways to the same data
	turn   atomic.Uint32

	unit  time.Duration // timeouts are small multiples of it
	slack time.Duration // the smallest time the store can tell apart
	clock time.Time     // the simulated time; unused with a clock of the store's own
}

func newEnv(t *testing.T, opts Options, stores []core.Store) *env {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	e := &env{T: t, ctx: ctx, cancel: cancel, opts: opts, stores: stores, unit: time.Minute, slack: 1, clock: start}
	if own := opts.OwnClock; own != nil {
		e.unit, e.slack = own.Unit, own.Slack
	}
	t.Cleanup(func() {
		cancel()
		for _, st := range slices.Backward(e.stores) {
			st.Close() // what it returns is the matter of the Close promises
		}
	})
	return e
}

// st returns the store, or each of several ways to the data in turn.
func (e *env) st() core.Store {
	return e.stores[int(e.turn.Add(1))%len(e.stores)]
}

// by returns an env that uses one of the ways to the data alone.
func (e *env) by(st core.Store) *env {
	return &env{T: e.T, ctx: e.ctx, cancel: e.cancel, opts: e.opts, stores: []core.Store{st},
		unit: e.unit, slack: e.slack, clock: e.clock}
}

// power returns the store as a P, or skips the test.
func power[P any](e *env) P {
	e.Helper()
	p, ok := e.st().(P)
	if !ok {
		e.Skipf("the store is no %s", strings.TrimPrefix(fmt.Sprintf("%T", (*P)(nil)), "*"))
	}
	return p
}

func (e *env) now() time.Time {
	if e.opts.OwnClock != nil {
		return e.opts.OwnClock.Now().UTC()
	}
	return e.clock
}

func (e *env) advance(d time.Duration) {
	if e.opts.OwnClock != nil {
		e.opts.OwnClock.Advance(d)
		return
	}
	e.clock = e.clock.Add(d)
}

func (e *env) needsCallersClock() {
	e.Helper()
	if e.opts.OwnClock != nil {
		e.Skip("the store goes by a clock of its own")
	}
}

// goAll runs fn in n goroutines at once and waits for them.
func (e *env) goAll(n int, fn func(i int)) {
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			fn(i)
		})
	}
	close(ready)
	wg.Wait()
}

// soon fails the test if fn takes long, for example because it waits for a lock that is never let go.
func (e *env) soon(what string, fn func()) {
	e.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	if ends(done, patience) {
		return
	}
	e.Errorf("%s did not return within %v", what, patience)
	e.cancel()
	ends(done, patience) // fn may report more, which it must not do once the test is over
	e.FailNow()
}

// ends reports whether done is closed within d.
func ends(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Words for data.

func key(id string) core.Key { return core.Key{Manager: "app", ID: id} }

// values takes names and data in turn, and sorts them by name.
func values(namesAndData ...string) core.Values {
	var v core.Values
	for i := 0; i < len(namesAndData); i += 2 {
		v = append(v, core.Item{Name: namesAndData[i], Data: namesAndData[i+1]})
	}
	slices.SortFunc(v, func(a, b core.Item) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// record returns a record that begins now and never expires.
func (e *env) record(namesAndData ...string) core.Record {
	return core.Record{Values: values(namesAndData...), Created: e.now(), Accessed: e.now()}
}

func (e *env) idle(idle time.Duration, namesAndData ...string) core.Record {
	rec := e.record(namesAndData...)
	rec.Idle = idle
	return rec
}

func (e *env) set(namesAndData ...string) *core.Change {
	return &core.Change{Now: e.now(), Set: values(namesAndData...)}
}

// Words for what must succeed.

func (e *env) create(k core.Key, rec core.Record) {
	e.Helper()
	if err := e.st().Create(e.ctx, k, rec); err != nil {
		e.Fatalf("Create: %v", err)
	}
}

// peek loads without touching.
func (e *env) peek(k core.Key) (core.Record, error) {
	return e.st().Load(e.ctx, k, core.LoadOptions{Now: e.now(), Touch: core.NoTouch})
}

func (e *env) load(k core.Key) core.Record {
	e.Helper()
	rec, err := e.peek(k)
	if err != nil {
		e.Fatalf("Load: %v", err)
	}
	return rec
}

func (e *env) save(k core.Key, c *core.Change) uint64 {
	e.Helper()
	version, err := e.st().Save(e.ctx, k, c)
	if err != nil {
		e.Fatalf("Save: %v", err)
	}
	return version
}

func (e *env) touch(k core.Key) {
	e.Helper()
	if err := e.st().Touch(e.ctx, k, e.now()); err != nil {
		e.Fatalf("Touch: %v", err)
	}
}

func (e *env) rotate(k core.Key, to string, grace time.Duration) {
	e.Helper()
	if err := e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: to, Grace: grace}); err != nil {
		e.Fatalf("Rotate: %v", err)
	}
}

func (e *env) delete(k core.Key) core.Record {
	e.Helper()
	rec, ok, err := e.st().Delete(e.ctx, k, e.now())
	if err != nil || !ok {
		e.Fatalf("Delete: ok %v, %v; want the record", ok, err)
	}
	return rec
}

// Words for what is expected.

// wants reports an error that does not match want; a nil want means no error.
func (e *env) wants(what string, err, want error) bool {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: error %v, want %v", what, err, want)
		return false
	}
	return true
}

func (e *env) wantMoved(what string, err error, k core.Key, to string) {
	e.Helper()
	var moved *core.MovedError
	if !errors.As(err, &moved) {
		e.Errorf("%s: error %v, want a *core.MovedError", what, err)
		return
	}
	if moved.Key != k || moved.To != to {
		e.Errorf("%s: the MovedError leads from %q to %q, want from %q to %q", what, moved.Key, moved.To, k, to)
	}
}

// wantRecord compares everything a record has.
func (e *env) wantRecord(what string, got, want core.Record) {
	e.Helper()
	if !slices.Equal(got.Values, want.Values) {
		e.Errorf("%s: values %s, want %s", what, short(got.Values), short(want.Values))
	}
	if got.Version != want.Version {
		e.Errorf("%s: version %d, want %d", what, got.Version, want.Version)
	}
	e.wantTime(what+": Created", got.Created, want.Created)
	e.wantTime(what+": Accessed", got.Accessed, want.Accessed)
	e.wantTime(what+": Ends", got.Ends, want.Ends)
	if got.Idle != want.Idle {
		e.Errorf("%s: Idle %v, want %v", what, got.Idle, want.Idle)
	}
}

func (e *env) wantTime(what string, got, want time.Time) {
	e.Helper()
	diff := got.Sub(want).Abs()
	if diff != 0 && (e.opts.OwnClock == nil || diff > e.slack || want.IsZero()) {
		e.Errorf("%s is %v, want %v", what, got, want)
	}
	if got.Location() != time.UTC {
		e.Errorf("%s is in %v, want UTC", what, got.Location())
	}
}

// wantStored loads k and compares what a request would see, last access apart.
func (e *env) wantStored(what string, k core.Key, version uint64, namesAndData ...string) {
	e.Helper()
	rec, err := e.peek(k)
	if err != nil {
		e.Errorf("%s: Load: %v", what, err)
		return
	}
	if want := values(namesAndData...); !slices.Equal(rec.Values, want) {
		e.Errorf("%s: values %s, want %s", what, short(rec.Values), short(want))
	}
	if rec.Version != version {
		e.Errorf("%s: version %d, want %d", what, rec.Version, version)
	}
}

// wantNothing checks that no session is under k.
func (e *env) wantNothing(what string, k core.Key) {
	e.Helper()
	if rec, err := e.peek(k); !errors.Is(err, core.ErrNotFound) {
		e.Errorf("%s: Load gives %s and error %v, want ErrNotFound", what, short(rec.Values), err)
	}
	if lister, ok := e.st().(core.Lister); ok {
		ids, err := collect(lister.IDs(e.ctx, k.Manager, e.now()))
		if err != nil || slices.Contains(ids, k.ID) {
			e.Errorf("%s: the id is listed still (%v)", what, err)
		}
	}
}

// short is for messages: tests use values of a megabyte.
func short(v core.Values) string {
	s := fmt.Sprintf("%q", v)
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}
