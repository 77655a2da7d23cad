package core

import (
	"context"
	"iter"
	"time"
)

// Store keeps the records of sessions. One store serves any number of managers; everything is keyed
// by (manager id, session id), and nothing done under one manager id shows under another.
//
// A store promises exclusion and atomicity: each method happens as a whole or not at all, also
// between processes where the store is shared by several. It does not wait, queue or retry; managers
// do that.
//
// All methods may be called from any number of goroutines. They return soon after ctx ends, with an
// error that matches ctx.Err(), and then leave either all of their effect or none, and no lock.
// Errors that are not named here are the back end's own, and mean "not known", never "not there".
//
// Strings and Values are immutable and may be kept. Times are UTC. The Now that calls carry is the
// manager's clock; a store whose processes run on several hosts goes by one clock of its own instead.
//
// A record that has expired by that clock is treated as if it were not there by every method, to the
// nanosecond, whether or not Sweep has removed it. It stays in the store, readable by Sweep alone, so
// that its end is told exactly once.
//
// Keys are opaque: any bytes, of any length up to 64 KiB, must be stored apart from every other key or
// be refused with an error.
type Store interface {
	// Create stores a new record and returns nil, or returns ErrExists and changes nothing when the
	// key holds a living or a forwarding record; the session begins at rec.Accessed, and that is the
	// time by which the other is judged. The record's Version is ignored; it becomes 1. A lock left from
	// an earlier session of the same key does not carry over.
	Create(ctx context.Context, key Key, rec Record) error

	// Load returns the record. With opt.Touch it may move the last access in the same step. Errors:
	// ErrNotFound; *MovedError when the id was rotated and still forwards; *CorruptError when the
	// stored bytes make no sense: the store has then set them aside, and the next Load says ErrNotFound.
	Load(ctx context.Context, key Key, opt LoadOptions) (Record, error)

	// Save applies c in one step, counts as an access, and returns the new version. It never creates a
	// record. Errors: ErrGone when the record is not there; *MovedError when it was rotated away;
	// *ConflictError, with the current record; ErrLockLost; ErrTooLarge. After an error nothing has
	// changed.
	Save(ctx context.Context, key Key, c *Change) (version uint64, err error)

	// Touch moves the last access to now, never backwards, and nothing else. Errors: ErrGone, *MovedError.
	Touch(ctx context.Context, key Key, now time.Time) error

	// Rotate gives the record a new id, in one step. Values, version, times and lock go along: who held
	// the lock of the old key holds that of the new one under the same fence. The old key is not found
	// any more, or forwards (MovedError) for r.Grace. Errors: ErrGone, ErrExists, ErrLockLost, *MovedError;
	// ErrUnsupported when r.To has another place, see Placer.
	Rotate(ctx context.Context, key Key, r Rotation) error

	// Delete removes the record, with its lock, and returns it as it last was. When nothing was there
	// ok is false and err nil. An expired record that Sweep has not yet removed is removed and
	// returned. A forwarding record is removed, and *MovedError returned.
	Delete(ctx context.Context, key Key, now time.Time) (rec Record, ok bool, err error)

	// Close frees what the store holds. Later calls return ErrClosed, a second Close nil.
	Close() error
}

// NoTouch as LoadOptions.Touch leaves the last access alone.
const NoTouch = time.Duration(-1)

// LoadOptions say what a load does besides loading.
type LoadOptions struct {
	Now time.Time // the manager's clock

	// Touch moves the last access to Now if it is at least this long ago. Zero moves it with each
	// load, NoTouch never. See TouchDue.
	Touch time.Duration
}

// TouchDue reports whether a load with these options moves the last access of rec: Touch is over, or a
// tenth of the record's own idle timeout, so that no session ends more than a tenth early.
func (o LoadOptions) TouchDue(rec *Record) bool {
	if o.Touch < 0 {
		return false
	}
	after := o.Touch
	if rec.Idle > 0 {
		after = min(after, rec.Idle/10)
	}
	since := o.Now.Sub(rec.Accessed)
	return since > 0 && since >= after
}

// Rotation says where a record moves to.
type Rotation struct {
	Now   time.Time
	To    string        // the new session id
	Grace time.Duration // how long the old id forwards to the new one; 0 means not at all
	Fence uint64        // if not 0: only while the lock is held under this fence
}

// Locker is a store that can give one holder at a time the right to write a session. The Serialized
// policy needs it.
//
// A lock belongs to a living record and ends with it. It is held under a fence: a number, never 0,
// that no other acquisition of that key has had. Save, Rotate, Renew and Unlock check the fence in
// the same step as their effect. A lock whose lease ran out stays good for its holder until someone
// else takes it: only then does the old fence fail.
type Locker interface {
	// Lock takes the lock and loads the record in one step. It does not wait: when another holder's
	// lease runs it returns *LockedError. Other errors are those of Load; then no lock is held.
	Lock(ctx context.Context, key Key, opt LockOptions) (rec Record, fence uint64, err error)

	// Renew makes the lease end opt.Lease after now. Errors: ErrLockLost, ErrGone, *MovedError.
	Renew(ctx context.Context, key Key, fence uint64, now time.Time, lease time.Duration) error

	// Unlock lets the lock go. Unlocking what one does not hold returns ErrLockLost or ErrGone (or
	// *MovedError) and does nothing.
	Unlock(ctx context.Context, key Key, fence uint64) error
}

// LockOptions say how to take a lock.
type LockOptions struct {
	LoadOptions
	Lease time.Duration // how long the lock is good for unless renewed; more than 0
}

// LockWaiter is a Locker that can tell when trying again is worth it. Managers poll a Locker that has
// no such power.
type LockWaiter interface {
	// WaitLock returns nil when the key's lock may have become free, at the latest after limit, or
	// ctx.Err() when ctx ends.
	WaitLock(ctx context.Context, key Key, limit time.Duration) error
}

// Lister is a store that can enumerate. Manager.IDs and Manager.Count need it.
type Lister interface {
	// IDs yields the id of each living session of the manager, in no order. Sessions that come or go
	// meanwhile may be missed or shown, others are shown exactly once. After an error it ends.
	IDs(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error]

	// Count returns how many living sessions the manager has.
	Count(ctx context.Context, manager string, now time.Time) (int, error)
}

// Sweeper is a store that keeps expired records until told to remove them.
type Sweeper interface {
	// Sweep removes the manager's expired records and calls ended for each, once, after it is removed
	// and with no lock held. It stops when ctx ends; what it has removed by then has been told.
	Sweep(ctx context.Context, manager string, now time.Time, ended func(id string, rec Record)) error
}

// Placer is a store that keeps one manager's sessions in several places, of which each changes apart
// from the others, as the nodes of a cluster do. It can give a session a new id in one step only if both
// ids have the same place.
//
// Its Rotate refuses an id of another place with an error that matches ErrUnsupported, and changes
// nothing. Managers draw new ids until one has the place of the old one, so a store should have few
// places and fill them evenly: with n of them that takes n draws on average, and managers give up after
// two million. It also makes the new id log2(n) bits easier to guess for one who knows the old id.
//
// A store that wraps a Placer has to be one too.
type Placer interface {
	// SamePlace reports whether two session ids of the manager have the same place, whether or not there
	// are such sessions. It goes by the ids alone: it asks nobody, holds for any ids, is quick, and gives
	// the same answer in every process, at any time, also after Close. Ids that share a place with a
	// third one share it with each other. It may be called from any number of goroutines.
	SamePlace(manager, id, other string) bool
}

// Evictor is a store that may end sessions of its own accord, to stay within a limit.
type Evictor interface {
	// OnEvict registers ended to be called for each session of the manager that is evicted, after it
	// is removed and with no lock held. The returned function takes the registration back.
	OnEvict(manager string, ended func(id string, rec Record)) (stop func())
}
