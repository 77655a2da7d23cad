package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	redsyncredigo "github.com/go-redsync/redsync/v4/redis/redigo"
	goredis "github.com/redis/go-redis/v9"

	"github.com/holdover-web/holdover/core"
)

// Way is one way to add to a session's counter.
type Way struct {
	Name string
	Ours bool
	Safe bool // no increment is lost when several do so at once
	open func(Target) (adder, error)
}

// adder is a way at work. Its methods may be called from several goroutines.
type adder interface {
	// create stores a new session of 1 KB.
	create(ctx context.Context) (id string, err error)

	// add adds one to the session's counter, and returns how long it waited for its turn.
	add(ctx context.Context, id string) (waited time.Duration, err error)

	// count returns the counter.
	count(ctx context.Context, id string) (int, error)

	Close() error
}

// Ways are all of them, in the order of the tables. Those with a time after their name try again that often.
func Ways() []Way {
	return []Way{
		{Name: "get+set", open: openGetSet},
		{Name: "holdover-serialized", Ours: true, Safe: true, open: holdoverAdder(core.Serialized)},
		{Name: "holdover-optimistic", Ours: true, open: holdoverAdder(core.Optimistic)},
		{Name: "redislock 10ms", Safe: true, open: redislockAdder(10 * time.Millisecond)},
		{Name: "redislock 2ms", Safe: true, open: redislockAdder(2 * time.Millisecond)},
		{Name: "redislock 1ms", Safe: true, open: redislockAdder(time.Millisecond)},
		{Name: "redsync", Safe: true, open: redsyncAdder()},
		{Name: "redsync 10ms", Safe: true, open: redsyncAdder(redsync.WithTries(1<<20), redsync.WithRetryDelay(10*time.Millisecond))},
	}
}

func wayNamed(name string) (Way, error) {
	for _, w := range Ways() {
		if w.Name == name {
			return w, nil
		}
	}
	return Way{}, fmt.Errorf("there is no way %q", name)
}

// lockTime is how long the peers' locks last; none is held for so long.
const lockTime = 10 * time.Second

// getSet is the floor: what one would write by hand without a lock.
type getSet struct{ redisFloor }

func openGetSet(t Target) (adder, error) { return &getSet{redisFloor{t.pool()}}, nil }

func (a *getSet) create(context.Context) (string, error) {
	id := rand.Text()
	return id, a.set(id, newBlob())
}

func (a *getSet) add(_ context.Context, id string) (time.Duration, error) {
	blob, err := a.get(id)
	if err != nil {
		return 0, err
	}
	if blob == nil {
		return 0, core.ErrNotFound
	}
	addToBlob(blob)
	return 0, a.set(id, blob)
}

func (a *getSet) count(_ context.Context, id string) (int, error) {
	blob, err := a.get(id)
	if err != nil || blob == nil {
		return 0, err
	}
	return blobCount(blob), nil
}

func (a *getSet) Close() error { return a.pool.Close() }

// withRedsync puts redsync's lock around GET and SET.
type withRedsync struct {
	getSet
	locks   *redsync.Redsync
	options []redsync.Option
}

func redsyncAdder(options ...redsync.Option) func(Target) (adder, error) {
	return func(t Target) (adder, error) {
		pool := t.pool()
		options := append([]redsync.Option{redsync.WithExpiry(lockTime)}, options...)
		return &withRedsync{getSet{redisFloor{pool}}, redsync.New(redsyncredigo.NewPool(pool)), options}, nil
	}
}

func (a *withRedsync) add(ctx context.Context, id string) (time.Duration, error) {
	m := a.locks.NewMutex("lock:"+id, a.options...)
	start := time.Now()
	err := m.LockContext(ctx)
	for err != nil && ctx.Err() == nil { // by default it gives up after some five seconds
		if _, taken := errors.AsType[*redsync.ErrTaken](err); !taken && !errors.Is(err, redsync.ErrFailed) {
			return 0, err
		}
		err = m.LockContext(ctx)
	}
	waited := time.Since(start)
	if err != nil {
		return waited, err
	}
	_, err = a.getSet.add(ctx, id)
	_, unlockErr := m.UnlockContext(ctx)
	return waited, errors.Join(err, unlockErr)
}

// withRedislock puts redislock's lock around GET and SET, all by the client that it works with.
type withRedislock struct {
	client *goredis.Client
	locks  *redislock.Client
	retry  redislock.Options
}

func redislockAdder(retry time.Duration) func(Target) (adder, error) {
	return func(t Target) (adder, error) {
		client := goredisClient(t)
		return &withRedislock{client, redislock.New(client), redislock.Options{RetryStrategy: redislock.LinearBackoff(retry)}}, nil
	}
}

func (a *withRedislock) create(ctx context.Context) (string, error) {
	id := rand.Text()
	return id, a.client.Set(ctx, floorPrefix+id, newBlob(), floorTTL*time.Second).Err()
}

func (a *withRedislock) add(ctx context.Context, id string) (time.Duration, error) {
	start := time.Now()
	lock, err := a.locks.Obtain(ctx, "lock:"+id, lockTime, &a.retry)
	waited := time.Since(start)
	if err != nil {
		return waited, err
	}
	return waited, errors.Join(a.addLocked(ctx, id), lock.Release(ctx))
}

func (a *withRedislock) addLocked(ctx context.Context, id string) error {
	blob, err := a.client.Get(ctx, floorPrefix+id).Bytes()
	if err != nil {
		return err
	}
	addToBlob(blob)
	return a.client.Set(ctx, floorPrefix+id, blob, floorTTL*time.Second).Err()
}

func (a *withRedislock) count(ctx context.Context, id string) (int, error) {
	blob, err := a.client.Get(ctx, floorPrefix+id).Bytes()
	if err != nil {
		return 0, err
	}
	return blobCount(blob), nil
}

func (a *withRedislock) Close() error { return a.client.Close() }

// holdover opens the session, adds and commits, as a request does.
type holdover struct {
	m *core.Manager
}

func holdoverAdder(policy core.LockingPolicy) func(Target) (adder, error) {
	return func(t Target) (adder, error) {
		store, err := openRedisStore(t)
		if err != nil {
			return nil, err
		}
		m, err := core.New(managerID, store, core.Config{Locking: policy})
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		return &holdover{m}, nil
	}
}

func (a *holdover) create(ctx context.Context) (string, error) {
	s, err := a.m.Create(ctx)
	if err != nil {
		return "", err
	}
	if _, err := fill(s); err != nil {
		return "", err
	}
	return s.ID(), s.End(ctx)
}

func (a *holdover) add(ctx context.Context, id string) (time.Duration, error) {
	start := time.Now()
	s, err := a.m.Open(ctx, id)
	waited := time.Since(start)
	if err != nil {
		return waited, err
	}
	if _, err := addOne(s); err != nil {
		return waited, errors.Join(err, s.Rollback(ctx))
	}
	return waited, s.End(ctx)
}

func (a *holdover) count(ctx context.Context, id string) (n int, err error) {
	s, err := a.m.Open(ctx, id, core.ReadOnly)
	if err != nil {
		return 0, err
	}
	if n, err = core.Get[int](s, counter); err != nil {
		return 0, errors.Join(err, s.Rollback(ctx))
	}
	return n, s.End(ctx)
}

func (a *holdover) Close() error {
	return errors.Join(a.m.Close(context.Background()), a.m.Store().Close())
}
