package redisstore

import (
	"sync/atomic"
	"time"
)

// clocks remember what the clocks of Redis servers said a moment ago. Each server of a Cluster has its
// own, so that they are told apart by slots.
type clocks struct {
	bySlot [slots / slotsPerClock]atomic.Pointer[reading]
}

// slotsPerClock is how many neighbouring slots count as one place to read a clock at. Servers have their
// slots in long ranges; where a border falls in between, the readings of two servers take turns.
const slotsPerClock = 16

// reading is what a clock said, and when.
type reading struct {
	redis time.Time
	local time.Time
}

// trusted is how long a reading is good for. Clocks that drift or are set differ by little within it.
const trusted = time.Second

// note takes down what Redis's clock said when it was asked then, unless the reply took so long that it says little.
func (c *clocks) note(slot uint16, redis, asked time.Time) {
	if now := time.Now(); sure(asked, now, trusted/4) {
		c.bySlot[slot/slotsPerClock].Store(&reading{redis: redis, local: now})
	}
}

// sure reports whether no more than limit lies between two readings of the local clock. The monotonic one stands
// still while the machine is suspended, and the other may be set, so that they must agree.
func sure(from, to time.Time, limit time.Duration) bool {
	since := to.Sub(from)
	return since <= limit && (to.Round(0).Sub(from.Round(0))-since).Abs() <= trusted/4
}

// now returns what Redis's clock says, give or take the time of a trip, if it was read just now.
func (c *clocks) now(slot uint16) (time.Time, bool) {
	r := c.bySlot[slot/slotsPerClock].Load()
	if r == nil {
		return time.Time{}, false
	}
	now := time.Now()
	return r.redis.Add(now.Sub(r.local)), sure(r.local, now, trusted)
}
