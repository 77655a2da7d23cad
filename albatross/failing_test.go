package albatross

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/holdover-web/holdover/core"
)

// failing is a store that can be told to be down.
type failing struct {
	*spy
	failLoads, failSaves atomic.Bool
}

var errDown = errors.New("the store is down")

func (s *failing) Load(ctx context.Context, k core.Key, o core.LoadOptions) (core.Record, error) {
	if s.failLoads.Load() {
		return core.Record{}, errDown
	}
	return s.spy.Load(ctx, k, o)
}

func (s *failing) Save(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
	if s.failSaves.Load() {
		return 0, errDown
	}
	return s.spy.Save(ctx, k, c)
}
