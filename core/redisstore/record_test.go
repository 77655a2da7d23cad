package redisstore_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// headSize is the length of what comes before the items of a stored session.
const headSize = 128

// stored puts a session together as the scripts do.
func stored(rec core.Record) []byte {
	items := redisstore.EncodeItems(rec.Values)
	b := []byte("HSS1")
	ends := uint64(0)
	if !rec.Ends.IsZero() {
		ends = uint64(rec.Ends.UnixMicro())
	}
	for _, n := range []uint64{rec.Version, uint64(rec.Created.UnixMicro()), uint64(rec.Accessed.UnixMicro()), uint64(rec.Idle), ends} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, make([]byte, 16)...) // a free lock
	b = binary.BigEndian.AppendUint32(b, uint32(len(rec.Values)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(items)))
	b = append(b, make([]byte, headSize-len(b))...)
	return append(b, items...)
}

// someRecords have every kind of field.
func someRecords() map[string]core.Record {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	values := func(items ...string) (v core.Values) {
		for i := 0; i < len(items); i += 2 {
			v = append(v, core.Item{Name: items[i], Data: items[i+1]})
		}
		return v
	}
	many := make(core.Values, 500)
	for i := range many {
		many[i] = core.Item{Name: fmt.Sprintf("name%04d", i), Data: strings.Repeat("x", i)}
	}
	return map[string]core.Record{
		"empty":       {Version: 1, Created: now, Accessed: now},
		"one":         {Version: 7, Created: now, Accessed: now.Add(time.Hour), Idle: 20 * time.Minute, Values: values("a", "1")},
		"both ends":   {Version: 1 << 40, Created: now, Accessed: now, Idle: time.Nanosecond, Ends: now.Add(24 * time.Hour), Values: values("a", "")},
		"odd names":   {Version: 1, Created: now, Accessed: now, Values: values("", "x", "\x00", "\x00\x00", "\r\n", "HSS1", "é", "\xff")},
		"many":        {Version: 2, Created: now, Accessed: now, Values: many},
		"before 1970": {Version: 1, Created: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), Accessed: now},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for name, rec := range someRecords() {
		t.Run(name, func(t *testing.T) {
			got, reason := redisstore.Decode(stored(rec))
			if reason != "" {
				t.Fatal(reason)
			}
			if diff := cmp.Diff(rec, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRecordUnsorted reads what a merge has left: it puts new names at the end.
func TestRecordUnsorted(t *testing.T) {
	item := func(name string) core.Item { return core.Item{Name: name, Data: "of " + name} }
	got, reason := redisstore.Decode(stored(core.Record{Values: core.Values{item("b"), item("d"), item("a"), item("c")}}))
	if want := (core.Values{item("a"), item("b"), item("c"), item("d")}); reason != "" || !cmp.Equal(want, got.Values) {
		t.Errorf("got %v, %s, want %v", got.Values, reason, want)
	}
}

func TestRecordDamaged(t *testing.T) {
	good := stored(core.Record{Version: 1, Values: core.Values{{Name: "a", Data: "one"}, {Name: "b", Data: "two"}}})
	at := func(at int, with ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[at:], with)
		return b
	}
	twice := stored(core.Record{Version: 1, Values: core.Values{{Name: "b"}, {Name: "a"}, {Name: "b"}}})
	tests := []struct {
		name   string
		stored []byte
		want   string
	}{
		{"nothing", nil, "0 bytes that do not begin"},
		{"half of the head", good[:headSize/2], "64 bytes that do not begin"},
		{"another kind", at(0, 'X'), "do not begin as a session"},
		{"a forward", at(0, []byte("HSF1")...), "do not begin as a session"},
		{"cut short", good[:len(good)-1], "23 bytes of items, 24 were written"},
		{"too long", append(at(0), 0), "25 bytes of items, 24 were written"},
		{"the head alone", good[:headSize], "0 bytes of items, 24 were written"},
		{"one item too few", at(60, 0, 0, 0, 1), "12 bytes follow the last item"},
		{"one item too many", at(60, 0, 0, 0, 3), "it ends within an item"},
		{"no items", at(60, 0, 0, 0, 0), "24 bytes follow the last item"},
		{"four billion items", at(60, 255, 255, 255, 255), "4294967295 items do not fit in 24 bytes"},
		{"a long name", at(headSize, 255, 255, 255, 255), "an item is longer than what is left"},
		{"long data", at(headSize+4, 255, 255, 255, 255), "an item is longer than what is left"},
		{"a name twice", twice, "a name is there twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if rec, reason := redisstore.Decode(tt.stored); !strings.Contains(reason, tt.want) {
				t.Errorf("got %q (%v), want %q", reason, rec, tt.want)
			}
		})
	}
}

// FuzzDecode checks that whatever can be read is a record that a store may return, and the same when it
// is written again.
func FuzzDecode(f *testing.F) {
	for _, rec := range someRecords() {
		f.Add(stored(rec))
	}
	f.Add([]byte("HSF1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, reason := redisstore.Decode(b)
		if reason != "" {
			return
		}
		for i := 1; i < len(rec.Values); i++ {
			if rec.Values[i-1].Name >= rec.Values[i].Name {
				t.Fatalf("names are not in order: %q, %q", rec.Values[i-1].Name, rec.Values[i].Name)
			}
		}
		_ = rec.Expired(time.Now())
		again, reason := redisstore.Decode(stored(rec))
		if reason != "" || again.Version != rec.Version || !cmp.Equal(again.Values, rec.Values, cmpopts.EquateEmpty()) || again.Idle != rec.Idle {
			t.Fatalf("written again it is %+v, %s; it was %+v", again, reason, rec)
		}
	})
}
