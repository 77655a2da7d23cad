package albatross

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// History is how much of what a client did is kept, so that old pages still work. What is over goes when the next
// branch is stored: the oldest branch first, and never the one that was just made.
type History struct {
	// Branches is how many are kept for one client at most. Default 100.
	Branches int

	// Bytes is how much all branches of one client may take, names and bookkeeping included. Default 512 KiB. A
	// single state may be larger, up to the MaxSize of the manager's Config.
	Bytes int

	// Age is how long a page can be gone on from, whatever the client does meanwhile; the latest page always can,
	// as long as the session lives. It goes by the clocks of the hosts, so give much more than they may differ. Default 24
	// hours; negative: no limit.
	Age time.Duration
}

func (h History) withDefaults() History {
	h.Branches = cmp.Or(h.Branches, 100)
	h.Bytes = cmp.Or(h.Bytes, 512<<10)
	h.Age = cmp.Or(h.Age, 24*time.Hour)
	return h
}

// prune drops branches until the tree is within its history. keep stays.
func (t *tree) prune(h History, now time.Time, keep *node) {
	for _, n := range slices.Clone(t.nodes) {
		if n.id != "" && n != keep && t.old(n, now, h.Age) {
			t.drop(n)
		}
	}
	for {
		live := 0
		var oldest *node
		for _, n := range t.nodes {
			if n.id == "" {
				continue
			}
			live++
			if n.id != keep.id && (oldest == nil || n.seq < oldest.seq) {
				oldest = n
			}
		}
		if oldest == nil || live <= h.Branches && t.size() <= h.Bytes {
			return
		}
		t.drop(oldest)
	}
}

// drop takes a branch's id and then tidies up: see tree.
func (t *tree) drop(n *node) {
	n.id = ""
	for n != nil && n.id == "" {
		children := t.children(n)
		switch len(children) {
		case 0:
			t.remove(n)
			n = t.at(n.parent)
		case 1:
			n = t.join(n, children[0])
		default:
			return
		}
	}
}

func (t *tree) children(of *node) (list []*node) {
	for _, n := range t.nodes {
		if n.parent == of.place {
			list = append(list, n)
		}
	}
	return list
}

func (t *tree) remove(n *node) {
	t.nodes = slices.DeleteFunc(t.nodes, func(o *node) bool { return o == n })
}

// join makes one node of one without an id and its only child, and returns it. It holds what the child held.
func (t *tree) join(n, child *node) *node {
	hidden := func(name string) bool {
		_, ok := child.own[name]
		return ok || slices.Contains(child.gone, name)
	}
	if n.size() < child.size() { // what n has moves to the child
		for name, data := range n.own {
			if !hidden(name) {
				child.own[name] = data
			}
		}
		for _, name := range n.gone {
			if !hidden(name) {
				child.gone = append(child.gone, name)
			}
		}
		child.parent = n.parent
		t.remove(n)
		n = child
	} else {
		for _, name := range child.gone {
			delete(n.own, name)
		}
		maps.Copy(n.own, child.own)
		for _, name := range n.gone {
			if !hidden(name) {
				child.gone = append(child.gone, name)
			}
		}
		n.seq, n.made, n.used, n.id, n.gone = child.seq, child.made, child.used, child.id, child.gone
		t.remove(child)
		for _, c := range t.nodes {
			if c.parent == child.place {
				c.parent = n.place
			}
		}
	}
	if n.parent == 0 {
		n.gone = nil
	}
	return n
}
