package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// hostile are names that could mean something to Redis, to a hash tag or to the way keys are put together.
var hostile = []string{
	"", "\x00", "a\x00b", "\r\n", "*1\r\n$4\r\nPING\r\n", "{", "}", "{}", "{x}", "}{", "a}b", "%", "%7B", "%%", ".", "a.00", ".00}:s:", ":",
	"s:", "i", "e", "q:", "x:", "*", "?[a-z]", "\\", "'", "\"", "ünïcödé", "\xff\xfe", " ", "holdover:", "$6$", "a b",
}

func TestSlotOf(t *testing.T) {
	for key, want := range map[string]uint16{ // replies of CLUSTER KEYSLOT
		"":                     0,
		"123456789":            12739, // the check value of the CRC, 0x31C3
		"foo":                  12182,
		"{foo}":                12182,
		"x{foo}y{bar}":         12182,
		"{user1000}.following": 3443,
		"user1000":             3443,
		"foo{}{bar}":           8363,
		"foo{{bar}}zap":        4015,
		"foo{bar}{zap}":        5061,
		"bar":                  5061,
	} {
		if got := redisstore.SlotOf(key); got != want {
			t.Errorf("%q: got %d, want %d", key, got, want)
		}
		if got := redistest.Slot(key); got != int(want) {
			t.Errorf("%q: redistest says %d, want %d", key, got, want)
		}
	}
}

// TestKeysInACluster asks Redis itself, and shows it to a store that takes it for a plain one.
func TestKeysInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0)
	node := c.Nodes()[0]
	asked := func(key string) uint16 {
		v, err := node.Do("CLUSTER", "KEYSLOT", key)
		ok(t, err)
		return uint16(v.(int64))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		key := fmt.Sprint(hostile[rnd.IntN(len(hostile))], i, hostile[rnd.IntN(len(hostile))])
		if got, want := redisstore.SlotOf(key), asked(key); got != want {
			t.Errorf("%q: got slot %d, Redis says %d", key, got, want)
		}
	}
	for _, manager := range hostile {
		start, slot := redisstore.PlaceOf("holdover:", manager, 7, 256)
		for _, id := range hostile {
			if got := asked(start + "s:" + id); got != slot {
				t.Errorf("manager %q, id %q: Redis says slot %d, want that of the place, %d", manager, id, got, slot)
			}
		}
	}
	t.Run("opened as a plain Redis", func(t *testing.T) { openNodeAsPlain(t, c) })
}

// openNodeAsPlain opens both nodes of a Cluster as plain: the one that has the slot of the meta key is
// found out with the first session that is elsewhere.
func openNodeAsPlain(t *testing.T, c *redistest.Cluster) {
	for _, addr := range c.Addrs() {
		began := time.Now()
		st, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{addr}})
		for i := 0; err == nil && i < 64; i++ {
			err = st.Create(t.Context(), core.Key{Manager: "m", ID: fmt.Sprint(i)}, core.Record{Created: began, Accessed: began})
		}
		if st != nil {
			ok(t, st.Close())
		}
		if err == nil || !strings.Contains(err.Error(), "belongs to a Redis Cluster") || !strings.Contains(err.Error(), "Config.Mode") {
			t.Errorf("%s: the error does not say what is wrong: %v", addr, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: the error took %v; trying again does not help", addr, took)
		}
	}
}

// TestPlaces checks that no two managers or shards share a place, and that each is in one slot.
func TestPlaces(t *testing.T) {
	seen := make(map[string]string)
	managers := append([]string{"a", "a.0", "a.00", "%2500", "%25", "%C3%BC", "ü", "%00", strings.Repeat("x", 64<<10)}, hostile...)
	for _, manager := range managers {
		for _, shard := range []uint32{0, 1, 15, 16, 255, 256, 65535} {
			start, slot := redisstore.PlaceOf("p:", manager, shard, 65536)
			who := fmt.Sprintf("%q shard %d", manager[:min(len(manager), 20)], shard)
			if other, ok := seen[start]; ok && other != who {
				t.Errorf("%s and %s share the place %q", who, other, start)
			}
			seen[start] = who
			tag, isPlace := strings.CutPrefix(start, "p:{")
			tag, isTag := strings.CutSuffix(tag, "}:")
			if !isPlace || !isTag || tag == "" || strings.ContainsAny(tag, "{}\x00\r\n ") {
				t.Errorf("%s: the place %q has no clean hash tag", who, start)
			}
			if want := redisstore.SlotOf(tag); slot != want {
				t.Errorf("%s: slot %d, but that of the hash tag is %d", who, slot, want)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"desk": "desk", "a-b_c.d:e/f": "a-b_c.d:e/f", "": "", "{": "%7B", "a}b": "a%7Db", "%": "%25", "%7B": "%257B", "\x00": "%00",
		"ü": "%C3%BC", " ": "%20", "\r\n": "%0D%0A",
	} {
		if got := redisstore.Escape(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestSamePlace(t *testing.T) {
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 16})
	same := 0
	for i := range 1600 {
		id := fmt.Sprint("session", i)
		if !st.SamePlace("m", id, id) || st.SamePlace("m", id, "x") != st.SamePlace("m", "x", id) {
			t.Fatalf("%s: places are not what they are compared to", id)
		}
		if st.SamePlace("m", id, "x") {
			same++
		}
	}
	if same < 50 || same > 200 { // 100 on average
		t.Errorf("%d of 1600 ids share one of 16 places", same)
	}
}

func TestParseRange(t *testing.T) {
	list := func(parts ...any) []any { return parts }
	num := func(n int64) any { return n }
	node := func(host string, port int64) []any { return list([]byte(host), port, []byte("id"), list()) }
	tests := []struct {
		name  string
		reply any
		want  string // empty: an error
	}{
		{"master alone", list(num(0), num(5), node("10.0.0.1", 7)), "0-5 10.0.0.1:7"},
		{"with replicas", list(num(5), num(16383), node("h", 7), node("r", 8)), "5-16383 h:7"},
		{"one slot", list(num(9), num(9), node("h", 7)), "9-9 h:7"},
		{"IPv6", list(num(0), num(5), node("::1", 7)), "0-5 [::1]:7"},
		{"without its host", list(num(0), num(5), node("", 7)), "0-5 asked:7"},
		{"with an unknown host", list(num(0), num(5), node("?", 7)), "0-5 asked:7"},
		{"with a nil host", list(num(0), num(5), list(nil, num(7))), "0-5 asked:7"},
		{"nil", nil, ""},
		{"text", []byte("OK"), ""},
		{"number", num(1), ""},
		{"error", redis.Error("ERR no"), ""},
		{"empty", list(), ""},
		{"no master", list(num(0), num(5)), ""},
		{"nil master", list(num(0), num(5), nil), ""},
		{"empty master", list(num(0), num(5), list()), ""},
		{"master without port", list(num(0), num(5), list([]byte("h"))), ""},
		{"master with a port of text", list(num(0), num(5), list([]byte("h"), []byte("x"))), ""},
		{"port 0", list(num(0), num(5), node("h", 0)), ""},
		{"negative port", list(num(0), num(5), node("h", -1)), ""},
		{"port too high", list(num(0), num(5), node("h", 65536)), ""},
		{"negative slot", list(num(-1), num(5), node("h", 7)), ""},
		{"slot too high", list(num(0), num(16384), node("h", 7)), ""},
		{"huge slot", list(num(0), num(1<<62), node("h", 7)), ""},
		{"slots the wrong way round", list(num(6), num(5), node("h", 7)), ""},
		{"slot of text", list([]byte("x"), num(5), node("h", 7)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, last, addr, err := redisstore.ParseRange(tt.reply, "asked")
			switch got := fmt.Sprintf("%d-%d %s", first, last, addr); {
			case tt.want == "" && err == nil:
				t.Errorf("taken as %s", got)
			case tt.want == "" && strings.Contains(err.Error(), "%!"):
				t.Errorf("the error is badly put: %v", err)
			case tt.want != "" && (err != nil || got != tt.want):
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}
