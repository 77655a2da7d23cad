package memstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func evictions(s *Store) *[]string {
	var ids []string
	s.OnEvict("app", func(id string, rec core.Record) {
		if _, ok := rec.Values.Get("name"); !ok {
			id += " without its data"
		}
		ids = append(ids, id)
	})
	return &ids
}

func TestEvictsLeastRecentlyAccessed(t *testing.T) {
	ctx := t.Context()
	for _, tt := range []struct {
		name   string
		access func(s *Store) error // what happens to a, after a, b and c were created
		want   []string
	}{
		{"created only", func(s *Store) error { return nil }, []string{"a", "b"}},
		{"touched", func(s *Store) error { return s.Touch(ctx, key("a"), start.Add(1)) }, []string{"b", "c"}},
		{"loaded", func(s *Store) error {
			_, err := s.Load(ctx, key("a"), core.LoadOptions{Now: start.Add(1)})
			return err
		}, []string{"b", "c"}},
		{"loaded without touch", func(s *Store) error {
			_, err := s.Load(ctx, key("a"), core.LoadOptions{Now: start.Add(1), Touch: core.NoTouch})
			return err
		}, []string{"a", "b"}},
		{"saved", func(s *Store) error {
			_, err := s.Save(ctx, key("a"), &core.Change{Now: start.Add(1)})
			return err
		}, []string{"b", "c"}},
		{"deleted", func(s *Store) error {
			_, _, err := s.Delete(ctx, key("a"), start)
			return err
		}, []string{"b"}},
		{"rotated", func(s *Store) error {
			return s.Rotate(ctx, key("a"), core.Rotation{Now: start, To: "z"})
		}, []string{"b", "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Config{MaxSessions: 3})
			got := evictions(s)
			for _, id := range []string{"a", "b", "c"} {
				mustCreate(t, s, id, record(0))
			}
			if err := tt.access(s); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"d", "e"} {
				mustCreate(t, s, id, record(0))
			}
			if !slices.Equal(*got, tt.want) {
				t.Errorf("evicted %v, want %v", *got, tt.want)
			}
			check(t, s)
		})
	}
}

// The order holds within shards and across them.
func TestEvictsInOrderOfAccess(t *testing.T) {
	const n = 5 * shardCount
	s := New(Config{MaxSessions: n})
	got := evictions(s)
	var want []string
	for i := range n {
		mustCreate(t, s, fmt.Sprint(i), record(0))
	}
	for i := n - 1; i >= 0; i-- {
		want = append(want, fmt.Sprint(i))
		if err := s.Touch(t.Context(), key(want[len(want)-1]), start); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		mustCreate(t, s, fmt.Sprint("new", i), record(0))
	}
	if !slices.Equal(*got, want) {
		t.Errorf("evicted %v, want %v", *got, want)
	}
}

// Two who both saw the store above its limit must not evict one session each for one too many.
func TestEvictsNoMoreThanNecessary(t *testing.T) {
	s := New(Config{MaxSessions: 1})
	for _, id := range []string{"a", "b"} {
		if err := s.create(&entry{key: key(id), rec: record(0)}); err != nil {
			t.Fatal(err)
		}
	}
	if e := s.takeOldest(); e == nil || e.key.ID != "a" {
		t.Errorf("the first takes %v, want a", e)
	}
	if e := s.takeOldest(); e != nil {
		t.Errorf("the second takes %s, want nothing", e.key.ID)
	}
}

func TestEvictsForBytes(t *testing.T) {
	s := New(Config{MaxBytes: 100})
	got := evictions(s)
	for _, id := range []string{"a", "b", "c"} {
		mustCreate(t, s, id, record(0)) // 10 bytes each
	}
	set := func(id string, n int) error {
		_, err := s.Save(t.Context(), key(id), &core.Change{Now: start,
			Set: core.Values{{Name: "more", Data: strings.Repeat("x", n)}}})
		return err
	}
	if err := set("c", 66); err != nil || len(*got) != 0 {
		t.Fatalf("evicted %v (%v) at the limit", *got, err)
	}
	if err := set("c", 67); err != nil || !slices.Equal(*got, []string{"a"}) {
		t.Errorf("evicted %v (%v) one byte above the limit, want a", *got, err)
	}
	if err := set("c", 87); !errors.Is(err, core.ErrTooLarge) || len(*got) != 1 {
		t.Errorf("a session above the limit by itself: %v, evicted %v, want ErrTooLarge and no more evictions", err, *got)
	}
	if err := s.Rotate(t.Context(), key("b"), core.Rotation{Now: start, To: "bb"}); err != nil || !slices.Equal(*got, []string{"a"}) {
		t.Errorf("evicted %v (%v) at the limit", *got, err)
	}
	err := s.Rotate(t.Context(), key("bb"), core.Rotation{Now: start, To: strings.Repeat("b", 20)})
	if err != nil || !slices.Equal(*got, []string{"a", "c"}) {
		t.Errorf("evicted %v (%v) when an id became longer, want c too", *got, err)
	}
	rec := record(0)
	rec.Values = core.Values{{Name: "more", Data: strings.Repeat("x", 100)}}
	if err := s.Create(t.Context(), key("d"), rec); !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("creating a session above the limit by itself: %v, want ErrTooLarge", err)
	}
	check(t, s)
}

func TestEvictCallsBackWithoutLock(t *testing.T) {
	s := New(Config{MaxSessions: 1})
	s.OnEvict("app", func(id string, rec core.Record) {
		if id == "a" {
			mustCreate(t, s, "c", record(0)) // evicts b in turn
		}
	})
	got := evictions(s)
	mustCreate(t, s, "a", record(0))
	mustCreate(t, s, "b", record(0))
	if want := []string{"b", "a"}; !slices.Equal(*got, want) {
		t.Errorf("evicted %v, want %v", *got, want)
	}
}

func TestOnEvictKeepsManagersApart(t *testing.T) {
	s := New(Config{MaxSessions: 1})
	var got []string
	s.OnEvict("other", func(id string, _ core.Record) { t.Errorf("other is told of %s", id) })
	stop := s.OnEvict("app", func(id string, _ core.Record) { got = append(got, "1"+id) })
	stop2 := s.OnEvict("app", func(id string, _ core.Record) { got = append(got, "2"+id) })
	mustCreate(t, s, "a", record(0))
	mustCreate(t, s, "b", record(0))
	stop()
	stop()
	mustCreate(t, s, "c", record(0))
	stop2()
	mustCreate(t, s, "d", record(0))
	if want := []string{"1a", "2a", "2b"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// However many create at once, each eviction is told once, nobody is evicted needlessly, and the
// limit holds.
func TestEvictConcurrently(t *testing.T) {
	const limit, workers, each = 50, 8, 200
	s := New(Config{MaxSessions: limit})
	var mu sync.Mutex
	told := make(map[string]int)
	s.OnEvict("app", func(id string, _ core.Record) {
		mu.Lock()
		defer mu.Unlock()
		told[id]++
	})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := s.Create(t.Context(), key(fmt.Sprint(w, "-", i)), record(0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n, err := s.Count(t.Context(), "app", start)
	if err != nil || n != limit {
		t.Errorf("%d sessions left (%v), want %d", n, err, limit)
	}
	if len(told) != workers*each-limit {
		t.Errorf("%d evictions told, want %d", len(told), workers*each-limit)
	}
	for id, n := range told {
		if n != 1 {
			t.Errorf("the end of %s was told %d times", id, n)
		}
	}
	check(t, s)
}
