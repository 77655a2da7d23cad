package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// A replica that takes over without having heard of the last save gives its version out again. Whoever
// began with the lost one must neither take the new one for it nor write over what it holds.
func TestVersionGivenOutAgain(t *testing.T) {
	for _, policy := range []core.LockingPolicy{core.Merge, core.Optimistic} {
		t.Run(policy.String(), func(t *testing.T) {
			ctx := context.Background()
			srv := redistest.Start(t)
			mine, other := open(t, redisstore.Config{Addrs: []string{srv.Addr()}}), open(t, redisstore.Config{Addrs: []string{srv.Addr()}})
			key := core.Key{Manager: "app", ID: core.RandomIDs().New()}
			ok(t, mine.Create(ctx, key, core.Record{Created: time.Now(), Accessed: time.Now()}))
			keys := srv.Keys("*:s:*")
			before, err := srv.Do("GET", keys[0])
			ok(t, err)

			m, err := core.New("app", mine, core.Config{Locking: policy})
			ok(t, err)
			defer m.Close(ctx)
			s, err := m.Open(ctx, key.ID)
			ok(t, err)
			ok(t, s.Set("lost", 1))
			ok(t, s.Commit(ctx)) // version 2

			_, err = srv.Do("SET", keys[0], before, "KEEPTTL") // as a replica has it
			ok(t, err)
			_, err = other.Save(ctx, key, &core.Change{Set: core.Values{{Name: "theirs", Data: "\x01"}}}) // version 2 again
			ok(t, err)

			ok(t, s.Set("mine", 2))
			err = s.Commit(ctx)
			if policy == core.Optimistic && !errors.Is(err, core.ErrConflict) {
				t.Errorf("Commit: %v, want a conflict", err)
			}
			if policy == core.Merge && err != nil {
				t.Errorf("Commit: %v", err)
			}
			rec, err := other.Load(ctx, key, core.LoadOptions{Now: time.Now(), Touch: core.NoTouch})
			ok(t, err)
			if _, there := rec.Values.Get("theirs"); !there {
				t.Errorf("what another saved is gone: %q", rec.Values)
			}
		})
	}
}
