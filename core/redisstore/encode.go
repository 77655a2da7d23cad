package redisstore

import (
	"encoding/binary"
	"strconv"
	"sync"
)

// packed is a command, or several, as they go to Redis. The calls that requests make most are written so, which
// allocates nothing; others leave it to redigo.
type packed struct{ b []byte }

var packs = sync.Pool{New: func() any { return &packed{b: make([]byte, 0, 1024)} }}

// keptPack is up to what size, in bytes, the memory of a packed is used again.
const keptPack = 16 << 10

func newPacked() *packed { return packs.Get().(*packed) }

// free gives p back after it was sent.
func (p *packed) free() {
	if cap(p.b) <= keptPack {
		p.b = p.b[:0]
		packs.Put(p)
	}
}

// begin writes the name of a command and how many arguments follow.
func (p *packed) begin(name string, args int) {
	p.size('*', 1+args)
	p.text(name)
}

// get writes a whole GET.
func (p *packed) get(key string) {
	p.begin("GET", 1)
	p.text(key)
}

// keys writes the number of a script's keys and the keys: data, index, and the queue if it is wanted.
func (p *packed) keys(it subject, queue bool) {
	n := int64(2)
	if queue {
		n++
	}
	p.int(n)
	p.text(it.data)
	p.text(it.index)
	if queue {
		p.text(it.queue(it.key.ID))
	}
}

// flag writes 1 or 0.
func (p *packed) flag(yes bool) {
	if yes {
		p.text("1")
	} else {
		p.text("0")
	}
}

// fence writes a fence as it is stored. That of no lock is empty.
func (p *packed) fence(fence uint64) {
	if fence == 0 {
		p.text("")
		return
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], fence)
	p.bytes(b[:])
}

// askTime is a whole TIME.
var askTime = command{raw: []byte("*1\r\n$4\r\nTIME\r\n")}

func (p *packed) size(kind byte, n int) {
	p.b = append(p.b, kind)
	p.b = strconv.AppendInt(p.b, int64(n), 10)
	p.b = append(p.b, '\r', '\n')
}

func (p *packed) text(s string) {
	p.size('$', len(s))
	p.b = append(p.b, s...)
	p.b = append(p.b, '\r', '\n')
}

func (p *packed) bytes(b []byte) {
	p.size('$', len(b))
	p.b = append(p.b, b...)
	p.b = append(p.b, '\r', '\n')
}

func (p *packed) int(n int64) {
	var digits [20]byte
	p.bytes(strconv.AppendInt(digits[:0], n, 10))
}
