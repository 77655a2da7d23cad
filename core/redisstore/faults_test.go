package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// everyPolicy are the policies that the fault tests go through.
var everyPolicy = []core.LockingPolicy{core.Lossy, core.Merge, core.Optimistic, core.Serialized}

// faultLoad is a number of clients that add to a few sessions while something goes wrong, and remember
// what they were told. Each commit adds one token, so that a commit which is lost, or made twice, shows.
type faultLoad struct {
	t        *testing.T
	policy   core.LockingPolicy
	programs []*core.Manager // the clients are spread over them
	ids      []string

	ctx     context.Context
	end     context.CancelFunc
	clients sync.WaitGroup

	mu      sync.Mutex // protects the following field
	commits []faultCommit
}

// faultCommit is one attempt to add a token to a session.
type faultCommit struct {
	id, token    string
	position     int // how many tokens were there, where the policy makes that certain; else -1
	opened       bool
	err          error
	began, ended time.Time
}

// refused reports whether the error says that nothing was written.
func (c *faultCommit) refused() bool {
	if c.err == nil || !c.opened {
		return c.err != nil
	}
	for _, e := range []error{core.ErrNotFound, core.ErrGone, core.ErrConflict, core.ErrLockLost, core.ErrLockTimeout,
		core.ErrQueueFull, core.ErrTooLarge, redisstore.ErrBusy} {
		if errors.Is(c.err, e) {
			return true
		}
	}
	return strings.Contains(c.err.Error(), "OOM ")
}

// faultManager makes a manager that nobody but its caller and the load uses.
func faultManager(t *testing.T, st core.Store, cfg core.Config) *core.Manager {
	t.Helper()
	cfg.SweepInterval = -1
	m, err := core.New("faults", st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

// newSession stores an empty session and returns its id.
func newSession(t *testing.T, m *core.Manager) string {
	t.Helper()
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.ID()
}

// startLoad starts two clients in each program, on three sessions. Each waits for a tick of pace before
// each commit, so that the fault and not the load is what the test sees.
func startLoad(t *testing.T, policy core.LockingPolicy, pace time.Duration, programs ...*core.Manager) *faultLoad {
	t.Helper()
	l := &faultLoad{t: t, policy: policy, programs: programs}
	l.ctx, l.end = context.WithCancel(context.Background())
	for range 3 {
		l.ids = append(l.ids, newSession(t, programs[0]))
	}
	for n := range 2 * len(programs) {
		l.clients.Go(func() { l.client(n, pace) })
	}
	t.Cleanup(l.stop)
	return l
}

// stop waits until all clients have been told about what they did last.
func (l *faultLoad) stop() {
	l.end()
	l.clients.Wait()
}

func (l *faultLoad) client(n int, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	m := l.programs[n%len(l.programs)]
	for i := 0; l.ctx.Err() == nil; i++ {
		c := faultCommit{id: l.ids[(n+i)%len(l.ids)], token: fmt.Sprintf("%d.%d", n, i), position: -1, began: time.Now()}
		c.err = l.commit(m, &c)
		c.ended = time.Now()
		l.mu.Lock()
		l.commits = append(l.commits, c)
		l.mu.Unlock()
		select {
		case <-tick.C:
		case <-l.ctx.Done():
		}
	}
}

// commit adds the token. Its context is not the load's: nobody hangs up.
func (l *faultLoad) commit(m *core.Manager, c *faultCommit) error {
	ctx := context.Background()
	add := func(s *core.Session) error {
		c.opened = true
		log, err := core.Get[[]string](s, "log")
		if err != nil && s.Has("log") {
			return err
		}
		c.position = len(log)
		return s.Set("log", append(log, c.token))
	}
	switch l.policy {
	case core.Optimistic:
		return m.Update(ctx, c.id, add, core.Optimistic)
	case core.Serialized:
		s, err := m.Open(ctx, c.id, core.Serialized)
		if err != nil {
			return err
		}
		if err := add(s); err != nil {
			return errors.Join(err, s.Rollback(ctx))
		}
		return s.Commit(ctx)
	}
	s, err := m.Open(ctx, c.id, l.policy)
	if err != nil {
		return err
	}
	c.opened = true
	if err := s.Set(c.token, true); err != nil {
		return err
	}
	return s.Commit(ctx)
}

// recorded returns what the clients were told so far.
func (l *faultLoad) recorded() []faultCommit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commits)
}

// acknowledged returns how many commits were acknowledged that began at that time or later.
func (l *faultLoad) acknowledged(since time.Time) int {
	n := 0
	for _, c := range l.recorded() {
		if c.err == nil && !c.began.Before(since) {
			n++
		}
	}
	return n
}

// progress waits until n more commits have begun and been acknowledged, and returns how long that took.
func (l *faultLoad) progress(n int, limit time.Duration) time.Duration {
	l.t.Helper()
	from := time.Now()
	poll(l.t, limit, fmt.Sprintf("%d commits more", n), func() bool { return l.acknowledged(from) >= n })
	return time.Since(from)
}

// check reads the sessions, when the load has stopped, and holds what is there against what the clients
// were told. It returns the acknowledged commits that are not there. All else that is wrong is an error.
func (l *faultLoad) check(m *core.Manager) (lost []faultCommit) {
	l.t.Helper()
	for _, id := range l.ids {
		s, err := m.Open(l.t.Context(), id, core.ReadOnly)
		if err != nil {
			l.t.Fatalf("the session can not be opened: %v", err)
		}
		lost = append(lost, l.checkSession(s, id)...)
	}
	return lost
}

// checkNothingLost is check for faults that must lose nothing.
func (l *faultLoad) checkNothingLost(m *core.Manager) {
	l.t.Helper()
	for _, c := range l.check(m) {
		l.t.Errorf("the commit of %s was acknowledged and is lost", c.token)
	}
}

func (l *faultLoad) checkSession(s *core.Session, id string) (lost []faultCommit) {
	l.t.Helper()
	tokens := s.Keys()
	if l.policy == core.Optimistic || l.policy == core.Serialized {
		tokens, _ = core.Get[[]string](s, "log")
	}
	at := make(map[string]int, len(tokens))
	for i, token := range tokens {
		if _, twice := at[token]; twice {
			l.t.Errorf("%s was added twice", token)
		}
		at[token] = i
	}
	acked, unknown := 0, 0
	for _, c := range l.recorded() {
		if c.id != id {
			continue
		}
		i, there := at[c.token]
		delete(at, c.token)
		switch {
		case c.err == nil:
			acked++
			if !there {
				lost = append(lost, c)
			} else if c.position >= 0 && c.position != i {
				l.t.Errorf("%s was added as number %d and is number %d", c.token, c.position, i)
			}
		case !c.refused():
			unknown++
		case there:
			l.t.Errorf("the commit of %s was refused (%v) and yet is there", c.token, c.err)
		}
	}
	if len(at) > 0 {
		l.t.Errorf("nobody has added %v", slices.Collect(maps.Keys(at)))
	}
	commits := int(s.Version()) - 1
	switch {
	case l.policy != core.Lossy && commits != len(tokens):
		l.t.Errorf("%d commits were made, %d tokens are there", commits, len(tokens))
	case l.policy == core.Lossy: // the last commit replaces the others, which only the version counts
		if lost = nil; commits < acked || commits > acked+unknown {
			l.t.Errorf("%d commits were made, %d were acknowledged and of %d it is unknown", commits, acked, unknown)
		}
	}
	return lost
}

// cost is what the users of a load felt from a moment on.
type cost struct {
	commits, failed, unknown int
	slowest                  time.Duration // of those that succeeded
	gap                      time.Duration // the longest time in which nobody succeeded
	errs                     map[string]int
}

func (l *faultLoad) cost(since time.Time) cost {
	c := cost{errs: map[string]int{}}
	var acks []time.Time
	for _, x := range l.recorded() {
		if x.ended.Before(since) {
			continue
		}
		c.commits++
		if x.err == nil {
			acks = append(acks, x.ended)
			c.slowest = max(c.slowest, x.ended.Sub(x.began))
			continue
		}
		c.failed++
		if !x.refused() {
			c.unknown++
		}
		c.errs[faultName(x.err)]++
	}
	slices.SortFunc(acks, time.Time.Compare)
	for last := since; len(acks) > 0; acks = acks[1:] {
		c.gap = max(c.gap, acks[0].Sub(last))
		last = acks[0]
	}
	return c
}

func (c cost) String() string {
	return fmt.Sprintf("%d commits, %d failed (of %d it is unknown whether they were made), slowest success %v, longest time without one %v; %v",
		c.commits, c.failed, c.unknown, c.slowest.Round(time.Millisecond), c.gap.Round(time.Millisecond), c.errs)
}

// only reports errors of other names than these.
func (c cost) only(t *testing.T, names ...string) {
	t.Helper()
	for name, n := range c.errs {
		if !slices.Contains(names, name) {
			t.Errorf("%d commits failed with %s", n, name)
		}
	}
}

// faultName is a short name for an error, for counting.
func faultName(err error) string {
	for name, e := range map[string]error{"ErrTimeout": redisstore.ErrTimeout, "ErrBusy": redisstore.ErrBusy, "ErrUnknown": redisstore.ErrUnknown,
		"ErrNotFound": core.ErrNotFound, "ErrGone": core.ErrGone, "ErrConflict": core.ErrConflict, "ErrLockLost": core.ErrLockLost,
		"ErrLockTimeout": core.ErrLockTimeout, "ErrQueueFull": core.ErrQueueFull} {
		if errors.Is(err, e) {
			return name
		}
	}
	return err.Error()
}

// poll waits until done returns true, and ends the test if that takes longer than limit.
func poll(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}
