package memstore_test

import (
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

func TestStore(t *testing.T) {
	for name, cfg := range map[string]memstore.Config{
		"unlimited": {},
		"limited":   {MaxSessions: 1_000_000, MaxBytes: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) core.Store { return memstore.New(cfg) }, storetest.Options{})
		})
	}
}
