package core_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(childTask); task != "" {
		if err := child(task); err != nil {
			fmt.Fprintln(os.Stderr, task, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// store is a memory store that counts the calls and can be told to fail.
type store struct {
	*memstore.Store
	loads, saves, creates, locks, unlocks, deletes atomic.Int64

	mu     sync.Mutex
	broken error // returned by every call while set
}

func (s *store) enter(n *atomic.Int64) error {
	n.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *store) reset() {
	for _, n := range []*atomic.Int64{&s.loads, &s.saves, &s.creates, &s.locks, &s.unlocks, &s.deletes} {
		n.Store(0)
	}
}

func (s *store) Load(ctx context.Context, k core.Key, o core.LoadOptions) (core.Record, error) {
	if err := s.enter(&s.loads); err != nil {
		return core.Record{}, err
	}
	return s.Store.Load(ctx, k, o)
}

func (s *store) Create(ctx context.Context, k core.Key, r core.Record) error {
	if err := s.enter(&s.creates); err != nil {
		return err
	}
	return s.Store.Create(ctx, k, r)
}

func (s *store) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	if err := s.enter(&s.saves); err != nil {
		return 0, err
	}
	return s.Store.Save(ctx, k, c)
}

func (s *store) Delete(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
	if err := s.enter(&s.deletes); err != nil {
		return core.Record{}, false, err
	}
	return s.Store.Delete(ctx, k, now)
}

func (s *store) Lock(ctx context.Context, k core.Key, o core.LockOptions) (core.Record, uint64, error) {
	if err := s.enter(&s.locks); err != nil {
		return core.Record{}, 0, err
	}
	return s.Store.Lock(ctx, k, o)
}

func (s *store) Unlock(ctx context.Context, k core.Key, fence uint64) error {
	if err := s.enter(&s.unlocks); err != nil {
		return err
	}
	return s.Store.Unlock(ctx, k, fence)
}

func newStore(t testing.TB) *store {
	t.Helper()
	st := &store{Store: memstore.New(memstore.Config{})}
	t.Cleanup(func() { ok(t, st.Close()) })
	return st
}

func managerOn(t testing.TB, st core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	m, err := core.New("app", st, cfg)
	ok(t, err)
	t.Cleanup(func() { ok(t, m.Close(context.Background())) })
	return m
}

func newManager(t testing.TB, cfg core.Config) *core.Manager {
	t.Helper()
	return managerOn(t, newStore(t), cfg)
}

// begin stores a session with the given names and values, and returns its id.
func begin(t testing.TB, m *core.Manager, pairs ...any) string {
	t.Helper()
	s, err := m.Create(t.Context())
	ok(t, err)
	for i := 0; i < len(pairs); i += 2 {
		ok(t, s.Set(pairs[i].(string), pairs[i+1]))
	}
	ok(t, s.Commit(t.Context()))
	return s.ID()
}

func open(t testing.TB, m *core.Manager, id string, opts ...core.OpenOption) *core.Session {
	t.Helper()
	s, err := m.Open(t.Context(), id, opts...)
	ok(t, err)
	return s
}

// peek returns what is stored under name, or nil.
func peek(t testing.TB, m *core.Manager, id, name string) any {
	t.Helper()
	v, _, err := open(t, m, id, core.ReadOnly).Value(name)
	ok(t, err)
	return v
}

// clock is a wall clock that tests set.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
