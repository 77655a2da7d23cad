package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestInPlace has requests of two programs change values in place, others with other lengths, new names and deleted ones,
// in turns and at the same time. Each change must end up at its own name, and nothing else be touched.
func TestInPlace(t *testing.T) {
	srv := redistest.Start(t)
	var managers []*core.Manager
	for range 2 {
		managers = append(managers, managerOn(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{}))
	}
	ctx := t.Context()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		id, want := begin(t, managers[0]), map[string]string{}
		change := func(s *core.Session) (note func()) {
			name, value := fmt.Sprintf("name%d", r.IntN(4)), strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(2))
			if _, found, err := core.Lookup[string](s, name); found && r.IntN(8) == 0 {
				ok(t, err)
				ok(t, s.Delete(name)) // of a name that it does not know of it would be no change
				return func() { delete(want, name) }
			}
			ok(t, s.Set(name, value))
			if r.IntN(4) > 0 {
				return func() { want[name] = value }
			}
			second := fmt.Sprintf("name%d", r.IntN(4)) // two at once have no common place
			ok(t, s.Set(second, value))
			return func() { want[name], want[second] = value, value }
		}
		for round := range 40 {
			var sessions []*core.Session
			var notes []func()
			for range 1 + r.IntN(3) {
				s, err := managers[r.IntN(2)].Open(ctx, id)
				ok(t, err)
				sessions, notes = append(sessions, s), append(notes, change(s))
			}
			for i, s := range sessions {
				notes[i]()
				ok(t, s.Commit(ctx))
				if r.IntN(3) == 0 { // once more, upon what it has just written
					change(s)()
					ok(t, s.Commit(ctx))
				}
			}
			s, err := managers[r.IntN(2)].Open(ctx, id, core.ReadOnly)
			ok(t, err)
			got := map[string]string{}
			for name, value := range s.All() {
				if text, is := value.(string); is {
					got[name] = text
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, round %d (-want +got):\n%s", seed, round, diff)
			}
		}
	}
}

// TestInPlaceSparesRedis sees to it that a value which keeps its length is written without the others.
func TestInPlaceSparesRedis(t *testing.T) {
	srv := redistest.Start(t)
	m := managerOn(t, open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), core.Config{})
	s, err := m.Create(t.Context())
	ok(t, err)
	ok(t, s.Set("n", 0))
	ok(t, s.Set("text", strings.Repeat("x", 1000)))
	ok(t, s.Commit(t.Context()))
	for _, policy := range []core.LockingPolicy{core.Merge, core.Optimistic, core.Serialized} {
		ok(t, write(t.Context(), m, s.ID(), policy))
		before := srv.CommandStats()
		ok(t, write(t.Context(), m, s.ID(), policy))
		after := srv.CommandStats()
		gets := after["get"].Calls - before["get"].Calls
		if gets != 1 || after["set"].Calls != before["set"].Calls {
			t.Errorf("%v: the script read or wrote all of the session: %d GET, %d SET", policy, gets, after["set"].Calls-before["set"].Calls)
		}
	}
	if n := counted(t, m, s.ID()); n != 6 {
		t.Errorf("n = %d, want 6", n)
	}
}

// TestInPlaceAfterALostReply: a save that was merged with another's, and whose reply got lost, tells nobody what is stored.
// What its session writes next must not take the other's value for its own.
func TestInPlaceAfterALostReply(t *testing.T) {
	_, proxy, lossy, direct := twoWays(t, redisstore.Config{})
	m, other := managerOn(t, lossy, core.Config{}), managerOn(t, direct, core.Config{})
	ctx := t.Context()
	s, err := m.Create(ctx)
	ok(t, err)
	ok(t, s.Set("b", "1"))
	ok(t, s.Commit(ctx))
	ok(t, s.Set("b", "2"))
	o, err := other.Open(ctx, s.ID())
	ok(t, err)
	ok(t, o.Set("a", "x"))
	ok(t, o.Commit(ctx))
	proxy.CutReply(runs("save"), 0)
	for _, value := range []string{"2", "3", "4"} {
		ok(t, s.Set("b", value))
		ok(t, s.Commit(ctx))
	}
	r, err := other.Open(ctx, s.ID(), core.ReadOnly)
	ok(t, err)
	for name, want := range map[string]string{"a": "x", "b": "4"} {
		if got, err := core.Get[string](r, name); got != want || err != nil {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
}
