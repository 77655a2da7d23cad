package deploy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// countedStore tells when it is closed.
type countedStore struct {
	*memstore.Store
	open *atomic.Int32
}

func (s countedStore) Close() error {
	s.open.Add(-1)
	return s.Store.Close()
}

// counting makes a loader count the stores that are open, and those it opened.
func counting(l *deploy.Loader) (open, opened *atomic.Int32) {
	open, opened = new(atomic.Int32), new(atomic.Int32)
	l.OpenStore = func(_ context.Context, url string) (core.Store, error) {
		if strings.HasPrefix(url, "tape:") {
			return nil, fmt.Errorf("no tape")
		}
		open.Add(1)
		opened.Add(1)
		return countedStore{memstore.New(memstore.Config{}), open}, nil
	}
	return open, opened
}

// change puts another text into a file.
func change(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newLive(t *testing.T, l *deploy.Loader, file string) *deploy.Live {
	t.Helper()
	live, err := deploy.NewLive(t.Context(), l, deploy.FromFile(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := live.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return live
}

func TestReload(t *testing.T) {
	l := loader(t)
	open, opened := counting(l)
	file := write(t, oneApp+stores)
	live := newLive(t, l, file)
	c := client{h: live}
	c.get("/?note=tea")
	expect := func(want string) {
		t.Helper()
		if got := body(c.get("/")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("main note: tea")

	change(t, file, oneApp+"greeting = hello\n"+stores)
	if err := live.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("main hello: tea") // the store is the same, in memory as it is

	change(t, file, oneApp+"greeting = no\nlocking = no\n[store:main]\nurl = tape:\n")
	err := live.Reload(t.Context())
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two mistakes: %v", err)
	}
	expect("main hello: tea")
	if open.Load() != 1 || opened.Load() != 1 {
		t.Errorf("%d stores are open, of %d", open.Load(), opened.Load())
	}

	change(t, file, oneApp+"[store:main]\nurl = memory:?max_sessions=5\n")
	if err := live.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("main note: ") // another store
	if opened.Load() != 2 {
		t.Errorf("%d stores were opened", opened.Load())
	}
	if err := live.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if open.Load() != 0 {
		t.Errorf("%d stores are still open", open.Load())
	}
	if err := live.Reload(t.Context()); err == nil {
		t.Error("it reloads when it is closed")
	}
}

// A request that is under way keeps the configuration it began with, with its manager and store; they close after it.
func TestReloadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loader(t)
		open, _ := counting(l)
		goOn := make(chan struct{})
		l.App("slow", func(s *deploy.Section) (compat.Application, error) {
			if _, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{}); err != nil {
				return nil, err
			}
			return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				session, err := env.Session()
				if err != nil {
					return nil, err
				}
				<-goOn
				if err := session.Set("a", 1); err != nil {
					return nil, err
				}
				_, err = start("200 OK", nil, nil)
				return compat.Text("saved"), err
			}), nil
		})
		file := write(t, "[app:main]\nuse = slow\n"+stores)
		live, err := deploy.NewLive(t.Context(), l, deploy.FromFile(file), nil)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		var running sync.WaitGroup
		running.Go(func() { live.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) })
		synctest.Wait()
		old := live.Site()
		change(t, file, oneApp+"[store:main]\nurl = memory:?max_sessions=5\n")
		if err := live.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if open.Load() != 2 || live.Site() == old {
			t.Errorf("%d stores are open", open.Load())
		}
		close(goOn)
		running.Wait()
		synctest.Wait()
		if w.Code != http.StatusOK || w.Body.String() != "saved" || len(w.Result().Cookies()) != 1 {
			t.Errorf("the request under way: %d %s", w.Code, w.Body)
		}
		if open.Load() != 1 {
			t.Errorf("%d stores are open after it", open.Load())
		}
		if err := live.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Requests that come while configurations change find one or the other, and their sessions in either.
func TestReloadUnderLoad(t *testing.T) {
	l := loader(t)
	counting(l)
	texts := []string{oneApp + "locking = serialized\n" + stores, oneApp + "greeting = hello\nlocking = merge\n" + stores, oneApp + "locking = no\n"}
	file := write(t, texts[0])
	live := newLive(t, l, file)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var served atomic.Int64
	for i := range 4 {
		load.Go(func() {
			c := client{h: live}
			note := fmt.Sprint("note", i)
			c.get("/?note=" + note)
			for ctx.Err() == nil {
				if res := c.get("/"); res.StatusCode != 200 || !strings.HasSuffix(body(res), ": "+note) {
					t.Errorf("status %d", res.StatusCode)
					return
				}
				served.Add(1)
			}
		})
	}
	for i := range 60 {
		change(t, file, texts[i%3])
		if err := live.Reload(t.Context()); (err != nil) != (i%3 == 2) {
			t.Errorf("reload %d: %v", i, err)
		}
	}
	stop()
	load.Wait()
	t.Logf("%d requests through 60 reloads", served.Load())
}
