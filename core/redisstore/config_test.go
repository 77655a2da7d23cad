package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core/redisstore"
)

// refusal returns the text with which Open refuses a config. It is refused before anything is dialled.
func refusal(t *testing.T, cfg redisstore.Config) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what gets as far as dialling fails at once, with this
	st, err := redisstore.Open(ctx, cfg)
	if err == nil {
		st.Close()
		t.Fatal("the config was taken")
	}
	return err.Error()
}

// mistaken makes a config that is good but for what alter does to it.
func mistaken(alter func(*redisstore.Config)) redisstore.Config {
	cfg := redisstore.Config{Addrs: []string{"127.0.0.1:1"}}
	alter(&cfg)
	return cfg
}

func TestConfigMistakes(t *testing.T) {
	type config = redisstore.Config
	tests := []struct {
		name  string
		alter func(*config)
		want  string
	}{
		{"unknown mode", func(c *config) { c.Mode = 7 }, "Config.Mode: there is no Mode(7)"},
		{"no address", func(c *config) { c.Addrs = nil }, "Config.Addrs: give the address"},
		{"two plain addresses", func(c *config) { c.Addrs = []string{"a:1", "b:2"} }, "Config.Addrs: 2 addresses"},
		{"address without port", func(c *config) { c.Addrs = []string{"a"} }, `Config.Addrs: "a" is no host:port`},
		{"address with an empty port", func(c *config) { c.Addrs = []string{"a:"} }, `Config.Addrs: "a:" is no host:port`},
		{"empty address", func(c *config) { c.Addrs = []string{""} }, `Config.Addrs: "" is no host:port`},
		{"IPv6 without brackets", func(c *config) { c.Addrs = []string{"::1"} }, `Config.Addrs: "::1" is no host:port`},
		{"sentinels without a master", func(c *config) { c.Mode = redisstore.Sentinel }, "Config.MasterName: Sentinels need"},
		{"master without sentinels", func(c *config) { c.MasterName = "main" }, `Config.MasterName: "main" is for Sentinels`},
		{"sentinel password without sentinels", func(c *config) { c.SentinelPassword = "sesame" }, "Config.SentinelPassword: it is for Sentinels"},
		{"user without password", func(c *config) { c.Username = "ada" }, `Config.Password: the user "ada" needs one`},
		{"sentinel user without password", func(c *config) {
			c.Mode, c.MasterName, c.SentinelUsername = redisstore.Sentinel, "main", "ada"
		}, `Config.SentinelPassword: the user "ada" needs one`},
		{"negative database", func(c *config) { c.DB = -1 }, "Config.DB: -1"},
		{"database of a cluster", func(c *config) { c.Mode, c.DB = redisstore.Cluster, 3 }, "Config.DB: 3; a Cluster has only"},
		{"brace in the prefix", func(c *config) { c.Prefix = "a{b" }, `Config.Prefix: "a{b" has a brace`},
		{"closing brace in the prefix", func(c *config) { c.Prefix = "a}b" }, `Config.Prefix: "a}b" has a brace`},
		{"too many shards", func(c *config) { c.Shards = 65537 }, "Config.Shards: 65537"},
		{"negative shards", func(c *config) { c.Shards = -1 }, "Config.Shards: -1"},
		{"short grace", func(c *config) { c.Grace = time.Millisecond }, "Config.Grace: 1ms"},
		{"no connections", func(c *config) { c.Connections = -1 }, "Config.Connections: -1"},
		{"none pending", func(c *config) { c.MaxPending = -1 }, "Config.MaxPending: -1"},
		{"negative dial timeout", func(c *config) { c.DialTimeout = -1 }, "Config.DialTimeout: -1ns"},
		{"negative timeout", func(c *config) { c.Timeout = -1 }, "Config.Timeout: -1ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := refusal(t, mistaken(tt.alter))
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
			if lines := strings.Count(got, "redisstore: Config."); lines != 1 {
				t.Errorf("%d mistakes are reported where there is one:\n%s", lines, got)
			}
			if strings.Contains(got, "sesame") {
				t.Errorf("the error shows a password: %s", got)
			}
		})
	}
}

func TestConfigMistakesTogether(t *testing.T) {
	got := refusal(t, redisstore.Config{
		Mode: redisstore.Cluster, Addrs: []string{"a"}, MasterName: "main", Username: "ada", SentinelPassword: "sesame",
		DB: 1, Prefix: "{", Shards: -1, Grace: 1, Connections: -1, MaxPending: -1, DialTimeout: -1, Timeout: -1,
	})
	for _, field := range []string{"Addrs", "MasterName", "Password", "SentinelPassword", "DB", "Prefix", "Shards", "Grace",
		"Connections", "MaxPending", "DialTimeout", "Timeout"} {
		if n := strings.Count(got, "Config."+field+":"); n != 1 {
			t.Errorf("%s is named %d times, want once, in:\n%s", field, n, got)
		}
	}
	if strings.Contains(got, "sesame") {
		t.Errorf("the error shows a password: %s", got)
	}
}

// TestConfigLimits takes what is just allowed as far as dialling.
func TestConfigLimits(t *testing.T) {
	type config = redisstore.Config
	tests := []struct {
		name  string
		alter func(*config)
	}{
		{"nothing but the address", func(*config) {}},
		{"local address", func(c *config) { c.Addrs = []string{":6379"} }},
		{"IPv6", func(c *config) { c.Addrs = []string{"[::1]:6379"} }},
		{"one shard", func(c *config) { c.Shards = 1 }},
		{"most shards", func(c *config) { c.Shards = 65536 }},
		{"least grace", func(c *config) { c.Grace = time.Second }},
		{"one of each", func(c *config) { c.Connections, c.MaxPending = 1, 1 }},
		{"password alone", func(c *config) { c.Password = "sesame" }},
		{"sentinels", func(c *config) {
			c.Mode, c.Addrs, c.MasterName = redisstore.Sentinel, []string{"a:1", "b:2"}, "main"
		}},
		{"cluster", func(c *config) { c.Mode, c.Addrs = redisstore.Cluster, []string{"a:1", "b:2"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, mistaken(tt.alter)); !strings.Contains(got, context.Canceled.Error()) {
				t.Errorf("refused: %s", got)
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	got := redisstore.WithDefaults(redisstore.Config{Addrs: []string{"a:1"}})
	if got.Logger == nil {
		t.Error("there is no Logger")
	}
	if got.Mode != redisstore.Plain || got.DB != 0 || got.Prefix != "holdover:" || got.Shards != 256 || got.Grace != 24*time.Hour ||
		got.Connections != 2 || got.MaxPending != 1024 || got.DialTimeout != 2*time.Second || got.Timeout != 2*time.Second {
		t.Errorf("defaults differ from the documented ones: %+v", got)
	}
	given := redisstore.Config{Prefix: "p:", Shards: 3, Grace: time.Minute, Connections: 4, MaxPending: 5,
		DialTimeout: 6 * time.Second, Timeout: 7 * time.Second}
	got = redisstore.WithDefaults(given)
	if got.Prefix != "p:" || got.Shards != 3 || got.Grace != time.Minute || got.Connections != 4 || got.MaxPending != 5 ||
		got.DialTimeout != 6*time.Second || got.Timeout != 7*time.Second {
		t.Errorf("a default replaced what was given: %+v", got)
	}
}

func TestModeString(t *testing.T) {
	for mode, want := range map[redisstore.Mode]string{redisstore.Plain: "plain", redisstore.Sentinel: "sentinel",
		redisstore.Cluster: "cluster", 9: "Mode(9)"} {
		if got := mode.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
