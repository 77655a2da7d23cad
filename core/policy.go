package core

import "fmt"

// LockingPolicy says what happens when two requests hold one session. It is an OpenOption: given to
// Manager.Open it overrides the manager's own for that request.
//
// A policy protects against requests under the same policy. A session that is opened under two
// policies at once has the weaker promise of the two.
type LockingPolicy uint8

const (
	// Merge writes each changed or deleted name and leaves the others alone, so that two requests
	// that change different names both survive; for the same name the last one wins. It is the
	// default. It does not protect a value that is computed from itself (a counter): use Serialized,
	// Optimistic or Manager.Update there.
	Merge LockingPolicy = 1 + iota

	// Lossy lets the last whole save win: saving replaces all values by those that this request saw
	// and changed, and whatever another request saved in between is lost.
	Lossy

	// Optimistic lets the first commit win. The second gets a *ConflictError that carries the current
	// record. Retry with Manager.Update.
	Optimistic

	// Serialized makes the second writer wait in line, within Config.LockWait, until the first has
	// committed or released. The store must be a Locker.
	Serialized
)

var lockingNames = [...]string{Merge: "merge", Lossy: "lossy", Optimistic: "optimistic", Serialized: "serialized"}

// String returns the policy's name in lower case.
func (p LockingPolicy) String() string { return nameOf(lockingNames[:], int(p), "LockingPolicy") }

// ParseLockingPolicy returns the policy with that name, as String gives it.
func ParseLockingPolicy(name string) (LockingPolicy, error) {
	for i, n := range lockingNames {
		if n != "" && n == name {
			return LockingPolicy(i), nil
		}
	}
	return 0, fmt.Errorf("core: no locking policy %q: use merge, lossy, optimistic or serialized", name)
}

// SavePolicy says whether the end of a request commits. It is an OpenOption.
type SavePolicy uint8

const (
	// SaveDirty commits if something changed, in-place changes of a fetched list or map included. It
	// is the default.
	SaveDirty SavePolicy = 1 + iota

	// SaveAlways commits at the end of each request that opened the session for writing, changed or
	// not. A new session in which nothing was stored is not created even so.
	SaveAlways

	// SaveExplicit never commits at the end of a request: only Session.Commit writes.
	SaveExplicit
)

var saveNames = [...]string{SaveDirty: "dirty", SaveAlways: "always", SaveExplicit: "explicit"}

// String returns the policy's name in lower case.
func (p SavePolicy) String() string { return nameOf(saveNames[:], int(p), "SavePolicy") }

// ParseSavePolicy returns the policy with that name, as String gives it.
func ParseSavePolicy(name string) (SavePolicy, error) {
	for i, n := range saveNames {
		if n != "" && n == name {
			return SavePolicy(i), nil
		}
	}
	return 0, fmt.Errorf("core: no save policy %q: use dirty, always or explicit", name)
}

// CorruptPolicy says what the owner of a session with unreadable data gets.
type CorruptPolicy uint8

const (
	// CorruptStartAnew reports the session as not found, so that its owner gets a new one. The bytes
	// are set aside by the store and listeners are told. It is the default.
	CorruptStartAnew CorruptPolicy = 1 + iota

	// CorruptFail returns the *CorruptError.
	CorruptFail
)

// Mode says what a session is opened for. It is an OpenOption; the default is ReadWrite.
type Mode uint8

const (
	// ReadWrite opens a session for reading and writing.
	ReadWrite Mode = 1 + iota
	// ReadOnly opens a session for reading: it takes no lock under any policy and can not commit.
	ReadOnly
)

// OpenOption adjusts one Manager.Open or Manager.Create: a Mode, a LockingPolicy or a SavePolicy.
type OpenOption interface{ applyOpen(openConfig) openConfig }

type openConfig struct {
	mode    Mode
	locking LockingPolicy
	save    SavePolicy
}

func (m Mode) applyOpen(c openConfig) openConfig          { c.mode = m; return c }
func (p LockingPolicy) applyOpen(c openConfig) openConfig { c.locking = p; return c }
func (p SavePolicy) applyOpen(c openConfig) openConfig    { c.save = p; return c }

// openConfig says how to open a session, given what holds otherwise.
func (m *Manager) openConfig(opts []OpenOption) (openConfig, error) {
	c := openConfig{mode: ReadWrite, locking: m.cfg.Locking, save: m.cfg.Save}
	if len(opts) == 0 {
		return c, nil // New has checked it
	}
	for _, o := range opts {
		c = o.applyOpen(c)
	}
	switch {
	case c.locking < Merge || c.locking > Serialized || c.save < SaveDirty || c.save > SaveExplicit || c.mode < ReadWrite || c.mode > ReadOnly:
		return c, fmt.Errorf("core: open: %v, %v, mode %d: no such option", c.locking, c.save, c.mode)
	case c.locking == Serialized && m.locker == nil:
		return c, fmt.Errorf("core: open: %w: Serialized needs a store with locks, %T has none", ErrUnsupported, m.store)
	}
	return c, nil
}

func nameOf(names []string, i int, kind string) string {
	if i > 0 && i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}
