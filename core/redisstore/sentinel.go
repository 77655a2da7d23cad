package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// sentinels find the master that Redis Sentinels agree on.
type sentinels struct {
	cfg *Config

	mu    sync.Mutex // protects the following field
	addrs []string   // the one that answered last is the first
}

func newSentinels(cfg *Config) *sentinels {
	return &sentinels{cfg: cfg, addrs: append([]string(nil), cfg.Addrs...)}
}

// master asks one Sentinel after the other for the master's address.
func (s *sentinels) master(ctx context.Context) (string, error) {
	s.mu.Lock()
	addrs := append([]string(nil), s.addrs...)
	s.mu.Unlock()
	var errs []error
	for i, addr := range addrs {
		master, err := s.ask(ctx, addr, s.cfg.DialTimeout/time.Duration(len(addrs)+1))
		if err == nil {
			s.prefer(addrs[i])
			return master, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", addr, err))
		if ctx.Err() != nil {
			break
		}
	}
	return "", fmt.Errorf("redisstore: no Sentinel knows the master %s: %w", s.cfg.MasterName, errors.Join(errs...))
}

// ask bounds the time for one Sentinel, so that those that are down leave time for the others, and for
// connecting to the master.
func (s *sentinels) ask(ctx context.Context, addr string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cfg := *s.cfg
	cfg.Username, cfg.Password, cfg.DB = cfg.SentinelUsername, cfg.SentinelPassword, 0
	conn, _, err := connect(ctx, &cfg, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	at, err := redis.Strings(conn.Do("SENTINEL", "get-master-addr-by-name", s.cfg.MasterName))
	if errors.Is(err, redis.ErrNil) {
		return "", errors.New("it does not watch that one")
	}
	if isReply(err) && strings.Contains(err.Error(), "unknown command") {
		return "", fmt.Errorf("it is no Sentinel: %w", err)
	}
	if err != nil {
		return "", err
	}
	if len(at) != 2 {
		return "", fmt.Errorf("it replied %q", at)
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

func (s *sentinels) prefer(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.addrs {
		if a == addr {
			s.addrs[0], s.addrs[i] = s.addrs[i], s.addrs[0]
			return
		}
	}
}

// checkMaster makes sure that the server knows itself that it is the master: Sentinels may be behind.
func checkMaster(conn redis.Conn) error {
	role, err := redis.Values(conn.Do("ROLE"))
	if err != nil {
		return fmt.Errorf("ROLE: %w", err)
	}
	if len(role) == 0 {
		return errors.New("ROLE: empty reply")
	}
	if word, _ := redis.String(role[0], nil); word != "master" {
		return fmt.Errorf("it is a %s, not the master", word)
	}
	return nil
}
