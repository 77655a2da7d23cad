// Package testenv reads the environment variables that steer this project's tests.
//
//	HOLDOVER_TEST=all    a test that can not run here fails instead of being skipped
//	HOLDOVER_SOAK=10m    tests with Soak in their name run this long instead of a moment
package testenv

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// Missing ends a test that needs something this machine does not have. what names it and says how to
// get it. The test is skipped, or fails if HOLDOVER_TEST is "all".
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("HOLDOVER_TEST") == "all" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("skipped: this test needs %s", what)
}

// Tool returns the path of the first of the programs that is installed. If none is, it ends the test
// as Missing does; names are those of the program, which on Debian is its package's name too.
func Tool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, names[0]+": apt-get install "+names[0])
	return ""
}

// Soak returns how long a soak test is to run: HOLDOVER_SOAK, or else short.
func Soak(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("HOLDOVER_SOAK")
	if s == "" {
		return short
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("HOLDOVER_SOAK: %v", err)
	}
	return d
}
