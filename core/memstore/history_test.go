package memstore_test

import (
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/internal/history"
	"github.com/holdover-web/holdover/core/memstore"
)

func TestHistories(t *testing.T) {
	history.Run(t, func(*testing.T) []core.Store {
		return []core.Store{memstore.New(memstore.Config{})}
	})
}
