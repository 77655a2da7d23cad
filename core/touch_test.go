package core_test

import (
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

func TestTouchIsCoalesced(t *testing.T) {
	c := newClock()
	m := newManager(t, core.Config{Now: c.now, TouchInterval: time.Minute, SweepInterval: -1})
	id := begin(t, m, "a", 1)
	born := c.now()
	c.advance(59 * time.Second)
	open(t, m, id)
	if at := open(t, m, id).LastAccessed(); !at.Equal(born) {
		t.Errorf("moved before the interval passed: %v", at.Sub(born))
	}
	c.advance(time.Second)
	if at := open(t, m, id).LastAccessed(); !at.Equal(born) {
		t.Errorf("LastAccessed = %v after birth, want the access before this one", at.Sub(born))
	}
	s := open(t, m, id)
	if at := s.LastAccessed(); at.Sub(born) != time.Minute {
		t.Errorf("LastAccessed = %v after birth, want a minute", at.Sub(born))
	}
	if s.Version() != 1 {
		t.Error("touching is a save")
	}
	c.advance(time.Second)
	ok(t, s.Touch(t.Context()))
	if at := open(t, m, id).LastAccessed(); at.Sub(born) != 61*time.Second {
		t.Errorf("after Touch: %v", at.Sub(born))
	}
}

// A session may have a timeout that is shorter than the manager's touch interval.
func TestBusySessionWithAShortTimeoutLives(t *testing.T) {
	for _, option := range []core.OpenOption{core.ReadOnly, core.ReadWrite, core.Serialized} {
		c := newClock()
		m := newManager(t, core.Config{Now: c.now, SweepInterval: -1})
		s, err := m.Create(t.Context())
		ok(t, err)
		ok(t, s.SetTimeout(30*time.Second))
		ok(t, s.Commit(t.Context()))
		for i := range 10 {
			c.advance(10 * time.Second)
			again, err := m.Open(t.Context(), s.ID(), option)
			if err != nil {
				t.Fatalf("%v: access %d, 10s after the one before, with a timeout of 30s: %v", option, i, err)
			}
			ok(t, again.End(t.Context()))
		}
	}
}

func TestTouchDue(t *testing.T) {
	at := newClock().now()
	for _, tt := range []struct {
		name               string
		touch, idle, since time.Duration
		want               bool
	}{
		{"before the interval", time.Minute, time.Hour, time.Minute - 1, false},
		{"at the interval", time.Minute, time.Hour, time.Minute, true},
		{"before a tenth of the timeout", time.Minute, time.Minute, 6*time.Second - 1, false},
		{"at a tenth of the timeout", time.Minute, time.Minute, 6 * time.Second, true},
		{"a session that never ends", time.Minute, 0, time.Minute - 1, false},
		{"each access", 0, time.Hour, 1, true},
		{"each access, at the same moment", 0, time.Hour, 0, false},
		{"a clock that went back", 0, time.Hour, -time.Second, false},
		{"not at all", core.NoTouch, time.Minute, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := core.Record{Accessed: at, Idle: tt.idle}
			opt := core.LoadOptions{Now: at.Add(tt.since), Touch: tt.touch}
			if got := opt.TouchDue(&rec); got != tt.want {
				t.Errorf("TouchDue = %v, want %v", got, tt.want)
			}
		})
	}
}
