package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// jsonType and jsonValue are the two names of a wrapped value's object.
const (
	jsonType  = "$type"
	jsonValue = "value"
)

type jsonCodec struct {
	names *typeNames
	pack  packer
}

// JSON returns a codec for stores that people or other languages read. It keeps the same types as
// CBOR: what JSON has no form for is written as {"$type": "int32", "value": 5}, and a float64 always
// has a point or an exponent. It is slower and larger than CBOR, and refuses NaN and infinities.
//
// JSON panics in the same cases as CBOR.
func JSON(types ...any) Codec {
	names := newTypeNames(types)
	return &jsonCodec{names: names, pack: packer{
		names:  names,
		native: jsonNative,
		wrap:   func(name string, v any) any { return map[string]any{jsonType: name, jsonValue: v} },
		adapt:  jsonAdapt,
		escape: func(m map[string]any) bool { _, ok := m[jsonType]; return ok },
	}}
}

func jsonNative(t reflect.Type) bool {
	if t.PkgPath() != "" {
		return false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64, reflect.String:
		return true
	}
	return false
}

// jsonAdapt gives a float the point that tells it from an integer.
func jsonAdapt(v reflect.Value) (any, error) {
	if v.Kind() != reflect.Float64 {
		return v.Interface(), nil
	}
	f := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v has no form in JSON; use the CBOR codec", f)
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s), nil
}

func (c *jsonCodec) Name() string { return "json" }

func (c *jsonCodec) Encode(v any) (string, error) {
	packed, err := c.pack.pack(v)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(packed); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (c *jsonCodec) Decode(data string, into any) error {
	if len(data) == 0 || !withinDepth(data) || !json.Valid([]byte(data)) {
		return fmt.Errorf("%w: not JSON, or nested too deeply", ErrCorrupt)
	}
	if p, ok := into.(*any); ok {
		v, err := c.dynamic([]byte(data))
		if err == nil {
			*p = v
		}
		return err
	}
	b := []byte(data)
	if _, value, ok := wrapped(b); ok {
		b = value
	}
	return c.typed(b, into)
}

func (c *jsonCodec) typed(b []byte, into any) error {
	if err := unmarshalJSON(b, into); err != nil {
		return err
	}
	return settle(reflect.ValueOf(into), c.unpack)
}

func (c *jsonCodec) dynamic(b []byte) (any, error) {
	var raw any
	if err := unmarshalJSON(b, &raw); err != nil {
		return nil, err
	}
	return c.unpack(raw)
}

func unmarshalJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more than one value", ErrCorrupt)
	}
	return nil
}

func (c *jsonCodec) unpack(raw any) (any, error) {
	switch v := raw.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.Float64()
		}
		n, err := strconv.Atoi(v.String())
		if err != nil {
			return nil, fmt.Errorf("the number does not fit an int: %w", err)
		}
		return n, nil
	case []any:
		for i, e := range v {
			var err error
			if v[i], err = c.unpack(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if name, ok := v[jsonType].(string); ok && len(v) == 2 {
			return c.named(name, v[jsonValue])
		}
		return c.dict(v)
	}
	return raw, nil
}

func (c *jsonCodec) dict(m map[string]any) (any, error) {
	for k, e := range m {
		u, err := c.unpack(e)
		if err != nil {
			return nil, err
		}
		m[k] = u
	}
	return m, nil
}

func (c *jsonCodec) named(name string, value any) (any, error) {
	t, err := c.names.parse(name, 0)
	if err != nil {
		return nil, err
	}
	if m, ok := value.(map[string]any); ok && t == anyMapType {
		return c.dict(m)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	p := reflect.New(t)
	if err := c.typed(b, p.Interface()); err != nil {
		return nil, err
	}
	return p.Elem().Interface(), nil
}

// wrapped takes {"$type": name, "value": …} apart.
func wrapped(b []byte) (name string, value []byte, ok bool) {
	var m map[string]json.RawMessage
	if b[0] != '{' || json.Unmarshal(b, &m) != nil || len(m) != 2 || m[jsonType] == nil || m[jsonValue] == nil {
		return "", nil, false
	}
	if json.Unmarshal(m[jsonType], &name) != nil {
		return "", nil, false
	}
	return name, m[jsonValue], true
}

// withinDepth bounds nesting before the decoder recurses. A wrapper adds two levels to each of ours.
func withinDepth(data string) bool {
	depth, inText := 0, false
	for i := 0; i < len(data); i++ {
		switch ch := data[i]; {
		case inText && ch == '\\':
			i++
		case ch == '"':
			inText = !inText
		case inText:
		case ch == '[' || ch == '{':
			if depth++; depth > 3*maxDepth {
				return false
			}
		case ch == ']' || ch == '}':
			depth--
		}
	}
	return true
}
