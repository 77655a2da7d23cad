package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// Ids are ours: promise 8.
func TestStrangersIDs(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	valid := begin(t, m)
	st.reset()
	for _, id := range []string{"", "x", "../../etc/passwd", strings.Repeat("A", 27), strings.Repeat("A", 1<<20), "AAAAAAAAAAAAAAAAAAAAAAAAA\x00",
		strings.ToLower(valid), valid + "A", valid[1:], "'; DROP TABLE", "AAAAAAAAAAAAAAAAAAAAAAAAA1"} {
		if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrBadID) || !errors.Is(err, core.ErrNotFound) {
			t.Errorf("Open(%.30q): %v", id, err)
		}
		if err := m.Delete(t.Context(), id); !errors.Is(err, core.ErrBadID) {
			t.Errorf("Delete(%.30q): %v", id, err)
		}
		if err := m.Update(t.Context(), id, increment); !errors.Is(err, core.ErrBadID) {
			t.Errorf("Update(%.30q): %v", id, err)
		}
	}
	if n := st.loads.Load() + st.locks.Load() + st.deletes.Load(); n != 0 {
		t.Errorf("the store saw %d of them", n)
	}
	if _, err := m.Open(t.Context(), strings.Repeat("A", 30)); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestIDFormats(t *testing.T) {
	good := core.RandomIDs()
	for _, tt := range []struct {
		name   string
		format core.IDFormat
		err    string
	}{
		{"default", good, ""},
		{"uuids", core.UUIDs(), ""},
		{"prefixed", core.PrefixedIDs("web1-", core.UUIDs()), ""},
		{"half", core.IDFormat{New: good.New}, "both be set"},
		{"constant", core.IDFormat{New: func() string { return strings.Repeat("A", 30) }, Valid: good.Valid}, "same id twice"},
		{"short", core.IDFormat{New: func() string { return good.New()[:10] }, Valid: good.Valid}, "characters"},
		{"mostly constant", core.PrefixedIDs(strings.Repeat("A", 20), core.IDFormat{New: func() string { return good.New()[:10] },
			Valid: func(id string) bool { return len(id) == 10 && good.Valid(id+strings.Repeat("A", 20)) }}), "random bits"},
		{"bad characters", core.IDFormat{New: func() string { return "a b" + good.New() }, Valid: func(string) bool { return true }}, "character"},
		{"80 bits", core.IDFormat{New: func() string { return core.UUIDs().New()[:20] }, Valid: func(id string) bool { return len(id) == 20 }}, "random bits"},
		{"refuses its own", core.IDFormat{New: good.New, Valid: core.UUIDs().Valid}, "refuses"},
		{"accepts anything", core.IDFormat{New: good.New, Valid: func(string) bool { return true }}, "accepts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := core.New("app", newStore(t), core.Config{IDs: tt.format})
			if err == nil {
				ok(t, m.Close(t.Context()))
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("New: %v, want %q", err, tt.err)
			}
		})
	}
}

// The application's own Valid may be too kind; a path must not reach the store all the same.
func TestIDsAreCheckedBesidesTheFormat(t *testing.T) {
	kind := core.IDFormat{New: core.RandomIDs().New, Valid: func(id string) bool { return len(id) == 30 }}
	st := newStore(t)
	m := managerOn(t, st, core.Config{IDs: kind})
	for _, id := range []string{"../../../../../etc/passwd\x00temp", "../../../../etc/passwd\x00tempabc", "a session with spaces in it...",
		"AAAAAAAAAAAAAAAA\r\nDEL AAAAAAAA", strings.Repeat("ä", 15), strings.Repeat("\xff", 30)} {
		if len(id) != 30 {
			t.Fatalf("%q is no test for this format", id)
		}
		if _, err := m.Open(t.Context(), id); m.ValidID(id) || !errors.Is(err, core.ErrBadID) {
			t.Errorf("Open(%q): %v, want ErrBadID", id, err)
		}
	}
	if n := st.loads.Load(); n != 0 {
		t.Errorf("the store saw %d of them", n)
	}
	ok(t, open(t, m, begin(t, m, "n", 0)).End(t.Context()))
}
