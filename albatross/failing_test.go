package albatross

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/holdover-web/holdover/core"
)

// failing is a store that can be told to be down.
type failing struct {
	*spy
	failLoads, failSaves, failDeletes atomic.Bool
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

func (s *failing) Delete(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
	if s.failDeletes.Load() {
		return core.Record{}, false, errDown
	}
	return s.spy.Delete(ctx, k, now)
}
