// Package history records what concurrent users of a store did and what they were told, and checks
// that a store which keeps its contract could have answered so. It is for the tests of stores.
package history

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdover-web/holdover/core"
)

// Recorder collects the calls of one history. Its clients may work at the same time.
type Recorder struct {
	start time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

// NewRecorder returns a recorder of an empty history. The store must be empty too.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// record adds a call that began at began and ends now.
func (r *Recorder) record(client int, began time.Duration, input, output any) {
	ended := time.Since(r.start)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, porcupine.Operation{
		ClientId: client, Input: input, Output: output, Call: int64(began), Return: int64(ended),
	})
}

// call is what a client asked of a session.
type call struct {
	method string
	key    core.Key
	rec    core.Record // Create
	change core.Change // Save
	fence  uint64      // Unlock
	now    time.Time   // Lock
	lease  time.Duration
}

// answer is what it was told.
type answer struct {
	err     error
	rec     core.Record // Load, Lock, Delete
	version uint64      // Save
	fence   uint64      // Lock
	ok      bool        // Delete
}

// Client is one user of a store, whose calls are recorded. It makes one call at a time. Its methods
// are those of core.Store and core.Locker; Lock and Unlock panic if the store is no core.Locker.
type Client struct {
	recorder *Recorder
	number   int
	st       core.Store
}

// Client returns the client with that number, counted from 0, as a user of st. Clients of one
// recorder may have different ways to the same data.
func (r *Recorder) Client(number int, st core.Store) *Client {
	return &Client{recorder: r, number: number, st: st}
}

func (c *Client) do(in call, fn func() answer) answer {
	began := time.Since(c.recorder.start)
	out := fn()
	c.recorder.record(c.number, began, in, out)
	return out
}

// Create is core.Store's.
func (c *Client) Create(ctx context.Context, key core.Key, rec core.Record) error {
	return c.do(call{method: "Create", key: key, rec: rec}, func() answer {
		return answer{err: c.st.Create(ctx, key, rec)}
	}).err
}

// Load is core.Store's.
func (c *Client) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	out := c.do(call{method: "Load", key: key}, func() answer {
		rec, err := c.st.Load(ctx, key, opt)
		return answer{rec: rec, err: err}
	})
	return out.rec, out.err
}

// Save is core.Store's.
func (c *Client) Save(ctx context.Context, key core.Key, change *core.Change) (uint64, error) {
	out := c.do(call{method: "Save", key: key, change: *change}, func() answer {
		version, err := c.st.Save(ctx, key, change)
		return answer{version: version, err: err}
	})
	return out.version, out.err
}

// Delete is core.Store's.
func (c *Client) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	out := c.do(call{method: "Delete", key: key}, func() answer {
		rec, ok, err := c.st.Delete(ctx, key, now)
		return answer{rec: rec, ok: ok, err: err}
	})
	return out.rec, out.ok, out.err
}

// Lock is core.Locker's.
func (c *Client) Lock(ctx context.Context, key core.Key, opt core.LockOptions) (core.Record, uint64, error) {
	out := c.do(call{method: "Lock", key: key, now: opt.Now, lease: opt.Lease}, func() answer {
		rec, fence, err := c.st.(core.Locker).Lock(ctx, key, opt)
		return answer{rec: rec, fence: fence, err: err}
	})
	return out.rec, out.fence, out.err
}

// Unlock is core.Locker's.
func (c *Client) Unlock(ctx context.Context, key core.Key, fence uint64) error {
	return c.do(call{method: "Unlock", key: key, fence: fence}, func() answer {
		return answer{err: c.st.(core.Locker).Unlock(ctx, key, fence)}
	}).err
}

// expected are the errors that the contract gives a meaning to in the calls above.
var expected = []error{
	core.ErrNotFound, core.ErrGone, core.ErrExists, core.ErrConflict, core.ErrLocked, core.ErrLockLost,
}

// unexpected returns the first error in the history that says nothing about the session's state, so
// that nothing can be concluded from the history.
func (r *Recorder) unexpected() error {
	for _, op := range r.ops {
		out, ok := op.Output.(answer)
		if !ok || out.err == nil {
			continue
		}
		known := false
		for _, err := range expected {
			known = known || errors.Is(out.err, err)
		}
		if !known {
			return out.err
		}
	}
	return nil
}
