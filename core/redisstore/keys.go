package redisstore

import (
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/holdover-web/holdover/core"
)

// names makes the names of keys. All keys that one session needs have one hash tag, so that they lie
// in one slot of a Cluster and change together.
type names struct {
	prefix string
	shards uint32
	known  sync.Map // of managers: id to []atomic.Pointer[place]
}

// place is where a manager's sessions of one shard are.
type place struct {
	start string // of all its keys: the prefix and the hash tag
	index string // id to expiry
	ended string // sessions whose end is to be told
	slot  uint16
	kept  atomic.Int64 // until when Redis keeps the index at least, as far as is known; Unix milliseconds
}

// keptFor notes that the index was given a time to live. isKept reports whether that is known to be long
// enough: the index must outlive all of its sessions.
func (p *place) keptFor(until time.Time)     { p.kept.Store(until.UnixMilli()) }
func (p *place) isKept(until time.Time) bool { return until.UnixMilli() <= p.kept.Load() }

// data returns where a session is stored, and queue who waits for its lock.
func (p *place) data(id string) string  { return p.start + "s:" + id }
func (p *place) queue(id string) string { return p.start + "q:" + id }

// shard returns which part of its manager's sessions an id belongs to.
func (n *names) shard(id string) uint32 { // without copying the id
	return crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(id), len(id))) % n.shards
}

// of returns the place of a session.
func (n *names) of(key core.Key) *place { return n.place(key.Manager, n.shard(key.ID)) }

func (n *names) place(manager string, shard uint32) *place {
	known, ok := n.known.Load(manager)
	if !ok {
		known, _ = n.known.LoadOrStore(strings.Clone(manager), make([]atomic.Pointer[place], n.shards))
	}
	at := &known.([]atomic.Pointer[place])[shard]
	p := at.Load()
	if p == nil {
		start := fmt.Sprintf("%s{%s.%02x}:", n.prefix, escape(manager), shard)
		p = &place{start: start, index: start + "i", ended: start + "e", slot: slotOf(start)}
		at.Store(p)
	}
	return p
}

// escape writes what could end a hash tag, or be taken for the shard, as %XX.
func escape(manager string) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':' || c == '/'
	}
	var b strings.Builder
	for i := range len(manager) {
		if c := manager[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

const slots = 16384

// slotOf returns the Cluster slot of a key.
func slotOf(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16 // CRC-16/XMODEM
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
	return crc % slots
}
