package core

import (
	"errors"
	"fmt"
	"time"
)

// Errors about a session that is not there.
var (
	// ErrNotFound is returned by Store.Load, Locker.Lock and Manager.Open when no living session has
	// the id: it never existed, it expired, or it was deleted. Start a new session with Manager.Create.
	ErrNotFound = errors.New("core: no such session")

	// ErrGone is returned by Store.Save, Store.Touch, Store.Rotate and Session.Commit when the session
	// ended after it was loaded. Nothing was written, and nothing may bring the session back: tell the
	// user that the session is over, and start a new one.
	ErrGone = errors.New("core: the session ended while it was in use")

	// ErrExists is returned by Store.Create and Store.Rotate when the new id is taken. The manager
	// tries again with another id.
	ErrExists = errors.New("core: a session with this id exists already")
)

// Errors about two users of one session.
var (
	// ErrConflict is matched by *ConflictError, which Session.Commit and Store.Save return when the
	// session was saved by someone else since it was loaded. Nothing was written. Re-run the work on
	// the current data: Manager.Update does that.
	ErrConflict = errors.New("core: the session was changed since it was loaded")

	// ErrLocked is matched by *LockedError, which Locker.Lock returns when another holder has the
	// session's lock. Managers wait and try again; applications see ErrLockTimeout instead.
	ErrLocked = errors.New("core: the session is locked")

	// ErrLockTimeout is returned by Manager.Open when the session's lock could not be had within
	// Config.LockWait. Nothing was loaded. Answer "busy, try again".
	ErrLockTimeout = errors.New("core: the session stayed locked for too long")

	// ErrQueueFull is returned by Manager.Open when Config.MaxWaiters requests wait for the session
	// already. Nothing was loaded. Answer "busy, try again".
	ErrQueueFull = errors.New("core: too many requests wait for this session")

	// ErrLockLost is returned by Session.Commit, Store.Save, Store.Rotate, Locker.Renew and
	// Locker.Unlock when the lock lapsed and may have been taken over. Nothing was written. It is also
	// the cause of the cancelled Session.Context.
	ErrLockLost = errors.New("core: the session's lock was lost")
)

// Errors about data.
var (
	// ErrCorrupt is matched by *CorruptError and by *ValueError when stored bytes can not be read.
	ErrCorrupt = errors.New("core: stored session data can not be read")

	// ErrTooLarge is returned by Session.Set and Session.Commit when a value or the session would
	// exceed Config.MaxSize. Nothing was written; the stored session is as it was.
	ErrTooLarge = errors.New("core: the session is too large")

	// ErrBadID is returned by Manager.Open and Manager.Delete for an id that this manager can not have
	// made. No store has seen it. It matches ErrNotFound, because callers treat both alike.
	ErrBadID = fmt.Errorf("%w: the id is malformed", ErrNotFound)
)

// Errors about misuse.
var (
	// ErrReadOnly is returned by Session.Set, Delete, Clear, Commit and the like on a session that was
	// opened with ReadOnly. Open it again without ReadOnly to write.
	ErrReadOnly = errors.New("core: the session was opened read-only")

	// ErrClosed is returned by a Manager or a Store that was closed.
	ErrClosed = errors.New("core: closed")

	// ErrUnsupported is returned, mostly by New, when a setting asks for a power that the store lacks, and
	// by Store.Rotate for an id of another place; see Placer.
	ErrUnsupported = errors.New("core: the store can not do this")
)

// ConflictError tells that the session was saved by someone else since it was loaded. It matches
// ErrConflict.
type ConflictError struct {
	Key     Key
	Have    uint64 // the version that the caller loaded
	Current Record // what is stored now, so that a retry needs no second load
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: session %s has version %d, the request began with %d",
		ErrConflict, e.Key.Hash(), e.Current.Version, e.Have)
}

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// LockedError tells that another holder has the lock. It matches ErrLocked.
type LockedError struct {
	Key  Key
	Left time.Duration // until the holder's lease ends unless renewed; 0 when the store can not tell
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%v: session %s, lease left %v", ErrLocked, e.Key.Hash(), e.Left)
}

// Is reports whether target is ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// MovedError tells that the session was rotated to another id and that the old id still forwards to
// it. Managers follow it; applications do not see it. Store methods return it.
type MovedError struct {
	Key Key
	To  string // the session's id now
}

func (e *MovedError) Error() string {
	return fmt.Sprintf("core: session %s has a new id, %s", e.Key.Hash(), Key{e.Key.Manager, e.To}.Hash())
}

// CorruptError tells that a stored record can not be read. It matches ErrCorrupt.
type CorruptError struct {
	Key    Key
	Place  string // where the store keeps the set-aside bytes, for a person to look at; no secret in it
	Reason string // what is wrong with them
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: session %s: %s; the bytes are kept at %s", ErrCorrupt, e.Key.Hash(), e.Reason, e.Place)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// ValueError tells that one value of a session can not be encoded or decoded. The session's other
// values are not affected.
type ValueError struct {
	Name string // the value's name in the session
	Type string // the Go type that was given or asked for
	Err  error
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("core: session value %q as %s: %v", e.Name, e.Type, e.Err)
}

// Unwrap returns the cause.
func (e *ValueError) Unwrap() error { return e.Err }
