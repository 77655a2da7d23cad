package redisstore_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// setMaxMemory leaves Redis that much more memory than it uses now, less if it is negative.
func setMaxMemory(t *testing.T, srv *redistest.Server, more int) {
	t.Helper()
	used, err := strconv.Atoi(srv.Info("memory")["used_memory"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Do("CONFIG", "SET", "maxmemory", used+more); err != nil {
		t.Fatal(err)
	}
}

// setN returns what stores n in a session.
func setN(n int) func(*core.Session) error {
	return func(s *core.Session) error { return s.Set("n", n) }
}

// TestFaultOutOfMemory has Redis refuse what needs memory.
func TestFaultOutOfMemory(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	srv := redistest.Start(t, "--maxmemory-policy", "noeviction")
	m := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{TouchInterval: -1})
	ids := make(map[core.LockingPolicy]string)
	for _, policy := range everyPolicy {
		ids[policy] = newSession(t, m)
		if err := m.Update(ctx, ids[policy], setN(1), policy); err != nil {
			t.Fatal(err)
		}
	}
	held, err := m.Open(ctx, newSession(t, m), core.Serialized)
	if err != nil {
		t.Fatal(err)
	}
	setMaxMemory(t, srv, -1<<10)

	for policy, id := range ids {
		err := m.Update(ctx, id, setN(2), policy)
		isOutOfMemory(t, policy.String(), err)
		if n := count(t, m, id); n != 1 {
			t.Errorf("%v: n is %d after a commit that failed", policy, n)
		}
	}
	s, err := m.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	isOutOfMemory(t, "create", s.Commit(ctx))
	worksWithoutMemory(t, m, ids)
	if err := held.Rollback(ctx); err != nil {
		t.Errorf("unlock: %v", err)
	}

	setMaxMemory(t, srv, 10<<20)
	for policy, id := range ids {
		if err := m.Update(ctx, id, setN(3), policy); err != nil {
			t.Errorf("%v: when there is memory again: %v", policy, err)
		}
	}
	newSession(t, m)
	began := time.Now()
	if err := m.Update(ctx, held.ID(), setN(3), core.Serialized); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("the lock that was let go meanwhile: %v after %v", err, time.Since(began))
	}
}

func isOutOfMemory(t *testing.T, what string, err error) {
	t.Helper()
	t.Logf("%s: %v", what, err)
	if err == nil || !strings.Contains(err.Error(), "OOM ") || errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrGone) {
		t.Errorf("%s: %v, want an error with OOM", what, err)
	}
}

// worksWithoutMemory checks that requests which only read go on, and so do logging out and counting.
func worksWithoutMemory(t *testing.T, m *core.Manager, ids map[core.LockingPolicy]string) {
	t.Helper()
	ctx := t.Context()
	before, err := m.Count(ctx)
	if err != nil {
		t.Errorf("count: %v", err)
	}
	for _, id := range ids {
		if s, err := m.Open(ctx, id); err != nil {
			t.Errorf("open: %v", err)
		} else if err := s.End(ctx); err != nil {
			t.Errorf("end: %v", err)
		}
	}
	if err := m.Delete(ctx, ids[core.Lossy]); err != nil {
		t.Errorf("delete: %v", err)
	}
	delete(ids, core.Lossy)
	if n, err := m.Count(ctx); n != before-1 || err != nil {
		t.Errorf("count: %d, %v; want %d", n, err, before-1)
	}
}

// ends counts what listeners and evictors are told.
type ends struct {
	mu      sync.Mutex
	reasons map[string][]core.EndReason // by the hash of the session's id
	data    map[string]bool             // whether the data came along
}

func listenForEnds(m *core.Manager) *ends {
	e := &ends{reasons: map[string][]core.EndReason{}, data: map[string]bool{}}
	m.Listen(func(_ context.Context, ev core.Event) {
		if ev.Kind != core.EventEnded {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.reasons[ev.Session] = append(e.reasons[ev.Session], ev.Reason)
		e.data[ev.Session] = ev.Data != nil && len(ev.Data.Keys()) > 0
	})
	return e
}

func (e *ends) total() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.reasons {
		n += len(r)
	}
	return n
}

// evictSome has Redis throw out some of 80 sessions, and returns all and the hashes of those. They live as
// long as their manager says from the end of the call on, at most.
func evictSome(t *testing.T, srv *redistest.Server, m *core.Manager) (ids []string, evicted map[string]bool) {
	t.Helper()
	add := func(n int) {
		for range n {
			id := newSession(t, m)
			ids = append(ids, id)
			err := m.Update(t.Context(), id, func(s *core.Session) error { return s.Set("page", strings.Repeat("x", 20<<10)) })
			if err != nil && !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrGone) { // evicted already
				t.Fatal(err)
			}
		}
	}
	clock := func() int { // Redis counts in seconds how long ago a key was used
		n, _ := strconv.Atoi(srv.Info("server")["lru_clock"])
		return n
	}
	add(40)
	began := clock()
	poll(t, 10*time.Second, "the sessions are older than what comes", func() bool { return clock() >= began+2 })
	add(10) // and have the indexes used, or they are the first to go
	setMaxMemory(t, srv, 300<<10)
	add(30)
	if _, err := srv.Do("CONFIG", "SET", "maxmemory", 0); err != nil {
		t.Fatal(err)
	}
	evicted = make(map[string]bool)
	for _, id := range ids {
		if len(srv.Keys("*:s:"+id)) == 0 {
			evicted[core.Key{Manager: m.ID(), ID: id}.Hash()] = true
			if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
				t.Errorf("open a session that was evicted: %v", err)
			}
		}
	}
	if len(evicted) == 0 || len(evicted) == len(ids) {
		t.Fatalf("%d of %d sessions were evicted", len(evicted), len(ids))
	}
	return ids, evicted
}

// TestFaultEvicted has Redis throw sessions out for want of memory.
func TestFaultEvicted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	srv := redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "64")
	m := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 2}), core.Config{IdleTimeout: 4 * time.Second})
	e := listenForEnds(m)
	ids, evicted := evictSome(t, srv, m)
	last := time.Now()
	poll(t, 10*time.Second, "all ends are told", func() bool {
		if _, err := m.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		return e.total() >= len(ids)
	})
	t.Logf("%d of %d sessions were evicted; told %v after the last one was made", len(evicted), len(ids), time.Since(last).Round(time.Millisecond))
	if n, err := m.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("a further sweep tells %d ends, %v", n, err)
	}
	e.check(t, len(ids), evicted)
	if keys := srv.Keys("*{*"); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

// check makes sure that each end was told once, and why.
func (e *ends) check(t *testing.T, sessions int, evicted map[string]bool) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.reasons) != sessions {
		t.Errorf("the ends of %d sessions were told, of %d", len(e.reasons), sessions)
	}
	for hash, reasons := range e.reasons {
		want := core.EndExpired
		if evicted[hash] {
			want = core.EndEvicted
		}
		if len(reasons) != 1 || reasons[0] != want {
			t.Errorf("session %s was told as %v, want %v once", hash, reasons, want)
		}
		if want == core.EndExpired && !e.data[hash] {
			t.Errorf("the end of session %s was told without its data", hash)
		}
	}
}

// TestFaultIndexEvicted has Redis throw out the index, which sessions come back to when they are used.
func TestFaultIndexEvicted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 1})
	// The index follows by steps of a 64th of the idle timeout.
	m := faultManager(t, st, core.Config{IdleTimeout: 6400 * time.Millisecond, TouchInterval: -1})
	ids := []string{newSession(t, m), newSession(t, m)}
	for _, index := range srv.Keys("*:i") {
		if _, err := srv.Do("DEL", index); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for i, id := range ids {
		poll(t, 10*time.Second, "the session is in the index again", func() bool {
			if err := m.Update(ctx, id, setN(i)); err != nil {
				t.Fatal(err)
			}
			n, err := m.Count(ctx)
			return err == nil && n == i+1
		})
	}
	t.Logf("both sessions are counted %v after the index was lost", time.Since(began).Round(time.Millisecond))
}

// TestOpenOutOfMemory starts a program while Redis takes nothing new.
func TestOpenOutOfMemory(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, "--maxmemory-policy", "noeviction")
	cfg := redisstore.Config{Addrs: []string{srv.Addr()}}
	key := core.Key{Manager: "m", ID: "a"}
	ok(t, open(t, cfg).Create(t.Context(), key, anHour("a", "1")))
	setMaxMemory(t, srv, -1<<10)
	st, err := redisstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Load(t.Context(), key, core.LoadOptions{}); err != nil {
		t.Error(err)
	}
}
