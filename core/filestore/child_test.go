//go:build unix && !aix

package filestore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// Tests that need several processes run this test binary again, with the name of what it should do in
// the environment and its orders as JSON on standard input.

const childVariable = "FILESTORE_TEST_CHILD"

var children = map[string]func(orders io.Reader, s *Store) error{
	"change":     changeUntilKilled,
	"hold":       holdUntilKilled,
	"stop":       enterUntilKilled,
	"increment":  incrementAll,
	"limit":      limitFileSize,
	"unwritable": giveUpRights,
}

func TestMain(m *testing.M) {
	do := children[os.Getenv(childVariable)]
	if do == nil {
		os.Exit(m.Run())
	}
	if err := runChild(do); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runChild(do func(io.Reader, *Store) error) error {
	s, err := Open(os.Args[1], Config{Durability: None})
	if err != nil {
		return err
	}
	defer s.Close()
	return do(os.Stdin, s)
}

// child is another process on the same folder.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner // what it writes, line by line
}

func startChild(t *testing.T, what, dir string, orders any) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, out: bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	if err := json.NewEncoder(in).Encode(orders); err != nil {
		t.Fatal(err)
	}
	return c
}

// line returns the next line the child writes.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child process ended early: %v", c.out.Err())
	}
	return c.out.Text()
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// Short words for the tests.

func testKey(id string) core.Key { return core.Key{Manager: "app", ID: id} }

func value(name, data string) core.Values { return core.Values{{Name: name, Data: data}} }

func mustCreate(t testing.TB, s *Store, k core.Key, v core.Values) {
	t.Helper()
	now := time.Now().UTC()
	if err := s.Create(context.Background(), k, core.Record{Values: v, Created: now, Accessed: now, Idle: time.Hour}); err != nil {
		t.Fatal(err)
	}
}

// load reads without touching.
func load(s *Store, k core.Key) (core.Record, error) {
	return s.Load(context.Background(), k, core.LoadOptions{Now: time.Now(), Touch: core.NoTouch})
}

func lockOptions() core.LockOptions {
	return core.LockOptions{LoadOptions: core.LoadOptions{Now: time.Now(), Touch: core.NoTouch}, Lease: time.Minute}
}
