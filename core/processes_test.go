package core_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/filestore"
)

// The policies' promises hold between processes: promise 4. The test program starts itself again as
// the other processes; the environment says which session they share, and what they do with it.
const (
	childTask = "HOLDOVER_CHILD_TASK"
	childDir  = "HOLDOVER_CHILD_DIR"
	childID   = "HOLDOVER_CHILD_ID"
	childName = "HOLDOVER_CHILD_NAME"

	processes, clients, rounds = 3, 4, 20
)

var childTasks = map[string]func(ctx context.Context, m *core.Manager, id string) error{
	"serialized": func(ctx context.Context, m *core.Manager, id string) error {
		s, err := m.Open(ctx, id, core.Serialized)
		if err != nil {
			return err
		}
		return errors.Join(increment(s), s.End(ctx))
	},
	"update": func(ctx context.Context, m *core.Manager, id string) error { return m.Update(ctx, id, increment) },
}

// child runs a task and reports how many rounds were done.
func child(task string) error {
	m, err := childManager()
	if err != nil {
		return err
	}
	ctx, id := context.Background(), os.Getenv(childID)
	if task == "hold" {
		if _, err := m.Open(ctx, id, core.Serialized); err != nil {
			return err
		}
		fmt.Println("held")
		select {} // until killed
	}
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for c := range clients {
		wg.Go(func() {
			for round := range rounds {
				if task == "merge" {
					errs[c] = childMerge(ctx, m, id, c, round)
				} else {
					errs[c] = childTasks[task](ctx, m, id)
				}
				if errs[c] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, m.Close(ctx), m.Store().Close())...)
}

func childMerge(ctx context.Context, m *core.Manager, id string, client, round int) error {
	s, err := m.Open(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(s.Set(os.Getenv(childName)+strconv.Itoa(client), round), s.End(ctx))
}

func childManager() (*core.Manager, error) {
	st, err := filestore.Open(os.Getenv(childDir), filestore.Config{Durability: filestore.None})
	if err != nil {
		return nil, err
	}
	return core.New("app", st, core.Config{MaxRetries: 1000})
}

func startChild(t *testing.T, task, dir, id, name string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+dir, childID+"="+id, childName+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	return cmd, out
}

func fileManager(t *testing.T) (m *core.Manager, dir string) {
	t.Helper()
	dir = t.TempDir()
	st, err := filestore.Open(dir, filestore.Config{Durability: filestore.None})
	ok(t, err)
	t.Cleanup(func() { ok(t, st.Close()) })
	return managerOn(t, st, core.Config{LockWait: 10 * time.Second}), dir
}

func TestPoliciesBetweenProcesses(t *testing.T) {
	for _, task := range []string{"serialized", "update", "merge"} {
		t.Run(task, func(t *testing.T) {
			m, dir := fileManager(t)
			id := begin(t, m, "n", 0)
			var children []*exec.Cmd
			for p := range processes {
				cmd, _ := startChild(t, task, dir, id, fmt.Sprintf("p%d-", p))
				children = append(children, cmd)
			}
			for _, cmd := range children {
				ok(t, cmd.Wait())
			}
			s := open(t, m, id, core.ReadOnly)
			if task != "merge" {
				if n, err := core.Get[int](s, "n"); n != processes*clients*rounds || err != nil {
					t.Errorf("n = %d, %v, want %d", n, err, processes*clients*rounds)
				}
				return
			}
			for p := range processes {
				for c := range clients {
					name := fmt.Sprintf("p%d-%d", p, c)
					if v, there, err := core.Lookup[int](s, name); v != rounds-1 || !there || err != nil {
						t.Errorf("%s = %d, %v, %v, want %d", name, v, there, err, rounds-1)
					}
				}
			}
		})
	}
}

func TestKilledHolderLeavesNoLock(t *testing.T) {
	m, dir := fileManager(t)
	id := begin(t, m, "n", 0)
	cmd, out := startChild(t, "hold", dir, id, "")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	result := make(chan error, 1)
	go func() {
		s, err := m.Open(t.Context(), id, core.Serialized)
		if err == nil {
			err = errors.Join(increment(s), s.End(t.Context()))
		}
		result <- err
	}()
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	ok(t, <-result)
	if peek(t, m, id, "n") != 1 {
		t.Error("the waiter did not get its turn")
	}
}
