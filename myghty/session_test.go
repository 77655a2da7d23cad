package myghty

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// drivers fills a session as Beaker's own tests do.
func drivers(s *Session) error {
	return s.Update(map[string]any{"Suomi": "Kimi Räikkönen", "Great Britain": "Jenson Button", "Deutschland": "Sebastian Vettel"})
}

const allDrivers = "Deutschland=Sebastian Vettel;Great Britain=Jenson Button;Suomi=Kimi Räikkönen;"

// lab serves steps that tests name, and /show.
func lab(t *testing.T, cfg Config, base core.Config, steps map[string]func(m *Request, s *Session) (any, error)) *browser {
	components := pages{"/show": show, "/set": set}
	for path, do := range steps {
		components[path] = with(do)
	}
	return newTestApp(t, cfg, base, components).browser()
}

type step = func(m *Request, s *Session) (any, error)

func TestSaveAndLoad(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/save":   func(_ *Request, s *Session) (any, error) { return "", errors.Join(drivers(s), s.Save()) },
		"/forget": func(_ *Request, s *Session) (any, error) { return s.Get("Suomi", nil) },
		"/revert": func(_ *Request, s *Session) (any, error) {
			err := errors.Join(s.Del("Suomi"), s.Set("Great Britain", "Lewis Hamilton"), s.Set("España", "Fernando Alonso"), s.Revert())
			return fmt.Sprint(s.Dirty(), s.HasKey("España"), s.HasKey("Suomi")), err
		},
		"/load": func(_ *Request, s *Session) (any, error) {
			err := errors.Join(s.Set("Great Britain", "Lewis Hamilton"), s.Load())
			v, _ := s.Value("Great Britain")
			return v, err
		},
	})
	b.want("/save", http.StatusOK, "")
	b.want("/show", http.StatusOK, allDrivers)
	b.want("/revert", http.StatusOK, "false false true")
	b.want("/load", http.StatusOK, "Jenson Button")
	b.want("/set?Suomi=Mika&nosave=1", http.StatusOK, "not saved")
	b.want("/show", http.StatusOK, allDrivers) // a forgotten save is forgotten
}

// Nothing is stored for a request that saves nothing, and its client gets no cookie.
func TestNothingForNobody(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, nil)
	b.want("/show", http.StatusOK, "")
	r := b.want("/set?a=b&nosave=1", http.StatusOK, "not saved")
	if n := b.app.sessions(); n != 0 || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d sessions, Set-Cookie %q", n, r.Header.Get("Set-Cookie"))
	}
	if n := b.app.store.calls.Load(); n != 0 {
		t.Errorf("%d store calls", n)
	}
}

func TestInvalidate(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/save": func(_ *Request, s *Session) (any, error) {
			return s.Created().UnixNano(), errors.Join(drivers(s), s.Save())
		},
		"/invalidate": func(_ *Request, s *Session) (any, error) {
			if err := s.Invalidate(); err != nil {
				return nil, err
			}
			return fmt.Sprint(s.Len(), s.WasInvalidated(), s.IsNew()), errors.Join(s.Set("fresh", 1), s.Save())
		},
		"/created": func(_ *Request, s *Session) (any, error) { return s.Created().UnixNano(), nil },
	})
	created := b.get("/save").body
	id := b.cookie()
	b.want("/invalidate", http.StatusOK, "0 true true")
	if b.cookie() == id {
		t.Error("the id is the old one")
	}
	b.want("/show", http.StatusOK, "fresh=1;")
	if b.get("/created").body == created {
		t.Error("the new session was created when the old one was")
	}
	old := b.app.browser()
	old.plant(id)
	if r := old.get("/show"); r.body != "" {
		t.Errorf("under the old id there is %q", r.body)
	}
	if n := b.app.sessions(); n != 1 {
		t.Errorf("%d sessions are stored, want 1", n)
	}
}

func TestDelete(t *testing.T) {
	remove := func(_ *Request, s *Session) (any, error) {
		err := s.Delete()
		return fmt.Sprint(s.Len(), s.WasInvalidated()), err
	}
	saveAgain := func(_ *Request, s *Session) (any, error) { return "", errors.Join(s.Delete(), s.Save()) }
	for _, tt := range []struct {
		name   string
		cfg    Config
		step   step
		body   string
		after  string
		stored int
	}{
		{"by itself", Config{}, remove, "0 false", "", 0},
		{"with auto", Config{Options: Options{"auto": true}}, remove, "0 false", "", 0},
		{"then save", Config{}, saveAgain, "", "", 1},
		{"quirk DeleteKeepsValues", Config{Quirks: Quirks{DeleteKeepsValues: true}}, remove, "3 false", "", 0},
		{"quirk DeleteKeepsValues, then save", Config{Quirks: Quirks{DeleteKeepsValues: true}}, saveAgain, "", allDrivers, 1},
		{"quirk DeleteKeepsValues with auto", Config{Quirks: Quirks{DeleteKeepsValues: true}, Options: Options{"auto": true}}, remove, "0 false", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := lab(t, tt.cfg, core.Config{}, map[string]step{
				"/save":   func(_ *Request, s *Session) (any, error) { return "", errors.Join(drivers(s), s.Save()) },
				"/delete": tt.step,
			})
			b.get("/save")
			id := b.cookie()
			if r := b.get("/delete"); r.StatusCode != http.StatusOK || r.body != tt.body {
				t.Errorf("%d %q, want %q", r.StatusCode, r.body, tt.body)
			}
			if n := b.app.sessions(); n != tt.stored {
				t.Errorf("%d sessions are stored, want %d", n, tt.stored)
			}
			if c := b.cookie(); c == id || (c == "") != (tt.stored == 0) {
				t.Error("the cookie is not right")
			}
			if r := b.get("/show"); r.body != tt.after {
				t.Errorf("afterwards the client's session holds %q, want %q", r.body, tt.after)
			}
			b.plant(id)
			if r := b.get("/show"); r.body != "" {
				t.Errorf("under the old id there is %q", r.body)
			}
		})
	}
}

func TestRotate(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/rotate": func(_ *Request, s *Session) (any, error) {
			old := s.ID()
			if err := errors.Join(s.Set("unsaved", 1), s.Rotate()); err != nil {
				return nil, err
			}
			return fmt.Sprint(s.ID() != old, s.HasKey("unsaved"), s.Len()), nil
		},
	})
	b.get("/set?foo=bar")
	id := b.cookie()
	b.want("/rotate", http.StatusOK, "true true 2")
	if b.cookie() == id {
		t.Error("the client was not told the new id")
	}
	b.want("/show", http.StatusOK, "foo=bar;")
	stranger := b.app.browser()
	stranger.plant(id)
	if r := stranger.get("/show"); r.body != "" {
		t.Errorf("under the old id there is %q", r.body)
	}
	if n := b.app.sessions(); n != 1 {
		t.Errorf("%d sessions are stored, want 1", n)
	}
}

func TestTimeout(t *testing.T) {
	b := lab(t, Config{Options: Options{"session_timeout": 120}}, core.Config{}, map[string]step{
		"/state": func(_ *Request, s *Session) (any, error) {
			return fmt.Sprint(s.Timeout(), s.IsNew(), s.WasInvalidated(), s.Len()), nil
		},
		"/longer": func(_ *Request, s *Session) (any, error) { return "", errors.Join(s.SetTimeout(time.Hour), s.Save()) },
	})
	b.want("/state", http.StatusOK, "2m0s true false 0")
	b.get("/set?a=b")
	id := b.cookie()
	for range 3 { // each use counts
		b.app.clock.advance(100 * time.Second)
		b.want("/state", http.StatusOK, "2m0s false false 1")
	}
	b.app.clock.advance(121 * time.Second)
	b.want("/state", http.StatusOK, "2m0s true true 0")
	b.get("/set?a=c")
	if b.cookie() == id {
		t.Error("the id of the session that had ended was used again")
	}
	b.get("/longer")
	b.app.clock.advance(50 * time.Minute)
	b.want("/show", http.StatusOK, "a=c;")
}

// The container keeps the last access, at most once an interval, and a reader writes no data.
func TestAccessed(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/ago": func(_ *Request, s *Session) (any, error) {
			if s.Accessed() != s.LastAccessed() {
				return nil, errors.New("Accessed and LastAccessed differ")
			}
			return b2s(s.m.app.manager.Config().Now().Sub(s.Accessed()).Round(time.Minute)), nil
		},
	})
	b.get("/set?a=b")
	writes, calls := b.app.store.writes.Load(), b.app.store.calls.Load()
	for _, minutes := range []time.Duration{10, 20, 5} {
		b.app.clock.advance(minutes * time.Minute)
		b.want("/ago", http.StatusOK, b2s(minutes*time.Minute))
	}
	if n := b.app.store.writes.Load() - writes; n != 0 {
		t.Errorf("three readers wrote %d times", n)
	}
	if n := b.app.store.calls.Load() - calls; n != 3 {
		t.Errorf("three readers made %d store calls", n)
	}
}

func b2s(d time.Duration) string { return d.String() }

func TestNoAccessTime(t *testing.T) {
	b := lab(t, Config{Options: Options{"save_accessed_time": false}}, core.Config{}, map[string]step{
		"/ago": func(_ *Request, s *Session) (any, error) {
			return s.m.app.manager.Config().Now().Sub(s.Accessed()).Round(time.Minute), nil
		},
	})
	b.get("/set?a=b")
	b.app.clock.advance(time.Hour)
	b.want("/show", http.StatusOK, "a=b;")
	b.app.clock.advance(1000 * time.Hour)
	b.want("/ago", http.StatusOK, "1001h0m0s")
}

// Beaker's table of auto, save, delete and access time.
func TestAutoSaveDelete(t *testing.T) {
	for _, tt := range []struct {
		name             string
		auto, atime      bool
		change, save, rm bool
		stored           bool // the change is there afterwards
		accessed         bool // the access was noted
	}{
		{"written, no access time", false, false, true, true, false, true, true},
		{"not saved, access time", false, true, true, false, false, false, true},
		{"not saved, no access time", false, false, true, false, false, false, false},
		{"auto, written", true, true, true, false, false, true, true},
		{"auto, written, no access time", true, false, true, false, false, true, true},
		{"auto, only read, no access time", true, false, false, false, false, false, false},
		{"auto, deleted", true, true, true, false, true, false, false},
		{"saved, then deleted", false, true, true, true, true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := lab(t, Config{Options: Options{"auto": tt.auto, "save_accessed_time": tt.atime}}, core.Config{}, map[string]step{
				"/work": func(_ *Request, s *Session) (any, error) {
					var err error
					if tt.change {
						err = s.Set("changed", 1)
					}
					if tt.save {
						err = errors.Join(err, s.Save())
					}
					if tt.rm {
						err = errors.Join(err, s.Delete())
					}
					return "", err
				},
				"/ago": func(_ *Request, s *Session) (any, error) {
					return s.m.app.manager.Config().Now().Sub(s.Accessed()) < time.Minute, nil
				},
			})
			b.get("/set?a=b")
			b.app.clock.advance(30 * time.Minute)
			b.want("/work", http.StatusOK, "")
			if tt.rm {
				if n := b.app.sessions(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
				return
			}
			b.want("/ago", http.StatusOK, fmt.Sprint(tt.accessed))
			want := "a=b;"
			if tt.stored {
				want += "changed=1;"
			}
			if r := b.get("/show"); r.body != want {
				t.Errorf("%q, want %q", r.body, want)
			}
		})
	}
}

// What a list that was fetched gets in place is saved too.
func TestInPlace(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/cart": func(_ *Request, s *Session) (any, error) {
			if _, err := s.SetDefault("cart", []string{}); err != nil {
				return nil, err
			}
			cart, err := core.Get[*[]string](s.Core(), "cart")
			if err != nil {
				return nil, err
			}
			*cart = append(*cart, "tea")
			return *cart, s.Save()
		},
	})
	b.get("/cart")
	b.get("/cart")
	b.want("/show", http.StatusOK, "cart=[tea tea];")
}

func TestDictionary(t *testing.T) {
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/": func(_ *Request, s *Session) (any, error) {
			if _, err := s.Value("none"); !errors.Is(err, ErrKey) {
				return nil, fmt.Errorf("Value: %v", err)
			}
			if err := s.Del("none"); !errors.Is(err, ErrKey) {
				return nil, fmt.Errorf("Del: %v", err)
			}
			if _, err := s.Pop("none"); !errors.Is(err, ErrKey) {
				return nil, fmt.Errorf("Pop: %v", err)
			}
			otherwise, err := s.Get("none", "else")
			first, err2 := s.SetDefault("n", 1)
			second, err3 := s.SetDefault("n", 2)
			err4 := s.Update(map[string]any{"x": nil, "y": true})
			popped, err5 := s.Pop("y")
			null, err6 := s.Get("x", "else")
			out := fmt.Sprint(otherwise, first, second, popped, null, s.Keys(), s.Len(), s.HasKey("y"))
			return out, errors.Join(err, err2, err3, err4, err5, err6, s.Clear())
		},
		"/bad": func(_ *Request, s *Session) (any, error) {
			var value *core.ValueError
			if err := s.Set("f", func() {}); !errors.As(err, &value) {
				return nil, fmt.Errorf("Set of a function: %v", err)
			}
			return "refused", nil
		},
	})
	b.want("/", http.StatusOK, "else1 1 true <nil> [n x] 2 false")
	b.want("/bad", http.StatusOK, "refused")
}

// A request that fails keeps what it saved before, and nothing else.
func TestFailure(t *testing.T) {
	half := func(_ *Request, s *Session) (any, error) {
		if err := errors.Join(s.Set("a", 1), s.Save(), s.Set("b", 2)); err != nil {
			return nil, err
		}
		return nil, errors.New("broken")
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"explicit", Config{}, "a=1;user=ada;"},
		{"auto", Config{Options: Options{"auto": true}}, "a=1;user=ada;"},
		{"quirk DeferredSave", Config{Quirks: Quirks{DeferredSave: true}}, "user=ada;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := lab(t, tt.cfg, core.Config{}, map[string]step{
				"/half":  half,
				"/abort": func(m *Request, s *Session) (any, error) { return nil, errors.Join(s.Set("c", 3), m.Abort(403, "")) },
			})
			b.get("/set?user=ada")
			b.want("/half", http.StatusInternalServerError, "500")
			b.want("/abort", http.StatusForbidden, "403 Forbidden")
			b.want("/show", http.StatusOK, tt.want)
		})
	}
}

// Beaker's save() is a mark: what is changed after it is saved too.
func TestDeferredSave(t *testing.T) {
	b := lab(t, Config{Quirks: Quirks{DeferredSave: true}}, core.Config{}, map[string]step{
		"/both": func(_ *Request, s *Session) (any, error) {
			return "", errors.Join(s.Set("a", 1), s.Save(), s.Set("b", 2))
		},
		"/empty": func(_ *Request, s *Session) (any, error) { return "", errors.Join(s.Save(), s.Set("b", 2)) },
		"/go": func(m *Request, s *Session) (any, error) {
			return nil, errors.Join(s.Set("c", 3), s.Save(), m.SendRedirect("/show"))
		},
	})
	b.get("/both")
	b.want("/go", http.StatusFound, "")
	b.want("/show", http.StatusOK, "a=1;b=2;c=3;")
	other := b.app.browser()
	other.get("/empty")
	other.want("/show", http.StatusOK, "b=2;")
}

// After the first byte a new session can not get its cookie: that is an error to the one who saves it.
func TestSaveAfterFlush(t *testing.T) {
	got := make(chan error, 1)
	b := lab(t, Config{}, core.Config{}, map[string]step{
		"/late": func(m *Request, s *Session) (any, error) {
			m.Writef("first ")
			if err := m.FlushBuffer(); err != nil {
				return nil, err
			}
			got <- errors.Join(s.Set("late", 1), s.Save())
			return "last", nil
		},
		"/end": func(m *Request, s *Session) (any, error) {
			m.Writef("first ")
			if err := m.FlushBuffer(); err != nil {
				return nil, err
			}
			err := s.Invalidate()
			got <- s.Set("late", 1)
			return "ended", err
		},
	})
	b.want("/late", http.StatusOK, "first last")
	if err := receive(t, got); !errors.Is(err, compat.ErrSent) {
		t.Errorf("a new session: %v, want ErrSent", err)
	}
	b.get("/set?a=b")
	b.want("/late", http.StatusOK, "first last")
	if err := receive(t, got); err != nil {
		t.Errorf("a session that the client holds: %v", err)
	}
	b.want("/show", http.StatusOK, "a=b;late=1;")
	b.want("/end", http.StatusOK, "ended")
	if err := receive(t, got); !errors.Is(err, core.ErrGone) {
		t.Errorf("a session that was invalidated too late for another: %v, want ErrGone", err)
	}
	b.want("/show", http.StatusOK, "")
}

// What was changed before the response began is saved by a Save after it, whether the buffer was full or flushed.
func TestChangesOutliveTheFirstByte(t *testing.T) {
	for _, lock := range []bool{false, true} {
		b := lab(t, Config{BufferBytes: 100}, core.Config{}, map[string]step{
			"/big": func(m *Request, s *Session) (any, error) {
				if lock {
					if err := s.Lock(); err != nil {
						return nil, err
					}
					defer s.Unlock()
				}
				if err := s.Set("early", 1); err != nil {
					return nil, err
				}
				m.Writef("%200s", "begins")
				return "", errors.Join(s.Set("late", 2), s.Save())
			},
			"/twice": func(m *Request, s *Session) (any, error) {
				m.Writef("first")
				err := errors.Join(s.Lock(), m.FlushBuffer(), s.Lock())
				if !s.Locked() {
					t.Error("a second Lock does not lock")
				}
				return "", errors.Join(err, s.Set("n", 1), s.Save(), s.Unlock(), s.Unlock())
			},
			"/forget": func(m *Request, s *Session) (any, error) {
				err := s.Set("forgotten", 1)
				m.Writef("%200s", "begins")
				return "", err
			},
		})
		b.get("/set?a=b")
		b.want("/big", http.StatusOK, "begins")
		b.want("/show", http.StatusOK, "a=b;early=1;late=2;")
		b.want("/twice", http.StatusOK, "first")
		b.want("/forget", http.StatusOK, "begins")
		b.want("/show", http.StatusOK, "a=b;early=1;late=2;n=1;")
	}
}
