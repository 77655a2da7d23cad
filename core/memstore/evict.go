package memstore

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdover-web/holdover/core"
)

// usage is what a limited store has to know: how much it holds, and what was accessed when. Without
// limits nothing here is kept up.
type usage struct {
	sessions atomic.Int64
	bytes    atomic.Int64
	accesses atomic.Uint64 // counts accesses, so that their order does not depend on anybody's clock

	evicting sync.Mutex // held to decide who goes, so that no more than necessary do

	hooksMu sync.RWMutex
	hooks   map[string][]*evictHook // by manager id
}

type evictHook struct {
	ended func(id string, rec core.Record)
}

// OnEvict implements core.Evictor. ended is called by the goroutine whose Create or Save went over
// the limit, before that call returns. A session that has expired but was not yet swept may be evicted
// too; Sweep then does not tell its end again.
func (s *Store) OnEvict(manager string, ended func(id string, rec core.Record)) (stop func()) {
	u := &s.usage
	hook := &evictHook{ended}
	u.hooksMu.Lock()
	defer u.hooksMu.Unlock()
	if u.hooks == nil {
		u.hooks = make(map[string][]*evictHook)
	}
	// Lists are replaced, never changed: evict walks them without the lock.
	u.hooks[manager] = append(slices.Clip(u.hooks[manager]), hook)
	return func() {
		u.hooksMu.Lock()
		defer u.hooksMu.Unlock()
		u.hooks[manager] = slices.DeleteFunc(slices.Clone(u.hooks[manager]), func(h *evictHook) bool { return h == hook })
		if len(u.hooks[manager]) == 0 {
			delete(u.hooks, manager)
		}
	}
}

func (s *Store) limited() bool { return s.cfg.MaxSessions > 0 || s.cfg.MaxBytes > 0 }

func (s *Store) tooLarge(size int) bool { return s.cfg.MaxBytes > 0 && int64(size) > s.cfg.MaxBytes }

// grew counts in a session that was put into sh. The caller holds sh.mu for writing.
func (s *Store) grew(sh *shard, e *entry) {
	if !s.limited() {
		return
	}
	s.usage.sessions.Add(1)
	s.usage.bytes.Add(int64(e.size()))
	e.access = s.usage.accesses.Add(1)
	e.recent = sh.recent.PushBack(e)
}

// shrank counts out a session that was taken from sh. The caller holds sh.mu for writing.
func (s *Store) shrank(sh *shard, e *entry) {
	if !s.limited() {
		return
	}
	s.usage.sessions.Add(-1)
	s.usage.bytes.Add(-int64(e.size()))
	sh.recent.Remove(e.recent)
	e.recent = nil
}

// accessed moves the last access of e to now, never backwards, and puts e in its place in the expiry
// index, where a change of the idle timeout may have moved it too. The caller holds sh.mu for writing.
func (s *Store) accessed(sh *shard, e *entry, now time.Time) {
	if now.After(e.rec.Accessed) {
		e.rec.Accessed = now
	}
	e.expires = e.rec.Expires()
	e.index.moved(e)
	if s.limited() {
		e.access = s.usage.accesses.Add(1)
		sh.recent.MoveToBack(e.recent)
	}
}

// evict ends sessions until the store is within its limits. The caller holds no lock.
func (s *Store) evict() {
	for s.overLimit() {
		e := s.takeOldest()
		if e == nil {
			return
		}
		s.usage.hooksMu.RLock()
		hooks := s.usage.hooks[e.key.Manager]
		s.usage.hooksMu.RUnlock()
		for _, h := range hooks {
			h.ended(e.key.ID, e.rec)
		}
	}
}

func (s *Store) overLimit() bool {
	return s.cfg.MaxSessions > 0 && s.usage.sessions.Load() > int64(s.cfg.MaxSessions) ||
		s.cfg.MaxBytes > 0 && s.usage.bytes.Load() > s.cfg.MaxBytes
}

// takeOldest removes and returns the session that was accessed longest ago, or returns nil when the
// store is within its limits, or closed.
func (s *Store) takeOldest() *entry {
	s.usage.evicting.Lock()
	defer s.usage.evicting.Unlock()
	for s.overLimit() {
		sh := s.oldestShard()
		if sh == nil {
			return nil
		}
		if e := s.takeFront(sh); e != nil {
			return e
		}
	}
	return nil
}

// oldestShard returns the shard that holds the session accessed longest ago, or nil.
func (s *Store) oldestShard() *shard {
	var found *shard
	first := uint64(math.MaxUint64)
	for i := range s.shards {
		if access, ok := s.shards[i].oldest(); ok && access < first {
			found, first = &s.shards[i], access
		}
	}
	return found
}

// oldest tells when the shard's longest unused session was last accessed.
func (sh *shard) oldest() (access uint64, ok bool) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	front := sh.recent.Front()
	if front == nil {
		return 0, false
	}
	return front.Value.(*entry).access, true
}

// takeFront removes and returns the shard's longest unused session, or returns nil.
func (s *Store) takeFront(sh *shard) *entry {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	front := sh.recent.Front()
	if front == nil {
		return nil
	}
	e := front.Value.(*entry)
	s.shrank(sh, e)
	sh.remove(e)
	e.wake()
	return e
}
