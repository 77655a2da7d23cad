package redisstore

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/holdover-web/holdover/core"
)

// A session is stored as one string: a head of fixed size, which scripts rewrite in place, and the
// items. docs/redis-protocol.md describes it for other languages.
const (
	headSize = 128
	kindHead = "HSS1"
	itemHead = 8 // length of the name and length of the data
)

// appendItems writes each item as the lengths of name and data, four bytes each, name and data.
func appendItems(b []byte, items core.Values) []byte {
	for _, it := range items {
		b = binary.BigEndian.AppendUint32(b, uint32(len(it.Name)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(it.Data)))
		b = append(b, it.Name...)
		b = append(b, it.Data...)
	}
	return b
}

func encodeItems(items core.Values) []byte {
	if len(items) == 0 {
		return nil
	}
	return appendItems(make([]byte, 0, items.Size()+itemHead*len(items)), items)
}

// layoutOf tells apart in which places items stand: it is a hash of the names and of the lengths, in their order.
func layoutOf(items core.Values) uint64 {
	const prime = 1099511628211
	layout := uint64(1)
	for i := range items {
		layout = (layout^maphash.String(seed, items[i].Name))*prime ^ uint64(len(items[i].Data))
	}
	return max(layout, 1)
}

// layoutIf is layoutOf for items of which it is known whether they are stored in this order, and else 0.
func layoutIf(known bool, items core.Values) uint64 {
	if !known {
		return 0
	}
	return layoutOf(items)
}

// placeOf returns where an item stands in what is stored, or 0.
func placeOf(items core.Values, name string) int {
	at := headSize
	for i := range items {
		if items[i].Name == name {
			return at
		}
		at += itemHead + len(items[i].Name) + len(items[i].Data)
	}
	return 0
}

// encodeNames writes each name as its length and its bytes.
func encodeNames(names []string) []byte {
	var b []byte
	for _, name := range names {
		b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
	}
	return b
}

// decode reads a stored session, whose memory the record shares. It returns the reason if it can not.
func decode(stored []byte) (rec core.Record, reason string) {
	rec, _, reason = decodeSorted(stored)
	return rec, reason
}

// decodeSorted is decode that also tells whether the items are stored sorted by name.
func decodeSorted(stored []byte) (rec core.Record, sorted bool, reason string) {
	if len(stored) < headSize || string(stored[:len(kindHead)]) != kindHead {
		return rec, false, fmt.Sprintf("%d bytes that do not begin as a session does", len(stored))
	}
	field := func(at int) uint64 { return binary.BigEndian.Uint64(stored[at:]) }
	rec.Version = field(4)
	rec.Created = micros(field(12))
	rec.Accessed = micros(field(20))
	rec.Idle = time.Duration(field(28))
	if ends := field(36); ends != 0 {
		rec.Ends = micros(ends)
	}
	count := binary.BigEndian.Uint32(stored[60:])
	if size := int64(binary.BigEndian.Uint32(stored[64:])); size != int64(len(stored)-headSize) {
		return rec, false, fmt.Sprintf("%d bytes of items, %d were written", len(stored)-headSize, size)
	}
	rec.Values, sorted, reason = decodeItems(text(stored[headSize:]), count)
	return rec, sorted, reason
}

// text is b as a string, without copying it: nobody changes a reply after it was read.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// lastNonce returns the nonce of the last write of what decode can read.
func lastNonce(stored []byte) [8]byte { return [8]byte(stored[76:]) }

func micros(n uint64) time.Time { return time.UnixMicro(int64(n)).UTC() }

// decodeItems shares the memory of body, which holds all items and nothing else.
func decodeItems(body string, count uint32) (values core.Values, sorted bool, reason string) {
	if int64(count)*itemHead > int64(len(body)) {
		return nil, false, fmt.Sprintf("%d items do not fit in %d bytes", count, len(body))
	}
	values, sorted = make(core.Values, 0, count), true
	for range count {
		if len(body) < itemHead {
			return nil, false, "it ends within an item"
		}
		name, data := int64(be32(body)), int64(be32(body[4:]))
		if itemHead+name+data > int64(len(body)) {
			return nil, false, "an item is longer than what is left"
		}
		it := core.Item{Name: body[itemHead : itemHead+name], Data: body[itemHead+name : itemHead+name+data]}
		body = body[itemHead+name+data:]
		if n := len(values); n > 0 && it.Name <= values[n-1].Name {
			sorted = false
		}
		values = append(values, it)
	}
	if body != "" {
		return nil, false, fmt.Sprintf("%d bytes follow the last item", len(body))
	}
	if !sorted { // a merge put new names at the end
		slices.SortFunc(values, func(a, b core.Item) int { return strings.Compare(a.Name, b.Name) })
		for i := 1; i < len(values); i++ {
			if values[i].Name == values[i-1].Name {
				return nil, false, "a name is there twice"
			}
		}
	}
	return values, sorted, ""
}

func be32(s string) uint32 {
	return uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3])
}
