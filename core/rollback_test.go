package core_test

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestRollback(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "a", 1)
	s := open(t, m, id)
	ok(t, s.Set("a", 2))
	ok(t, s.SetTimeout(time.Minute))
	ok(t, s.Rollback(t.Context()))
	if v, _ := core.Get[int](s, "a"); v != 1 || s.Dirty() || s.Timeout() != time.Hour {
		t.Errorf("after Rollback: a = %d, dirty %v, timeout %v", v, s.Dirty(), s.Timeout())
	}
	ok(t, s.End(t.Context()))
	if v := open(t, m, id).Version(); v != 1 {
		t.Errorf("version %d, want 1", v)
	}
}

// A session that its application commits itself shows, after the request, what is stored.
func TestEndDropsWhatIsToBeCommittedExplicitly(t *testing.T) {
	m := newManager(t, core.Config{})
	s := open(t, m, begin(t, m, "n", 0), core.SaveExplicit)
	ok(t, s.Set("n", 1))
	ok(t, s.SetTimeout(time.Minute))
	ok(t, s.End(t.Context()))
	if n, _ := core.Get[int](s, "n"); n != 0 || s.Dirty() || s.Timeout() != time.Hour {
		t.Errorf("after End: n = %d, dirty %v, timeout %v", n, s.Dirty(), s.Timeout())
	}
	ok(t, s.Commit(t.Context()))
	if n := peek(t, m, s.ID(), "n"); n != 0 {
		t.Errorf("n = %v, want 0: a commit after End wrote what End had dropped", n)
	}
}
