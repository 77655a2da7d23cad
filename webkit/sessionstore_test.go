package webkit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/filestore"
	"github.com/holdover-web/holdover/core/memstore"
)

// The cases of Webware's TestSessionStore and TestSessionMemoryStore, on every store that there is. Seven
// sessions were last used 0 to 40 minutes ago; the timeout is 30 minutes.

type stores struct {
	app  *Application
	ids  []string // of the seven sessions, newest first
	now  time.Time
	ends chan core.Event
}

// forEachStore runs a case on each store.
func forEachStore(t *testing.T, test func(*testing.T, context.Context, *stores)) {
	open := map[string]func(*testing.T) (core.Store, error){
		"memory": func(*testing.T) (core.Store, error) { return memstore.New(memstore.Config{}), nil },
		"file":   func(t *testing.T) (core.Store, error) { return filestore.Open(t.TempDir(), filestore.Config{}) },
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		t.Run(name, func(t *testing.T) {
			store, err := open[name](t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			s := &stores{now: time.Now(), ends: make(chan core.Event, 16)}
			end := s.now
			settings := Settings{"SessionTimeout": 30}
			cfg, err := settings.ManagerConfig(core.Config{SweepInterval: -1, Now: func() time.Time { return s.now }})
			if err != nil {
				t.Fatal(err)
			}
			m := newTestManager(t, store, cfg)
			m.Listen(func(_ context.Context, ev core.Event) {
				if ev.Kind == core.EventEnded {
					s.ends <- ev
				}
			})
			if s.app, err = NewApplication(m, Config{Settings: settings}); err != nil {
				t.Fatal(err)
			}
			for n := range 7 {
				s.now = end.Add(-time.Duration(n) * 400 * time.Second)
				session, err := s.app.Sessions().New(t.Context())
				if err == nil {
					err = errors.Join(session.SetValue("name", fmt.Sprint("foo-", n)), session.Save())
				}
				if err != nil {
					t.Fatal(err)
				}
				s.ids = append(s.ids, session.Identifier())
			}
			s.now = end.Add(-11 * time.Minute) // all of them live
			test(t, t.Context(), s)
		})
	}
}

func (s *stores) wantLen(t *testing.T, want int) {
	t.Helper()
	if n, err := s.app.Sessions().Len(t.Context()); n != want || err != nil {
		t.Errorf("Len: %d, %v; want %d", n, err, want)
	}
}

// unknown is an id that could be one of ours and is not.
func (s *stores) unknown() string { return s.app.manager.Config().IDs.New() }

func TestSessionStoreApplication(t *testing.T) {
	forEachStore(t, func(t *testing.T, _ context.Context, s *stores) {
		if s.app.Sessions().Application() != s.app {
			t.Error("the store's application is another one")
		}
	})
}

func TestSessionStoreLen(t *testing.T) {
	forEachStore(t, func(t *testing.T, _ context.Context, s *stores) { s.wantLen(t, 7) })
}

func TestSessionStoreGetItem(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		session, err := s.app.Session(ctx, s.ids[2])
		if err != nil {
			t.Fatal(err)
		}
		if v, err := session.Value("name"); v != "foo-2" || err != nil {
			t.Errorf("the value is %v, %v; want foo-2", v, err)
		}
		if err := session.SetValue("name", "x"); !errors.Is(err, core.ErrReadOnly) {
			t.Errorf("changing a session that was got for reading: %v, want core.ErrReadOnly", err)
		}
		for _, id := range []string{s.unknown(), "", "../../etc/passwd"} {
			if _, err := s.app.Session(ctx, id); !errors.Is(err, ErrKey) {
				t.Errorf("a session that is not there: %v, want ErrKey", err)
			}
		}
	})
}

func TestSessionStoreSetItem(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		err := s.app.Sessions().Update(ctx, s.ids[3], func(session *Session) error {
			values, err := session.Values()
			if err == nil {
				values["name"] = "bar"
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		session, err := s.app.Session(ctx, s.ids[3])
		if err != nil {
			t.Fatal(err)
		}
		if v, err := session.Value("name"); v != "bar" || err != nil {
			t.Errorf("the value is %v, %v; want bar", v, err)
		}
		if err := s.app.Sessions().Update(ctx, s.unknown(), func(*Session) error { return nil }); !errors.Is(err, ErrKey) {
			t.Errorf("updating a session that is not there: %v, want ErrKey", err)
		}
		s.wantLen(t, 7)
	})
}

func TestSessionStoreDelItem(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		store := s.app.Sessions()
		if err := store.Del(ctx, s.ids[3]); err != nil {
			t.Fatal(err)
		}
		if ok, err := store.Has(ctx, s.ids[3]); ok || err != nil {
			t.Errorf("a deleted session is there: %v, %v", ok, err)
		}
		s.wantLen(t, 6)
		// Webware calls the session's expiring; here listeners are told, with its last data.
		ev := receive(t, s.ends)
		if want := (core.Key{Manager: "app", ID: s.ids[3]}).Hash(); ev.Session != want || ev.Reason != core.EndInvalidated {
			t.Errorf("the end of %s was told with reason %v, want %s", ev.Session, ev.Reason, want)
		}
		if v, err := core.Get[string](ev.Data, "name"); v != "foo-3" || err != nil {
			t.Errorf("its last data was %q, %v; want foo-3", v, err)
		}
		if err := store.Del(ctx, s.ids[3]); !errors.Is(err, ErrKey) {
			t.Errorf("the second delete: %v, want ErrKey", err)
		}
	})
}

func TestSessionStorePop(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		session, err := s.app.Sessions().Pop(ctx, s.ids[1])
		if err != nil {
			t.Fatal(err)
		}
		if v, err := session.Value("name"); v != "foo-1" || err != nil {
			t.Errorf("the popped session's value is %v, %v; want foo-1", v, err)
		}
		s.wantLen(t, 6)
		if _, err := s.app.Sessions().Pop(ctx, s.ids[1]); !errors.Is(err, ErrKey) {
			t.Errorf("the second pop: %v, want ErrKey", err)
		}
	})
}

func TestSessionStoreContains(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		for id, want := range map[string]bool{s.ids[0]: true, s.ids[6]: true, s.unknown(): false, "": false, "a b": false} {
			if ok, err := s.app.HasSession(ctx, id); ok != want || err != nil {
				t.Errorf("HasSession: %v, %v; want %v", ok, err, want)
			}
		}
	})
}

// TestSessionStoreContainsIsNoAccess proves that looking does not keep a session alive.
func TestSessionStoreContainsIsNoAccess(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		if ok, err := s.app.HasSession(ctx, s.ids[6]); !ok || err != nil {
			t.Fatal(ok, err)
		}
		s.now = s.now.Add(11 * time.Minute)
		if ok, err := s.app.HasSession(ctx, s.ids[6]); ok || err != nil {
			t.Errorf("a session that was only looked for lives on: %v, %v", ok, err)
		}
	})
}

func TestSessionStoreIter(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		var keys []string
		for id, err := range s.app.Sessions().Keys(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, id)
		}
		slices.Sort(keys)
		if want := slices.Sorted(slices.Values(s.ids)); !slices.Equal(keys, want) {
			t.Errorf("Keys yields %d ids, which are not those of the %d sessions", len(keys), len(want))
		}
		names := make(map[any]bool)
		for session, err := range s.app.Sessions().Items(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			v, err := session.Value("name")
			if err != nil {
				t.Fatal(err)
			}
			names[v] = true
		}
		if len(names) != 7 || !names["foo-0"] || !names["foo-6"] {
			t.Errorf("Items yields %v", names)
		}
	})
}

func TestSessionStoreClear(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		if err := s.app.Sessions().Clear(ctx); err != nil {
			t.Fatal(err)
		}
		s.wantLen(t, 0)
	})
}

// TestSessionStoreCleanStaleSessions is testCleanStaleSessions: of the seven, five were used in the last 30
// minutes. It also proves that the clock decides, and not the sweep.
func TestSessionStoreCleanStaleSessions(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		s.now = s.now.Add(11 * time.Minute)
		if _, err := s.app.Session(ctx, s.ids[6]); !errors.Is(err, ErrKey) {
			t.Errorf("an expired session, before the sweep: %v, want ErrKey", err)
		}
		n, err := s.app.Sessions().CleanStaleSessions(ctx)
		if n != 2 || err != nil {
			t.Errorf("CleanStaleSessions: %d, %v; want 2", n, err)
		}
		s.wantLen(t, 5)
	})
}

// TestSessionStoreEncoder is the round trip of Webware's encoder and decoder: what is stored comes back with its
// type.
func TestSessionStoreEncoder(t *testing.T) {
	forEachStore(t, func(t *testing.T, ctx context.Context, s *stores) {
		for _, v := range []any{nil, true, 7, int64(1) << 60, 1.5, "text", []byte("bytes"), s.now.UTC().Round(0)} {
			session, err := s.app.Sessions().New(ctx)
			if err == nil {
				err = errors.Join(session.SetValue("v", v), s.app.Sessions().StoreSession(session))
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.app.Session(ctx, session.Identifier())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.Value("v"); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", v, v) || err != nil {
				t.Errorf("%T %v came back as %T %v, %v", v, v, got, got, err)
			}
		}
	})
}
