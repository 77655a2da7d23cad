package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// TestIndexOutlivesItsSessions begins a session in an index that another program has begun anew, for shorter.
func TestIndexOutlivesItsSessions(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	cfg := redisstore.Config{Addrs: []string{srv.Addr()}, Shards: 1, Grace: time.Second}
	st, other := open(t, cfg), open(t, cfg)
	first, second, third := core.Key{Manager: "m", ID: "1"}, core.Key{Manager: "m", ID: "2"}, core.Key{Manager: "m", ID: "3"}
	ok(t, st.Create(t.Context(), first, anHour()))
	_, _, err := st.Delete(t.Context(), first, time.Now())
	ok(t, err)
	short := anHour()
	short.Idle = time.Minute
	ok(t, other.Create(t.Context(), second, short))
	_, err = st.Load(t.Context(), second, core.LoadOptions{Touch: core.NoTouch}) // reads the clock
	ok(t, err)
	ok(t, st.Create(t.Context(), third, anHour()))
	index, err := redis.Int(srv.Do("PTTL", redisstore.IndexKey(st, third)))
	ok(t, err)
	data, err := redis.Int(srv.Do("PTTL", redisstore.DataKey(st, third)))
	ok(t, err)
	if index < data-1000 {
		t.Errorf("the index is kept for %dms, a session in it for %dms", index, data)
	}
}

// TestSlowClock reads the clock over a slow line. A session begun right after does not begin in the past.
func TestSlowClock(t *testing.T) {
	t.Parallel()
	n := newNarrow(t, redisstore.Config{})
	redisstore.ForgetClock(n.st)
	n.proxy.Delay(700 * time.Millisecond)
	_, err := n.st.Load(t.Context(), n.keys[0], core.LoadOptions{Touch: core.NoTouch})
	ok(t, err)
	n.proxy.Delay(0)
	before := time.Now() // of the same machine
	key := core.Key{Manager: "m", ID: "new"}
	ok(t, n.st.Create(t.Context(), key, anHour()))
	rec, err := n.st.Load(t.Context(), key, core.LoadOptions{Touch: core.NoTouch})
	ok(t, err)
	if early := before.Sub(rec.Accessed); early > 300*time.Millisecond {
		t.Errorf("the session began %v before it was created", early)
	}
}

// TestCreateBesideOneForGood has a session that never ends in the index, which therefore has no time to live. That
// is for the script, and is not tried in vain by plain commands first.
func TestCreateBesideOneForGood(t *testing.T) {
	t.Parallel()
	n := newNarrow(t, redisstore.Config{})
	forGood := anHour()
	forGood.Idle = 0
	ok(t, n.st.Create(t.Context(), core.Key{Manager: "m", ID: "for good"}, forGood))
	for i := range 5 {
		if i == 1 { // the first may find out
			n.proxy.Reset()
		}
		ok(t, n.st.Create(t.Context(), core.Key{Manager: "m", ID: fmt.Sprint("new", i)}, anHour()))
	}
	if names := n.proxy.Names(); names["MULTI"] != 0 {
		t.Errorf("%v, want no MULTI", names)
	}
}
