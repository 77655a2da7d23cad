package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

const (
	clients  = 6
	requests = 60 // by each client
	shared   = 3  // sessions, used by all clients
	lease    = time.Hour
)

// Run checks recorded histories of a store, for each locking policy and for all of them at once.
// newStore returns one or more ways to the same data, empty to begin with, and closes them by
// t.Cleanup; clients are spread over the ways. Serialized is left out if the store is no core.Locker.
func Run(t *testing.T, newStore func(t *testing.T) []core.Store) {
	for _, policy := range []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized} {
		t.Run(policy.String(), func(t *testing.T) { runSessions(t, newStore(t), policy) })
	}
	t.Run("mixed", func(t *testing.T) { runSessions(t, newStore(t), 0) })
	t.Run("optimistic increments", func(t *testing.T) { runIncrements(t, newStore(t), optimisticIncrement) })
	t.Run("serialized increments", func(t *testing.T) {
		ways := newStore(t)
		needLocker(t, ways[0])
		runIncrements(t, ways, serializedIncrement)
	})
}

func isLocker(st core.Store) bool { _, ok := st.(core.Locker); return ok }

func needLocker(t *testing.T, st core.Store) {
	t.Helper()
	if !isLocker(st) {
		t.Skip("the store is no core.Locker")
	}
}

// runSessions lets clients create, load, save and delete sessions at random. Saves are made as the
// policy has it, or for policy 0 as any has it.
func runSessions(t *testing.T, ways []core.Store, policy core.LockingPolicy) {
	if policy == core.Serialized {
		needLocker(t, ways[0])
	}
	r := NewRecorder()
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for n := range clients {
		wg.Go(func() {
			w := &worker{
				client: r.Client(n, ways[n%len(ways)]),
				locker: isLocker(ways[0]),
				random: rand.New(rand.NewPCG(uint64(n), uint64(policy))),
				now:    time.Now().UTC().Round(0),
			}
			<-begin
			for i := range requests {
				w.act(t.Context(), policy, fmt.Sprintf("%d.%d", n, i))
				runtime.Gosched() // else a quick store would serve one client after the other
			}
		})
	}
	close(begin)
	wg.Wait()
	if err := r.Check(t.ArtifactDir()); err != nil {
		t.Error(err)
	}
}

// worker is a client that acts at random. Errors are its recorder's matter.
type worker struct {
	client *Client
	locker bool
	random *rand.Rand
	now    time.Time
}

func (w *worker) act(ctx context.Context, policy core.LockingPolicy, data string) {
	key := core.Key{Manager: "history", ID: strconv.Itoa(w.random.IntN(shared))}
	values := core.Values{{Name: string(rune('a' + w.random.IntN(3))), Data: data}}
	switch w.random.IntN(12) {
	case 0, 1:
		w.client.Create(ctx, key, core.Record{Values: values, Created: w.now, Accessed: w.now})
	case 2:
		w.client.Delete(ctx, key, w.now)
	case 3, 4:
		w.load(ctx, key)
	default:
		if policy == 0 {
			policy = core.Merge + core.LockingPolicy(w.random.IntN(int(core.Serialized)))
		}
		w.save(ctx, policy, key, values)
	}
}

func (w *worker) load(ctx context.Context, key core.Key) (core.Record, error) {
	return w.client.Load(ctx, key, core.LoadOptions{Now: w.now, Touch: core.NoTouch})
}

// save makes the calls of one request under the policy.
func (w *worker) save(ctx context.Context, policy core.LockingPolicy, key core.Key, values core.Values) {
	c := &core.Change{Now: w.now, Set: values}
	switch policy {
	case core.Lossy:
		c.Replace = true
	case core.Merge:
		if w.random.IntN(4) == 0 {
			c.Set, c.Delete = nil, []string{values[0].Name}
		}
	case core.Optimistic:
		rec, err := w.load(ctx, key)
		if err != nil {
			return
		}
		c.Version = rec.Version
	case core.Serialized:
		if !w.locker {
			return
		}
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: w.now, Touch: core.NoTouch}, Lease: lease}
		if w.random.IntN(10) == 0 {
			opt.Now = opt.Now.Add(2 * lease) // to take over from one whose lease ran out
		}
		_, fence, err := w.client.Lock(ctx, key, opt)
		if err != nil {
			return
		}
		if c.Fence = fence; w.random.IntN(4) == 0 {
			w.client.Unlock(ctx, key, fence) // after which the save must fail
		}
		c.Unlock = true
	}
	w.client.Save(ctx, key, c)
}

// runIncrements checks that increments which a policy protects are not lost.
func runIncrements(t *testing.T, ways []core.Store, increment func(context.Context, core.Store, core.Key) (int, error)) {
	key, now := core.Key{Manager: "history", ID: "counter"}, time.Now().UTC().Round(0)
	if err := ways[0].Create(t.Context(), key, core.Record{Created: now, Accessed: now}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	Increments(t, clients, requests, func(client int) (int, error) {
		return increment(ctx, ways[client%len(ways)], key)
	})
}

func optimisticIncrement(ctx context.Context, st core.Store, key core.Key) (int, error) {
	now := time.Now().UTC().Round(0)
	rec, err := st.Load(ctx, key, core.LoadOptions{Now: now, Touch: core.NoTouch})
	for err == nil {
		n, c := incremented(rec, now)
		c.Version = rec.Version
		_, err = st.Save(ctx, key, c)
		if err == nil {
			return n, nil
		}
		if conflict, ok := errors.AsType[*core.ConflictError](err); ok {
			rec, err = conflict.Current, ctx.Err()
		}
	}
	return 0, err
}

func serializedIncrement(ctx context.Context, st core.Store, key core.Key) (int, error) {
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for {
		now := time.Now().UTC().Round(0)
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: now, Touch: core.NoTouch}, Lease: lease}
		rec, fence, err := st.(core.Locker).Lock(ctx, key, opt)
		if err == nil {
			n, c := incremented(rec, now)
			c.Fence, c.Unlock = fence, true
			_, err = st.Save(ctx, key, c)
			return n, err
		}
		if !errors.Is(err, core.ErrLocked) {
			return 0, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func incremented(rec core.Record, now time.Time) (int, *core.Change) {
	data, _ := rec.Values.Get("n")
	n, _ := strconv.Atoi(data) // nothing there counts as 0
	n++
	return n, &core.Change{Now: now, Set: core.Values{{Name: "n", Data: strconv.Itoa(n)}}}
}
