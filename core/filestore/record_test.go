//go:build unix && !aix

package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func sampleEntry() *entry {
	return &entry{
		kind:  kindSession,
		key:   core.Key{Manager: "app", ID: "secret"},
		birth: 0x0102030405060708,
		rec: core.Record{
			Values:  core.Values{{Name: "", Data: "\x00\xff"}, {Name: "name", Data: "data"}},
			Version: 3,
			Created: time.Date(2026, 11, 20, 1, 2, 3, 456789, time.UTC),
			Idle:    20 * time.Minute,
		},
	}
}

// decodeEntry is append backwards.
func decodeEntry(data []byte) (*entry, error) {
	h, err := decode(data)
	if err != nil {
		return nil, err
	}
	return &entry{kind: h.kind, key: core.Key{Manager: string(h.manager), ID: string(h.id)},
		next: string(h.next), birth: h.birth, rec: h.rec}, nil
}

// TestFormat holds the format still: files that were written must stay readable.
func TestFormat(t *testing.T) {
	got := sampleEntry().append(nil)
	want := "HOLD\x01\x01\x00\x00" + // format and kind
		"\x00\x00\x00\x03\x00\x00\x00\x06\x00\x00\x00\x00" + // lengths of the ids
		"\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x1a" + // number and size of the values
		"\x01\x02\x03\x04\x05\x06\x07\x08" + "\x00\x00\x00\x00\x00\x00\x00\x03" + // birth, version
		"\x00\x00\x00\x00\x6a\xff\x9c\x0b" + "\x00\x06\xf8\x55" + // created
		"\x00\x00\x00\x00" + "\xff\xff\xff\xf1\x88\x6e\x09\x00" + // no end
		"\x00\x00\x01\x17\x65\x92\xe0\x00" // idle timeout
	if head := string(got[:80]); head != want {
		t.Errorf("the head is\n%x, want\n%x", head, want)
	}
	if s := string(got[headSize:]); s != "appsecret"+
		"\x00\x00\x00\x00\x00\x00\x00\x02\x00\xff"+
		"\x00\x00\x00\x04\x00\x00\x00\x04namedata" {
		t.Errorf("after the head's numbers comes %q", s)
	}
}

func TestRoundTrip(t *testing.T) {
	for name, change := range map[string]func(e *entry){
		"sample":      func(*entry) {},
		"no values":   func(e *entry) { e.rec.Values = nil },
		"two ids":     func(e *entry) { e.next = "another" },
		"forwarding":  func(e *entry) { e.kind, e.next, e.rec.Values = kindForward, "another", nil },
		"empty ids":   func(e *entry) { e.key = core.Key{} },
		"binary ids":  func(e *entry) { e.key = core.Key{Manager: "\x00/..", ID: "\xff\x00"} },
		"long ids":    func(e *entry) { e.key.ID = strings.Repeat("x", maxKeySize) },
		"an end":      func(e *entry) { e.rec.Ends = time.Date(2030, 1, 1, 0, 0, 0, 1, time.UTC) },
		"before 1970": func(e *entry) { e.rec.Created = time.Date(1, 1, 1, 0, 0, 0, 999999999, time.UTC) },
		"far future":  func(e *entry) { e.rec.Ends = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
		"big numbers": func(e *entry) { e.birth, e.rec.Version, e.rec.Idle = birthLimit-1, math.MaxUint64, math.MaxInt64 },
		"big values":  func(e *entry) { e.rec.Values = value("n", strings.Repeat("x", 1<<20)) },
		"negative":    func(e *entry) { e.rec.Idle = -1 },
		"never begun": func(e *entry) { e.rec.Created = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			want := sampleEntry()
			change(want)
			data := want.append(nil)
			got, err := decodeEntry(data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if again := got.append([]byte("before")); string(again[6:]) != string(data) {
				t.Error("the same content was written in two ways")
			}
		})
	}
}

// TestDamage changes every bit, and cuts the file at every length: nothing of it goes unnoticed.
func TestDamage(t *testing.T) {
	e := sampleEntry()
	e.next = "another"
	data := e.append(nil)
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			if _, err := decode(damaged); err == nil {
				t.Errorf("bit %d of byte %d changed, and nobody noticed", bit, i)
			}
		}
		if _, err := decode(data[:i]); err == nil {
			t.Errorf("cut to %d bytes, and nobody noticed", i)
		}
	}
	if _, err := decode(append(bytes.Clone(data), 0)); err == nil {
		t.Error("a byte was added, and nobody noticed")
	}
}

// seal puts right the checksums of a file whose ids take n bytes.
func seal(data []byte, n int) []byte {
	if total := headSize + n; len(data) >= total {
		binary.BigEndian.PutUint32(data[80:], crc32.Checksum(data[total:], castagnoli))
		binary.BigEndian.PutUint32(data[84:], headSum(data[:total]))
	}
	return data
}

// TestRefused has files whose checksums are right and whose content is not.
func TestRefused(t *testing.T) {
	const ids = len("appsecret")
	body := headSize + ids
	put := func(at int, bytes ...byte) func([]byte) { return func(d []byte) { copy(d[at:], bytes) } }
	for name, spoil := range map[string]func([]byte){
		"no kind":                put(5, 0),
		"another kind":           put(5, 3),
		"reserved bytes":         put(7, 1),
		"a birth out of range":   put(32, 0x80),
		"a nanosecond too much":  put(56, 0x3b, 0x9a, 0xca, 0x00),
		"nanoseconds of the end": put(60, 0xff),
		"too many values":        put(20, 0xff),
		"one value too much":     put(23, 3),
		"one value too few":      put(23, 1),
		"no value":               put(23, 0),
		"a name too long":        put(body, 0xff),
		"data too long":          put(body+7, 200),
		"data too short":         put(body+7, 1),
		"names out of order":     func(d []byte) { copy(d[body:], "\x00\x00\x00\x01\x00\x00\x00\x01zz") },
	} {
		t.Run(name, func(t *testing.T) {
			data := sampleEntry().append(nil)
			spoil(data)
			h, err := decode(seal(data, ids))
			if _, ok := errors.AsType[badFile](err); !ok {
				t.Errorf("read as %+v, error %v; want a badFile", h, err)
			}
		})
	}
}

func TestDecodeAllocations(t *testing.T) {
	e := sampleEntry()
	e.rec.Values = benchRecord().Values
	data := e.append(nil)
	if n := testing.AllocsPerRun(100, func() { decode(data) }); n > 2 {
		t.Errorf("%v allocations for %d values, want 2", n, len(e.rec.Values))
	}
}

func FuzzDecode(f *testing.F) {
	e := sampleEntry()
	f.Add(e.append(nil), 9)
	e.kind, e.next = kindForward, "another"
	f.Add(e.append(nil), 16)
	f.Add([]byte(magic), 0)
	f.Fuzz(func(t *testing.T, data []byte, ids int) {
		if ids >= 0 && ids <= len(data) { // else hardly anything would get past the checksums
			data = seal(bytes.Clone(data), ids)
		}
		for _, n := range []int{0, headSize - 1, headSize, peek} {
			_, need, err := decodeHead(data[:min(n, len(data))], int64(len(data)))
			if err == nil && need > len(data) {
				t.Errorf("the head of %d bytes takes %d", len(data), need)
			}
		}
		got, err := decodeEntry(data)
		if err != nil {
			if _, ok := errors.AsType[badFile](err); !ok {
				t.Errorf("error %v is no badFile", err)
			}
			return
		}
		if again := got.append(nil); !bytes.Equal(again, data) {
			t.Errorf("read %x, written again it is %x", data, again)
		}
		for i := 1; i < len(got.rec.Values); i++ {
			if got.rec.Values[i-1].Name >= got.rec.Values[i].Name {
				t.Error("the values are not in order")
			}
		}
	})
}
