package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// cluster is the router of a Redis Cluster. It learns who has which slot from any node, again when it
// is in doubt, and from nodes that send a call elsewhere.
type cluster struct {
	cfg *Config

	mu      sync.Mutex // protects the following fields
	owners  [slots]*node
	byAddr  map[string]*node
	learned time.Time
	stale   bool
	closed  bool

	learning chan struct{} // holds one token while somebody asks
}

// relearn is how often at most the nodes are asked who has which slot.
const relearn = 50 * time.Millisecond

func newCluster(cfg *Config) *cluster {
	return &cluster{cfg: cfg, byAddr: make(map[string]*node), stale: true, learning: make(chan struct{}, 1)}
}

func (c *cluster) node(ctx context.Context, slot uint16) (*node, error) {
	if n := c.owner(slot); n != nil {
		return n, nil
	}
	if err := c.learn(ctx); err != nil {
		return nil, &failure{err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.owners[slot]; n != nil {
		return n, nil
	}
	return nil, &failure{err: fmt.Errorf("redisstore: no node of the Cluster has slot %d", slot)}
}

// owner returns what is known unless it is to be asked anew.
func (c *cluster) owner(slot uint16) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale && time.Since(c.learned) >= relearn {
		return nil
	}
	return c.owners[slot]
}

func (c *cluster) moved(slot uint16, addr string) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.at(addr)
	c.owners[slot], c.stale = n, true
	return n
}

func (c *cluster) other(addr string) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(addr)
}

// at returns the node at an address. The caller holds mu.
func (c *cluster) at(addr string) *node {
	n := c.byAddr[addr]
	if n == nil {
		n = newNode(c.cfg, at(addr))
		if c.closed {
			n.close()
			return n
		}
		c.byAddr[addr] = n
	}
	return n
}

func (c *cluster) doubt(*node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
}

func (c *cluster) nodes() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*node
	for _, n := range c.byAddr {
		all = append(all, n)
	}
	return all
}

func (c *cluster) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for _, n := range c.nodes() {
		n.close()
	}
}

// learn asks one node after the other who has which slot, until one knows. It takes at most
// Config.DialTimeout, whoever asks.
func (c *cluster) learn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	select {
	case c.learning <- struct{}{}:
	case <-ctx.Done():
		return timedOut(ctx, "asking the Cluster for its slots")
	}
	defer func() { <-c.learning }()
	c.mu.Lock()
	fresh := time.Since(c.learned) < relearn
	c.mu.Unlock()
	if fresh { // somebody else asked meanwhile
		return nil
	}
	var errs []error
	addrs := c.askable()
	for _, addr := range addrs {
		ranges, err := c.ask(ctx, addr, c.cfg.DialTimeout/time.Duration(len(addrs)+1))
		if err == nil {
			c.learnt(ranges)
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", addr, err))
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("redisstore: no node of the Cluster answers: %w", errors.Join(errs...))
}

// askable returns the addresses of nodes known, and then those that were configured.
func (c *cluster) askable() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var addrs []string
	for addr := range c.byAddr {
		addrs = append(addrs, addr)
	}
	for _, addr := range c.cfg.Addrs {
		if c.byAddr[addr] == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// slotRange is which server has some slots.
type slotRange struct {
	first, last int
	addr        string
}

// ask bounds the time for one node, so that those that are down leave time for the others.
func (c *cluster) ask(ctx context.Context, addr string, limit time.Duration) ([]slotRange, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, _, err := connect(ctx, c.cfg, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	reply, err := redis.Values(conn.Do("CLUSTER", "SLOTS"))
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(addr)
	ranges := make([]slotRange, 0, len(reply))
	for _, r := range reply {
		rng, err := parseRange(r, host)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, rng)
	}
	if len(ranges) == 0 {
		return nil, errors.New("it knows of no slots")
	}
	return ranges, nil
}

// parseRange reads an entry of CLUSTER SLOTS: first, last, master, replicas. A node may leave its own
// host empty, which means the one that it was asked at.
func parseRange(reply any, host string) (slotRange, error) {
	parts, err := redis.Values(reply, nil)
	if err != nil || len(parts) < 3 {
		return slotRange{}, fmt.Errorf("CLUSTER SLOTS: entry of %d parts", len(parts))
	}
	first, err1 := redis.Int(parts[0], nil)
	last, err2 := redis.Int(parts[1], nil)
	master, err3 := redis.Values(parts[2], nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		return slotRange{}, fmt.Errorf("CLUSTER SLOTS: %w", err)
	}
	if len(master) < 2 || first < 0 || last >= slots || first > last {
		return slotRange{}, fmt.Errorf("CLUSTER SLOTS: slots %d to %d of a node of %d parts", first, last, len(master))
	}
	if h, err := redis.String(master[0], nil); err == nil && h != "" && h != "?" {
		host = h
	}
	port, err := redis.Int(master[1], nil)
	if err != nil || port < 1 || port > 65535 {
		return slotRange{}, fmt.Errorf("CLUSTER SLOTS: port %v", master[1])
	}
	return slotRange{first, last, net.JoinHostPort(host, strconv.Itoa(port))}, nil
}

// learnt takes the ranges over and lets go of servers that have none any more.
func (c *cluster) learnt(ranges []slotRange) {
	c.mu.Lock()
	used := make(map[string]bool)
	var owners [slots]*node
	for _, r := range ranges {
		used[r.addr] = true
		n := c.at(r.addr)
		for slot := r.first; slot <= r.last; slot++ {
			owners[slot] = n
		}
	}
	c.owners, c.learned, c.stale = owners, time.Now(), false
	var gone []*node
	for addr, n := range c.byAddr {
		if !used[addr] {
			delete(c.byAddr, addr)
			gone = append(gone, n)
		}
	}
	c.mu.Unlock()
	for _, n := range gone {
		n.close()
	}
}
