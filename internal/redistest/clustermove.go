package redistest

import (
	"fmt"
	"strings"
)

// MoveSlot moves a slot with all its keys from one master to another, as a real resharding does, and
// returns when all nodes that answer know. half, unless nil, is called half-way: the slot still belongs
// to from and is migrating, half of its keys (rounded up) are with to, and who asks from for one of
// those, or for one that does not exist, is sent to to by ASK.
func (c *Cluster) MoveSlot(slot int, from, to *Node, half func()) {
	c.t.Helper()
	to.must("CLUSTER", "SETSLOT", slot, "IMPORTING", from.ID)
	from.must("CLUSTER", "SETSLOT", slot, "MIGRATING", to.ID)
	keys, _ := from.must("CLUSTER", "COUNTKEYSINSLOT", slot).(int64)
	from.migrate(slot, to, int(keys+1)/2)
	if half != nil {
		half()
	}
	for from.migrate(slot, to, 100) > 0 {
	}
	// The new owner first: would the old one go first, a node could be sent back and forth.
	for _, n := range append([]*Node{to, from}, c.answering()...) {
		_, err := n.Do("CLUSTER", "SETSLOT", slot, "NODE", to.ID)
		if err != nil && !strings.Contains(err.Error(), "only with masters") {
			c.t.Fatalf("redistest: %s: SETSLOT %d NODE: %v", n.Addr(), slot, err)
		}
	}
	c.wait(fmt.Sprintf("slot %d moved", slot), func() error {
		v, err := c.agreed()
		if err == nil && v.owner[slot] != to.ID {
			err = fmt.Errorf("it belongs to %s", v.owner[slot])
		}
		return err
	})
}

// migrate moves up to n keys of the slot and returns how many.
func (n *Node) migrate(slot int, to *Node, limit int) int {
	n.t.Helper()
	keys, _ := n.must("CLUSTER", "GETKEYSINSLOT", slot, limit).([]any)
	if len(keys) == 0 {
		return 0
	}
	command := []any{"MIGRATE", "127.0.0.1", to.port, "", 0, replyTime.Milliseconds()}
	if to.password != "" {
		command = append(command, "AUTH", to.password)
	}
	n.must(append(append(command, "KEYS"), keys...)...)
	return len(keys)
}

// Slot returns the slot of a key: of what is between its first "{" and the next "}", if that is
// something, or else of all of it.
func Slot(key string) int {
	if _, after, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(after, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16 // CRC16, XMODEM
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
