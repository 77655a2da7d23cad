package core_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/testenv"
	"go.uber.org/goleak"
)

// TestSoak has requests do anything in any order with a few sessions, on a store of which calls fail
// before and after they took effect. Whatever happens, nothing may be left behind in the manager, and
// no increment that was acknowledged may be lost.
func TestSoak(t *testing.T) {
	policies := []core.LockingPolicy{core.Merge, core.Lossy, core.Optimistic, core.Serialized}
	each := testenv.Soak(t, time.Second) / time.Duration(len(policies))
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			running := goleak.IgnoreCurrent()
			soak(t, p, each)
			if err := goleak.Find(running); err != nil {
				t.Error(err)
			}
		})
	}
}

func soak(t *testing.T, p core.LockingPolicy, d time.Duration) {
	st := newFaulty(t)
	u := &soakUsers{counted: make(map[int]bool)}
	for i := range u.managers { // as in two processes
		m, err := core.New("app", st, core.Config{Locking: p, LockWait: 2 * time.Second, Lease: 60 * time.Millisecond, Handover: 3})
		ok(t, err)
		defer func() { ok(t, m.Close(context.Background())) }()
		u.managers[i] = m
	}
	m := u.managers[0]
	u.counter = begin(t, m, "n", 0)
	for i := range u.ids {
		u.ids[i] = begin(t, m, "n", 0, "list", []string{"a"})
	}
	st.plan(func(string, moment) bool { return rand.IntN(24) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if i%3 == 0 {
					u.count(ctx)
				} else {
					u.request(ctx)
				}
			}
		})
	}
	wg.Wait()
	st.plan(nil)
	for _, m := range u.managers {
		if lines, leases := core.Lines(m), core.Leases(m); lines != 0 || leases != 0 {
			t.Errorf("%d lines and %d leases are left", lines, leases)
		}
	}
	if n := peek(t, m, u.counter, "n").(int); n < u.last || u.lost > 0 || u.last == 0 {
		t.Errorf("n = %d after increments to %d, %d of them are lost", n, u.last, u.lost)
	}
}

// soakUsers are the users of an application in which everything goes wrong at times.
type soakUsers struct {
	managers [2]*core.Manager
	counter  string // the session that is only counted in

	mu      sync.Mutex // protects the following fields
	ids     [3]string
	counted map[int]bool // what increments have written
	last    int          // the highest of them
	lost    int
}

// count increments the counter by one of the ways that lose nothing.
func (u *soakUsers) count(ctx context.Context) {
	m, written := u.managers[rand.IntN(2)], 0
	increment := func(s *core.Session) error {
		n, err := core.Get[int](s, "n")
		runtime.Gosched() // others may read the same
		written = n + 1
		return errors.Join(err, s.Set("n", written))
	}
	if m.Config().Locking != core.Serialized || rand.IntN(2) == 0 {
		if m.Update(ctx, u.counter, increment) == nil {
			u.acknowledged(written)
		}
		return
	}
	s, err := m.Open(ctx, u.counter)
	if err != nil {
		return
	}
	if errors.Join(increment(s), s.End(ctx)) == nil {
		u.acknowledged(written)
	}
}

// acknowledged notes what an increment has written for certain. Two that wrote the same are one that
// is lost.
func (u *soakUsers) acknowledged(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counted[n] {
		u.lost++
	}
	u.counted[n], u.last = true, max(u.last, n)
}

// request is one request with a deadline of its own, which may be very soon.
func (u *soakUsers) request(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(40000))*time.Microsecond)
	defer cancel()
	scope := new(core.Scope)
	ctx = core.WithScope(ctx, scope)
	defer scope.End(ctx)
	i := rand.IntN(len(u.ids))
	id := u.id(i)
	m := u.managers[rand.IntN(2)]
	s, err := m.Open(ctx, id, someOptions()...)
	if errors.Is(err, core.ErrNotFound) {
		if s, err = m.Create(ctx); err == nil && s.Set("n", 0) == nil && s.Commit(ctx) == nil {
			u.move(i, s)
		}
	}
	if err != nil {
		return
	}
	for range rand.IntN(5) {
		u.step(ctx, i, id, s)
	}
}

func someOptions() (opts []core.OpenOption) {
	if rand.IntN(4) == 0 {
		opts = append(opts, core.Merge)
	}
	if rand.IntN(6) == 0 {
		opts = append(opts, core.ReadOnly)
	}
	return opts
}

// step does one thing. Errors are expected: that they leave nothing behind is what is tested.
func (u *soakUsers) step(ctx context.Context, i int, id string, s *core.Session) {
	steps := []func() error{
		func() error { return increment(s) },
		func() error {
			list, err := core.Get[*[]string](s, "list")
			if list != nil && len(*list) < 20 {
				*list = append(*list, "x")
			}
			return err
		},
		func() error { return s.Commit(ctx) },
		func() error { return s.Rollback(ctx) },
		func() error {
			err := s.Rotate(ctx, time.Duration(rand.IntN(2))*time.Second)
			if err == nil {
				u.move(i, s)
			}
			return err
		},
		func() error { _, err := s.Manager().Open(ctx, id); return err },
		func() error { _, err := s.Manager().Open(ctx, id, core.Serialized); return err },
		func() error { return s.Touch(ctx) },
		func() error { return s.SetTimeout(time.Hour) },
		func() error { return s.Manager().Update(ctx, id, increment) },
		func() error { return s.Invalidate(ctx) },
	}
	if n := rand.IntN(len(steps)); n < len(steps)-1 || rand.IntN(10) == 0 { // sessions live for a while
		_ = steps[n]()
	}
}

func (u *soakUsers) id(i int) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ids[i]
}

// move notes the id under which a session is to be found from now on.
func (u *soakUsers) move(i int, s *core.Session) {
	if !s.Stored() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ids[i] = s.ID()
}
