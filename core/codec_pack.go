package core

import (
	"fmt"
	"reflect"
	"unicode/utf8"
)

// packer prepares a value for a format: it refuses what can not be stored, with the place inside the
// value, and wraps whatever would come back as another type. What needs no wrapping is not copied.
type packer struct {
	names  *typeNames
	native func(t reflect.Type) bool          // types that the format keeps by itself
	wrap   func(name string, v any) any       // a value together with its type's name
	adapt  func(v reflect.Value) (any, error) // a native scalar in the form the format wants
	escape func(m map[string]any) (wrap bool) // a native map that looks like a wrapped value
}

// pack is called for values whose static type is any; typed containers keep their own types.
func (p *packer) pack(v any) (any, error) {
	return p.value(reflect.ValueOf(v), "", 0)
}

func (p *packer) value(v reflect.Value, at string, depth int) (any, error) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		if v.IsNil() {
			return nil, nil
		}
		if depth++; depth > maxDepth {
			return nil, errDepth(at)
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil, nil
	}
	switch v.Type() {
	case anyListType:
		return p.list(v.Interface().([]any), at, depth)
	case anyMapType:
		return p.dict(v.Interface().(map[string]any), at, depth)
	}
	if err := p.check(v, at, depth); err != nil {
		return nil, err
	}
	if p.native(v.Type()) {
		return p.adapt(v)
	}
	name := p.names.name(v.Type())
	out := v.Interface()
	if name != "" && holdsAny(v.Type(), 0) {
		var err error
		if out, err = p.container(v, at, depth); err != nil {
			return nil, err
		}
	}
	if opaque(v.Type()) { // its methods may want a pointer
		ptr := reflect.New(v.Type())
		ptr.Elem().Set(v)
		out = ptr.Interface()
	}
	if name == "" {
		return out, nil
	}
	return p.wrap(name, out), nil
}

func (p *packer) list(in []any, at string, depth int) (any, error) {
	if err := checkSize(len(in), at, depth); err != nil {
		return nil, err
	}
	if in == nil {
		return p.wrap("[]any", nil), nil
	}
	out := make([]any, len(in))
	for i, e := range in {
		var err error
		if out[i], err = p.value(reflect.ValueOf(e), fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *packer) dict(in map[string]any, at string, depth int) (any, error) {
	if err := checkSize(len(in), at, depth); err != nil {
		return nil, err
	}
	if in == nil {
		return p.wrap("map[string]any", nil), nil
	}
	out := make(map[string]any, len(in))
	for k, e := range in {
		if !utf8.ValidString(k) {
			return nil, errText(at)
		}
		var err error
		if out[k], err = p.value(reflect.ValueOf(e), fmt.Sprintf("%s[%q]", at, k), depth+1); err != nil {
			return nil, err
		}
	}
	if p.escape(out) {
		return p.wrap("map[string]any", out), nil
	}
	return out, nil
}

// container packs what typed slices and maps hold in interfaces, for example []map[string]any.
func (p *packer) container(v reflect.Value, at string, depth int) (any, error) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return p.value(v, at, depth)
	case reflect.Slice:
		if v.IsNil() {
			return nil, nil
		}
		out := make([]any, v.Len())
		for i := range out {
			var err error
			if out[i], err = p.container(v.Index(i), fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case reflect.Map:
		if v.IsNil() {
			return nil, nil
		}
		out := reflect.MakeMapWithSize(reflect.MapOf(v.Type().Key(), anyType), v.Len())
		for it := v.MapRange(); it.Next(); {
			e, err := p.container(it.Value(), fmt.Sprintf("%s[%v]", at, it.Key()), depth+1)
			if err != nil {
				return nil, err
			}
			ev := reflect.New(anyType).Elem()
			if e != nil {
				ev.Set(reflect.ValueOf(e))
			}
			out.SetMapIndex(it.Key(), ev)
		}
		return out.Interface(), nil
	}
	return v.Interface(), nil
}

// check refuses what can not be stored: text that is not UTF-8, functions and channels, values that
// contain themselves or are nested or long beyond the limits.
func (p *packer) check(v reflect.Value, at string, depth int) error {
	if depth > maxDepth {
		return errDepth(at)
	}
	t := v.Type()
	switch t.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return errText(at)
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		return fmt.Errorf("%s%v can not be stored", place(at), t)
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return p.check(v.Elem(), at, depth+1)
		}
	case reflect.Slice, reflect.Array:
		if err := checkSize(v.Len(), at, depth); err != nil || flat(t.Elem()) {
			return err
		}
		for i := range v.Len() {
			if err := p.check(v.Index(i), fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		if err := checkSize(v.Len(), at, depth); err != nil {
			return err
		}
		if !keyType(t.Key()) {
			return fmt.Errorf("%sis a %v; the keys of a map must be strings or integers", place(at), t)
		}
		for it := v.MapRange(); it.Next(); {
			if err := p.check(it.Key(), at, depth+1); err != nil {
				return err
			}
			if err := p.check(it.Value(), fmt.Sprintf("%s[%v]", at, it.Key()), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if opaque(t) {
			return nil
		}
		seen := t.NumField() == 0
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous {
				continue
			}
			seen = true
			if err := p.check(v.Field(i), at+"."+f.Name, depth+1); err != nil {
				return err
			}
		}
		if !seen {
			return fmt.Errorf("%sis a %v, which has no exported fields to store", place(at), t)
		}
	}
	return nil
}

// opaque types encode themselves.
func opaque(t reflect.Type) bool {
	if t == timeType || t == bigIntType {
		return true
	}
	pt := reflect.PointerTo(t)
	return pt.Implements(binaryType) || pt.Implements(textType) || pt.Implements(cborType)
}

func flat(t reflect.Type) bool {
	return t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
}

// holdsAny reports whether values of the unnamed container t hold interfaces whose contents must be packed.
func holdsAny(t reflect.Type, depth int) bool {
	switch t.Kind() {
	case reflect.Interface:
		return t == anyType
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return depth < maxDepth && t.Name() == "" && holdsAny(t.Elem(), depth+1)
	}
	return false
}

// settle gives what a format's decoder left in interfaces, anywhere inside a typed value, its own types
// back. Maps can not be changed in place through reflection, so elements are set anew.
func settle(v reflect.Value, unpack func(any) (any, error)) error {
	if flat(v.Type()) || v.Kind() == reflect.String {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return settle(v.Elem(), unpack)
		}
	case reflect.Interface:
		return settleInterface(v, unpack)
	case reflect.Slice, reflect.Array:
		if flat(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := settle(v.Index(i), unpack); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(it.Value())
			if err := settle(e, unpack); err != nil {
				return err
			}
			v.SetMapIndex(it.Key(), e)
		}
	case reflect.Struct:
		if opaque(v.Type()) {
			return nil
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				if err := settle(f, unpack); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func settleInterface(v reflect.Value, unpack func(any) (any, error)) error {
	if v.IsNil() || v.Type() != anyType {
		return nil
	}
	got, err := unpack(v.Interface())
	if err != nil {
		return err
	}
	if got == nil {
		v.SetZero()
		return nil
	}
	v.Set(reflect.ValueOf(got))
	return nil
}

func checkSize(n int, at string, depth int) error {
	if depth > maxDepth {
		return errDepth(at)
	}
	if n > maxElements {
		return fmt.Errorf("%sis a list or map of %d elements, %d are allowed", place(at), n, maxElements)
	}
	return nil
}

func errDepth(at string) error {
	return fmt.Errorf("%sis nested more than %d levels deep, or contains itself", place(at), maxDepth)
}

func errText(at string) error {
	return fmt.Errorf("%sis a string that is not UTF-8; store such bytes as []byte", place(at))
}

func place(at string) string {
	if at == "" {
		return "the value "
	}
	return "the value at " + at + " "
}
