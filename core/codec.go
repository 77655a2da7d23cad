package core

import (
	"fmt"
	"reflect"
)

// Codec turns values into bytes and back, one value of a session at a time. A manager uses one codec
// for all its sessions; changing it makes stored values unreadable.
//
// Encoding must be deterministic: equal values give equal bytes. That is how an in-place change of a
// fetched list or map is told from none. A Codec may be used from several goroutines.
type Codec interface {
	// Name identifies the format in messages, for example "cbor".
	Name() string

	// Encode returns the bytes for v, or an error that says what in v can not be stored. What it
	// accepts, Decode reads back.
	Encode(v any) (data string, err error)

	// Decode reads data into the value that into points to. Into a *any it gives the Go type that was
	// encoded. The error matches ErrCorrupt when data is not this codec's at all, and is plain when
	// data holds another type of value.
	Decode(data string, into any) error
}

// Limits on one value, for encoding and decoding alike. They bound what hostile stored bytes can cost.
const (
	maxDepth    = 32      // nested lists, maps, pointers and structs
	maxElements = 1 << 17 // of one list or map
)

// scalarCodec is a Codec with a way around reflection and allocation for the values that sessions
// mostly hold.
type scalarCodec interface {
	decodeString(data string) (string, bool)
	decodeInt(data string) (int64, bool)
	decodeBool(data string) (v, ok bool)
}

// decodeAs decodes data into a T. The common scalars take the short way, if the codec has one.
func decodeAs[T any](c Codec, data string) (T, error) {
	if sc, ok := c.(scalarCodec); ok {
		if v, ok := decodeScalar[T](sc, data); ok {
			return v, nil
		}
	}
	p := new(T)
	err := c.Decode(data, p)
	return *p, err
}

func decodeScalar[T any](c scalarCodec, data string) (v T, ok bool) {
	switch any(v).(type) {
	case string:
		if s, ok := c.decodeString(data); ok {
			return any(s).(T), true
		}
	case int:
		if n, ok := c.decodeInt(data); ok && int64(int(n)) == n {
			return any(int(n)).(T), true
		}
	case int64:
		if n, ok := c.decodeInt(data); ok {
			return any(n).(T), true
		}
	case bool:
		if b, ok := c.decodeBool(data); ok {
			return any(b).(T), true
		}
	}
	return v, false
}

// isMutable reports whether a value of v's type can be changed in place by who holds it, so that it
// has to be looked at again when the session commits.
func isMutable(v any) bool {
	switch v.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return false
	}
	return mutableType(reflect.TypeOf(v))
}

func mutableType(t reflect.Type) bool {
	if t == timeType {
		return false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return true
	case reflect.Array:
		return mutableType(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if mutableType(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func typeName(v any) string { return fmt.Sprintf("%T", v) }
