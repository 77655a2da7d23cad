package myghty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// A holder whose lock lapsed and was taken over can not write, neither under the lock nor after Unlock, until it has read
// the session anew.
func TestLapsedLock(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(s *Session) (want, got error)
		n     int // afterwards
	}{
		{"Save", func(s *Session) (error, error) {
			return core.ErrLockLost, errors.Join(s.Set("n", 1), s.Save())
		}, 10},
		{"Save twice", func(s *Session) (error, error) {
			_ = errors.Join(s.Set("n", 1), s.Save())
			return core.ErrLockLost, errors.Join(s.Set("n", 1), s.Save())
		}, 10},
		{"Unlock, then Save", func(s *Session) (error, error) {
			if err := errors.Join(s.Set("n", 1), s.Unlock()); !errors.Is(err, core.ErrLockLost) {
				return core.ErrLockLost, err
			}
			if err := s.Save(); err != nil { // nothing is left to save
				return nil, err
			}
			return core.ErrLockLost, errors.Join(s.Set("n", 1), s.Save())
		}, 10},
		{"Load, then Save", func(s *Session) (error, error) {
			_ = errors.Join(s.Set("n", 1), s.Save(), s.Unlock())
			if err := s.Load(); err != nil {
				return nil, err
			}
			n, err := core.Get[int](s.Core(), "n")
			return nil, errors.Join(err, s.Set("n", n+1), s.Save())
		}, 11},
		{"Lock again, then Save", func(s *Session) (error, error) {
			_ = errors.Join(s.Set("n", 1), s.Save(), s.Unlock())
			if err := s.Lock(); err != nil {
				return nil, err
			}
			n, err := core.Get[int](s.Core(), "n")
			return nil, errors.Join(err, s.Set("n", n+1), s.Save(), s.Unlock())
		}, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var other *core.Manager
			var b *browser
			b = lab(t, Config{}, core.Config{}, map[string]step{
				"/n": func(_ *Request, s *Session) (any, error) { return "", errors.Join(s.Set("n", 0), s.Save()) },
				"/lapse": func(_ *Request, s *Session) (any, error) {
					if err := s.Lock(); err != nil {
						return nil, err
					}
					b.app.clock.advance(time.Minute) // for which the process stood still
					thief, err := other.Open(context.Background(), s.ID(), core.Serialized)
					if err != nil {
						return nil, err
					}
					if err := errors.Join(thief.Set("n", 10), thief.Commit(context.Background())); err != nil {
						return nil, err
					}
					want, got := tt.write(s)
					if !errors.Is(got, want) {
						t.Errorf("%v, want %v", got, want)
					}
					return "", s.Unlock()
				},
			})
			var err error
			if other, err = core.New("app", b.app.store, core.Config{Now: b.app.clock.now}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close(context.Background()) })
			b.get("/n")
			b.get("/lapse")
			b.want("/show", http.StatusOK, fmt.Sprintf("n=%d;", tt.n))
		})
	}
}

// A lock that is lost is told of by Locked and Context, before anything is saved; the next one is good.
func TestLostLockIsTold(t *testing.T) {
	var other *core.Manager
	b := lab(t, Config{}, core.Config{Lease: 30 * time.Millisecond}, map[string]step{
		"/n": func(_ *Request, s *Session) (any, error) { return "", errors.Join(s.Set("n", 0), s.Save()) },
		"/lose": func(_ *Request, s *Session) (any, error) {
			if err := s.Lock(); err != nil {
				return nil, err
			}
			working := s.Context()
			thief, err := other.Open(context.Background(), s.ID(), core.Serialized)
			if err != nil {
				return nil, err
			}
			receive(t, working.Done())
			if s.Locked() || !errors.Is(context.Cause(working), core.ErrLockLost) {
				t.Errorf("Locked %v, the context ended because of %v", s.Locked(), context.Cause(working))
			}
			if err := thief.End(context.Background()); err != nil {
				return nil, err
			}
			if err := s.Unlock(); !errors.Is(err, core.ErrLockLost) {
				t.Errorf("Unlock: %v, want ErrLockLost", err)
			}
			if err := s.Lock(); err != nil {
				return nil, err
			}
			if s.Context().Err() != nil || !s.Locked() {
				t.Errorf("locked anew: Locked %v, the context's error %v", s.Locked(), s.Context().Err())
			}
			return "", errors.Join(s.Set("n", 1), s.Save(), s.Unlock())
		},
	})
	var err error
	ahead := func() time.Time { return b.app.clock.now().Add(time.Minute) }
	if other, err = core.New("app", b.app.store, core.Config{Now: ahead, IdleTimeout: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	b.get("/n")
	b.want("/lose", http.StatusOK, "")
	b.want("/show", http.StatusOK, "n=1;")
}

// The lock stays through several saves, is counted, and ends with the request.
func TestLockIsHeld(t *testing.T) {
	waits := func(t *testing.T, m *Request, s *Session) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		locker, key := m.app.manager.Store().(core.Locker), core.Key{Manager: "app", ID: s.ID()}
		_, fence, err := locker.Lock(ctx, key,
			core.LockOptions{LoadOptions: core.LoadOptions{Now: m.app.manager.Config().Now()}, Lease: time.Minute})
		if err == nil {
			err = locker.Unlock(ctx, key, fence)
		}
		return errors.Is(err, core.ErrLocked)
	}
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/held": func(m *Request, s *Session) (any, error) {
			if err := errors.Join(s.Lock(), s.Lock(), s.Set("n", 1), s.Save(), s.Set("n", 2), s.Save()); err != nil {
				return nil, err
			}
			if !waits(t, m, s) || !s.Locked() {
				t.Error("the lock went with the first save")
			}
			if err := s.Unlock(); err != nil {
				return nil, err
			}
			if !waits(t, m, s) {
				t.Error("the lock of two went with one Unlock")
			}
			return "", nil // and forgets the other
		},
		"/again": func(m *Request, s *Session) (any, error) {
			err := errors.Join(s.Lock(), s.Rotate(), s.Set("n", 3), s.Save(), s.Unlock(), s.Unlock())
			if s.Locked() || waits(t, m, s) {
				t.Error("still locked after Unlock")
			}
			return "", err
		},
		"/end": func(_ *Request, s *Session) (any, error) {
			return "", errors.Join(s.Lock(), s.Invalidate(), s.Set("m", 4), s.Save(), s.Unlock())
		},
		"/unsaved": func(_ *Request, s *Session) (any, error) {
			return "", errors.Join(s.Lock(), s.Set("u", 1), s.Unlock(), s.Save())
		},
		"/new": func(_ *Request, s *Session) (any, error) {
			return s.Locked(), errors.Join(s.Lock(), s.Set("a", 1), s.Save(), s.Unlock())
		},
	})
	b.get("/set?a=b")
	b.want("/held", http.StatusOK, "")
	b.want("/again", http.StatusOK, "")
	b.want("/show", http.StatusOK, "a=b;n=3;")
	b.want("/unsaved", http.StatusOK, "")
	b.want("/show", http.StatusOK, "a=b;n=3;u=1;")
	b.want("/end", http.StatusOK, "")
	b.want("/show", http.StatusOK, "m=4;")
	b.app.browser().want("/new", http.StatusOK, "false")
}

// Lock reads anew: a value that another request saved after this one asked for the session is the one that is worked on.
func TestLockReadsAnew(t *testing.T) {
	got := overlap(t, Config{}, func(_ *Request, s *Session) error {
		before, err := s.Value("drink")
		if err != nil || before != "water" {
			return fmt.Errorf("before: %v, %v", before, err)
		}
		if err := s.Lock(); err != nil {
			return err
		}
		after, err := s.Value("drink")
		return errors.Join(err, s.Set("was", after), s.Save(), s.Unlock())
	}, func(_ *Request, s *Session) error { return errors.Join(s.Set("drink", "tea"), s.Save()) })
	if want := "drink=tea;user=ada;was=tea;"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A store without locks says so when a lock is asked for, and serves all else.
func TestStoreWithoutLocks(t *testing.T) {
	store := struct{ core.Store }{&callSpy{Store: newMemory(t)}}
	m := newManager(t, store, core.Config{SweepInterval: -1})
	app, err := NewApplication(m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	if err := app.AddFunc("/", func(m *Request) error {
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Set("a", 1), s.Save()); err != nil {
			return err
		}
		got <- s.Lock()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	serveOnce(t, app, "/")
	if err := receive(t, got); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("%v, want ErrUnsupported", err)
	}
}
