package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/internal/history"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// lapsing is a store whose locks lapse by the time that a Lock carries, as recorded histories have it, and
// not by Redis's clock: a Lock that is due to take over has the lease of the holder end first.
type lapsing struct {
	*redisstore.Store
	locks *lapsingLocks
}

// lapsingLocks is what several ways to the same data share.
type lapsingLocks struct {
	gate sync.RWMutex // held for writing by a Lock that takes over: no other may profit from the lease that it ends

	mu   sync.Mutex // protects the following field
	held map[core.Key]lapsingLock
}

type lapsingLock struct {
	fence uint64
	until time.Time
}

func (l lapsing) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	if time.Until(opt.Now) < time.Minute {
		l.locks.gate.RLock()
		defer l.locks.gate.RUnlock()
		return l.lock(ctx, key, opt)
	}
	l.locks.gate.Lock()
	defer l.locks.gate.Unlock()
	held := l.locks.of(key)
	if held.fence == 0 || opt.Now.Before(held.until) {
		return l.lock(ctx, key, opt)
	}
	for {
		_ = l.Store.Renew(ctx, key, held.fence, opt.Now, time.Microsecond) // whoever has lost it need not lose it again
		rec, fence, err := l.lock(ctx, key, opt)
		if !errors.Is(err, core.ErrLocked) || ctx.Err() != nil {
			return rec, fence, err
		}
	}
}

func (l lapsing) lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	rec, fence, err := l.Store.Lock(ctx, key, opt)
	if err == nil {
		l.locks.mu.Lock()
		defer l.locks.mu.Unlock()
		l.locks.held[key] = lapsingLock{fence, opt.Now.Add(opt.Lease)}
	}
	return rec, fence, err
}

func (l *lapsingLocks) of(key core.Key) lapsingLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[key]
}

// histories has two stores on one Redis, as two processes would.
func histories(t *testing.T, cfg redisstore.Config) {
	n := 0
	history.Run(t, func(t *testing.T) []core.Store {
		cfg := cfg
		n++
		cfg.Prefix = fmt.Sprintf("h%d:", n)
		locks := &lapsingLocks{held: make(map[core.Key]lapsingLock)}
		return []core.Store{lapsing{open(t, cfg), locks}, lapsing{open(t, cfg), locks}}
	})
}

func TestHistories(t *testing.T) {
	histories(t, redisstore.Config{Addrs: []string{redistest.Start(t).Addr()}})
}

func TestHistoriesOnCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	histories(t, redisstore.Config{Mode: redisstore.Cluster, Addrs: c.Addrs()})
}
