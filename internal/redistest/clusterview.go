package redistest

import (
	"fmt"
	"strconv"
	"strings"
)

// view is what one node of a Cluster knows.
type view struct {
	owner  [slots]string     // the id of each slot's master
	flags  map[string]string // of each node's id
	master map[string]string // of each replica's id
}

// view reads CLUSTER NODES: a line for each node.
func (n *Node) view() (*view, error) {
	reply, err := n.Do("CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	v := &view{flags: map[string]string{}, master: map[string]string{}}
	for line := range strings.Lines(fmt.Sprint(reply)) {
		words := strings.Fields(line) // id, address, flags, master, ping, pong, epoch, link, slots
		if len(words) < 8 {
			return nil, fmt.Errorf("CLUSTER NODES: %q", line)
		}
		id := words[0]
		v.flags[id], v.master[id] = words[2], words[3]
		for _, word := range words[8:] {
			if strings.HasPrefix(word, "[") { // a slot on its way, which is owned as before
				continue
			}
			if err := v.own(id, word); err != nil {
				return nil, fmt.Errorf("CLUSTER NODES: %q: %w", line, err)
			}
		}
	}
	return v, nil
}

// own reads "5" or "5-9".
func (v *view) own(id, text string) error {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	to, err := strconv.Atoi(last)
	if err != nil || from < 0 || to >= slots {
		return fmt.Errorf("slots %q", text)
	}
	for slot := from; slot <= to; slot++ {
		v.owner[slot] = id
	}
	return nil
}

// acquainted returns nil when each node knows each other.
func (c *Cluster) acquainted() error {
	for _, n := range c.nodes {
		v, err := n.view()
		if err != nil {
			return err
		}
		for _, other := range c.nodes {
			if flags, ok := v.flags[other.ID]; !ok || strings.Contains(flags, "handshake") {
				return fmt.Errorf("%s does not know %s: %q", n.Addr(), other.Addr(), flags)
			}
		}
	}
	return nil
}

// agreed returns what the nodes know that answer. It is an error if they do not agree on which are dead,
// on the roles, or on the slots.
func (c *Cluster) agreed() (*view, error) {
	nodes := c.answering()
	var first *view
	for _, n := range nodes {
		v, err := n.view()
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = v
		}
		if v.owner != first.owner {
			return nil, fmt.Errorf("%s and %s do not agree on the slots", n.Addr(), nodes[0].Addr())
		}
		for _, other := range nodes {
			if flags := v.flags[other.ID]; strings.Contains(flags, "fail") || flags == "" {
				return nil, fmt.Errorf("%s: %s is %q", n.Addr(), other.Addr(), flags)
			}
			if v.master[other.ID] != first.master[other.ID] {
				return nil, fmt.Errorf("%s and %s do not agree whose replica %s is", n.Addr(), nodes[0].Addr(), other.Addr())
			}
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no node answers")
	}
	return first, nil
}
