//go:build unix && !aix

package filestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
)

// sectionWait bounds the wait for someone else who changes the same session. A change takes as long as
// the disk does; who takes this long is stopped or has a broken disk.
const sectionWait = 10 * time.Second

// The pauses between looks at a section that another process is in.
const (
	minPause = 50 * time.Microsecond
	maxPause = time.Millisecond
)

// shard is one folder of sessions.
type shard struct {
	dir   *folder
	slots *slots

	// busy has the sections that a goroutine of this process is in or waits for other processes to
	// leave, each with the goroutines that are next. Closing the channel of one hands the section on.
	mu   sync.Mutex
	busy map[uint64][]chan struct{}
}

// section is the right to change the files of one session. Nobody else, in this process or another,
// has it at the same time. It is held for the length of one store call.
type section struct {
	s    *Store
	sh   *shard
	key  core.Key
	hash hash
	name string
}

// enter waits, within sectionWait, until nobody else changes the session. If the session's folder is
// not there it returns fs.ErrNotExist, unless told to create it.
func (s *Store) enter(ctx context.Context, key core.Key, create bool) (*section, error) {
	h := hashOf(key.Manager, key.ID)
	sh, err := s.shard(key.Manager, h.shard(), create)
	if err != nil {
		return nil, err
	}
	if err := sh.enter(ctx, s.done, h); err != nil {
		return nil, err
	}
	return &section{s: s, sh: sh, key: key, hash: h, name: h.name()}, nil
}

func (c *section) leave() { c.sh.leave(c.hash) }

func (sh *shard) enter(ctx context.Context, done <-chan struct{}, h hash) error {
	w := waiter{ctx: ctx, done: done}
	defer w.stop()
	if turn := sh.claim(h.slot()); turn != nil {
		if err := w.wait(turn, h); err != nil {
			sh.giveUp(h.slot(), turn)
			return err
		}
	}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		ok, err := sh.slots.try(h.slot())
		if ok {
			return nil
		}
		if err == nil {
			err = w.pause(pause, h)
		}
		if err != nil {
			sh.handOn(h.slot())
			return err
		}
	}
}

func (sh *shard) leave(h hash) {
	sh.slots.release(h.slot())
	sh.handOn(h.slot())
}

// claim takes the section for a goroutine of this process, or puts it in line and returns the channel
// that is closed when it has the section.
func (sh *shard) claim(slot uint64) chan struct{} {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	line, busy := sh.busy[slot]
	if !busy {
		sh.busy[slot] = nil
		return nil
	}
	turn := make(chan struct{})
	sh.busy[slot] = append(line, turn)
	return turn
}

// handOn gives the section to the goroutine that is next.
func (sh *shard) handOn(slot uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	line := sh.busy[slot]
	if len(line) == 0 {
		delete(sh.busy, slot)
		return
	}
	close(line[0])
	sh.busy[slot] = line[1:]
}

// giveUp leaves the line, or hands the section on if it was given meanwhile.
func (sh *shard) giveUp(slot uint64, turn chan struct{}) {
	sh.mu.Lock()
	i := slices.Index(sh.busy[slot], turn)
	if i >= 0 {
		sh.busy[slot] = slices.Delete(sh.busy[slot], i, i+1)
	}
	sh.mu.Unlock()
	if i < 0 {
		sh.handOn(slot)
	}
}

// waiter waits for a section. It makes its timer when there is something to wait for.
type waiter struct {
	ctx   context.Context
	done  <-chan struct{} // the store closes
	limit *time.Timer
}

// wait returns nil when ready is closed.
func (w *waiter) wait(ready <-chan struct{}, h hash) error { return w.sleep(ready, nil, h) }

// pause returns nil after about the time d.
func (w *waiter) pause(d time.Duration, h hash) error {
	t := time.NewTimer(d/2 + rand.N(d)) // processes that wait for each other must not keep step
	defer t.Stop()
	return w.sleep(nil, t.C, h)
}

func (w *waiter) sleep(ready <-chan struct{}, tick <-chan time.Time, h hash) error {
	if w.limit == nil {
		w.limit = time.NewTimer(sectionWait)
	}
	select {
	case <-ready:
		return nil
	case <-tick:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-w.done:
		return core.ErrClosed
	case <-w.limit.C:
		return fmt.Errorf("filestore: the file %s has been in use for %v: is a process that shares the folder stopped, or the disk stuck?",
			h.name(), sectionWait)
	}
}

func (w *waiter) stop() {
	if w.limit != nil {
		w.limit.Stop()
	}
}
