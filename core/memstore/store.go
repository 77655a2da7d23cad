// Package memstore keeps sessions in the memory of one process: for tests, demos, and programs that
// run as one process and may lose their sessions when they stop.
//
// It has every optional power of a store: locks, waking of waiters, enumeration, sweeping, eviction.
package memstore

import (
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/holdover-web/holdover/core"
)

var (
	_ core.Store      = (*Store)(nil)
	_ core.Locker     = (*Store)(nil)
	_ core.LockWaiter = (*Store)(nil)
	_ core.Lister     = (*Store)(nil)
	_ core.Sweeper    = (*Store)(nil)
	_ core.Evictor    = (*Store)(nil)
)

// Config limits a Store. The zero value limits nothing: the store then grows with the sessions that
// have not yet expired and been swept.
type Config struct {
	// MaxSessions is how many sessions, of all managers together, the store keeps. Creating one more
	// ends the one that was accessed longest ago. 0 means any number.
	MaxSessions int

	// MaxBytes is how many bytes of session ids, names and encoded values the store keeps. What Go
	// needs around them, some 400 bytes a session, is not counted. Growing beyond it ends the sessions
	// that were accessed longest ago; a single session beyond it is refused with core.ErrTooLarge.
	// 0 means any number.
	MaxBytes int64
}

func (c Config) validate() error {
	if c.MaxSessions < 0 || c.MaxBytes < 0 {
		return errors.New("memstore: MaxSessions and MaxBytes must not be negative; 0 means no limit")
	}
	return nil
}

// Store is a core.Store in memory. All methods may be called from any number of goroutines.
//
// Readers share one copy of a session's values and do not wait for each other. The store has no
// clock: it goes by the times that calls carry.
type Store struct {
	cfg    Config
	seed   maphash.Seed
	shards [shardCount]shard
	fences atomic.Uint64 // the last fence given out, so that no two locks ever share one
	closed chan struct{} // closed by Close, to wake those who wait for a lock
	usage  usage
}

// New returns an empty store. It panics if a limit is negative, which is a slip in the program.
func New(cfg Config) *Store {
	if err := cfg.validate(); err != nil {
		panic(err)
	}
	s := &Store{cfg: cfg, seed: maphash.MakeSeed(), closed: make(chan struct{})}
	for i := range s.shards {
		s.shards[i].entries = make(map[core.Key]*entry)
		s.shards[i].managers = make(map[string]*expiryIndex)
	}
	return s
}

// shardIndex spreads by session id alone: manager ids are few, session ids are random.
func (s *Store) shardIndex(key core.Key) int {
	return int(maphash.String(s.seed, key.ID) % shardCount)
}

func (s *Store) shard(key core.Key) *shard { return &s.shards[s.shardIndex(key)] }

// Create implements core.Store. With Config.MaxBytes it may return core.ErrTooLarge.
func (s *Store) Create(ctx context.Context, key core.Key, rec core.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rec.Version = 1
	e := &entry{key: key, rec: rec}
	if s.tooLarge(e.size()) {
		return core.ErrTooLarge
	}
	if err := s.create(e); err != nil {
		return err
	}
	s.evict()
	return nil
}

func (s *Store) create(e *entry) error {
	sh := s.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := sh.vacant(e.key, e.rec.Accessed); err != nil { // a session begins with its first access
		return err
	}
	sh.add(e)
	s.grew(sh, e)
	return nil
}

// Load implements core.Store. It takes no exclusive lock unless it moves the last access.
func (s *Store) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (rec core.Record, err error) {
	if err := ctx.Err(); err != nil {
		return core.Record{}, err
	}
	sh := s.shard(key)
	due, err := sh.read(key, opt, &rec)
	if err != nil || !due {
		return rec, err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, opt.Now, core.ErrNotFound)
	if err != nil {
		return core.Record{}, err
	}
	return s.touchOnLoad(sh, e, opt), nil
}

// touchOnLoad returns the record of e as it was, and moves its last access if it is time to. The
// caller holds sh.mu for writing.
func (s *Store) touchOnLoad(sh *shard, e *entry, opt core.LoadOptions) core.Record {
	rec := e.rec
	if opt.TouchDue(&e.rec) {
		s.accessed(sh, e, opt.Now)
	}
	return rec
}

// Save implements core.Store. With Config.MaxBytes it may return core.ErrTooLarge where c.MaxSize
// would not.
func (s *Store) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	version, err := s.save(key, c)
	if err != nil {
		return 0, err
	}
	s.evict()
	return version, nil
}

func (s *Store) save(key core.Key, c *core.Change) (uint64, error) {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, c.Now, core.ErrGone)
	if err != nil {
		return 0, err
	}
	if c.Fence != 0 && c.Fence != e.fence {
		return 0, core.ErrLockLost
	}
	if c.Version != 0 && c.Version != e.rec.Version {
		return 0, &core.ConflictError{Key: key, Have: c.Version, Current: e.rec}
	}
	values, err := c.Apply(e.rec.Values)
	if err != nil {
		return 0, err
	}
	if s.limited() {
		growth := values.Size() - e.rec.Values.Size()
		if s.tooLarge(e.size() + growth) {
			return 0, core.ErrTooLarge
		}
		s.usage.bytes.Add(int64(growth))
	}
	e.rec.Values = values
	e.rec.Version++
	if c.SetIdle {
		e.rec.Idle = c.Idle
	}
	s.accessed(sh, e, c.Now)
	if c.Unlock && c.Fence != 0 {
		e.unlock()
	}
	return e.rec.Version, nil
}

// Touch implements core.Store.
func (s *Store) Touch(ctx context.Context, key core.Key, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.find(key, now, core.ErrGone)
	if err != nil {
		return err
	}
	s.accessed(sh, e, now)
	return nil
}

// Rotate implements core.Store.
func (s *Store) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.rotate(key, r); err != nil {
		return err
	}
	s.evict() // the new id may be longer than the old one
	return nil
}

func (s *Store) rotate(key core.Key, r core.Rotation) error {
	to := core.Key{Manager: key.Manager, ID: r.To}
	here, there, unlock := s.lockBoth(key, to)
	defer unlock()
	e, err := here.find(key, r.Now, core.ErrGone)
	if err != nil {
		return err
	}
	if r.Fence != 0 && r.Fence != e.fence {
		return core.ErrLockLost
	}
	if err := there.vacant(to, r.Now); err != nil {
		return err
	}
	s.shrank(here, e)
	here.remove(e)
	e.wake()
	e.key = to
	there.add(e)
	s.grew(there, e)
	if r.Grace > 0 {
		here.add(&entry{key: key, to: r.To, expires: r.Now.Add(r.Grace)})
	}
	return nil
}

// lockBoth locks the shards of two keys in an order that can not deadlock.
func (s *Store) lockBoth(a, b core.Key) (shardA, shardB *shard, unlock func()) {
	i, j := s.shardIndex(a), s.shardIndex(b)
	first, second := &s.shards[min(i, j)], &s.shards[max(i, j)]
	first.mu.Lock()
	if first == second {
		return first, first, first.mu.Unlock
	}
	second.mu.Lock()
	return &s.shards[i], &s.shards[j], func() {
		second.mu.Unlock()
		first.mu.Unlock()
	}
}

// Delete implements core.Store.
func (s *Store) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return core.Record{}, false, err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries == nil {
		return core.Record{}, false, core.ErrClosed
	}
	e := sh.entries[key]
	if e == nil || e.forwards() && e.expired(now) {
		return core.Record{}, false, nil
	}
	sh.remove(e)
	if e.forwards() {
		return core.Record{}, false, &core.MovedError{Key: key, To: e.to}
	}
	s.shrank(sh, e)
	e.wake()
	return e.rec, true, nil
}

// Close implements core.Store. It drops all sessions and wakes those who wait for a lock.
func (s *Store) Close() error {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		if i == 0 && sh.entries != nil {
			close(s.closed)
		}
		sh.entries, sh.managers = nil, nil
		sh.recent.Init()
		sh.mu.Unlock()
	}
	return nil
}
