package redisstore

import (
	"hash/maphash"
	"sync"
	"time"
)

// known is what this process remembers of the sessions it used last. What is forgotten costs Redis some work; and
// a version that is given out again after a failover is then taken for the one that was lost.
type known struct {
	parts [64]struct {
		mu    sync.Mutex // protects the following field
		facts [128]fact
	}
}

// fact is about one session. Where two would share a place, the later one has it.
type fact struct {
	name    uint64        // hash of its key
	due     time.Duration // when its last access is to be moved, since the store was opened
	version uint64
	nonce   [8]byte // of the write that made the version
	layout  uint64  // of what it wrote, see layoutOf; 0 if unknown
}

var seed = maphash.MakeSeed()

// of calls fn with the place of a session's fact, which may hold another's.
func (k *known) of(key string, fn func(f *fact, name uint64)) {
	name := maphash.String(seed, key)
	part := &k.parts[name%uint64(len(k.parts))]
	part.mu.Lock()
	defer part.mu.Unlock()
	fn(&part.facts[name/uint64(len(k.parts))%uint64(len(part.facts))], name)
}

func (k *known) note(key string, set func(f *fact)) {
	k.of(key, func(f *fact, name uint64) {
		if f.name != name {
			*f = fact{name: name}
		}
		set(f)
	})
}

func (k *known) noteTouch(key string, due time.Duration) {
	k.note(key, func(f *fact) { f.due = due })
}

func (k *known) noteWrite(key string, version uint64, nonce [8]byte, layout uint64) {
	k.note(key, func(f *fact) { f.version, f.nonce, f.layout = version, nonce, layout })
}

// forgetWrite is told that a write was made and nobody knows what is stored now.
func (k *known) forgetWrite(key string) {
	k.note(key, func(f *fact) { f.version = 0 })
}

// touched reports whether now is known to be before the last access is to be moved.
func (k *known) touched(key string, now time.Duration) (yes bool) {
	k.of(key, func(f *fact, name uint64) { yes = f.name == name && now < f.due })
	return yes
}

// writer returns the nonce of the write that made a version, and the layout of what is stored then, if both are
// known. When a replica takes over that had not heard of the last writes, their versions are given out again; the
// nonce tells them apart, unless this process has met the later one since.
func (k *known) writer(key string, version uint64) (nonce [8]byte, layout uint64, ok bool) {
	k.of(key, func(f *fact, name uint64) {
		if ok = f.name == name && f.version == version && version != 0; ok {
			nonce, layout = f.nonce, f.layout
		}
	})
	return nonce, layout, ok
}
