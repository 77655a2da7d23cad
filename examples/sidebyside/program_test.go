package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/internal/redistest"
)

const folder = "examples/sidebyside"

// start starts the program on a free port.
func start(t *testing.T, bin, store string) *program.Program {
	t.Helper()
	return program.Start(t, bin, "-addr", "127.0.0.1:0", "-store", store)
}

func TestCommandLine(t *testing.T) {
	bin := program.Build(t, folder)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	const free = "127.0.0.1:0"
	for _, tt := range []struct {
		name string
		args []string
		code int
		text string // on standard error
	}{
		{"port in use", []string{"-addr", busy.Addr().String(), "-store", "memory:"}, 1, "address already in use; choose another address with -addr"},
		{"no such flag", []string{"-port", "80"}, 2, "not defined: -port; see -help"},
		{"flag without value", []string{"-addr"}, 2, "see -help"},
		{"argument", []string{"serve"}, 2, `unexpected argument "serve"; see -help`},
		{"no port", []string{"-addr", "localhost"}, 2, "missing port in address; see -help"},
		{"no such port", []string{"-addr", "127.0.0.1:99999"}, 1, "invalid port"},
		{"no such store", []string{"-addr", free, "-store", "tape:"}, 1, "no store for tape:"},
		{"store without scheme", []string{"-addr", free, "-store", "sessions"}, 1, "file:DIR"},
		{"store below a file", []string{"-addr", free, "-store", "file:" + filepath.Join(foreign, "letter.txt")}, 1, "letter.txt"},
		{"folder of something else", []string{"-addr", free, "-store", "file:" + foreign}, 1, foreign},
		{"Redis that is down", []string{"-addr", free, "-store", "redis://ada:hunter2@" + unused(t) + "/0?timeout=200ms"}, 1, "connection refused"},
		{"Redis without that host", []string{"-addr", free, "-store", "redis://ada:hunter2@redis.invalid/0?timeout=2s"}, 1, "redis.invalid"},
		{"Redis that is no Redis", []string{"-addr", free, "-store", "redis://:hunter2@" + noRedis(t) + "/0?timeout=500ms"}, 1, "redisstore: "},
		{"Redis with an odd database", []string{"-addr", free, "-store", "redis://ada:hunter2@127.0.0.1:6379/first"}, 1, `the database is "first"`},
		{"Redis with odd settings", []string{"-addr", free, "-store", "redis://ada:hunter2@127.0.0.1:6379/0?pool=5&shards=many"}, 1, "; redisstore: "},
		{"Redis with an odd password", []string{"-addr", free, "-store", "redis://ada:hunter2/@127.0.0.1:6379"}, 1, "escape special characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), bin, tt.args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != tt.code {
				t.Errorf("ended with %v, want exit code %d", err, tt.code)
			}
			if stdout.Len() > 0 {
				t.Errorf("on standard output: %s", &stdout)
			}
			line, rest, _ := strings.Cut(stderr.String(), "\n")
			if strings.Contains(line, "hunter2") {
				t.Errorf("it shows the password: %s", line)
			}
			if !strings.HasPrefix(line, "sidebyside: ") || !strings.Contains(line, tt.text) || rest != "" {
				t.Errorf("on standard error:\n%s\nwant one line with %q", &stderr, tt.text)
			}
		})
	}
	t.Run("help", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), bin, "-help").Output()
		if err != nil || !strings.HasPrefix(string(out), "usage: sidebyside ") || !strings.Contains(string(out), "-store") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestDefaultFolder(t *testing.T) {
	bin := program.Build(t, folder) // before there is another home, without Go's caches
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	p := program.Start(t, bin, "-addr", "127.0.0.1:0")
	signIn(t, visitor.New(t, p.URL))
	p.Stop()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "holdover-sidebyside", "managers")); err != nil {
		t.Error(err)
	}
}

func signIn(t *testing.T, v *visitor.Visitor) {
	t.Helper()
	r := v.Post("/desk/login", url.Values{"user": {"ada"}, "password": {"engine"}, "_action_login": {"1"}})
	if r.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d\n%s", r.Status, r.Body)
	}
}

func expectVisits(t *testing.T, v *visitor.Visitor, text string) {
	t.Helper()
	if r := v.Get("/desk/counter"); !strings.Contains(r.Body, text) {
		t.Errorf("%q is not on the page: %d\n%s", text, r.Status, r.Body)
	}
}

func TestSessionsSurviveARestart(t *testing.T) {
	bin, store := program.Build(t, folder), "file:"+t.TempDir()
	p := start(t, bin, store)
	v := visitor.New(t, p.URL)
	signIn(t, v)
	expectVisits(t, v, "You have been here once.")
	p.Stop()
	expectVisits(t, v.At(start(t, bin, store).URL), "You have been here 2 times.")
}

// Two processes on one folder, or on one Redis, have the same sessions, and wait for each other.
func TestTwoProcesses(t *testing.T) {
	bin := program.Build(t, folder)
	t.Run("folder", func(t *testing.T) { shareSessions(t, bin, "file:"+t.TempDir()) })
	t.Run("Redis", func(t *testing.T) { shareSessions(t, bin, redistest.Start(t).URL()+"/0") })
}

func shareSessions(t *testing.T, bin, store string) {
	a := visitor.New(t, start(t, bin, store).URL)
	b := a.At(start(t, bin, store).URL)
	signIn(t, a)
	expectVisits(t, b, "You have been here once.")
	expectVisits(t, a, "You have been here 2 times.")

	a.Get("/lab/serialized/put?name=drink&value=water")
	var running sync.WaitGroup
	running.Go(func() { a.Get("/lab/serialized/incr?name=visits&ms=1500") })
	untilLocked(t, b)
	var answer struct {
		Values map[string]any
		Waited int `json:"waited_ms"`
	}
	if err := json.Unmarshal([]byte(b.Get("/lab/serialized/incr?name=visits").Body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Values["visits"] != 2.0 || answer.Waited == 0 {
		t.Errorf("the other process got %+v; it should have waited for the first visit", answer)
	}
	running.Wait()
}

// untilLocked returns when another request has the visitor's session of the serialized lab: when a third one has to
// wait for it.
func untilLocked(t *testing.T, v *visitor.Visitor) {
	t.Helper()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := v.Send(ctx, http.MethodPost, "/lab/serialized/slow", nil, nil)
		cancel()
		if err != nil {
			return
		}
	}
	t.Fatal("nobody has the session")
}

// A request under way is answered before the program ends.
func TestInterruptDrains(t *testing.T) {
	p := start(t, program.Build(t, folder), "memory:")
	v := visitor.New(t, p.URL)
	v.Get("/lab/serialized/put?name=drink&value=water")
	var answer visitor.Reply
	var running sync.WaitGroup
	running.Go(func() { answer = v.Get("/lab/serialized/put?name=drink&value=tea&ms=2000") })
	untilLocked(t, v)
	p.Stop()
	running.Wait()
	if answer.Status != http.StatusOK || !strings.Contains(answer.Body, "tea") {
		t.Errorf("the request under way: %d %s", answer.Status, answer.Body)
	}
	if _, err := v.Send(t.Context(), http.MethodGet, "/", nil, nil); err == nil {
		t.Error("it still answers")
	}
}
