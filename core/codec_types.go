package core

import (
	"encoding"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// A value that is fetched without saying its type must come out with the type that went in. Formats
// keep a handful of types by themselves; every other value is stored together with the name of its Go
// type. typeNames are the names that a codec understands: the predeclared types, what is registered,
// and slices, maps and pointers of those.
type typeNames struct {
	byName map[string]reflect.Type
	byType map[reflect.Type]string
}

var (
	anyType      = reflect.TypeFor[any]()
	bytesType    = reflect.TypeFor[[]byte]()
	timeType     = reflect.TypeFor[time.Time]()
	bigIntType   = reflect.TypeFor[big.Int]()
	anyListType  = reflect.TypeFor[[]any]()
	anyMapType   = reflect.TypeFor[map[string]any]()
	binaryType   = reflect.TypeFor[encoding.BinaryMarshaler]()
	textType     = reflect.TypeFor[encoding.TextMarshaler]()
	cborType     = reflect.TypeFor[cbor.Marshaler]()
	predeclared  = []any{false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0), 0.0, ""}
	wellKnown    = []any{time.Time{}, time.Duration(0), big.Int{}}
	errTypeDepth = errors.New("the type name is nested too deeply")
)

func newTypeNames(registered []any) *typeNames {
	n := &typeNames{byName: map[string]reflect.Type{}, byType: map[reflect.Type]string{}}
	for _, list := range [][]any{predeclared, wellKnown, registered} {
		for _, v := range list {
			t := reflect.TypeOf(v)
			for t != nil && t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
			if t == nil || t.Name() == "" {
				panic(fmt.Sprintf("core: codec: %T can not be registered: give a value of a named type", v))
			}
			if other, ok := n.byName[t.String()]; ok && other != t {
				panic(fmt.Sprintf("core: codec: %v and %v have the same name %s", other.PkgPath(), t.PkgPath(), t))
			}
			n.byName[t.String()], n.byType[t] = t, t.String()
		}
	}
	n.byName["any"], n.byType[anyType] = anyType, "any"
	return n
}

// name returns how t is called in stored values, or "" if nothing but a typed fetch can rebuild it.
func (n *typeNames) name(t reflect.Type) string {
	if s, ok := n.byType[t]; ok {
		return s
	}
	if t.Name() != "" {
		return ""
	}
	switch t.Kind() {
	case reflect.Slice:
		return prefixed("[]", n.name(t.Elem()))
	case reflect.Pointer:
		return prefixed("*", n.name(t.Elem()))
	case reflect.Map:
		if k := n.name(t.Key()); k != "" {
			return prefixed("map["+k+"]", n.name(t.Elem()))
		}
	}
	return ""
}

// keyType reports whether maps with such keys can be stored: by text, or by a whole number.
func keyType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

func prefixed(prefix, name string) string {
	if name == "" {
		return ""
	}
	return prefix + name
}

// parse is the inverse of name. The name comes from stored bytes, so it may be anything.
func (n *typeNames) parse(name string, depth int) (reflect.Type, error) {
	if depth > maxDepth {
		return nil, errTypeDepth
	}
	if t, ok := n.byName[name]; ok {
		return t, nil
	}
	if rest, ok := strings.CutPrefix(name, "[]"); ok {
		t, err := n.parse(rest, depth+1)
		if err != nil {
			return nil, err
		}
		return reflect.SliceOf(t), nil
	}
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		t, err := n.parse(rest, depth+1)
		if err != nil {
			return nil, err
		}
		return reflect.PointerTo(t), nil
	}
	if rest, ok := strings.CutPrefix(name, "map["); ok {
		key, elem, _ := strings.Cut(rest, "]")
		k, ok := n.byName[key]
		if !ok || !keyType(k) {
			return nil, fmt.Errorf("%q can not be the key of a map", key)
		}
		t, err := n.parse(elem, depth+1)
		if err != nil {
			return nil, err
		}
		return reflect.MapOf(k, t), nil
	}
	return nil, fmt.Errorf("the value's type %q is not registered with the codec; fetch it with core.Get and a type", name)
}
