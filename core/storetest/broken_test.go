package storetest_test

import (
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

// brokenStore is a store with one promise broken.
type brokenStore struct {
	name string // what is wrong with it
	want string // the sub-test, named like its promise, that must fail
	make func(st *memstore.Store) core.Store
	opts storetest.Options
}

var brokenStores = slices.Concat(brokenRecords, brokenKeys, brokenEnds, brokenTimes, brokenRotations, brokenPlaces, brokenLocks,
	brokenLists, brokenAtomicity, brokenLives)

// brokenEnv names the broken store for the child process that runs the suite on it.
const brokenEnv = "STORETEST_BROKEN"

// TestBrokenStores proves that the suite catches each broken promise and says which one it was. The
// sub-test in question runs in a child process, because it is meant to fail there.
func TestBrokenStores(t *testing.T) {
	if name := os.Getenv(brokenEnv); name != "" {
		for _, b := range brokenStores {
			if b.name == name {
				storetest.Run(t, func(*testing.T) core.Store { return b.make(memstore.New(memstore.Config{})) }, b.opts)
				return
			}
		}
		t.Fatalf("there is no broken store %q", name)
	}
	for _, b := range brokenStores {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			output, err := runOnBroken(t, b)
			if err == nil {
				t.Fatalf("the suite passes a store that is broken: %s", b.name)
			}
			if text := "broken promise " + path.Base(b.want) + ": "; !strings.Contains(output, text) {
				t.Errorf("the output does not have %q:\n%s", text, output)
			}
			if !strings.Contains(output, "--- FAIL: TestBrokenStores/"+b.want+" ") {
				t.Errorf("the sub-test %s does not fail:\n%s", b.want, output)
			}
		})
	}
}

func runOnBroken(t *testing.T, b brokenStore) (output string, err error) {
	t.Helper()
	pattern := "^TestBrokenStores$/^" + strings.ReplaceAll(b.want, "/", "$/^") + "$"
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.timeout=2m")
	child.Env = append(os.Environ(), brokenEnv+"="+b.name)
	out, err := child.CombinedOutput()
	return string(out), err
}

// A promise counts when a store that breaks it is caught.
func TestEveryPromiseIsBroken(t *testing.T) {
	broken := make(map[string]bool)
	for _, b := range brokenStores {
		broken[path.Base(b.want)] = true
	}
	for _, name := range storetest.PromiseNames() {
		if !broken[name] {
			t.Errorf("no broken store breaks %s", name)
		}
	}
}
