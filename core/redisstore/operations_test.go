package redisstore_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestOperationsSettings compares the page's table with the fields of Config, their defaults and their names in URLs.
func TestOperationsSettings(t *testing.T) {
	defaults := reflect.ValueOf(redisstore.WithDefaults(redisstore.Config{}))
	for _, row := range readPage(t, "operations.md").table(t, "field", "in a URL", "default", "when to change it") {
		field := defaults.FieldByName(bare(row[0]))
		if !field.IsValid() {
			t.Errorf("Config has no field %s", row[0])
			continue
		}
		value := bare(row[2])
		if got := fmt.Sprint(field); got != value {
			t.Errorf("%s: the default is %s, the page says %s", row[0], got, row[2])
		}
		cfg, err := redisstore.ParseURL("redis://localhost?" + bare(row[1]) + "=" + value)
		ok(t, err)
		if got := fmt.Sprint(reflect.ValueOf(cfg).FieldByName(bare(row[0]))); got != value {
			t.Errorf("%s: ?%s=%s sets %s", row[0], bare(row[1]), value, got)
		}
	}
}

// TestTooFewReplicas has Redis refuse to write. Requests that only read go on, although they would move the last access.
func TestTooFewReplicas(t *testing.T) {
	srv := redistest.Start(t)
	m := faultManager(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Timeout: 200 * time.Millisecond}), core.Config{TouchInterval: -1})
	id := newSession(t, m)
	_, err := srv.Do("CONFIG", "SET", "min-replicas-to-write", 1)
	ok(t, err)
	s, err := m.Open(t.Context(), id)
	ok(t, err)
	ok(t, s.End(t.Context()))
	another, err := m.Create(t.Context())
	ok(t, err)
	for what, err := range map[string]error{
		"save":   m.Update(t.Context(), id, setN(1)),
		"lock":   m.Update(t.Context(), id, setN(1), core.Serialized),
		"create": another.Commit(t.Context()),
		"delete": m.Delete(t.Context(), id),
	} {
		if err == nil || !strings.Contains(err.Error(), "NOREPLICAS") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
