package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Store keeps sessions in Redis. It is a core.Store with all powers: Locker, LockWaiter, Lister,
// Sweeper, Evictor and Placer. All times are by the clock of the Redis server that has the session,
// to the microsecond; those that calls carry are used for their distances only. Its methods may be
// called from several goroutines.
//
// Besides those of the Store contract, errors match ErrTimeout, ErrBusy, ErrUnknown and ErrNewer, or
// are what Redis said.
type Store struct {
	cfg     Config
	names   names
	route   router
	grace   int64         // Config.Grace in milliseconds
	claim   time.Duration // see claimTime
	wakeups *wakeups
	evicted evictions
	born    time.Time
	known   known
	clocks  clocks

	closed atomic.Bool
	ending context.Context // ends with the store
	end    context.CancelFunc

	mu   sync.RWMutex   // held for reading while work is added, for writing to end
	work sync.WaitGroup // what goes on after a call has returned
}

// Open connects to Redis and returns a store. It refuses a Redis whose sessions were stored with other Shards, and
// one older than 6.2. The caller closes the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, names: names{prefix: cfg.Prefix, shards: uint32(cfg.Shards)}, grace: cfg.Grace.Milliseconds(), claim: claimTime, born: time.Now()}
	s.ending, s.end = context.WithCancel(context.Background())
	switch cfg.Mode {
	case Sentinel:
		s.route = single{newNode(&s.cfg, newSentinels(&s.cfg).master), true}
	case Cluster:
		s.route = newCluster(&s.cfg)
	default:
		s.route = single{newNode(&s.cfg, at(cfg.Addrs[0])), false}
	}
	s.wakeups = newWakeups(s, cfg.Prefix+"wake:"+uuid.NewString())
	if err := s.checkFormat(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends all connections. Calls in flight get an error.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.wakeups.close()
	s.work.Wait()
	s.route.close()
	return nil
}
