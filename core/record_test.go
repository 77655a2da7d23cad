package core_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestChangeApply(t *testing.T) {
	base := core.Values{{Name: "a", Data: "1"}, {Name: "c", Data: "3"}, {Name: "e", Data: "5"}}
	for _, tt := range []struct {
		name   string
		change core.Change
		want   core.Values
	}{
		{"nothing", core.Change{}, base},
		{"overwrite", core.Change{Set: core.Values{{Name: "c", Data: "x"}}}, core.Values{{"a", "1"}, {"c", "x"}, {"e", "5"}}},
		{"insert", core.Change{Set: core.Values{{Name: "b", Data: "x"}, {Name: "f", Data: "y"}}},
			core.Values{{"a", "1"}, {"b", "x"}, {"c", "3"}, {"e", "5"}, {"f", "y"}}},
		{"delete", core.Change{Delete: []string{"a", "b", "e"}}, core.Values{{"c", "3"}}},
		{"overwrite and delete", core.Change{Set: core.Values{{Name: "a", Data: "x"}}, Delete: []string{"e"}}, core.Values{{"a", "x"}, {"c", "3"}}},
		{"replace", core.Change{Set: core.Values{{Name: "z", Data: "9"}}, Replace: true}, core.Values{{"z", "9"}}},
		{"replace by nothing", core.Change{Replace: true}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kept := slices.Clone(base)
			got, err := tt.change.Apply(base)
			ok(t, err)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if !slices.Equal(base, kept) {
				t.Errorf("the values it was applied to are %v now", base)
			}
		})
	}
}

// A store's caller may alter a change and apply it again.
func TestChangeIsAppliedAsItIs(t *testing.T) {
	base := core.Values{{Name: "a", Data: "1"}}
	c := core.Change{Set: core.Values{{Name: "b", Data: "too much"}}, MaxSize: 6}
	if _, err := c.Apply(base); !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	for _, data := range []string{"x", "y"} {
		c.Set = core.Values{{Name: "b", Data: data}}
		got, err := c.Apply(base)
		ok(t, err)
		if want := (core.Values{{"a", "1"}, {"b", data}}); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// layered is a store in front of another that applies changes to what it knows of the record, and hands them on.
type layered struct {
	*store
	t *testing.T
}

func (l layered) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	want, told := c.Whole()
	_, err := c.Apply(core.Values{{Name: "a", Data: "another version's"}, {Name: "c", Data: "too"}})
	ok(l.t, err)
	if got, _ := c.Whole(); !told || !slices.Equal(got, want) {
		l.t.Errorf("Whole after Apply to another record: %v, want %v", got, want)
	}
	return l.store.Save(ctx, k, c)
}

func TestWholeIsOfTheBase(t *testing.T) {
	m := managerOn(t, layered{newStore(t), t}, core.Config{})
	s := open(t, m, begin(t, m, "a", 1))
	ok(t, s.Set("b", 2))
	ok(t, s.End(t.Context()))
	if peek(t, m, s.ID(), "a") != 1 || peek(t, m, s.ID(), "b") != 2 {
		t.Error("the change was not made")
	}
}
