package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// Mode says what the addresses of a Config are.
type Mode uint8

const (
	// Plain is one Redis server. It is the default.
	Plain Mode = iota

	// Sentinel is a master that Redis Sentinels watch and replace. The addresses are those of Sentinels.
	Sentinel

	// Cluster is a Redis Cluster. The addresses are those of some of its nodes.
	Cluster
)

// String returns the mode's name in lower case.
func (m Mode) String() string {
	switch m {
	case Plain:
		return "plain"
	case Sentinel:
		return "sentinel"
	case Cluster:
		return "cluster"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// Config says where Redis is and how the store uses it. All programs that share sessions must agree on
// DB, Prefix and Shards. In every field zero means the default.
type Config struct {
	// Mode says what Addrs are. Default Plain.
	Mode Mode

	// Addrs are one host:port under Plain, one or more under Sentinel and Cluster. Required.
	Addrs []string

	// MasterName is the name under which Sentinels know the master. Required under Sentinel.
	MasterName string

	// Username and Password are those of a Redis ACL user; a Password alone is that of requirepass.
	// Default: no authentication.
	Username, Password string

	// SentinelUsername and SentinelPassword are for the Sentinels themselves. Default: none.
	SentinelUsername, SentinelPassword string

	// DB is the number of the database. A Cluster has only 0. Default 0.
	DB int

	// TLS makes connections with TLS, those to Sentinels included. An empty ServerName is the host that is connected
	// to. Default: no TLS.
	TLS *tls.Config

	// Prefix is what all keys begin with, without braces. Default "holdover:".
	Prefix string

	// Shards is into how many parts the sessions of each manager are split; each has an index of its
	// own, and in a Cluster a place of its own. It can not be changed once there are sessions. 1 to
	// 65536, default 256.
	Shards int

	// Grace is how long Redis keeps the data of an expired session, which nobody can open any more, so that
	// a sweep can tell its end. It should be longer than all programs may be down at once. At least one
	// second, default 24 hours.
	Grace time.Duration

	// Connections is how many connections are kept to a server. Calls share them, so that it need not
	// grow with their number. Default 2.
	Connections int

	// MaxPending is how many calls may wait for their reply on one connection. More wait for at most Timeout and then
	// get ErrBusy. Default 1024.
	MaxPending int

	// DialTimeout bounds connecting, TLS and authentication included. Default 2 seconds.
	DialTimeout time.Duration

	// Timeout bounds how long a call waits for Redis to answer, with all attempts at it; then it returns
	// ErrTimeout. A call that has to connect first may wait for up to DialTimeout before. Default 2 seconds.
	Timeout time.Duration

	// Dial makes network connections. Default: those of net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logger hears of connections that break and of what no caller can be told. Default: nothing is logged.
	Logger *slog.Logger
}

// withDefaults returns a copy in which every field says what holds.
func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "holdover:"
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Shards, 256}, {&c.Connections, 2}, {&c.MaxPending, 1024}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Grace, 24 * time.Hour}, {&c.DialTimeout, 2 * time.Second}, {&c.Timeout, 2 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate checks a config with its defaults filled in and reports all mistakes at once.
func (c *Config) validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("redisstore: Config."+format, args...))
		}
	}
	bad(c.Mode <= Cluster, "Mode: there is no %v", c.Mode)
	bad(len(c.Addrs) > 0, "Addrs: give the address of Redis, for example 127.0.0.1:6379")
	bad(c.Mode != Plain || len(c.Addrs) <= 1, "Addrs: %d addresses; a plain Redis has one, else set Mode", len(c.Addrs))
	for _, addr := range c.Addrs {
		_, port, err := net.SplitHostPort(addr)
		bad(err == nil && port != "", "Addrs: %q is no host:port", addr)
	}
	bad(c.Mode != Sentinel || c.MasterName != "", "MasterName: Sentinels need the name of the master to watch")
	bad(c.Mode == Sentinel || c.MasterName == "", "MasterName: %q is for Sentinels; set Mode", c.MasterName)
	bad(c.Mode == Sentinel || c.SentinelUsername == "" && c.SentinelPassword == "", "SentinelPassword: it is for Sentinels; set Mode")
	bad(c.Username == "" || c.Password != "", "Password: the user %q needs one", c.Username)
	bad(c.SentinelUsername == "" || c.SentinelPassword != "", "SentinelPassword: the user %q needs one", c.SentinelUsername)
	bad(c.DB >= 0, "DB: %d", c.DB)
	bad(c.Mode != Cluster || c.DB == 0, "DB: %d; a Cluster has only database 0", c.DB)
	bad(!strings.ContainsAny(c.Prefix, "{}"), "Prefix: %q has a brace, which Redis takes for a hash tag", c.Prefix)
	bad(c.Shards >= 1 && c.Shards <= 65536, "Shards: %d; give 1 to 65536", c.Shards)
	bad(c.Grace >= time.Second, "Grace: %v; give at least a second, or no sweep will find what ended", c.Grace)
	bad(c.Connections >= 1, "Connections: %d; give at least 1", c.Connections)
	bad(c.MaxPending >= 1, "MaxPending: %d; give at least 1", c.MaxPending)
	bad(c.DialTimeout > 0, "DialTimeout: %v; every wait needs a bound", c.DialTimeout)
	bad(c.Timeout > 0, "Timeout: %v; every wait needs a bound", c.Timeout)
	return errors.Join(errs...)
}

func (c *Config) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial
	}
	return new(net.Dialer).DialContext
}

func tlsClient(c *Config, addr string, raw net.Conn) *tls.Conn {
	cfg := c.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	return tls.Client(raw, cfg)
}
