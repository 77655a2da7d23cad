package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// narrow is a store with one connection, through a proxy, and some sessions.
type narrow struct {
	t     *testing.T
	proxy *redistest.Proxy
	st    *redisstore.Store
	keys  []core.Key
}

func newNarrow(t *testing.T, cfg redisstore.Config) *narrow {
	t.Helper()
	n := &narrow{t: t, proxy: redistest.NewProxy(t, redistest.Start(t).Addr())}
	cfg.Addrs, cfg.Connections, cfg.Shards = []string{n.proxy.Addr()}, 1, 1
	n.st = open(t, cfg)
	for i := range 8 {
		n.keys = append(n.keys, core.Key{Manager: "m", ID: fmt.Sprint("session", i)})
		ok(t, n.st.Create(t.Context(), n.keys[i], anHour("a", "1")))
	}
	return n
}

// load starts a load and returns where its error comes.
func (n *narrow) load(ctx context.Context, i int) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := n.st.Load(ctx, n.keys[i%len(n.keys)], core.LoadOptions{})
		done <- err
	}()
	return done
}

// pending waits until so many commands await their reply.
func (n *narrow) pending(want int) {
	n.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); redisstore.Pending(n.st) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%d commands await their reply, want %d", redisstore.Pending(n.st), want)
		}
	}
}

// TestBusy makes more calls than a slow Redis answers in time. Those that could not be sent say so.
func TestBusy(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	n := newNarrow(t, redisstore.Config{MaxPending: 1, Timeout: timeout})
	n.proxy.Delay(120 * time.Millisecond)
	began := time.Now()
	var calls []<-chan error
	for i := range 8 {
		calls = append(calls, n.load(t.Context(), i))
	}
	done, busy := 0, 0
	for _, call := range calls {
		switch err := <-call; {
		case err == nil:
			done++
		case errors.Is(err, redisstore.ErrBusy) && !errors.Is(err, redisstore.ErrTimeout):
			busy++
		default:
			t.Errorf("got %v, want ErrBusy", err)
		}
	}
	if took := time.Since(began); took > 2*timeout+200*time.Millisecond {
		t.Errorf("it took %v until all had an answer", took)
	}
	if done == 0 || busy == 0 {
		t.Errorf("%d were answered and %d refused, want some of each", done, busy)
	}
	n.proxy.Delay(0)
	ok(t, <-n.load(t.Context(), 0))
}

// TestStalled makes calls to a Redis that does not answer any more.
func TestStalled(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	n := newNarrow(t, redisstore.Config{MaxPending: 1, Timeout: timeout, DialTimeout: timeout})
	n.proxy.Stall()
	began := time.Now()
	first := n.load(t.Context(), 0)
	n.pending(1)

	ctx, cancel := context.WithTimeout(t.Context(), timeout/10)
	defer cancel()
	err := <-n.load(ctx, 1)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, redisstore.ErrBusy) && !errors.Is(err, redisstore.ErrTimeout) {
		t.Errorf("cancelled while waiting to be sent: got %v", err)
	}
	if took := time.Since(began); took > timeout*3/4 {
		t.Errorf("who cancels while waiting to be sent has to wait for %v", took)
	}
	for name, call := range map[string]<-chan error{"sent": first, "not sent": n.load(t.Context(), 2)} {
		if err := <-call; !errors.Is(err, redisstore.ErrBusy) && !errors.Is(err, redisstore.ErrTimeout) {
			t.Errorf("%s: got %v, want ErrBusy or ErrTimeout", name, err)
		}
	}
	if took := time.Since(began); took > 3*timeout {
		t.Errorf("it took %v until all had an answer", took)
	}
	n.proxy.Unstall()
	ok(t, <-n.load(t.Context(), 0))
}

// TestCancelled cancels calls that were sent. They return, and those behind them get the right replies.
func TestCancelled(t *testing.T) {
	t.Parallel()
	n := newNarrow(t, redisstore.Config{})
	n.proxy.Stall()
	ctx, cancel := context.WithCancel(t.Context())
	var calls []<-chan error
	for i := range 20 {
		calls = append(calls, n.load(ctx, i))
	}
	n.pending(20)
	behind := n.load(t.Context(), 0)
	n.pending(21)
	began := time.Now()
	cancel()
	for _, call := range calls {
		if err := <-call; !errors.Is(err, context.Canceled) || !errors.Is(err, redisstore.ErrTimeout) {
			t.Errorf("got %v, want context.Canceled and ErrTimeout", err)
		}
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("they took %v to return", took)
	}
	n.proxy.Unstall()
	ok(t, <-behind)
	n.pending(0)
}

// TestBigWrite keeps a connection busy with a write that Redis does not read. Others wait for it, even when
// their context has ended, but no longer than Timeout.
func TestBigWrite(t *testing.T) {
	t.Parallel()
	const timeout = 700 * time.Millisecond
	n := newNarrow(t, redisstore.Config{Timeout: timeout, DialTimeout: timeout})
	n.proxy.Stall()
	big := make(chan error, 1)
	go func() {
		big <- n.st.Create(t.Context(), core.Key{Manager: "m", ID: "big"}, anHour("a", strings.Repeat("b", 32<<20)))
	}()
	n.pending(1)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := <-n.load(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	if took := time.Since(began); took > timeout+300*time.Millisecond {
		t.Errorf("a load of 100ms took %v, and Timeout is %v", took, timeout)
	}
	if err := <-big; !errors.Is(err, redisstore.ErrTimeout) {
		t.Errorf("the big one: got %v, want ErrTimeout", err)
	}
	n.proxy.Unstall()
	ok(t, <-n.load(t.Context(), 0))
}

// TestCloseWhilePending closes a store on which calls of all kinds wait for replies.
func TestCloseWhilePending(t *testing.T) {
	t.Parallel()
	for _, pending := range []int{1000, 3} { // all are sent, or most wait to be
		t.Run(fmt.Sprint("MaxPending ", pending), func(t *testing.T) {
			n := newNarrow(t, redisstore.Config{MaxPending: pending, Timeout: 5 * time.Second})
			n.proxy.Stall()
			var calls sync.WaitGroup
			var returned atomic.Int64
			for i := range 8 {
				for _, op := range operations {
					calls.Go(func() {
						err := op.do(context.Background(), n.st, n.keys[i])
						if err == nil || !errors.Is(err, core.ErrClosed) {
							t.Errorf("%s: got %v, want ErrClosed", op.name, err)
						}
						returned.Add(1)
					})
				}
				calls.Go(func() {
					if err := n.st.WaitLock(context.Background(), n.keys[i], 10*time.Second); err != nil && !errors.Is(err, core.ErrClosed) {
						t.Errorf("WaitLock: got %v, want ErrClosed", err)
					}
				})
			}
			n.pending(min(pending, 8*len(operations)))
			began := time.Now()
			ok(t, n.st.Close())
			calls.Wait()
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v until all had returned", took)
			}
			if _, err := n.st.Load(context.Background(), n.keys[0], core.LoadOptions{}); !errors.Is(err, core.ErrClosed) {
				t.Errorf("after Close: got %v, want ErrClosed", err)
			}
			ok(t, n.st.Close())
		})
	}
}

// TestMixedLoad makes calls of all sizes at once, some of which are abandoned, and checks that each gets
// the reply to itself.
func TestMixedLoad(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Connections: 2, MaxPending: 16, Timeout: 20 * time.Second})
	var workers sync.WaitGroup
	for w := range 24 {
		workers.Go(func() {
			if err := mixedLoad(t.Context(), st, fmt.Sprint("worker", w), uint64(w)); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
}

// mixedLoad reads and writes one session, whose value begins with its id.
func mixedLoad(ctx context.Context, st *redisstore.Store, id string, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	key := core.Key{Manager: "m", ID: id}
	if err := st.Create(ctx, key, anHour("v", id)); err != nil {
		return err
	}
	want := id
	for range 60 {
		size := rnd.IntN(200)
		if rnd.IntN(10) == 0 {
			size = rnd.IntN(300 << 10)
		}
		value := id + strings.Repeat("x", size)
		if _, err := st.Save(ctx, key, &core.Change{Set: core.Values{{Name: "v", Data: value}}}); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		want = value
		impatient, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(2000))*time.Microsecond)
		rec, err := st.Load(impatient, key, core.LoadOptions{Touch: time.Minute})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s: impatient: %w", id, err)
		}
		if err == nil && rec.Values[0].Data != want {
			return fmt.Errorf("%s: impatient: got %.40q", id, rec.Values[0].Data)
		}
		rec, err = st.Load(ctx, key, core.LoadOptions{Touch: core.NoTouch})
		if err != nil || rec.Values[0].Data != want {
			return fmt.Errorf("%s: got %.40q, %v", id, rec.Values, err)
		}
	}
	return nil
}

// TestTimeoutOfPlainCommands stalls calls that begin with plain commands: they do not wait for the script
// after that.
func TestTimeoutOfPlainCommands(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	for name, call := range map[string]func(st *redisstore.Store, key core.Key) error{
		"create": func(st *redisstore.Store, _ core.Key) error {
			return st.Create(context.Background(), core.Key{Manager: "m", ID: "new"}, anHour("a", "1"))
		},
		"load": func(st *redisstore.Store, key core.Key) error {
			_, err := st.Load(context.Background(), key, core.LoadOptions{Touch: core.NoTouch})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNarrow(t, redisstore.Config{Timeout: timeout, DialTimeout: 2 * timeout})
			_, err := n.st.Load(t.Context(), n.keys[0], core.LoadOptions{Touch: core.NoTouch})
			ok(t, err)
			n.proxy.Stall()
			began := time.Now()
			if err := call(n.st, n.keys[0]); !errors.Is(err, redisstore.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
			if took := time.Since(began); took > timeout*7/4 {
				t.Errorf("it took %v, and Timeout is %v", took, timeout)
			}
			n.proxy.Unstall()
			ok(t, <-n.load(t.Context(), 0))
		})
	}
}
