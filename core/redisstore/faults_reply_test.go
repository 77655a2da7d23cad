package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// runs returns a match for Proxy.CutReply: the next run of the script, or of the plain command that the
// store uses in its stead where it can.
func runs(script string) func(string, [][]byte) bool {
	sha := redisstore.ScriptSHA(script)
	return func(cmd string, args [][]byte) bool {
		return cmd == "EVALSHA" && len(args) > 0 && string(args[0]) == sha || cmd == "GET" && script == "load"
	}
}

// twoWays starts a server and opens two stores on it: one whose replies can be lost, one that goes direct.
func twoWays(t *testing.T, cfg redisstore.Config) (*redistest.Server, *redistest.Proxy, *redisstore.Store, *redisstore.Store) {
	t.Helper()
	srv := redistest.Start(t)
	proxy := redistest.NewProxy(t, srv.Addr())
	direct := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Shards: cfg.Shards})
	cfg.Addrs = []string{proxy.Addr()}
	return srv, proxy, open(t, cfg), direct
}

// lostReply is a call of a store whose reply gets lost.
type lostReply struct {
	name, script string
	call         func(st *redisstore.Store, r *replyRun) error
	check        func(t *testing.T, direct *redisstore.Store, r *replyRun)
}

// replyRun is the session that a lostReply is about, which somebody holds the lock of.
type replyRun struct {
	ctx   context.Context
	key   core.Key
	to    string // an id to rotate to
	fence uint64
	got   uint64 // what the call returned
}

var lockFor = core.LockOptions{LoadOptions: core.LoadOptions{Touch: core.NoTouch}, Lease: time.Hour}

func change(name string) *core.Change {
	return &core.Change{Set: core.Values{{Name: name, Data: "1"}}, Base: 1}
}

func (r *replyRun) load(t *testing.T, st *redisstore.Store, id string) core.Record {
	t.Helper()
	rec, err := st.Load(r.ctx, core.Key{Manager: r.key.Manager, ID: id}, core.LoadOptions{Touch: core.NoTouch})
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return rec
}

// free checks that the lock can be had at once.
func (r *replyRun) free(t *testing.T, st *redisstore.Store, id string) {
	t.Helper()
	if _, _, err := st.Lock(r.ctx, core.Key{Manager: r.key.Manager, ID: id}, lockFor); err != nil {
		t.Errorf("nobody should hold the lock: %v", err)
	}
}

func save(c func(r *replyRun) *core.Change) func(*redisstore.Store, *replyRun) error {
	return func(st *redisstore.Store, r *replyRun) (err error) {
		r.got, err = st.Save(r.ctx, r.key, c(r))
		return err
	}
}

func savedOnce(t *testing.T, direct *redisstore.Store, r *replyRun) {
	t.Helper()
	if rec := r.load(t, direct, r.key.ID); rec.Version != 2 || r.got != 2 || len(rec.Values) != 1 {
		t.Errorf("version %d with %d values, and the caller heard %d; want 2, 1, 2", rec.Version, len(rec.Values), r.got)
	}
}

var lostReplies = []lostReply{
	{"create", "create", func(st *redisstore.Store, r *replyRun) error {
		return st.Create(r.ctx, core.Key{Manager: r.key.Manager, ID: "new"}, core.Record{Idle: time.Hour})
	}, func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		if rec := r.load(t, direct, "new"); rec.Version != 1 {
			t.Errorf("version %d", rec.Version)
		}
	}},
	{"load", "load", func(st *redisstore.Store, r *replyRun) error {
		_, err := st.Load(r.ctx, r.key, core.LoadOptions{})
		return err
	}, nil},
	{"touch", "load", func(st *redisstore.Store, r *replyRun) error { return st.Touch(r.ctx, r.key, time.Now()) }, nil},
	{"save", "save", save(func(*replyRun) *core.Change { return change("a") }), savedOnce},
	{"save that replaces", "save", save(func(*replyRun) *core.Change {
		c := change("a")
		c.Replace = true
		return c
	}), savedOnce},
	{"save if the version is", "save", save(func(*replyRun) *core.Change {
		c := change("a")
		c.Version = 1
		return c
	}), savedOnce},
	{"save and unlock", "save", save(func(r *replyRun) *core.Change {
		c := change("a")
		c.Fence, c.Unlock = r.fence, true
		return c
	}), func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		savedOnce(t, direct, r)
		r.free(t, direct, r.key.ID)
	}},
	{"unlock", "unlock", func(st *redisstore.Store, r *replyRun) error { return st.Unlock(r.ctx, r.key, r.fence) },
		func(t *testing.T, direct *redisstore.Store, r *replyRun) { r.free(t, direct, r.key.ID) }},
	{"renew", "renew", func(st *redisstore.Store, r *replyRun) error {
		return st.Renew(r.ctx, r.key, r.fence, time.Now(), time.Hour)
	}, nil},
	{"lock", "lock", func(st *redisstore.Store, r *replyRun) (err error) {
		if err = st.Unlock(r.ctx, r.key, r.fence); err == nil {
			_, r.got, err = st.Lock(r.ctx, r.key, lockFor)
		}
		return err
	}, func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		if _, _, err := direct.Lock(r.ctx, r.key, lockFor); !errors.Is(err, core.ErrLocked) {
			t.Errorf("while it is held: %v", err)
		}
		if err := direct.Unlock(r.ctx, r.key, r.got); err != nil {
			t.Errorf("under the fence that the caller got: %v", err)
		}
		r.free(t, direct, r.key.ID)
	}},
	{"rotate", "rotate", func(st *redisstore.Store, r *replyRun) error {
		return st.Rotate(r.ctx, r.key, core.Rotation{To: r.to})
	}, rotatedOnce},
	{"rotate and forward", "rotate", func(st *redisstore.Store, r *replyRun) error {
		return st.Rotate(r.ctx, r.key, core.Rotation{To: r.to, Grace: time.Hour, Fence: r.fence})
	}, rotatedOnce},
	{"delete", "delete", func(st *redisstore.Store, r *replyRun) error {
		_, _, err := st.Delete(r.ctx, r.key, time.Now()) // ok may be false
		return err
	}, func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		if _, err := direct.Load(r.ctx, r.key, core.LoadOptions{}); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("load: %v", err)
		}
	}},
	{"count", "list", func(st *redisstore.Store, r *replyRun) error {
		n, err := st.Count(r.ctx, r.key.Manager, time.Now())
		if err == nil && n != 1 {
			err = fmt.Errorf("%d sessions", n)
		}
		return err
	}, nil},
}

func rotatedOnce(t *testing.T, direct *redisstore.Store, r *replyRun) {
	t.Helper()
	r.load(t, direct, r.to)
	if _, err := direct.Load(r.ctx, r.key, core.LoadOptions{}); err == nil {
		t.Error("the old id is still good")
	}
	if n, err := direct.Count(r.ctx, r.key.Manager, time.Now()); n != 1 || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
}

// TestFaultReplyLost cuts the connection when Redis has carried a call out: before its reply, in the
// middle of it, and after it.
func TestFaultReplyLost(t *testing.T) {
	_, proxy, st, direct := twoWays(t, redisstore.Config{})
	for part, after := range map[string]int{"nothing arrives": 0, "a part arrives": 3, "all arrives": math.MaxInt} {
		for _, tt := range lostReplies {
			t.Run(fmt.Sprintf("%s, %s", tt.name, part), func(t *testing.T) {
				r := newReplyRun(t, direct)
				cut := proxy.CutReply(runs(tt.script), after)
				if err := tt.call(st, r); err != nil {
					t.Errorf("the caller sees %v", err)
				}
				<-cut
				if tt.check != nil {
					tt.check(t, direct, r)
				}
			})
		}
	}
}

func newReplyRun(t *testing.T, direct *redisstore.Store) *replyRun {
	t.Helper()
	r := &replyRun{ctx: t.Context(), key: core.Key{Manager: "m" + fmt.Sprint(time.Now().UnixNano()), ID: "session"}}
	if err := direct.Create(r.ctx, r.key, core.Record{Idle: time.Hour}); err != nil {
		t.Fatal(err)
	}
	var err error
	if _, r.fence, err = direct.Lock(r.ctx, r.key, lockFor); err != nil {
		t.Fatal(err)
	}
	for i := 0; r.to == "" || !direct.SamePlace("", r.key.ID, r.to); i++ {
		r.to = fmt.Sprint("to", i)
	}
	return r
}

// saveOften has others save the session.
func saveOften(n int) func(*testing.T, *redisstore.Store, *replyRun) {
	return func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		for i := range n {
			if _, err := direct.Save(r.ctx, r.key, change(fmt.Sprint("other", i))); err != nil {
				t.Error(err)
			}
		}
	}
}

// takeLock has another take the lock.
func takeLock(t *testing.T, direct *redisstore.Store, r *replyRun) {
	_, fence, err := direct.Lock(r.ctx, r.key, lockFor)
	if err != nil {
		t.Error(err)
	}
	r.fence = fence
}

// versionIs checks the session's version, and what version the caller heard of.
func versionIs(want, heard uint64) func(*testing.T, *redisstore.Store, *replyRun) {
	return func(t *testing.T, direct *redisstore.Store, r *replyRun) {
		if rec := r.load(t, direct, r.key.ID); rec.Version != want || r.got != heard {
			t.Errorf("version %d, and the caller heard %d; want %d and %d", rec.Version, r.got, want, heard)
		}
	}
}

// meanwhiles are what others do between the attempt whose reply is lost and the next.
var meanwhiles = []struct {
	lostReply
	meanwhile func(t *testing.T, direct *redisstore.Store, r *replyRun)
	want      error
}{
	{lostReply{"save, then five others'", "save", save(func(*replyRun) *core.Change { return change("a") }),
		versionIs(7, 2)}, saveOften(5), nil},
	{lostReply{"save, then ten others'", "save", save(func(*replyRun) *core.Change { return change("a") }),
		versionIs(12, 0)}, saveOften(10), redisstore.ErrUnknown},
	{lostReply{"unlock, then another's lock", "unlock", func(st *redisstore.Store, r *replyRun) error {
		return st.Unlock(r.ctx, r.key, r.fence)
	}, lockHeld}, takeLock, nil},
	{lostReply{"save and unlock, then another's lock", "save", save(func(r *replyRun) *core.Change {
		c := change("a")
		c.Fence, c.Unlock = r.fence, true
		return c
	}), lockHeld}, takeLock, nil},
	{lostReply{"save, then another's rotation", "save", save(func(*replyRun) *core.Change { return change("a") }), nil},
		func(t *testing.T, direct *redisstore.Store, r *replyRun) {
			if err := direct.Rotate(r.ctx, r.key, core.Rotation{To: r.to, Grace: time.Minute}); err != nil {
				t.Error(err)
			}
		}, redisstore.ErrUnknown},
	{lostReply{"save, then another's delete", "save", save(func(*replyRun) *core.Change { return change("a") }), nil},
		func(t *testing.T, direct *redisstore.Store, r *replyRun) {
			if _, ok, err := direct.Delete(r.ctx, r.key, time.Now()); !ok || err != nil {
				t.Error(ok, err)
			}
		}, core.ErrGone},
}

// TestFaultReplyLostMeanwhile has others use the session between the attempt whose reply is lost and the
// next, which can not be made before.
func TestFaultReplyLostMeanwhile(t *testing.T) {
	for _, tt := range meanwhiles {
		t.Run(tt.name, func(t *testing.T) {
			_, proxy, st, direct := twoWays(t, redisstore.Config{})
			r := newReplyRun(t, direct)
			proxy.Refuse(true)
			cut := proxy.CutReply(runs(tt.script), 0)
			result := make(chan error, 1)
			go func() { result <- tt.call(st, r) }()
			<-cut
			proxy.Cut() // the store's other connection too
			tt.meanwhile(t, direct, r)
			proxy.Refuse(false)
			if err := <-result; !errors.Is(err, tt.want) {
				t.Errorf("the caller sees %v, want %v", err, tt.want)
			}
			if tt.check != nil {
				tt.check(t, direct, r)
			}
		})
	}
}

// lockHeld checks that the lock taken meanwhile is as its holder thinks.
func lockHeld(t *testing.T, direct *redisstore.Store, r *replyRun) {
	t.Helper()
	if err := direct.Renew(r.ctx, r.key, r.fence, time.Now(), time.Hour); err != nil {
		t.Errorf("the lock that another took is gone: %v", err)
	}
}

// TestFaultRequestsReplyLost loses replies within the life of a session, under each policy.
func TestFaultRequestsReplyLost(t *testing.T) {
	_, proxy, st, direct := twoWays(t, redisstore.Config{})
	for _, policy := range everyPolicy {
		t.Run(policy.String(), func(t *testing.T) {
			ctx := t.Context()
			m := faultManager(t, st, core.Config{Locking: policy})
			var cuts []<-chan struct{}
			lose := func(script string) { cuts = append(cuts, proxy.CutReply(runs(script), 3)) }
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}

			lose("create")
			id := newSession(t, m)
			for i := range 5 {
				lose(map[bool]string{true: "lock", false: "load"}[policy == core.Serialized])
				lose("save")
				must(m.Update(ctx, id, func(s *core.Session) error {
					n, _ := core.Get[int](s, "n")
					return s.Set("n", n+1)
				}, policy))
				if n := count(t, faultManager(t, direct, core.Config{}), id); n != i+1 {
					t.Fatalf("%d increments are there, %d were made", n, i+1)
				}
			}
			s, err := m.Open(ctx, id)
			must(err)
			lose("rotate")
			must(s.Rotate(ctx, time.Minute))
			if policy == core.Serialized {
				lose("unlock")
			}
			must(s.Rollback(ctx))
			s, err = faultManager(t, direct, core.Config{}).Open(ctx, s.ID(), core.Serialized)
			must(err) // at once: no lock is left
			must(s.Rollback(ctx))
			lose("delete")
			must(m.Delete(ctx, s.ID()))
			if _, err := m.Open(ctx, s.ID()); !errors.Is(err, core.ErrNotFound) {
				t.Errorf("open after delete: %v", err)
			}
			for i, cut := range cuts {
				select {
				case <-cut:
				case <-time.After(5 * time.Second):
					t.Fatalf("reply %d of %d was not lost", i+1, len(cuts))
				}
			}
		})
	}
}

// count reads the number that requests increment.
func count(t *testing.T, m *core.Manager, id string) int {
	t.Helper()
	s, err := m.Open(t.Context(), id, core.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	n, err := core.Get[int](s, "n")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
