package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// objectTag is the registered CBOR tag for "an object of a named type": [name, value].
const objectTag = 27

// object is how a value of a named type is decoded: its content waits for the type.
type object struct {
	_     struct{} `cbor:",toarray"`
	Name  string
	Value cbor.RawMessage
}

type cborCodec struct {
	names *typeNames
	enc   cbor.EncMode
	dec   cbor.DecMode
	pack  packer
}

// CBOR returns the default codec: RFC 8949, deterministic, binary, readable from other languages.
//
// Fetched without a type, a value comes back as what it was: nil, bool, every integer and float type,
// string, []byte, time.Time (nanoseconds and zone offset kept), time.Duration, big.Int (as a value), []any
// and map[string]any with the same inside, and typed slices, maps and pointers of these. The keys of maps
// are strings or integers. A nil []byte comes back as nil.
//
// Named types come back as themselves if a value of each is given here. Without that they encode as well, but
// only a typed fetch (core.Get) gives them back; an untyped one gives a map[string]any, or fails where that
// can not hold them. Interface-typed fields of structs hold int for any integer type and float64 for any float
// type. A struct must have exported fields, or encode itself as text or bytes.
//
// CBOR panics if a value given is of an unnamed type or two types have the same name.
func CBOR(types ...any) Codec {
	enc, err := cbor.EncOptions{
		Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired,
		TextMarshaler: cbor.TextMarshalerTextString,
	}.EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	objects := cbor.NewTagSet()
	if err := objects.Add(cbor.TagOptions{DecTag: cbor.DecTagRequired}, reflect.TypeFor[object](), objectTag); err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IntDec: cbor.IntDecConvertSignedOrBigInt,
		DefaultMapType: reflect.TypeFor[map[string]any](), MaxNestedLevels: 3*maxDepth + 4,
		MaxArrayElements: maxElements, MaxMapPairs: maxElements, ExtraReturnErrors: cbor.ExtraDecErrorNone,
		TextUnmarshaler: cbor.TextUnmarshalerTextString,
	}.DecModeWithTags(objects)
	if err != nil {
		panic(err)
	}
	names := newTypeNames(types)
	return &cborCodec{names: names, enc: enc, dec: dec, pack: packer{
		names:  names,
		native: cborNative,
		wrap:   func(name string, v any) any { return cbor.Tag{Number: objectTag, Content: []any{name, v}} },
		adapt:  func(v reflect.Value) (any, error) { return v.Interface(), nil },
		escape: func(map[string]any) bool { return false },
	}}
}

func cborNative(t reflect.Type) bool {
	switch t {
	case bytesType, timeType:
		return true
	}
	if t.PkgPath() != "" {
		return false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64, reflect.String:
		return true
	}
	return false
}

func (c *cborCodec) Name() string { return "cbor" }

func (c *cborCodec) Encode(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return "", errText("")
		}
		var buf [9]byte
		return string(cborHead(buf[:0], 3<<5, uint64(len(v)))) + v, nil
	case int:
		var buf [9]byte
		if v < 0 {
			return string(cborHead(buf[:0], 1<<5, uint64(^v))), nil
		}
		return string(cborHead(buf[:0], 0, uint64(v))), nil
	case bool:
		if v {
			return "\xf5", nil
		}
		return "\xf4", nil
	case nil:
		return "\xf6", nil
	}
	packed, err := c.pack.pack(v)
	if err != nil {
		return "", err
	}
	b, err := c.enc.Marshal(packed)
	return string(b), err
}

func (c *cborCodec) Decode(data string, into any) error {
	if p, ok := into.(*any); ok {
		var raw any
		if err := c.unmarshal([]byte(data), &raw); err != nil {
			return err
		}
		v, err := c.unpack(raw)
		if err == nil {
			*p = v
		}
		return err
	}
	b := []byte(data)
	if len(b) > 2 && b[0] == 0xd8 && b[1] == objectTag {
		var o object
		if err := c.unmarshal(b, &o); err != nil {
			return err
		}
		b = o.Value
	}
	if err := c.unmarshal(b, into); err != nil {
		return err
	}
	return settle(reflect.ValueOf(into), c.unpack)
}

func (c *cborCodec) unmarshal(b []byte, into any) error {
	err := c.dec.Unmarshal(b, into)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*cbor.UnmarshalTypeError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// unpack turns what the library decodes to into the types that were encoded.
func (c *cborCodec) unpack(raw any) (any, error) {
	switch v := raw.(type) {
	case int64:
		if int64(int(v)) == v {
			return int(v), nil
		}
	case []any:
		for i, e := range v {
			var err error
			if v[i], err = c.unpack(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k, e := range v {
			u, err := c.unpack(e)
			if err != nil {
				return nil, err
			}
			v[k] = u
		}
	case object:
		return c.named(v)
	}
	return raw, nil
}

// named rebuilds a value of a named type.
func (c *cborCodec) named(o object) (any, error) {
	t, err := c.names.parse(o.Name, 0)
	if err != nil {
		return nil, err
	}
	p := reflect.New(t)
	if err := c.unmarshal(o.Value, p.Interface()); err != nil {
		return nil, err
	}
	if err := settle(p, c.unpack); err != nil {
		return nil, err
	}
	return p.Elem().Interface(), nil
}

// The short ways. They read exactly what Encode writes for these types and leave everything else,
// malformed data included, to the library.

func (c *cborCodec) decodeString(data string) (string, bool) {
	n, head, ok := cborReadHead(data, 3)
	if !ok || n != uint64(len(data)-head) || !utf8.ValidString(data[head:]) {
		return "", false
	}
	return data[head:], true
}

func (c *cborCodec) decodeInt(data string) (int64, bool) {
	if n, head, ok := cborReadHead(data, 0); ok && head == len(data) && n <= math.MaxInt64 {
		return int64(n), true
	}
	if n, head, ok := cborReadHead(data, 1); ok && head == len(data) && n <= math.MaxInt64 {
		return ^int64(n), true
	}
	return 0, false
}

func (c *cborCodec) decodeBool(data string) (v, ok bool) {
	return data == "\xf5", data == "\xf5" || data == "\xf4"
}

func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func cborReadHead(data string, major byte) (n uint64, size int, ok bool) {
	if data == "" || data[0]>>5 != major {
		return 0, 0, false
	}
	short := data[0] & 31
	if short < 24 {
		return uint64(short), 1, true
	}
	if short > 27 {
		return 0, 0, false
	}
	width := 1 << (short - 24)
	if len(data) < 1+width {
		return 0, 0, false
	}
	for i := 1; i <= width; i++ {
		n = n<<8 | uint64(data[i])
	}
	return n, 1 + width, true
}
