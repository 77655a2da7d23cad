package albatross

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// A tree is all that is kept of one client: its branches, each the state of one interaction. It is one record in the
// store. A node holds the values that its interaction changed; the others are those of its parent, and so on up to a
// node without one. Nodes have numbered places; the values of place 7 have names such as "7/cart", and the list of
// the nodes is a value itself. Names of another form are not ours and stay as they are.
//
// When a branch is pruned its node loses its id: no page leads to it any more. If nothing hangs on the node it goes; if
// one node does, the two become one, in the place from which less has to move; where several do, it stays, without
// an id, for what they share. So there are never more than twice as many nodes as branches.
type tree struct {
	place uint64  // the last one given away; places are never used again
	seq   uint64  // the last branch's number
	nodes []*node // by place, so that a parent comes before its children
}

// node is one of a tree.
type node struct {
	place  uint64
	parent uint64 // a place below this one, or 0
	seq    uint64 // the branch's number: 1 for the tree's first
	made   int64  // in milliseconds since 1970
	used   bool   // an interaction went on from here, or claimed it
	id     string // the branch's, or "" once it was pruned
	gone   []string

	own map[string]string // its values, encoded; nil until gather
}

// treeName is the name of the list of nodes among the record's values.
const treeName = "tree"

const treeHead = "albatross-1 "

var errTree = errors.New("albatross: the list of branches can not be read")

// readTree reads the list of nodes. The error matches errTree.
func readTree(text string) (*tree, error) {
	t := new(tree)
	if text == "" {
		return t, nil
	}
	head, text, _ := strings.Cut(text, "\n")
	numbers := fields{rest: strings.TrimPrefix(head, treeHead)}
	if t.place, t.seq = numbers.next(), numbers.next(); numbers.bad || !strings.HasPrefix(head, treeHead) {
		return nil, fmt.Errorf("%w: its head is malformed", errTree)
	}
	count := strings.Count(text, "\n") + 1
	room := make([]node, count)
	t.nodes = make([]*node, 0, count)
	for line := range strings.Lines(text) {
		n := &room[len(t.nodes)]
		if !n.read(strings.TrimSuffix(line, "\n")) {
			return nil, fmt.Errorf("%w: a node is malformed", errTree)
		}
		if err := t.fits(n); err != nil {
			return nil, err
		}
		t.nodes = append(t.nodes, n)
	}
	return t, nil
}

// fields reads the numbers of a line.
type fields struct {
	rest string
	bad  bool
}

func (f *fields) next() uint64 {
	var field string
	field, f.rest, _ = strings.Cut(f.rest, " ")
	v, err := strconv.ParseUint(field, 10, 63)
	f.bad = f.bad || err != nil
	return v
}

func (t *tree) fits(n *node) error {
	last := uint64(0)
	if len(t.nodes) > 0 {
		last = t.nodes[len(t.nodes)-1].place
	}
	switch {
	case n.place <= last || n.place > t.place || n.seq == 0 || n.seq > t.seq:
		return fmt.Errorf("%w: place %d is out of order", errTree, n.place)
	case n.parent != 0 && (n.parent >= n.place || t.at(n.parent) == nil):
		return fmt.Errorf("%w: place %d has no parent %d", errTree, n.place, n.parent)
	case n.id != "" && !validBranch(n.id):
		return fmt.Errorf("%w: place %d has a malformed id", errTree, n.place)
	}
	return nil
}

// read reads "place parent seq made used id", and the quoted names that are gone.
func (n *node) read(line string) bool {
	f := fields{rest: line}
	n.place, n.parent, n.seq, n.made, n.used = f.next(), f.next(), f.next(), int64(f.next()), f.next() != 0
	if f.bad {
		return false
	}
	n.id, line, _ = strings.Cut(f.rest, " ")
	if n.id == "-" {
		n.id = ""
	}
	for line != "" {
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return false
		}
		name, err := strconv.Unquote(quoted)
		if err != nil {
			return false
		}
		n.gone = append(n.gone, name)
		line = strings.TrimPrefix(line[len(quoted):], " ")
	}
	return true
}

func (t *tree) String() string {
	b := fmt.Appendf(make([]byte, 0, 32+64*len(t.nodes)), "%s%d %d\n", treeHead, t.place, t.seq)
	for _, n := range t.nodes {
		used := uint64(0)
		if n.used {
			used = 1
		}
		for _, v := range []uint64{n.place, n.parent, n.seq, uint64(n.made), used} {
			b = append(strconv.AppendUint(b, v, 10), ' ')
		}
		b = append(b, cmp.Or(n.id, "-")...)
		for _, name := range n.gone {
			b = strconv.AppendQuoteToASCII(append(b, ' '), name)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// at returns the node of a place, or nil.
func (t *tree) at(place uint64) *node {
	i, ok := slices.BinarySearchFunc(t.nodes, place, func(n *node, place uint64) int { return cmp.Compare(n.place, place) })
	if !ok {
		return nil
	}
	return t.nodes[i]
}

// branch returns the branch with that id, or nil.
func (t *tree) branch(id string) *node {
	for _, n := range t.nodes {
		if n.id == id && id != "" {
			return n
		}
	}
	return nil
}

// latest returns the branch that was made last, or nil.
func (t *tree) latest() *node {
	var last *node
	for _, n := range t.nodes {
		if n.id != "" && (last == nil || n.seq > last.seq) {
			last = n
		}
	}
	return last
}

// old reports whether a branch is too old to be served. The latest never is.
func (t *tree) old(n *node, now time.Time, age time.Duration) bool {
	return age > 0 && now.UnixMilli()-n.made >= age.Milliseconds() && n != t.latest()
}

// valueName is the name of a node's value in the record.
func valueName(place uint64, name string) string { return strconv.FormatUint(place, 10) + "/" + name }

// splitName undoes valueName.
func splitName(s string) (place uint64, name string, ok bool) {
	digits, name, ok := strings.Cut(s, "/")
	if !ok || digits == "" || digits[0] == '0' {
		return 0, "", false
	}
	place, err := strconv.ParseUint(digits, 10, 63)
	return place, name, err == nil
}

// ownValues returns the part of the record that holds a node's own values.
func ownValues(record core.Values, place uint64) core.Values {
	prefix := valueName(place, "")
	from, _ := slices.BinarySearchFunc(record, prefix, func(it core.Item, name string) int { return strings.Compare(it.Name, name) })
	to := from
	for to < len(record) && strings.HasPrefix(record[to].Name, prefix) {
		to++
	}
	return record[from:to]
}

// values returns all values of a node: its own, and what it has from those above it.
func (t *tree) values(record core.Values, n *node) core.Values {
	own := ownValues(record, n.place)
	cut := len(valueName(n.place, ""))
	all := make(core.Values, 0, len(own)+8)
	if n.parent == 0 {
		for _, it := range own {
			all = append(all, core.Item{Name: it.Name[cut:], Data: it.Data})
		}
		return all
	}
	settled := make(map[string]struct{}, len(own)+8)
	for n != nil {
		prefix := len(valueName(n.place, ""))
		for _, it := range ownValues(record, n.place) {
			name := it.Name[prefix:]
			if _, ok := settled[name]; !ok {
				settled[name] = struct{}{}
				all = append(all, core.Item{Name: name, Data: it.Data})
			}
		}
		for _, name := range n.gone {
			settled[name] = struct{}{}
		}
		n = t.at(n.parent)
	}
	slices.SortFunc(all, func(a, b core.Item) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// gather gives each node its own values, so that the tree can be changed.
func (t *tree) gather(record core.Values) {
	for _, n := range t.nodes {
		n.own = make(map[string]string)
	}
	for _, it := range record {
		if place, name, ok := splitName(it.Name); ok {
			if n := t.at(place); n != nil {
				n.own[name] = it.Data
			}
		}
	}
}

// size is how many bytes the tree takes, names and list included.
func (t *tree) size() int {
	size := len(treeName) + len(t.String())
	for _, n := range t.nodes {
		size += n.size()
	}
	return size
}

func (n *node) size() int {
	size, prefix := 0, len(valueName(n.place, ""))
	for name, data := range n.own {
		size += prefix + len(name) + len(data)
	}
	return size
}

// add makes a branch that goes on from parent, or from nothing if parent is nil.
func (t *tree) add(parent *node, id string, now time.Time, set core.Values, gone []string) *node {
	t.place++
	t.seq++
	n := &node{place: t.place, seq: t.seq, made: now.UnixMilli(), id: id, own: make(map[string]string, len(set))}
	for _, it := range set {
		n.own[it.Name] = it.Data
	}
	if parent != nil {
		n.parent, n.gone, parent.used = parent.place, gone, true
	}
	t.nodes = append(t.nodes, n)
	return n
}

// write brings the session that holds the tree to what the tree is now. record is what it held before.
func (t *tree) write(s *core.Session, record core.Values) error {
	for _, it := range record {
		if place, name, ok := splitName(it.Name); ok {
			if n := t.at(place); n == nil || !has(n.own, name) {
				if err := s.Delete(it.Name); err != nil {
					return err
				}
			}
		}
	}
	for _, n := range t.nodes {
		for name, data := range n.own {
			stored := valueName(n.place, name)
			if was, ok := record.Get(stored); ok && was == data {
				continue
			}
			if err := s.Set(stored, core.Raw(data)); err != nil {
				return err
			}
		}
	}
	return s.Set(treeName, t.String())
}

func has(m map[string]string, name string) bool { _, ok := m[name]; return ok }
