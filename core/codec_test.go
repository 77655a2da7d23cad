package core_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdover-web/holdover/core"
)

type address struct {
	Street string
	Lines  []string
}

type user struct {
	Name  string
	Age   int8
	Home  *address
	Extra map[string]any
}

var codecs = map[string]func(types ...any) core.Codec{"cbor": core.CBOR, "json": core.JSON}

var compare = cmp.Options{
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && zone(a) == zone(b) }),
	cmp.Comparer(func(a, b big.Int) bool { return a.Cmp(&b) == 0 }),
}

func zone(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

func TestCodecKeepsTypes(t *testing.T) {
	moment := time.Date(2026, 11, 20, 12, 34, 56, 123456789, time.FixedZone("", 3600))
	values := map[string]any{
		"nil": nil, "true": true, "false": false,
		"zero": 0, "int": -42, "int min": math.MinInt, "int max": math.MaxInt, "23": 23, "24": 24, "256": 256, "65536": 65536,
		"int8": int8(-5), "int16": int16(-5), "int32": int32(-5), "int64": int64(-5),
		"uint": uint(5), "uint8": uint8(5), "uint16": uint16(5), "uint32": uint32(5), "uint64": uint64(math.MaxUint64),
		"float64": 1.5, "whole float": 1.0, "big float": 1e300, "float32": float32(0.1),
		"string": "grüße\x00", "empty string": "", "long string": strings.Repeat("é", 300), "bytes": []byte{0, 255, '"'}, "no bytes": []byte{},
		"time": moment, "utc": moment.UTC(), "duration": 90 * time.Second, "big": *big.NewInt(0).Exp(big.NewInt(7), big.NewInt(100), nil),
		"list": []any{1, "a", nil, 2.0, int64(7), []any{true}}, "empty list": []any{}, "nil list": []any(nil),
		"map":       map[string]any{"a": 1, "b": map[string]any{"c": []byte("x"), "d": moment, "e": int8(1)}},
		"empty map": map[string]any{}, "nil map": map[string]any(nil),
		"strings": []string{"a", "b"}, "ints": []int{1, -2}, "map of int": map[string]int{"a": 1}, "int keys": map[int]string{-1: "x"},
		"list of maps": []map[string]any{{"n": int64(3), "f": 2.0}, nil, {"l": []any{uint8(1)}}},
		"map of lists": map[string][]any{"a": {1, int16(2)}}, "times": []time.Time{moment},
		"looks wrapped": map[string]any{"$type": "int8", "value": 5},
		"struct":        user{Name: "Ada", Age: 36, Home: &address{"Main", []string{"x"}}},
		"structs":       []user{{Name: "Ada"}, {Name: "Bob"}}, "struct by name": map[string]user{"a": {Age: 1}},
		"struct in list": []any{user{Name: "Ada"}},
	}
	for name, newCodec := range codecs {
		codec := newCodec(user{}, address{})
		for label, want := range values {
			t.Run(name+"/"+label, func(t *testing.T) {
				data, err := codec.Encode(want)
				ok(t, err)
				again, err := codec.Encode(want)
				ok(t, err)
				if again != data {
					t.Errorf("not deterministic: %q, %q", data, again)
				}
				var got any
				ok(t, codec.Decode(data, &got))
				if diff := cmp.Diff(want, got, compare); diff != "" {
					t.Errorf("%q (-want +got):\n%s", data, diff)
				}
			})
		}
	}
}

func TestCodecPointersComeBackAsValues(t *testing.T) {
	for name, newCodec := range codecs {
		t.Run(name, func(t *testing.T) {
			codec := newCodec(user{})
			data, err := codec.Encode(&user{Name: "Ada"})
			ok(t, err)
			var got any
			ok(t, codec.Decode(data, &got))
			if u, is := got.(user); !is || u.Name != "Ada" {
				t.Errorf("got %#v", got)
			}
			var typed *user
			ok(t, codec.Decode(data, &typed))
			if typed.Name != "Ada" {
				t.Errorf("got %#v", typed)
			}
		})
	}
}

func TestCodecTypedFetch(t *testing.T) {
	for name, newCodec := range codecs {
		codec := newCodec()
		t.Run(name, func(t *testing.T) {
			var n int64
			data, err := codec.Encode(int32(7))
			ok(t, err)
			ok(t, codec.Decode(data, &n))
			if n != 7 {
				t.Errorf("an int32 as int64: %d", n)
			}
			data, err = codec.Encode(user{Name: "Ada", Extra: map[string]any{"a": 1}})
			ok(t, err)
			var u user
			ok(t, codec.Decode(data, &u))
			if u.Name != "Ada" {
				t.Errorf("an unregistered struct: %#v", u)
			}
			var s string
			if err := codec.Decode(data, &s); err == nil || errors.Is(err, core.ErrCorrupt) {
				t.Errorf("a struct as string: %v, want a plain error", err)
			}
		})
	}
}

func TestCodecInterfaceFieldsOfStructs(t *testing.T) {
	type row map[string]any
	type report struct {
		Any  any
		List []any
		Rows []row
		Ptr  *user
	}
	in := report{Any: 5, List: []any{1, "a", 2.5}, Rows: []row{{"n": 1, "big": int64(3)}}, Ptr: &user{Extra: map[string]any{"n": 7}}}
	for name, newCodec := range codecs {
		t.Run(name, func(t *testing.T) {
			codec := newCodec()
			data, err := codec.Encode(in)
			ok(t, err)
			var got report
			ok(t, codec.Decode(data, &got))
			want := in
			want.Rows = []row{{"n": 1, "big": 3}} // no room for the type in there
			if diff := cmp.Diff(want, got, compare); diff != "" {
				t.Errorf("%q (-want +got):\n%s", data, diff)
			}
		})
	}
}

// Types with a text form of their own are stored by it.
func TestCodecTextForms(t *testing.T) {
	for name, newCodec := range codecs {
		t.Run(name, func(t *testing.T) {
			codec := newCodec()
			data, err := codec.Encode(netip.MustParseAddr("192.0.2.1"))
			ok(t, err)
			var got netip.Addr
			ok(t, codec.Decode(data, &got))
			if got.String() != "192.0.2.1" {
				t.Errorf("%q came back as %v", data, got)
			}
			data, err = codec.Encode(big.NewRat(1, 3))
			ok(t, err)
			var rat big.Rat
			ok(t, codec.Decode(data, &rat))
			if rat.Cmp(big.NewRat(1, 3)) != 0 {
				t.Errorf("%q came back as %v", data, &rat)
			}
		})
	}
}

type cyclic struct{ Next *cyclic }

func TestCodecRefuses(t *testing.T) {
	loop := &cyclic{}
	loop.Next = loop
	self := map[string]any{}
	self["self"] = self
	deep := any(1)
	for range 40 {
		deep = []any{deep}
	}
	for name, newCodec := range codecs {
		for label, v := range map[string]any{
			"func": func() {}, "chan in map": map[string]any{"a": make(chan int)}, "complex": 1i,
			"bad text": "a\xff", "bad text in list": []any{"ok", "\xff"}, "bad text in strings": []string{"\xff"},
			"bad key": map[string]any{"\xff": 1}, "bad text in struct": user{Name: "\xff"},
			"map with any keys": map[any]any{1: 2}, "map with float keys": map[float64]int{1: 2}, "map with pointer keys": map[*int]int{},
			"nothing exported": bytes.Buffer{}, "an error": errors.New("x"),
			"pointer cycle": loop, "map cycle": self, "deep": deep, "long": make([]any, 1<<17+1),
		} {
			t.Run(name+"/"+label, func(t *testing.T) {
				if data, err := newCodec().Encode(v); err == nil {
					t.Errorf("encoded as %.40q", data)
				}
			})
		}
	}
}

func TestCodecRefusesStoredGarbage(t *testing.T) {
	for name, newCodec := range codecs {
		for label, data := range map[string]string{
			"empty": "", "cut": "\x5a\xff", "noise": "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "brackets": strings.Repeat("[", 100000),
			"nested": strings.Repeat("\x81", 100000), "bad text": "\x61\xff", "twice": "\x01\x01",
		} {
			t.Run(name+"/"+label, func(t *testing.T) {
				var v any
				if err := newCodec().Decode(data, &v); !errors.Is(err, core.ErrCorrupt) {
					t.Errorf("got %v, %v, want ErrCorrupt", v, err)
				}
				var s string
				if err := newCodec().Decode(data, &s); err == nil {
					t.Errorf("got %q", s)
				}
			})
		}
	}
}

func TestCodecUnknownType(t *testing.T) {
	for name, newCodec := range codecs {
		t.Run(name, func(t *testing.T) {
			data, err := newCodec(user{}).Encode(user{Name: "Ada"})
			ok(t, err)
			var v any
			if err := newCodec().Decode(data, &v); err == nil || !strings.Contains(err.Error(), "core_test.user") {
				t.Errorf("got %v, %v, want an error that names the type", v, err)
			}
			var u user
			ok(t, newCodec().Decode(data, &u))
			if u.Name != "Ada" {
				t.Errorf("got %#v", u)
			}
		})
	}
}

func fuzzDecode(f *testing.F, codec core.Codec, seeds ...any) {
	for _, v := range seeds {
		data, err := codec.Encode(v)
		ok(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		var v any
		if codec.Decode(data, &v) != nil {
			return
		}
		again, err := codec.Encode(v)
		if err != nil {
			return // more than one of our own values may hold
		}
		var w any
		if err := codec.Decode(again, &w); err != nil {
			t.Fatalf("%q decodes to %#v, which encodes to %q, which does not decode: %v", data, v, again, err)
		}
		third, err := codec.Encode(w)
		ok(t, err)
		if third != again {
			t.Fatalf("unstable: %q, then %q", again, third)
		}
	})
}

func FuzzDecodeCBOR(f *testing.F) {
	fuzzDecode(f, core.CBOR(user{}), 1, "a", []any{1, 2.0, nil}, map[string]any{"a": int8(1)}, user{Name: "x"}, []map[string]any{{"a": 1}}, time.Now())
}

func FuzzDecodeJSON(f *testing.F) {
	fuzzDecode(f, core.JSON(user{}), 1, "a", []any{1, 2.0, nil}, map[string]any{"a": int8(1)}, user{Name: "x"}, []map[string]any{{"a": 1}}, time.Now())
}

// The codec has a short way for common scalars. It must agree with the long one on every input.
func FuzzScalarsAgree(f *testing.F) {
	codec := core.CBOR()
	for _, v := range []any{0, -1, 23, 24, 1 << 40, true, "", "abc", strings.Repeat("x", 300)} {
		data, err := codec.Encode(v)
		ok(f, err)
		f.Add(data)
	}
	f.Add("\x18\x05") // five in a longer form than needed
	f.Fuzz(func(t *testing.T, data string) {
		agree(t, codec, data, core.DecodeAs[string])
		agree(t, codec, data, core.DecodeAs[int])
		agree(t, codec, data, core.DecodeAs[int64])
		agree(t, codec, data, core.DecodeAs[bool])
	})
}

func agree[T comparable](t *testing.T, codec core.Codec, data string, short func(core.Codec, string) (T, error)) {
	t.Helper()
	got, gotErr := short(codec, data)
	var want T
	wantErr := codec.Decode(data, &want)
	if (gotErr == nil) != (wantErr == nil) || got != want {
		t.Fatalf("%q as %T: short way %v, %v; long way %v, %v", data, want, got, gotErr, want, wantErr)
	}
}
