//go:build unix && !aix

package filestore

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/holdover-web/holdover/core"
)

// A session file, numbers big-endian:
//
//	 0  4  "HOLD"
//	 4  1  format, 1
//	 5  1  kind: 1 a session, 2 a forwarding record
//	 6  2  zero
//	 8  4  length of the manager id
//	12  4  length of the session id
//	16  4  length of the next id
//	20  4  number of values
//	24  8  length of the body
//	32  8  birth
//	40  8  version
//	48  8  created, seconds since 1970
//	56  4  created, nanoseconds
//	60  4  ends, nanoseconds
//	64  8  ends, seconds since 1970
//	72  8  idle timeout, nanoseconds
//	80  4  CRC-32C of the body
//	84  4  CRC-32C of bytes 0 to 84 and of the three ids
//	88     manager id, session id, next id
//	       body: for each value length of the name (4), length of the data (4), name, data
//
// The head, which ends with the ids, has a checksum of its own so that listing and sweeping need not
// read the body. The last access is not in the file, it is the file's modification time.
//
// There is one way to write a given content, and the decoder accepts no other.
const (
	magic      = "HOLD"
	format     = 1
	headSize   = 88
	itemSize   = 8
	maxKeySize = 64 << 10
	maxBody    = 256 << 20
)

type kind uint8

const (
	kindSession kind = 1 + iota
	kindForward      // stands where a rotated session stood; Ends says how long
)

// maxFile is the size of the largest valid file.
const maxFile = headSize + 3*maxKeySize + maxBody

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is what one file says.
type entry struct {
	kind kind
	key  core.Key

	// next is, in a session, the id to which it is being rotated: the file is valid under the names of
	// both ids, so that renaming it is the whole rotation. In a forwarding record it is where to.
	next string

	// birth is a random number that the session got when it was created. It goes along when the session
	// gets another id, and tells it from an earlier session with the same id. Locks go by it.
	birth uint64

	rec core.Record // Accessed comes from the file's modification time
}

// badFile is the error for bytes that make no sense; it says what is wrong with them.
type badFile string

func (e badFile) Error() string { return string(e) }

// fits reports whether the entry is within what a file can hold.
func (e *entry) fits() bool {
	return len(e.key.Manager) <= maxKeySize && len(e.key.ID) <= maxKeySize && len(e.next) <= maxKeySize &&
		e.bodySize() <= maxBody
}

func (e *entry) bodySize() int {
	return len(e.rec.Values)*itemSize + e.rec.Values.Size()
}

// append appends the file's content to buf.
func (e *entry) append(buf []byte) []byte {
	start := len(buf)
	be := binary.BigEndian
	buf = append(buf, magic...)
	buf = append(buf, format, byte(e.kind), 0, 0)
	buf = be.AppendUint32(buf, uint32(len(e.key.Manager)))
	buf = be.AppendUint32(buf, uint32(len(e.key.ID)))
	buf = be.AppendUint32(buf, uint32(len(e.next)))
	buf = be.AppendUint32(buf, uint32(len(e.rec.Values)))
	buf = be.AppendUint64(buf, uint64(e.bodySize()))
	buf = be.AppendUint64(buf, e.birth)
	buf = be.AppendUint64(buf, e.rec.Version)
	buf = be.AppendUint64(buf, uint64(e.rec.Created.Unix()))
	buf = be.AppendUint32(buf, uint32(e.rec.Created.Nanosecond()))
	buf = be.AppendUint32(buf, uint32(e.rec.Ends.Nanosecond()))
	buf = be.AppendUint64(buf, uint64(e.rec.Ends.Unix()))
	buf = be.AppendUint64(buf, uint64(e.rec.Idle))
	sums := len(buf)
	buf = append(buf, make([]byte, headSize-80)...)
	buf = append(buf, e.key.Manager...)
	buf = append(buf, e.key.ID...)
	buf = append(buf, e.next...)
	body := len(buf)
	for _, it := range e.rec.Values {
		buf = be.AppendUint32(buf, uint32(len(it.Name)))
		buf = be.AppendUint32(buf, uint32(len(it.Data)))
		buf = append(buf, it.Name...)
		buf = append(buf, it.Data...)
	}
	be.PutUint32(buf[sums:], crc32.Checksum(buf[body:], castagnoli))
	be.PutUint32(buf[sums+4:], headSum(buf[start:body]))
	return buf
}

// headSum is the checksum over a head, its place for the checksum itself left out.
func headSum(head []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:headSize-4], castagnoli), castagnoli, head[headSize:])
}

// head is the part of a file in front of the body. Its slices are those of the bytes it was read from.
type head struct {
	kind              kind
	manager, id, next []byte
	birth             uint64
	rec               core.Record // without values
	count             int
	bodySize          int
	bodySum           uint32
}

// decodeHead reads the head of a file of the given size. If data, which begins the file, is too short
// for it, need is how many bytes it takes and the rest means nothing.
func decodeHead(data []byte, size int64) (h head, need int, err error) {
	be := binary.BigEndian
	if size < headSize {
		return h, 0, badFile("it is too short")
	}
	if len(data) < headSize {
		return h, headSize, nil
	}
	if string(data[:4]) != magic {
		return h, 0, badFile("it is no session file")
	}
	if data[4] != format {
		return h, 0, badFile("it has a format that this program does not know")
	}
	managerLen, idLen, nextLen := be.Uint32(data[8:]), be.Uint32(data[12:]), be.Uint32(data[16:])
	bodySize := be.Uint64(data[24:])
	if managerLen > maxKeySize || idLen > maxKeySize || nextLen > maxKeySize || bodySize > maxBody {
		return h, 0, badFile("a length in its head is out of range")
	}
	total := headSize + int(managerLen) + int(idLen) + int(nextLen)
	if int64(total)+int64(bodySize) != size {
		return h, 0, badFile("its length is not what its head says")
	}
	if len(data) < total {
		return h, total, nil
	}
	data = data[:total]
	if headSum(data) != be.Uint32(data[84:]) {
		return h, 0, badFile("the checksum of its head is wrong")
	}
	createdNsec, endsNsec := be.Uint32(data[56:]), be.Uint32(data[60:])
	birth := be.Uint64(data[32:])
	if k := kind(data[5]); k != kindSession && k != kindForward || data[6] != 0 || data[7] != 0 ||
		birth >= birthLimit ||
		createdNsec >= 1e9 || endsNsec >= 1e9 || uint64(be.Uint32(data[20:]))*itemSize > bodySize {
		return h, 0, badFile("its head has a field out of range")
	}
	ids := data[headSize:]
	return head{
		kind:    kind(data[5]),
		manager: ids[:managerLen],
		id:      ids[managerLen : managerLen+idLen],
		next:    ids[managerLen+idLen:],
		birth:   birth,
		rec: core.Record{
			Version: be.Uint64(data[40:]),
			Created: time.Unix(int64(be.Uint64(data[48:])), int64(createdNsec)).UTC(),
			Ends:    time.Unix(int64(be.Uint64(data[64:])), int64(endsNsec)).UTC(),
			Idle:    time.Duration(be.Uint64(data[72:])),
		},
		count:    int(be.Uint32(data[20:])),
		bodySize: int(bodySize),
		bodySum:  be.Uint32(data[80:]),
	}, 0, nil
}

// decode reads a whole file. Its values share one string, so that a record costs two allocations
// however many values it has; the head's slices are those of data.
func decode(data []byte) (head, error) {
	h, _, err := decodeHead(data, int64(len(data)))
	if err != nil {
		return h, err
	}
	body := data[len(data)-h.bodySize:]
	if crc32.Checksum(body, castagnoli) != h.bodySum {
		return h, badFile("the checksum of its values is wrong")
	}
	h.rec.Values, err = decodeValues(string(body), h.count)
	return h, err
}

func decodeValues(body string, count int) (core.Values, error) {
	if count == 0 {
		if body != "" {
			return nil, badFile("there is something after the last value")
		}
		return nil, nil
	}
	values := make(core.Values, 0, count) // count is at most len(body)/itemSize
	for range count {
		if len(body) < itemSize {
			return nil, badFile("a value is cut off")
		}
		nameLen, dataLen := uint64(uint32At(body, 0)), uint64(uint32At(body, 4))
		body = body[itemSize:]
		if nameLen+dataLen > uint64(len(body)) {
			return nil, badFile("a value is cut off")
		}
		it := core.Item{Name: body[:nameLen], Data: body[nameLen : nameLen+dataLen]}
		if n := len(values); n > 0 && values[n-1].Name >= it.Name {
			return nil, badFile("its values are not in order")
		}
		values = append(values, it)
		body = body[nameLen+dataLen:]
	}
	if body != "" {
		return nil, badFile("there is something after the last value")
	}
	return values, nil
}

func uint32At(s string, i int) uint32 {
	return uint32(s[i])<<24 | uint32(s[i+1])<<16 | uint32(s[i+2])<<8 | uint32(s[i+3])
}
