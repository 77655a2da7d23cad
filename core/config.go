package core

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config is how a manager treats its sessions. The zero value is a good start. For durations, zero
// means the default and a negative value means never, where that makes sense.
type Config struct {
	// Locking is what happens when two requests hold one session. Default Merge.
	Locking LockingPolicy

	// Save says whether the end of a request commits. Default SaveDirty.
	Save SavePolicy

	// IdleTimeout ends a session this long after its last access. Default one hour; negative: never.
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session this long after its creation, however busy it is. Default and
	// negative: never.
	AbsoluteTimeout time.Duration

	// TouchInterval is how old the stored last access may be before a request moves it: a session may
	// end this much early, but no more than a tenth of its idle timeout. Default a twentieth of
	// IdleTimeout, at most one minute; negative: each request moves it.
	TouchInterval time.Duration

	// SweepInterval is how often expired sessions are removed and their end is told. It has no
	// influence on when they expire. Default a tenth of IdleTimeout, at least one second and at most
	// five minutes; negative: only by Manager.Sweep.
	SweepInterval time.Duration

	// Lease is how long a lock of the Serialized policy outlives a process that died. It is renewed
	// while the request lives. Default 10 seconds.
	Lease time.Duration

	// LockWait is how long a request waits for a locked session. Default 30 seconds.
	LockWait time.Duration

	// MaxWaiters is how many requests of this process may wait for one session. Default 100.
	MaxWaiters int

	// Handover is how many times in a row a lock is passed on inside this process before others get
	// their turn. Default 8; negative: never.
	Handover int

	// MaxRetries is how often Manager.Update runs its function again after a conflict. Default 32;
	// negative: never.
	MaxRetries int

	// CommitTimeout bounds a commit, which goes on when the client has hung up. Default 10 seconds.
	CommitTimeout time.Duration

	// MaxSize is the largest session, in bytes of encoded values and their names. Default 1 MiB.
	MaxSize int

	// IDs is the format of session ids. Default RandomIDs.
	IDs IDFormat

	// Codec encodes values. Default CBOR.
	Codec Codec

	// Corrupt is what the owner of a session with unreadable data gets. Default CorruptStartAnew.
	Corrupt CorruptPolicy

	// ListenerQueue is how many events may wait for a slow listener. Default 1024.
	ListenerQueue int

	// Now is the clock for everything that is stored. Default time.Now.
	Now func() time.Time

	// Logger hears of what nobody else can be told. Default: nothing is logged.
	Logger *slog.Logger
}

// withDefaults returns a copy in which every field says what holds.
func (c Config) withDefaults() Config {
	c.Locking = orElse(c.Locking, Merge)
	c.Save = orElse(c.Save, SaveDirty)
	c.IdleTimeout = orElse(c.IdleTimeout, time.Hour)
	idle := c.IdleTimeout
	if idle < 0 {
		idle = time.Hour
	}
	c.TouchInterval = orElse(c.TouchInterval, min(idle/20, time.Minute))
	c.SweepInterval = orElse(c.SweepInterval, min(max(idle/10, time.Second), 5*time.Minute))
	c.Lease = orElse(c.Lease, 10*time.Second)
	c.LockWait = orElse(c.LockWait, 30*time.Second)
	c.MaxWaiters = orElse(c.MaxWaiters, 100)
	c.Handover = orElse(c.Handover, 8)
	c.MaxRetries = orElse(c.MaxRetries, 32)
	c.CommitTimeout = orElse(c.CommitTimeout, 10*time.Second)
	c.MaxSize = orElse(c.MaxSize, 1<<20)
	if c.IDs.New == nil && c.IDs.Valid == nil {
		c.IDs = RandomIDs()
	}
	if c.Codec == nil {
		c.Codec = CBOR()
	}
	c.Corrupt = orElse(c.Corrupt, CorruptStartAnew)
	c.ListenerQueue = orElse(c.ListenerQueue, 1024)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate checks a config with its defaults filled in and reports all mistakes at once.
func (c *Config) validate(s Store) error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("core: Config."+format, args...))
		}
	}
	bad(c.Locking >= Merge && c.Locking <= Serialized, "Locking: there is no %v", c.Locking)
	bad(c.Save >= SaveDirty && c.Save <= SaveExplicit, "Save: there is no %v", c.Save)
	bad(c.Corrupt == CorruptStartAnew || c.Corrupt == CorruptFail, "Corrupt: there is no policy %d", c.Corrupt)
	bad(c.Lease >= 30*time.Millisecond, "Lease: %v is too short to be renewed; give at least 30ms", c.Lease)
	bad(c.LockWait > 0, "LockWait: %v; every wait needs a bound", c.LockWait)
	bad(c.CommitTimeout > 0, "CommitTimeout: %v; every wait needs a bound", c.CommitTimeout)
	bad(c.MaxWaiters > 0, "MaxWaiters: %d; give at least 1", c.MaxWaiters)
	bad(c.MaxSize > 0, "MaxSize: %d; give at least 1", c.MaxSize)
	bad(c.ListenerQueue > 0, "ListenerQueue: %d; give at least 1", c.ListenerQueue)
	bad(c.IdleTimeout < 0 || c.TouchInterval < c.IdleTimeout,
		"TouchInterval: %v is not shorter than IdleTimeout %v", c.TouchInterval, c.IdleTimeout)
	if err := c.IDs.check(); err != nil {
		errs = append(errs, err)
	}
	if _, ok := s.(Locker); !ok && c.Locking == Serialized {
		errs = append(errs, fmt.Errorf("core: Config.Locking: %w: Serialized needs a store with locks, %T has none", ErrUnsupported, s))
	}
	return errors.Join(errs...)
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
