package memstore

import (
	"container/list"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

// shardCount is large enough that goroutines on the biggest machines seldom meet, and small enough
// that visiting all of them (Sweep, Count, evict) costs microseconds.
const shardCount = 64

// entry is one session, or the forwarding record that a rotation left behind.
type entry struct {
	key core.Key
	rec core.Record
	to  string // a forwarding record's new session id; else empty

	expires time.Time     // when the entry ceases to be there; zero means never
	index   *expiryIndex  // the index that the entry is in
	slot    int           // its place there
	recent  *list.Element // its place in shard.recent; nil without limits
	access  uint64        // orders accesses over all shards, see usage

	fence uint64        // of the lock's holder; 0 when unlocked
	lease time.Time     // when another may take the lock
	freed chan struct{} // closed when the lock is let go; nil while nobody waits
}

func (e *entry) forwards() bool { return e.to != "" }

// size is what the entry counts for under Config.MaxBytes.
func (e *entry) size() int { return len(e.key.ID) + e.rec.Values.Size() }

func (e *entry) expired(now time.Time) bool {
	return !e.expires.IsZero() && !now.Before(e.expires)
}

// unlock frees the lock and wakes those who wait for it.
func (e *entry) unlock() {
	e.fence = 0
	e.wake()
}

func (e *entry) wake() {
	if e.freed != nil {
		close(e.freed)
		e.freed = nil
	}
}

// shard is a part of the store with a lock of its own.
type shard struct {
	mu sync.RWMutex // guards what follows, and the entries in it

	// entries finds an entry by key; nil once the store is closed. An expired entry whose key was
	// used again is in its index alone, until Sweep tells its end.
	entries  map[core.Key]*entry
	managers map[string]*expiryIndex // all entries, by manager id
	recent   list.List               // of *entry, the longest not accessed first; empty without limits

	_ [64]byte // keeps neighbours' locks off this cache line
}

// find returns the living session under key. Without one the error is absent, a *core.MovedError or
// core.ErrClosed. The caller holds sh.mu.
func (sh *shard) find(key core.Key, now time.Time, absent error) (*entry, error) {
	e := sh.entries[key]
	switch {
	case e == nil && sh.entries == nil:
		return nil, core.ErrClosed
	case e == nil || e.expired(now):
		return nil, absent
	case e.forwards():
		return nil, &core.MovedError{Key: key, To: e.to}
	}
	return e, nil
}

// vacant returns nil if a session may begin under key. The caller holds sh.mu.
func (sh *shard) vacant(key core.Key, now time.Time) error {
	if sh.entries == nil {
		return core.ErrClosed
	}
	if e := sh.entries[key]; e != nil && !e.expired(now) {
		return core.ErrExists
	}
	return nil
}

// read copies the record under key to rec, and returns whether its last access should be moved.
func (sh *shard) read(key core.Key, opt core.LoadOptions, rec *core.Record) (due bool, err error) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	e, err := sh.find(key, opt.Now, core.ErrNotFound)
	if err != nil {
		return false, err
	}
	*rec = e.rec
	return opt.TouchDue(rec), nil
}

// add makes e the entry of its key. The caller holds sh.mu for writing.
func (sh *shard) add(e *entry) {
	sh.entries[e.key] = e
	if !e.forwards() {
		e.expires = e.rec.Expires()
	}
	x := sh.managers[e.key.Manager]
	if x == nil {
		x = new(expiryIndex)
		sh.managers[e.key.Manager] = x
	}
	x.add(e)
}

// remove takes e out. The caller holds sh.mu for writing.
func (sh *shard) remove(e *entry) {
	if sh.entries[e.key] == e {
		delete(sh.entries, e.key)
	}
	e.index.remove(e)
	if len(e.index.entries) == 0 {
		delete(sh.managers, e.key.Manager)
	}
}
