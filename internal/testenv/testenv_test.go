package testenv

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// ending records how a test would have ended.
type ending struct {
	testing.TB
	how string
}

func (e *ending) Helper() {}

func (e *ending) Fatalf(format string, args ...any) { e.end("failed: " + fmt.Sprintf(format, args...)) }

func (e *ending) Skipf(format string, args ...any) { e.end(fmt.Sprintf(format, args...)) }

func (e *ending) end(how string) {
	e.how = how
	runtime.Goexit()
}

// run calls f as a test of its own and returns how it ended.
func run(t *testing.T, f func(testing.TB)) string {
	e := &ending{TB: t, how: "ran"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(e)
	}()
	<-done
	return e.how
}

func TestMissing(t *testing.T) {
	absent := func(tb testing.TB) { Tool(tb, "no-such-program") }
	t.Setenv("HOLDOVER_TEST", "")
	if got, want := run(t, absent), "skipped: this test needs no-such-program: apt-get install no-such-program"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("HOLDOVER_TEST", "all")
	if got, want := run(t, absent), "failed: this test needs no-such-program: apt-get install no-such-program"; got != want {
		t.Errorf("with HOLDOVER_TEST=all: got %q, want %q", got, want)
	}
	if got := run(t, func(tb testing.TB) { Tool(tb, "no-such-program", "go") }); got != "ran" {
		t.Errorf("with a program that is there: got %q", got)
	}
}

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want time.Duration
	}{
		{"", time.Second},
		{"90s", 90 * time.Second},
	} {
		t.Setenv("HOLDOVER_SOAK", tt.env)
		if got := Soak(t, time.Second); got != tt.want {
			t.Errorf("HOLDOVER_SOAK=%q: got %v, want %v", tt.env, got, tt.want)
		}
	}
	t.Setenv("HOLDOVER_SOAK", "long")
	if got := run(t, func(tb testing.TB) { Soak(tb, time.Second) }); got == "ran" {
		t.Error("a duration that can not be read was accepted")
	}
}
