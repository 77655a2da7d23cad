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

func (c *clocks) note(slot uint16, redis time.Time) {
	c.bySlot[slot/slotsPerClock].Store(&reading{redis: redis, local: time.Now()})
}

// now returns what Redis's clock says, give or take the time of a trip, if it was read just now.
func (c *clocks) now(slot uint16) (time.Time, bool) {
	r := c.bySlot[slot/slotsPerClock].Load()
	if r == nil {
		return time.Time{}, false
	}
	now := time.Now()
	since := now.Sub(r.local) // by the monotonic clock, which stands still while the machine is suspended
	if since > trusted || (now.Round(0).Sub(r.local.Round(0))-since).Abs() > trusted/4 {
		return time.Time{}, false
	}
	return r.redis.Add(since), true
}
