package redisstore_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
	"github.com/holdover-web/holdover/internal/testenv"
)

// python returns a Python that has the redis module. Debian's is not always the first in PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import redis").Run() == nil {
			return name
		}
	}
	testenv.Missing(t, "python3 with the module redis: apt-get install python3 python3-redis")
	return ""
}

// snake is a program in Python that shares the sessions of a manager. docs/redis-protocol.md is all that
// it was written from.
type snake struct {
	t    *testing.T
	bin  string
	args []string
}

// pythonLine is what the program prints: the fields that a command has.
type pythonLine struct {
	ID       string
	IDs      []string
	Values   map[string]any
	Value    float64
	Version  uint64
	Created  int64
	Accessed int64
	Idle     time.Duration
	Ends     int64
	First    uint64
	Again    uint64
	Stood    int
	Gone     bool
	Moved    string
	Refused  []any
}

// start begins a command. Each call of next waits for a line that it prints; write ends its standard input.
func (s *snake) start(args ...string) (next func() pythonLine, input io.WriteCloser) {
	s.t.Helper()
	cmd := exec.Command(s.bin, append(slices.Clone(s.args), args...)...)
	var problems strings.Builder
	cmd.Stderr = &problems
	input, err := cmd.StdinPipe()
	ok(s.t, err)
	output, err := cmd.StdoutPipe()
	ok(s.t, err)
	ok(s.t, cmd.Start())
	lines := bufio.NewScanner(output)
	s.t.Cleanup(func() {
		input.Close()
		if err := cmd.Wait(); err != nil && !s.t.Failed() {
			s.t.Errorf("%v: %v\n%s", args, err, &problems)
		}
	})
	return func() (line pythonLine) {
		s.t.Helper()
		if !lines.Scan() {
			_ = cmd.Wait()
			s.t.Fatalf("%v printed nothing more: %v\n%s", args, lines.Err(), &problems)
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			s.t.Fatalf("%v: %v\n%s", args, err, lines.Bytes())
		}
		return line
	}, input
}

// does runs a command that prints one line.
func (s *snake) does(args ...string) pythonLine {
	s.t.Helper()
	next, _ := s.start(args...)
	return next()
}

// TestPython has a program in Python and a manager share sessions.
func TestPython(t *testing.T) {
	bin := python(t)
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: "shared:", Shards: 3})
	const manager = "desk.7/a:b_c-d"
	m, err := core.New(manager, st, core.Config{Codec: core.JSON(), IdleTimeout: time.Hour, AbsoluteTimeout: 10 * time.Hour, SweepInterval: -1})
	ok(t, err)
	t.Cleanup(func() { m.Close(t.Context()) })
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *snake, *core.Manager, *redistest.Server)
	}{
		{"reads", pythonReads},
		{"changes a name", pythonChanges},
		{"creates", pythonCreates},
		{"holds the lock", pythonHolds},
		{"waits for the lock", pythonWaits},
		{"rotates", pythonRotates},
		{"deletes", pythonDeletes},
		{"uses other shards", func(t *testing.T, s *snake, _ *core.Manager, _ *redistest.Server) {
			s.args[3] = "4"
			if got := s.does("list"); len(got.Refused) == 0 {
				t.Errorf("it went on: %+v", got)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t, &snake{t, bin, []string{"testdata/session.py", srv.Addr(), "shared:", "3", "lua", manager}}, m, srv)
		})
	}
}

// adas returns the id of a new session with a user, a number and something old.
func adas(t *testing.T, m *core.Manager) string {
	t.Helper()
	s, err := m.Create(t.Context())
	ok(t, err)
	ok(t, s.Set("user", "ädá"))
	ok(t, s.Set("visits", 3))
	ok(t, s.Set("old", []any{1, nil, true}))
	ok(t, s.Commit(t.Context()))
	return s.ID()
}

// shows fails the test unless the session has these values.
func shows(t *testing.T, m *core.Manager, id string, want map[string]any) {
	t.Helper()
	s, err := m.Open(t.Context(), id, core.ReadOnly)
	ok(t, err)
	got := make(map[string]any)
	for name, value := range s.All() {
		got[name] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the session (-want +got):\n%s", diff)
	}
	ok(t, s.End(t.Context()))
}

func pythonReads(t *testing.T, py *snake, m *core.Manager, _ *redistest.Server) {
	id := adas(t, m)
	s, err := m.Open(t.Context(), id, core.ReadOnly)
	ok(t, err)
	want := pythonLine{Values: map[string]any{"user": "ädá", "visits": 3.0, "old": []any{1.0, nil, true}}, Version: 1, Idle: time.Hour,
		Created: s.Created().UnixMicro(), Accessed: s.LastAccessed().UnixMicro()}
	got := py.does("read", id)
	if life := time.Duration(got.Ends-got.Created) * time.Microsecond; (life - 10*time.Hour).Abs() > time.Millisecond {
		t.Errorf("it reads that the session lives %v, want 10 hours", life)
	}
	got.Ends = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what it read (-want +got):\n%s", diff)
	}
	before := py.does("load", id) // an access
	if after := py.does("read", id); after.Accessed <= before.Accessed || after.Version != 1 {
		t.Errorf("its access changed %+v to %+v", before, after)
	}
	if got = py.does("read", m.Config().IDs.New()); !got.Gone {
		t.Errorf("an id that nobody has: %+v", got)
	}
}

func pythonChanges(t *testing.T, py *snake, m *core.Manager, _ *redistest.Server) {
	id := adas(t, m)
	meanwhile, err := m.Open(t.Context(), id)
	ok(t, err)
	ok(t, meanwhile.Set("drink", "tea"))
	if got := py.does("set", id, "visits", "4", "old", "never there"); got.Version != 2 {
		t.Errorf("it saved version %+v, want 2", got)
	}
	ok(t, meanwhile.End(t.Context()))
	shows(t, m, id, map[string]any{"user": "ädá", "visits": 4, "drink": "tea"})
	if got := py.does("set-version", id, "visits", "9", "2"); len(got.Refused) == 0 || got.Refused[0] != "conflict" {
		t.Errorf("on an old version: %+v", got)
	}
	if got := py.does("twice", id, "visits", "5"); got.First != 4 || got.Again != 4 {
		t.Errorf("one save, sent again: %+v, want version 4 both times", got)
	}
	shows(t, m, id, map[string]any{"user": "ädá", "visits": 5, "drink": "tea"})
}

func pythonCreates(t *testing.T, py *snake, m *core.Manager, _ *redistest.Server) {
	id := py.does("create", `{"user": "grace", "float": 2.0, "deep": {"list": [1, "é"]}}`, strconv.Itoa(int(20*time.Minute))).ID
	shows(t, m, id, map[string]any{"user": "grace", "float": 2.0, "deep": map[string]any{"list": []any{1, "é"}}})
	s, err := m.Open(t.Context(), id)
	ok(t, err)
	if s.Timeout() != 20*time.Minute {
		t.Errorf("it ends %v after its last access, want 20 minutes", s.Timeout())
	}
	ok(t, s.Set("user", "hopper"))
	ok(t, s.Commit(t.Context()))
	if got := py.does("read", id); got.Version != 2 || got.Values["user"] != "hopper" {
		t.Errorf("it reads %+v", got)
	}
	var ids []string
	for id, err := range m.IDs(t.Context()) {
		ok(t, err)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, py.does("list").IDs); diff != "" || !slices.Contains(ids, id) {
		t.Errorf("the list of sessions (-Go +Python):\n%s", diff)
	}
}

// standsInLine waits until somebody stands in line for the session's lock.
func standsInLine(t *testing.T, srv *redistest.Server, id string) {
	t.Helper()
	poll(t, 10*time.Second, "somebody stands in line", func() bool { return len(srv.Keys("*:q:"+id)) == 1 })
}

func pythonHolds(t *testing.T, py *snake, m *core.Manager, srv *redistest.Server) {
	id := adas(t, m)
	next, input := py.start("hold", id, "visits", "10")
	if got := next(); got.Values["visits"] != 3.0 {
		t.Fatalf("it locked %+v", got)
	}
	opened := make(chan error, 1)
	go func() {
		opened <- m.Update(t.Context(), id, func(s *core.Session) error {
			n, err := core.Get[int](s, "visits")
			return errors.Join(err, s.Set("visits", n+1))
		}, core.Serialized)
	}()
	standsInLine(t, srv, id)
	select {
	case err := <-opened:
		t.Fatalf("Go did not wait for the lock: %v", err)
	default:
	}
	input.Close()
	if got := next(); got.Version != 2 {
		t.Errorf("it saved %+v under the lock, want version 2", got)
	}
	ok(t, <-opened)
	shows(t, m, id, map[string]any{"user": "ädá", "visits": 11, "old": []any{1, nil, true}})
}

func pythonWaits(t *testing.T, py *snake, m *core.Manager, srv *redistest.Server) {
	id := adas(t, m)
	s, err := m.Open(t.Context(), id, core.Serialized)
	ok(t, err)
	next, _ := py.start("increment", id, "visits")
	standsInLine(t, srv, id)
	ok(t, s.Set("visits", 20))
	ok(t, s.Commit(t.Context()))
	if got := next(); got.Value != 21 || got.Version != 3 || got.Stood == 0 {
		t.Errorf("it got the lock and saved %+v, want 21, version 3", got)
	}
	began := time.Now() // it has let the lock go
	ok(t, m.Update(t.Context(), id, func(s *core.Session) error { return s.Set("visits", 22) }, core.Serialized))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the lock was free after %v only", took)
	}
	if keys := srv.Keys("*:q:*"); len(keys) > 0 {
		t.Errorf("queues that nobody stands in: %q", keys)
	}
}

func pythonRotates(t *testing.T, py *snake, m *core.Manager, _ *redistest.Server) {
	id := adas(t, m)
	s, err := m.Open(t.Context(), id)
	ok(t, err)
	ok(t, s.Rotate(t.Context(), time.Minute))
	if got := py.does("read", id); got.Moved != s.ID() {
		t.Errorf("after a rotation it reads %+v, want that it moved", got)
	}
	if got := py.does("set", id, "visits", "4"); got.Moved != s.ID() {
		t.Errorf("after a rotation it saves %+v, want that it moved", got)
	}
	third := py.does("rotate", s.ID(), strconv.Itoa(int(time.Minute.Microseconds()))).ID
	moved, err := m.Open(t.Context(), id, core.ReadOnly)
	ok(t, err)
	if moved.ID() != third {
		t.Error("Go does not follow its rotation")
	}
	fourth := py.does("rotate", third, "0").ID
	if _, err := m.Open(t.Context(), third); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("the id that it rotated away without grace: %v", err)
	}
	shows(t, m, fourth, map[string]any{"user": "ädá", "visits": 3, "old": []any{1, nil, true}})
}

func pythonDeletes(t *testing.T, py *snake, m *core.Manager, srv *redistest.Server) {
	id := adas(t, m)
	inFlight, err := m.Open(t.Context(), id)
	ok(t, err)
	ok(t, inFlight.Set("visits", 4))
	if got := py.does("delete", id); got.Values["visits"] != 3.0 {
		t.Errorf("it deleted %+v", got)
	}
	if err := inFlight.Commit(t.Context()); !errors.Is(err, core.ErrGone) {
		t.Errorf("a request in flight committed: %v", err)
	}
	if _, err := m.Open(t.Context(), id); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("open after it deleted: %v", err)
	}
	if keys := srv.Keys("*" + id); len(keys) > 0 {
		t.Errorf("left behind: %q", keys)
	}
	if got := py.does("delete", id); !got.Gone {
		t.Errorf("a second time: %+v", got)
	}
}
