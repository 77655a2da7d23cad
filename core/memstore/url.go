package memstore

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/holdover-web/holdover/core"
)

func init() {
	core.RegisterStore("memory", func(_ context.Context, url string) (core.Store, error) {
		cfg, err := parseURL(url)
		if err != nil {
			return nil, err
		}
		return New(cfg), nil
	})
}

// parseURL reads "memory:" or "memory:?max_sessions=N&max_bytes=N".
func parseURL(raw string) (Config, error) {
	var cfg Config
	u, err := url.Parse(raw)
	if err != nil {
		return cfg, fmt.Errorf("memstore: %w", err)
	}
	if u.Opaque != "" || u.Host != "" || u.Path != "" || u.Fragment != "" {
		return cfg, fmt.Errorf("memstore: %q: write memory: or memory:?max_sessions=N&max_bytes=N", raw)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return cfg, fmt.Errorf("memstore: %q: %w", raw, err)
	}
	for name, values := range query {
		// The last one counts, as everywhere in a query.
		n, err := strconv.ParseInt(values[len(values)-1], 10, 0)
		switch name {
		case "max_sessions":
			cfg.MaxSessions = int(n)
		case "max_bytes":
			cfg.MaxBytes = n
		default:
			return cfg, fmt.Errorf("memstore: %q: no setting %s; there are max_sessions and max_bytes", raw, name)
		}
		if err != nil {
			return cfg, fmt.Errorf("memstore: %q: %s: %w", raw, name, err)
		}
	}
	return cfg, cfg.validate()
}
