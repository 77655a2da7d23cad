package deploy

import (
	"errors"
	"maps"
	"slices"
	"strconv"
)

// Legacy returns the texts of the options that the section gives by the names of an adapter's own framework. same says
// which options of docs/config.md mean the same as one of them: one that is given by both names is a mistake and left
// out. So is one that means the same as store, because a section [store:NAME] says where sessions are.
func (o *options) Legacy(names []string, same map[string]string) map[string]string {
	given := make(map[string]string)
	for _, name := range slices.Sorted(slices.Values(names)) {
		text, ok := o.Lookup(name)
		if !ok {
			continue
		}
		option := same[name]
		if option == "store" {
			o.Mistake(name, "the section [store:NAME] says where sessions are kept; name it with store = NAME")
			continue
		}
		if option != "" {
			if _, both := o.Lookup(option); both {
				o.Mistake(name, "%s says the same; give one of them", option)
				continue
			}
		}
		given[name] = text
	}
	return given
}

// LegacyValues is Legacy for frameworks whose settings are Python values. Each text is read by PythonValue, as its
// default tells, and then tried by check, which may be nil. What is wrong is a mistake and left out.
func (o *options) LegacyValues(defaults map[string]any, more []string, same map[string]string, check func(name string, v any) error) map[string]any {
	names := slices.AppendSeq(slices.Clone(more), maps.Keys(defaults))
	values := make(map[string]any)
	for name, text := range o.Legacy(names, same) {
		v, err := PythonValue(text, defaults[name])
		if err == nil && check != nil {
			err = check(name, v)
		}
		if err != nil {
			o.Mistake(name, "%v", err)
			continue
		}
		values[name] = v
	}
	return values
}

// PythonValue reads a value as Python source has it, or as text without quotes: None, True, 60, 'text'. Words such as
// yes and off are bools too. A number is one only where like, mostly the default, is a number or a bool.
func PythonValue(text string, like any) (any, error) {
	switch text {
	case "None":
		return nil, nil
	case "True", "true", "yes", "on":
		return true, nil
	case "False", "false", "no", "off":
		return false, nil
	case "":
		return "", nil
	}
	switch like.(type) {
	case bool, int:
		if n, err := strconv.Atoi(text); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	}
	switch first, last := text[0], text[len(text)-1]; {
	case first == '{' || first == '[':
		return nil, errors.New("a dictionary or list can not stand here; set it in the program")
	case first == '\'' || first == '"':
		if len(text) < 2 || last != first {
			return nil, errors.New("the quotes do not match")
		}
		return text[1 : len(text)-1], nil
	}
	return text, nil
}
