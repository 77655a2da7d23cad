//go:build linux && !holdover_flock && !race

package filestore

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// TestAllocations holds still what the values' one string, their list, two file names and the change cost.
func TestAllocations(t *testing.T) {
	s := open(t, t.TempDir())
	k := core.Key{Manager: "app", ID: "the id of a session, as it is"}
	if err := s.Create(t.Context(), k, benchRecord()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { load(s, k) }); n > 5 {
		t.Errorf("%v allocations for a load, want at most 5", n)
	}
	c := &core.Change{Now: time.Now(), Set: value("name5", "y")}
	if n := testing.AllocsPerRun(100, func() { s.Save(t.Context(), k, c) }); n > 12 {
		t.Errorf("%v allocations for a save, want at most 12", n)
	}
}
