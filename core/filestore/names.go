//go:build unix && !aix

package filestore

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
)

// alphabet and encoding write hashes as core.Key.Hash does.
const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

const (
	nameSize   = 52 // of a session file's name, which is a hash
	shardCount = 32 // folders of a manager, one for each first character of a name

	tempSuffix    = ".new"  // a file that someone in the session's section is writing, or left there
	forwardSuffix = ".fwd"  // a forwarding record; it counts only where there is no session file
	endedSuffix   = ".end-" // and a number: an expired session whose id was given to another before Sweep came
)

// hash names a session's file and its section.
type hash [sha256.Size]byte

// hashOf begins as core.Key.Hash does. Managers have a folder each, which sees to it that they do not
// mix whatever bytes their ids are made of.
func hashOf(manager, id string) hash {
	var space [256]byte
	buf := append(space[:0], manager...)
	buf = append(buf, 0)
	buf = append(buf, id...)
	return sha256.Sum256(buf)
}

// managerName names the folder of a manager.
func managerName(manager string) string { return hashOf(manager, "").name() }

func (h hash) name() string { return encoding.EncodeToString(h[:]) }

func (h hash) shard() int { return int(h[0] >> 3) }

// slot is where the lock of the session's section lies. Two sessions of a folder can as good as never
// meet in 62 bits; if they did, one would wait for the other for as long as a save takes. The lowest
// bit tells sections from request locks.
func (h hash) slot() uint64 { return binary.BigEndian.Uint64(h[8:]) >> 2 << 1 }

// parseName returns the hash that a file's name begins with, and what follows it.
func parseName(name string) (h hash, suffix string, ok bool) {
	if len(name) < nameSize {
		return h, "", false
	}
	if n, err := encoding.Decode(h[:], []byte(name[:nameSize])); err != nil || n != len(h) {
		return h, "", false
	}
	return h, name[nameSize:], h.name() == name[:nameSize]
}

// newBirth returns a number for a new session. It begins with the shard, in whose lock file the
// session's request lock lies for as long as the session lives, also when its id has changed.
func newBirth(shard int) uint64 {
	return uint64(shard)<<birthRandom | rand.Uint64()>>(64-birthRandom)
}

const (
	birthRandom = 57
	birthLimit  = shardCount << birthRandom
)

func birthShard(birth uint64) int   { return int(birth >> birthRandom) }
func birthSlot(birth uint64) uint64 { return birth<<1 | 1 }
