package core_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdover-web/holdover/core"
)

func TestSessionValues(t *testing.T) {
	m := newManager(t, core.Config{})
	s := open(t, m, begin(t, m, "b", 2, "a", "one", "c", nil))
	if got, want := s.Keys(), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("Keys() = %v, want %v", got, want)
	}
	if n, err := core.Get[int](s, "b"); n != 2 || err != nil {
		t.Errorf("b = %v, %v", n, err)
	}
	if v, there, err := s.Value("c"); v != nil || !there || err != nil {
		t.Errorf("c = %v, %v, %v, want a nil that is there", v, there, err)
	}
	if n, there, err := core.Lookup[int](s, "missing"); n != 0 || there || err != nil {
		t.Errorf("missing = %v, %v, %v", n, there, err)
	}
	_, err := core.Get[int](s, "a")
	if ve, is := errors.AsType[*core.ValueError](err); !is || ve.Name != "a" || ve.Type != "int" {
		t.Errorf("a string as int: %v, want a *ValueError that names both", err)
	}
	ok(t, s.Set("d", 1))
	ok(t, s.Delete("a"))
	ok(t, s.Delete("never there"))
	if s.Has("a") || !s.Has("d") || s.Len() != 3 {
		t.Errorf("after the changes: %v", s.Keys())
	}
	got := map[string]any{}
	for name, v := range s.All() {
		got[name] = v
	}
	want := map[string]any{"b": 2, "c": nil, "d": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("All():\n%s", diff)
	}
	ok(t, s.Clear())
	if s.Len() != 0 {
		t.Errorf("after Clear: %v", s.Keys())
	}
	ok(t, s.Commit(t.Context()))
	if n := open(t, m, s.ID()).Len(); n != 0 {
		t.Errorf("%d values are stored after Clear", n)
	}
}

func TestSetRefuses(t *testing.T) {
	m := newManager(t, core.Config{MaxSize: 100})
	s := open(t, m, begin(t, m, "a", 1))
	err := s.Set("f", func() {})
	if ve, is := errors.AsType[*core.ValueError](err); !is || ve.Name != "f" || ve.Type != "func()" {
		t.Errorf("Set of a function: %v", err)
	}
	if err := s.Set("b", strings.Repeat("x", 200)); !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Set of a large value: %v", err)
	}
	ok(t, s.Set("b", strings.Repeat("x", 60)))
	ok(t, s.Set("c", strings.Repeat("x", 60)))
	if err := s.Commit(t.Context()); !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Commit of a large session: %v", err)
	}
	if peek(t, m, s.ID(), "b") != nil || peek(t, m, s.ID(), "a") != 1 {
		t.Error("the refused commit changed what is stored")
	}
}

// Reading writes nothing: promise 2.
func TestFetchedAndUnchangedIsNotWritten(t *testing.T) {
	type cart struct{ Items []string }
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "n", 1, "list", []any{1, "a"}, "map", map[string]any{"z": 1, "a": []any{}}, "cart", cart{[]string{"tea"}}, "bytes", []byte("x"))
	st.reset()
	for _, fetch := range []func(*core.Session) error{
		func(s *core.Session) error { _, err := core.Get[int](s, "n"); return err },
		func(s *core.Session) error { _, err := core.Get[any](s, "list"); return err },
		func(s *core.Session) error { _, err := core.Get[*[]any](s, "list"); return err },
		func(s *core.Session) error { _, err := core.Get[map[string]any](s, "map"); return err },
		func(s *core.Session) error { _, err := core.Get[cart](s, "cart"); return err },
		func(s *core.Session) error { _, err := core.Get[struct{ Other int }](s, "cart"); return err },
		func(s *core.Session) error { _, err := core.Get[[]byte](s, "bytes"); return err },
	} {
		s := open(t, m, id)
		ok(t, fetch(s))
		if s.Dirty() {
			t.Error("a session that was only read is dirty")
		}
		ok(t, s.End(t.Context()))
	}
	if n := st.saves.Load(); n != 0 {
		t.Errorf("%d saves by requests that changed nothing", n)
	}
}

func TestInPlaceChangesAreNoticed(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "list", []any{"a"}, "map", map[string]any{"k": []any{1}}, "strings", []string{"a"}, "struct", address{Lines: []string{"a"}})
	for name, change := range map[string]func(*core.Session){
		"list element": func(s *core.Session) { v, _ := core.Get[[]any](s, "list"); v[0] = "b" },
		"map entry":    func(s *core.Session) { v, _, _ := s.Value("map"); v.(map[string]any)["new"] = true },
		"inner list":   func(s *core.Session) { v, _ := core.Get[map[string]any](s, "map"); v["k"].([]any)[0] = 2 },
		"append":       func(s *core.Session) { v, _ := core.Get[*[]string](s, "strings"); *v = append(*v, "b") },
		"struct":       func(s *core.Session) { v, _ := core.Get[*address](s, "struct"); v.Street = "Main" },
		"struct list":  func(s *core.Session) { v, _ := core.Get[address](s, "struct"); v.Lines[0] = "c" },
		"after Set": func(s *core.Session) {
			v := map[string]any{}
			_ = s.Set("set", v)
			v["later"] = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, m, id)
			version := s.Version()
			change(s)
			if !s.Dirty() {
				t.Error("not dirty")
			}
			ok(t, s.End(t.Context()))
			if got := open(t, m, id).Version(); got != version+1 {
				t.Errorf("version %d after %d: not saved", got, version)
			}
		})
	}
	v, err := core.Get[map[string]any](open(t, m, id), "set")
	ok(t, err)
	if v["later"] != 1 {
		t.Errorf("set = %v", v)
	}
	strs, err := core.Get[[]string](open(t, m, id), "strings")
	ok(t, err)
	if !slices.Equal(strs, []string{"a", "b"}) {
		t.Errorf("strings = %v", strs)
	}
}

func TestFetchTwice(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "list", []string{"a"})
	s := open(t, m, id)
	p, err := core.Get[*[]string](s, "list")
	ok(t, err)
	*p = append(*p, "b")
	q, err := core.Get[*[]string](s, "list")
	ok(t, err)
	if p != q {
		t.Error("the second fetch gives another list")
	}
	if v, _, err := s.Value("list"); err != nil || len(v.([]string)) != 2 {
		t.Errorf("an untyped fetch gives %v, %v, want the list as it is now", v, err)
	}
	plain, err := core.Get[[]string](s, "list")
	ok(t, err)
	if len(plain) != 2 {
		t.Errorf("a fetch as another type gives %v", plain)
	}
	plain[0] = "x"
	*p = append(*p, "c")
	if err := s.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "two types") {
		t.Errorf("two in-place changes of one value: %v, want an error", err)
	}
}

func TestReadOnlySession(t *testing.T) {
	m := newManager(t, core.Config{Locking: core.Serialized})
	s := open(t, m, begin(t, m, "a", 1), core.ReadOnly)
	ctx := t.Context()
	for name, err := range map[string]error{
		"Set": s.Set("a", 2), "Delete": s.Delete("a"), "Clear": s.Clear(), "Commit": s.Commit(ctx), "Invalidate": s.Invalidate(ctx),
		"Rotate": s.Rotate(ctx, 0), "SetTimeout": s.SetTimeout(time.Hour),
	} {
		if !errors.Is(err, core.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
	ok(t, s.End(ctx))
	ok(t, s.Rollback(ctx))
}

// Nothing for nobody: promise 10.
func TestNewSessionWithoutContentIsNotStored(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{Save: core.SaveAlways})
	s, err := m.Create(t.Context())
	ok(t, err)
	ok(t, s.Set("a", 1))
	ok(t, s.Delete("a"))
	ok(t, s.End(t.Context()))
	if n, err := m.Count(t.Context()); n != 0 || err != nil || st.creates.Load() != 0 || s.Stored() {
		t.Errorf("%d sessions, %v, %d creates", n, err, st.creates.Load())
	}
	ok(t, s.Commit(t.Context()))
	if !s.Stored() || !s.IsNew() {
		t.Error("an explicit Commit does not store an empty session")
	}
}

func TestSavePolicies(t *testing.T) {
	for _, tt := range []struct {
		policy  core.SavePolicy
		change  bool
		version uint64
	}{
		{core.SaveDirty, false, 1}, {core.SaveDirty, true, 2},
		{core.SaveAlways, false, 2}, {core.SaveAlways, true, 2},
		{core.SaveExplicit, false, 1}, {core.SaveExplicit, true, 1},
	} {
		for level, set := range map[string]func(*core.Config, *[]core.OpenOption, **core.SavePolicy){
			"manager": func(c *core.Config, _ *[]core.OpenOption, _ **core.SavePolicy) { c.Save = tt.policy },
			"open":    func(_ *core.Config, o *[]core.OpenOption, _ **core.SavePolicy) { *o = append(*o, tt.policy) },
			"request": func(_ *core.Config, _ *[]core.OpenOption, p **core.SavePolicy) { *p = &tt.policy },
		} {
			t.Run(tt.policy.String()+"/"+level, func(t *testing.T) {
				var cfg core.Config
				var opts []core.OpenOption
				var request *core.SavePolicy
				set(&cfg, &opts, &request)
				m := newManager(t, cfg)
				id := begin(t, m, "a", 1)
				s := open(t, m, id, opts...)
				if request != nil {
					s.SetSave(*request)
				}
				if tt.change {
					ok(t, s.Set("a", 2))
				}
				ok(t, s.End(t.Context()))
				ok(t, s.End(t.Context()))
				if v := open(t, m, id).Version(); v != tt.version {
					t.Errorf("change %v: version %d, want %d", tt.change, v, tt.version)
				}
			})
		}
	}
}

func TestSetTimeout(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, SweepInterval: -1})
	id := begin(t, m, "a", 1)
	s := open(t, m, id)
	ok(t, s.SetTimeout(time.Minute))
	ok(t, s.End(t.Context()))
	c.advance(time.Minute)
	if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("after the session's own timeout: %v", err)
	}
}

// Commit outlives the client: promise 12.
func TestCommitOutlivesTheClient(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m)
	ctx, hangUp := context.WithCancel(t.Context())
	s, err := m.Open(ctx, id)
	ok(t, err)
	ok(t, s.Set("a", 1))
	hangUp()
	ok(t, s.End(ctx))
	if peek(t, m, id, "a") != 1 {
		t.Error("the work of a client that hung up is lost")
	}
}

// A failed load is not an empty session, and a failed save is an error: promises 5 and 7.
func TestStoreFailures(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "a", 1)
	s := open(t, m, id)
	down := errors.New("connection refused")
	st.fail(down)
	if got, err := m.Open(t.Context(), id); got != nil || !errors.Is(err, down) || errors.Is(err, core.ErrNotFound) {
		t.Errorf("Open = %v, %v", got, err)
	}
	ok(t, s.Set("a", 2))
	if err := s.Commit(t.Context()); !errors.Is(err, down) {
		t.Errorf("Commit = %v", err)
	}
	if err := m.Delete(t.Context(), id); !errors.Is(err, down) {
		t.Errorf("Delete = %v", err)
	}
	if err := s.Invalidate(t.Context()); !errors.Is(err, down) || s.Ended() {
		t.Errorf("Invalidate = %v, ended %v", err, s.Ended())
	}
	st.fail(nil)
	ok(t, s.Commit(t.Context()))
	if peek(t, m, id, "a") != 2 {
		t.Error("the change did not survive the failure")
	}
}

func TestKeysDoNotPrintIDs(t *testing.T) {
	k := core.Key{Manager: "app", ID: "SECRETSECRETSECRETSECRET"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%#v %+v %s", k, k, k), log.String()} {
		if strings.Contains(text, k.ID) || !strings.Contains(text, k.Hash()) {
			t.Errorf("%s", text)
		}
	}
}

// Ids are secrets: promise 14.
func TestErrorsNameNoIDs(t *testing.T) {
	st := newStore(t)
	m := managerOn(t, st, core.Config{})
	id := begin(t, m, "a", 1)
	s := open(t, m, id, core.Optimistic)
	other := open(t, m, id)
	ok(t, other.Set("a", 2))
	ok(t, other.Commit(t.Context()))
	ok(t, s.Set("a", 3))
	conflict := s.Commit(t.Context())
	st.fail(errors.New("down"))
	_, load := m.Open(t.Context(), id)
	ok(t, other.Set("a", 2))
	for _, err := range []error{conflict, load, other.Commit(t.Context()), m.Delete(t.Context(), id),
		&core.MovedError{Key: core.Key{Manager: "app", ID: id}, To: id}, &core.LockedError{Key: core.Key{Manager: "app", ID: id}},
		&core.CorruptError{Key: core.Key{Manager: "app", ID: id}}} {
		if err == nil || strings.Contains(err.Error(), id) {
			t.Errorf("error text: %v", err)
		}
		if !strings.Contains(err.Error(), s.Hash()) {
			t.Errorf("error text lacks the session's hash %s: %v", s.Hash(), err)
		}
	}
}
