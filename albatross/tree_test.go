package albatross

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// model is a tree that keeps a whole copy for each branch, as Albatross did.
type model map[string]map[string]string

func toMap(values core.Values) map[string]string {
	m := make(map[string]string)
	for _, it := range values {
		m[it.Name] = it.Data
	}
	return m
}

// record is what the store would hold.
func (t *tree) stored() core.Values {
	values := core.Values{{Name: treeName, Data: t.String()}}
	for _, n := range t.nodes {
		for name, data := range n.own {
			values = append(values, core.Item{Name: valueName(n.place, name), Data: data})
		}
	}
	slices.SortFunc(values, func(a, b core.Item) int { return strings.Compare(a.Name, b.Name) })
	return values
}

// Whatever is pruned, and in whatever order, each branch that is left holds what it held when it was made.
func TestTreeHoldsWhatCopiesWould(t *testing.T) {
	for seed := range uint64(60) {
		r := mrand.New(mrand.NewPCG(seed, 1))
		names := []string{"a", "b", "a/b", "", "long name", "é", "1/a"}
		want := model{}
		record := core.Values{}
		now := time.UnixMilli(1000)
		for range 120 {
			list, err := readTree(toMap(record)[treeName])
			if err != nil {
				t.Fatal(err)
			}
			list.gather(record)
			now = now.Add(time.Millisecond)
			ids := slices.Sorted(maps.Keys(want))
			var parent *node
			state := map[string]string{}
			if len(ids) > 0 && r.IntN(12) > 0 {
				parent = list.branch(ids[r.IntN(len(ids))])
				if parent == nil {
					t.Fatalf("seed %d: a branch that was not pruned is gone", seed)
				}
				state = maps.Clone(want[parent.id])
			}
			if parent != nil && r.IntN(8) == 0 {
				delete(want, parent.id)
				list.drop(parent)
			} else {
				set := map[string]string{}
				var gone []string
				for range 1 + r.IntN(3) {
					name := names[r.IntN(len(names))]
					if _, ok := state[name]; ok && r.IntN(3) == 0 {
						delete(state, name)
						delete(set, name)
						gone = append(gone, name)
						continue
					}
					gone = slices.DeleteFunc(gone, func(n string) bool { return n == name })
					state[name] = strings.Repeat("x", r.IntN(200)) + fmt.Sprint(r.Uint32())
					set[name] = state[name]
				}
				var values core.Values
				for _, name := range slices.Sorted(maps.Keys(set)) {
					values = append(values, core.Item{Name: name, Data: set[name]})
				}
				slices.Sort(gone)
				made := list.add(parent, rand.Text(), now, values, slices.Compact(gone))
				want[made.id] = state
				list.prune(History{Branches: 12, Bytes: 1 << 20, Age: 50 * time.Millisecond}, now, made)
				maps.DeleteFunc(want, func(id string, _ map[string]string) bool { return list.branch(id) == nil })
				if _, ok := want[made.id]; !ok || len(want) > 12 {
					t.Fatalf("seed %d: %d branches are left", seed, len(want))
				}
			}
			record = list.stored()
			again, err := readTree(list.String())
			if err != nil {
				t.Fatalf("seed %d: %v in\n%s", seed, err, list)
			}
			if len(again.nodes) > 2*len(want) {
				t.Fatalf("seed %d: %d nodes for %d branches", seed, len(again.nodes), len(want))
			}
			for id, state := range want {
				if got := toMap(again.values(record, again.branch(id))); !maps.Equal(got, state) {
					t.Fatalf("seed %d: a branch holds\n%v, want\n%v\nin\n%s", seed, got, state, again)
				}
			}
		}
	}
}

func TestPruneKeepsWhatWasJustMade(t *testing.T) {
	list := new(tree)
	now := time.UnixMilli(1000)
	var last *node
	for i := range 10 {
		last = list.add(last, rand.Text(), now, core.Values{{Name: "v", Data: strings.Repeat("x", 1000+i)}}, nil)
		list.prune(History{Branches: 100, Bytes: 3500}.withDefaults(), now, last)
		if list.branch(last.id) != last && list.branch(last.id) == nil {
			t.Fatal("the branch that was just made was pruned")
		}
		last = list.branch(last.id)
	}
	if size := list.size(); size > 3500 || len(list.nodes) != 3 {
		t.Errorf("%d bytes in %d branches", size, len(list.nodes))
	}
	big := list.add(last, rand.Text(), now, core.Values{{Name: "v", Data: strings.Repeat("x", 9000)}}, nil)
	id := big.id
	list.prune(History{Branches: 100, Bytes: 3500}.withDefaults(), now, big)
	if len(list.nodes) != 1 || list.branch(id) == nil {
		t.Errorf("a state that is larger than the history: %d branches are left", len(list.nodes))
	}
}

func FuzzReadTree(f *testing.F) {
	list := new(tree)
	root := list.add(nil, rand.Text(), time.Now(), nil, nil)
	list.add(root, rand.Text(), time.Now(), nil, []string{"a b", "\x00", `"`})
	f.Add(list.String())
	f.Add("albatross-1 2 2\n2 1 1 1 0 -\n")
	f.Add("albatross-1 1 1\n1 1 1 1 0 - \"a\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readTree(text)
		if err != nil {
			if !errors.Is(err, errTree) {
				t.Errorf("%v is not errTree", err)
			}
			return
		}
		again, err := readTree(list.String())
		if err != nil || again.String() != list.String() {
			t.Errorf("read back: %v\n%s\n%s", err, list, again)
		}
		for _, n := range list.nodes {
			list.values(nil, n) // ends
		}
	})
}
