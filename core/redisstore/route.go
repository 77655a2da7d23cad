package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// router knows which server has which slot.
type router interface {
	// node returns the server to ask about a slot. Errors are *failure.
	node(ctx context.Context, slot uint16) (*node, error)

	// moved is told that a server said another has the slot, and returns that one.
	moved(slot uint16, addr string) *node

	// other returns the server at an address without remembering it for anything.
	other(addr string) *node

	// doubt is told that n may not be the right server any more.
	doubt(n *node, reason error)

	close()
}

// single is the router of a plain Redis, and of the master that Sentinels name.
type single struct {
	n     *node
	named bool // the server may be another one the next time
}

func (s single) node(context.Context, uint16) (*node, error) { return s.n, nil }
func (s single) moved(uint16, string) *node                  { return s.n }
func (s single) other(string) *node                          { return s.n }
func (s single) close()                                      { s.n.close() }

func (s single) doubt(n *node, reason error) {
	if s.named {
		n.forget(reason)
	}
}

// Between two attempts at a call.
const (
	retryMin = 2 * time.Millisecond
	retryMax = 100 * time.Millisecond
)

// request is a script with what it is run on.
type request struct {
	*script

	// args returns what goes to Redis: a place for the script, the number of keys, the keys and the
	// arguments. again says that an attempt before may have been carried out. It is called right before each
	// sending.
	args func(again bool) []any

	// pack, if not nil, does in args' stead what it does, except that it leaves out the place for the script. It
	// writes so many as packs says.
	pack  func(p *packed, again bool)
	packs int

	then string // if not empty, a GET of this key is sent right behind; the reply is then that of both

	late func() // if not nil, called when a reply has come that nobody waits for any more

	began  time.Time // if plain commands in its stead have failed: when they were sent
	failed error     // and why
}

// run runs a script until it has a reply, ctx ends, or Config.Timeout is over.
func (s *Store) run(ctx context.Context, slot uint16, r request) (any, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if r.failed != nil {
		return s.retry(ctx, r.began.Add(s.cfg.Timeout), slot, &r, r.failed)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	deadline := time.Now().Add(s.cfg.Timeout)
	reply, err := s.attempt(ctx, slot, &r, false)
	if err == nil || isReply(err) && !passes(err) {
		return reply, err
	}
	return s.retry(ctx, deadline, slot, &r, err)
}

func passes(err error) bool {
	e, ok := err.(redis.Error)
	if !ok {
		return false
	}
	again, _ := transient(e)
	return again
}

// retry goes on after a first attempt that failed for a reason that may pass.
func (s *Store) retry(ctx context.Context, deadline time.Time, slot uint16, r *request, err error) (any, error) {
	caller := ctx
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	again := false
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		f, broken := errors.AsType[*failure](err)
		again = again || broken && f.sent
		if e := caller.Err(); broken && e != nil && !errors.Is(err, e) {
			return nil, fmt.Errorf("%w: %w: %w", ErrTimeout, e, err)
		}
		if broken && (hopeless(f) || caller.Err() != nil || errors.Is(err, ErrTimeout) && f.sent || errors.Is(err, ErrBusy)) || s.closed.Load() {
			return nil, err
		}
		if !broken && !passes(err) {
			return nil, err
		}
		if time.Now().Add(pause).After(deadline) {
			if errors.Is(err, ErrTimeout) {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", ErrTimeout, err)
		}
		if e := sleep(ctx, pause); e != nil {
			return nil, fmt.Errorf("%w: %w: %w", ErrTimeout, e, err)
		}
		var reply any
		if reply, err = s.attempt(ctx, slot, r, again); err == nil {
			return reply, nil
		}
	}
}

// plainly sends plain commands once. What a server of a Cluster replies that has not got the slot is for a
// script to follow. Errors are *failure.
func (s *Store) plainly(ctx context.Context, slot uint16, patience time.Duration, commands ...command) ([]any, error) {
	n, err := s.route.node(ctx, slot)
	if err != nil {
		return nil, err
	}
	l, err := n.link(ctx)
	if err != nil {
		s.route.doubt(n, err)
		return nil, err
	}
	replies, err := l.all(ctx, commands, patience, nil)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrBusy) {
		s.route.doubt(n, err)
	}
	return replies, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// maxHops bounds how often one attempt is sent on by servers of a Cluster.
const maxHops = 4

// attempt runs a script once, wherever the Cluster sends it.
func (s *Store) attempt(ctx context.Context, slot uint16, r *request, again bool) (any, error) {
	n, err := s.route.node(ctx, slot)
	if err != nil {
		return nil, err
	}
	asking := false
	for range maxHops {
		var reply any
		l, err := n.link(ctx)
		if err != nil {
			s.route.doubt(n, err)
			return nil, err
		}
		reply, err = r.on(ctx, l, again, asking)
		e, ok := err.(redis.Error)
		if !ok {
			if err != nil && ctx.Err() == nil && !errors.Is(err, ErrBusy) {
				s.route.doubt(n, err)
			}
			return reply, err
		}
		word, addr := redirect(string(e), l.addr)
		if s.cfg.Mode != Cluster && (word == "MOVED" || word == "ASK") {
			return nil, fmt.Errorf("redisstore: %s belongs to a Redis Cluster; set Config.Mode, or write redis+cluster: %w", l.addr, e)
		}
		switch word {
		case "MOVED":
			n, asking = s.route.moved(slot, addr), false
			continue
		case "ASK":
			n, asking = s.route.other(addr), true
			continue
		}
		if _, resolve := transient(e); resolve {
			s.route.doubt(n, fmt.Errorf("redisstore: %w", e))
		}
		return nil, e
	}
	return nil, redis.Error("TRYAGAIN sent from server to server too often")
}

// redirect returns the first word of an error that a server replied which was asked at an address, and the address
// that follows if it is MOVED or ASK. A server may leave out the host, which then is its own, and the brackets
// of IPv6.
func redirect(reply, asked string) (word, addr string) {
	word, rest, _ := strings.Cut(reply, " ")
	_, addr, _ = strings.Cut(rest, " ")
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return word, addr
	}
	host, port := strings.Trim(addr[:colon], "[]"), addr[colon+1:]
	if host == "" || host == "?" {
		host, _, _ = net.SplitHostPort(asked)
	}
	return word, net.JoinHostPort(host, port)
}
