package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestConfigMistakesAreReportedTogether(t *testing.T) {
	_, err := core.New("app", struct{ core.Store }{newStore(t)}, core.Config{
		Locking: core.Serialized, Save: 9, Lease: time.Millisecond, LockWait: -1, MaxWaiters: -1, MaxSize: -1, CommitTimeout: -1,
		ListenerQueue: -1, Corrupt: 7, IdleTimeout: time.Minute, TouchInterval: time.Hour,
	})
	for _, field := range []string{"Locking", "Save", "Lease", "LockWait", "MaxWaiters", "MaxSize", "CommitTimeout", "ListenerQueue", "Corrupt", "TouchInterval"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
	if !errors.Is(err, core.ErrUnsupported) {
		t.Error("a policy that the store can not honour does not match ErrUnsupported")
	}
	for _, id := range []string{"", "a b", strings.Repeat("x", 129), "ä"} {
		if _, err := core.New(id, newStore(t), core.Config{}); err == nil {
			t.Errorf("manager id %.20q is accepted", id)
		}
	}
	if _, err := core.New("app", nil, core.Config{}); err == nil {
		t.Error("a nil store is accepted")
	}
}

// A program may make a manager from another one's settings, with a change or two.
func TestConfigOfAManagerMakesTheSameManager(t *testing.T) {
	for name, cfg := range map[string]core.Config{
		"zero":  {},
		"never": {IdleTimeout: -1, AbsoluteTimeout: -1, TouchInterval: -1, SweepInterval: -1, Handover: -1, MaxRetries: -1},
		"set":   {IdleTimeout: time.Minute, AbsoluteTimeout: time.Hour, TouchInterval: time.Second, SweepInterval: time.Minute, Handover: 3, MaxRetries: 4},
	} {
		t.Run(name, func(t *testing.T) {
			first := newManager(t, cfg)
			second := newManager(t, first.Config())
			a, b := first.Config(), second.Config()
			for field, same := range map[string]bool{
				"IdleTimeout":     a.IdleTimeout == b.IdleTimeout,
				"AbsoluteTimeout": a.AbsoluteTimeout == b.AbsoluteTimeout,
				"TouchInterval":   a.TouchInterval == b.TouchInterval,
				"SweepInterval":   a.SweepInterval == b.SweepInterval,
				"Handover":        a.Handover == b.Handover,
				"MaxRetries":      a.MaxRetries == b.MaxRetries,
			} {
				if !same {
					t.Errorf("%s is another one", field)
				}
			}
			s, err := second.Create(t.Context())
			ok(t, err)
			if want := max(a.IdleTimeout, 0); s.Timeout() != want {
				t.Errorf("a session's timeout is %v, want %v", s.Timeout(), want)
			}
		})
	}
}

func TestUnknownOptionsAreRefused(t *testing.T) {
	m := newManager(t, core.Config{})
	id := begin(t, m, "n", 0)
	for name, option := range map[string]core.OpenOption{
		"locking 99": core.LockingPolicy(99), "locking 0": core.LockingPolicy(0),
		"save 99": core.SavePolicy(99), "save 0": core.SavePolicy(0),
		"mode 99": core.Mode(99), "mode 0": core.Mode(0),
	} {
		if _, err := m.Open(t.Context(), id, option); err == nil {
			t.Errorf("Open with %s succeeds", name)
		}
		if _, err := m.Create(t.Context(), option); err == nil {
			t.Errorf("Create with %s succeeds", name)
		}
		if err := m.Update(t.Context(), id, increment, option); err == nil {
			t.Errorf("Update with %s succeeds", name)
		}
	}
}
