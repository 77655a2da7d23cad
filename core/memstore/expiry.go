package memstore

import (
	"container/heap"
	"time"
)

// expiryIndex holds one manager's entries in one shard, as a heap with the next to expire on top.
// It is exact: an entry moves whenever its expiry does, so that what has expired is found without
// looking at anything else.
type expiryIndex struct {
	entries  []*entry
	forwards int // how many of them are forwarding records
}

func (x *expiryIndex) add(e *entry) {
	e.index = x
	if e.forwards() {
		x.forwards++
	}
	heap.Push(x, e)
}

func (x *expiryIndex) remove(e *entry) {
	heap.Remove(x, e.slot)
	if e.forwards() {
		x.forwards--
	}
}

// moved puts e in its place after its expiry changed.
func (x *expiryIndex) moved(e *entry) { heap.Fix(x, e.slot) }

// first returns the entry that expires first if it has expired at now, else nil.
func (x *expiryIndex) first(now time.Time) *entry {
	if x == nil || len(x.entries) == 0 || !x.entries[0].expired(now) {
		return nil
	}
	return x.entries[0]
}

// expired counts, from slot i of the heap down, the entries that have expired at now, and how many
// of them are forwarding records.
func (x *expiryIndex) expired(i int, now time.Time) (all, forwards int) {
	if i >= len(x.entries) || !x.entries[i].expired(now) {
		return 0, 0
	}
	all = 1
	if x.entries[i].forwards() {
		forwards = 1
	}
	for _, child := range [...]int{2*i + 1, 2*i + 2} {
		a, f := x.expired(child, now)
		all, forwards = all+a, forwards+f
	}
	return all, forwards
}

// living counts the sessions that have not expired at now.
func (x *expiryIndex) living(now time.Time) int {
	expired, expiredForwards := x.expired(0, now)
	return len(x.entries) - x.forwards - (expired - expiredForwards)
}

// Len implements heap.Interface.
func (x *expiryIndex) Len() int { return len(x.entries) }

// Less implements heap.Interface. What never expires comes last.
func (x *expiryIndex) Less(i, j int) bool {
	a, b := x.entries[i].expires, x.entries[j].expires
	return !a.IsZero() && (b.IsZero() || a.Before(b))
}

// Swap implements heap.Interface.
func (x *expiryIndex) Swap(i, j int) {
	x.entries[i], x.entries[j] = x.entries[j], x.entries[i]
	x.entries[i].slot, x.entries[j].slot = i, j
}

// Push implements heap.Interface.
func (x *expiryIndex) Push(e any) {
	e.(*entry).slot = len(x.entries)
	x.entries = append(x.entries, e.(*entry))
}

// Pop implements heap.Interface.
func (x *expiryIndex) Pop() any {
	last := len(x.entries) - 1
	e := x.entries[last]
	x.entries[last] = nil
	x.entries = x.entries[:last]
	return e
}
