package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

// ScriptSHA returns the name by which Redis knows a script.
func ScriptSHA(name string) string {
	sum := sha1.Sum([]byte(luaFile(name)))
	return hex.EncodeToString(sum[:])
}

// SetClaim changes for how long what a sweeper has taken out is its own to tell. No sweep may be running.
func SetClaim(s *Store, claim time.Duration) { s.claim = claim }

// WithDefaults returns the config with its defaults filled in.
func WithDefaults(cfg Config) Config { return cfg.withDefaults() }

// Validate returns what is wrong with the config.
func Validate(cfg Config) error {
	cfg = cfg.withDefaults()
	return cfg.validate()
}

// SlotOf, Escape, Decode and EncodeItems are for tests of their own.
var (
	SlotOf      = slotOf
	Escape      = escape
	Decode      = decode
	EncodeItems = encodeItems
)

// PlaceOf returns what the keys of a manager's shard begin with, and its slot.
func PlaceOf(prefix, manager string, shard, shards uint32) (start string, slot uint16) {
	p := (&names{prefix: prefix, shards: shards}).place(manager, shard)
	return p.start, p.slot
}

// ParseRange returns what an entry of CLUSTER SLOTS says, asked of a node at host.
func ParseRange(reply any, host string) (first, last int, addr string, err error) {
	r, err := parseRange(reply, host)
	return r.first, r.last, r.addr, err
}

// ScriptTexts returns the text of each script as Redis gets it.
func ScriptTexts() []string {
	var texts []string
	for _, s := range scripts {
		texts = append(texts, s.text)
	}
	return texts
}

// ForgetClock makes the store forget what Redis's clock said.
func ForgetClock(s *Store) {
	for i := range s.clocks.bySlot {
		s.clocks.bySlot[i].Store(nil)
	}
}

// DataKey returns the key in Redis under which a session is stored, and IndexKey that of its shard's index.
func DataKey(s *Store, key core.Key) string  { return s.subject(key).data }
func IndexKey(s *Store, key core.Key) string { return s.subject(key).index }

// Redirect returns the first word of what a server replied that was asked at an address, and the address in it.
func Redirect(reply, asked string) (word, addr string) { return redirect(reply, asked) }

// LinkOfClosed asks a node for a connection that has been closed for good, as those of a Cluster are that have no
// slots any more.
func LinkOfClosed(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	n := newNode(&cfg, at(cfg.Addrs[0]))
	n.close()
	_, err := n.link(ctx)
	return err
}

// Transient and IsWrongType say what a reply means.
func Transient(text string) (again, resolve bool) { return transient(redis.Error(text)) }
func IsWrongType(text string) bool                { return isWrongType(redis.Error(text)) }

// Pending returns how many commands await their reply.
func Pending(s *Store) int {
	n := 0
	for _, node := range nodesOf(s) {
		for i := range node.lines {
			if l := node.lines[i].link.Load(); l != nil {
				n += int(l.waiting.Load())
			}
		}
	}
	return n
}

// InLine returns how many processes wait for the session's lock.
func InLine(ctx context.Context, s *Store, key core.Key) (int, error) {
	it := s.subject(key)
	n, err := s.route.node(ctx, it.slot)
	if err != nil {
		return 0, err
	}
	l, err := n.link(ctx)
	if err != nil {
		return 0, err
	}
	return redis.Int(l.do(ctx, command{name: "LLEN", args: []any{it.queue(key.ID)}}, 0, nil))
}

// DialTwice has a node with two connections find one server for the first and another for the second, and tells
// whether the first connection is still used then.
func DialTwice(ctx context.Context, cfg Config, first, second string) (stillUsed bool, err error) {
	cfg.Connections = 2
	cfg = cfg.withDefaults()
	addr := first
	n := newNode(&cfg, func(context.Context) (string, error) { return addr, nil })
	defer n.close()
	one, err := n.link(ctx)
	if err != nil {
		return false, err
	}
	addr = second
	if _, err := n.link(ctx); err != nil {
		return false, err
	}
	return one.why() == nil, nil
}

func nodesOf(s *Store) []*node {
	if c, ok := s.route.(*cluster); ok {
		return c.nodes()
	}
	return []*node{s.route.(single).n}
}
