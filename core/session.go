package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Session is one request's view of a session: what was stored when it was opened, and what the
// request has changed since. Changes reach the store when the session commits.
//
// A Session may be used from several goroutines of its request. Values that it gives out may not,
// unless their own type allows it.
type Session struct {
	m    *Manager
	ctx  context.Context // the request's; with a lock, one that ends with it
	next *Session        // the one opened before it in its Scope

	updating sync.Mutex // held by Update when it runs on this session

	mu      sync.Mutex // protects the following fields
	id      string
	was     *formerID // its ids before rotations in this request
	rec     Record
	before  time.Time      // the last access before this request
	entries []entry        // what was fetched by reference or changed, sorted by name
	idleWas *time.Duration // the idle timeout before SetTimeout
	refusal error          // see Seal
	lease   *lease         // the lock, while this request holds it
	pending *commitWork    // made with the first change, for the commit; nil when it is used up
	writes  uint16         // how often this request has saved it
	cfg     openConfig

	created  bool // by this request
	draft    bool // no store knows it, nor will
	stored   bool // the store has, or had when last asked, a record under id
	ended    bool // invalidated, or found gone
	settled  bool // committed or rolled back: what follows is late
	inLine   bool // this request has the turn in the manager's queue
	exact    bool // rec is what this request has just written under the lock
	blended  bool // others have changed the record since it was loaded, so that rec.Values are not all of it
	lockLost bool // to someone else, so that this request's work is void
	quiet    bool // Update tells of a conflict itself, when it gives up
}

// formerID is an id that the session had before.
type formerID struct {
	id     string
	before *formerID
}

// ID returns the session's id. It is a secret: it belongs in the client's cookie and nowhere else; for
// logs there is Hash.
func (s *Session) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Hash returns a short name for the session that is safe in logs.
func (s *Session) Hash() string { return s.m.key(s.ID()).Hash() }

// Manager returns the session's manager.
func (s *Session) Manager() *Manager { return s.m }

// Mode returns what the session was opened for.
func (s *Session) Mode() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.mode
}

// Locking returns the policy that the session was opened under.
func (s *Session) Locking() LockingPolicy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.locking
}

// IsNew reports whether the session was created by this request.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.created
}

// Created returns when the session was created, in UTC.
func (s *Session) Created() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Created
}

// LastAccessed returns when the session was last used before this request, in UTC and no more exact
// than Config.TouchInterval.
func (s *Session) LastAccessed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.before
}

// Timeout returns how long after its last access the session ends. 0 means never.
func (s *Session) Timeout() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Idle
}

// Version returns the stored version that the session was loaded or last saved with; 0 if it was never
// stored. It grows by one with each save.
func (s *Session) Version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Version
}

// SetTimeout changes after how much idle time this session ends; 0 means never. It is a change like
// any other and takes effect when the session commits. Errors are those of Set.
func (s *Session) SetTimeout(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if d < 0 {
		return fmt.Errorf("core: SetTimeout: %v is negative; 0 means never", d)
	}
	if s.idleWas == nil {
		was := s.rec.Idle
		s.idleWas = &was
	}
	s.rec.Idle = d
	return nil
}

// SetSave overrides the save policy for the rest of this request, as Webware's and Albatross's
// per-request switches do.
func (s *Session) SetSave(p SavePolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.save = p
}

// Stored reports whether the session is in the store under its id, so that the client should hold
// the id.
func (s *Session) Stored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored && !s.ended
}

// Ended reports whether the session is over: invalidated by this request, or found gone by a commit.
func (s *Session) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Seal makes every later change of a session that is not stored fail with err, and every rotation.
// Carriers call it when they can not send the client a new id any more, so that nothing is stored where
// nobody finds it. A nil err takes the seal off.
func (s *Session) Seal(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// Settle is Seal for the moment when a response's headers leave. It returns what the client must know by then: the
// session's id, and whether it is Stored.
func (s *Session) Settle(err error) (id string, stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
	return s.id, s.stored && !s.ended
}

// Context returns the context that the session was opened with. Under Serialized it is cancelled, with
// ErrLockLost as its cause, when the session's lock is lost: stop working, the commit will be refused.
func (s *Session) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// Touch counts as an access now, whatever Config.TouchInterval says. Opening a session touches it
// already; this is for requests that live long. Errors: ErrGone, and the store's.
func (s *Session) Touch(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrGone
	}
	if !s.stored {
		return nil
	}
	err := s.follow(func(key Key) error { return s.m.store.Touch(ctx, key, s.m.now()) })
	return s.note(err)
}

// Invalidate ends the session: its data is gone when Invalidate returns, for requests in flight as
// well, and listeners get the last stored data. The Session can not be used any more; a new one can be
// created in the same request. Errors: ErrReadOnly, ErrGone, and the store's, after which the session
// may still be there.
func (s *Session) Invalidate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.stored {
		dctx := detach(ctx, s.m.cfg.CommitTimeout)
		defer dctx.stop()
		if err := s.m.delete(dctx, s.id); err != nil {
			return err
		}
	}
	s.ended = true
	s.entries, s.rec.Values = nil, nil
	if s.lease != nil {
		s.lease.stop()
		s.lease = nil // the lock ended with the record
	}
	return s.release(ctx)
}

// Rotate gives the session a new id, as must be done at login, so that an id which a stranger knew
// before is worth nothing after. It takes effect at once; the client learns the new id from its carrier.
// Changes that are not yet committed stay with the session.
//
// With grace 0 the old id is dead when Rotate returns. With a grace it leads to the session for that
// long, so that requests in flight survive; use that for renewing an id, not at login.
//
// Errors: ErrReadOnly, ErrGone, ErrLockLost, what Seal was given, ErrUnsupported when no new id suits a
// Placer, and the store's.
func (s *Session) Rotate(ctx context.Context, grace time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if grace < 0 {
		return fmt.Errorf("core: Rotate: the grace %v is negative", grace)
	}
	if s.refusal != nil {
		return s.refusal
	}
	old := s.id
	var id string
	if s.stored {
		dctx := detach(ctx, s.m.cfg.CommitTimeout)
		defer dctx.stop()
		err := s.fresh(func(newID string) (err error) {
			if id, err = s.m.beside(s.id, newID); err != nil {
				return err
			}
			return s.follow(func(key Key) error {
				return s.m.store.Rotate(dctx, key, Rotation{Now: s.m.now(), To: id, Grace: grace, Fence: s.fence()})
			})
		})
		if err := s.note(err); err != nil {
			return err
		}
	} else {
		id = s.m.cfg.IDs.New()
	}
	s.rename(id)
	if s.stored && s.m.heard() {
		s.m.tell(Event{Kind: EventRotated, Manager: s.m.id, Session: s.m.key(old).Hash(), NewSession: s.m.key(id).Hash(),
			Time: s.m.now(), Data: s.m.snapshot(s.rec)})
	}
	return nil
}

// rename makes id the session's id. Those who wait in line under the old id are sent on to find the
// session's new place.
func (s *Session) rename(id string) {
	s.was, s.id = &formerID{s.id, s.was}, id
	if s.inLine {
		s.m.turns.leave(s.was.id)
		s.inLine = false
	}
	if s.lease != nil {
		s.lease.moved(s.m.key(id))
	}
}

// Fork returns a new session that starts with this one's values, uncommitted changes included, under
// an id of its own. It is stored when it commits. Errors: ErrGone, those of Manager.Create, and of
// encoding a value that was changed in place.
func (s *Session) Fork(ctx context.Context) (*Session, error) {
	values, err := s.Values()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	idle, save := s.rec.Idle, s.cfg.save
	s.mu.Unlock()
	f, err := s.m.Create(ctx, save)
	if err != nil {
		return nil, err
	}
	f.rec.Values, f.rec.Idle = values, idle
	return f, nil
}

// usable says why the session can not be changed at all, or nil.
func (s *Session) usable() error {
	switch {
	case s.ended:
		return ErrGone
	case s.cfg.mode == ReadOnly:
		return ErrReadOnly
	}
	return nil
}

// writable says why a value can not be set, or nil.
func (s *Session) writable() error {
	if err := s.usable(); err != nil {
		return err
	}
	if !s.stored {
		return s.refusal
	}
	return nil
}

func (s *Session) knownAs(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	for was := s.was; was != nil; was = was.before {
		if was.id == id {
			return true
		}
	}
	return s.id == id
}

func (s *Session) key() Key { return s.m.key(s.id) }

func (s *Session) fence() uint64 {
	if s.lease == nil {
		return 0
	}
	return s.lease.fence
}

// follow runs a store call, again under the new id if the session turns out to have been rotated by
// another request within its grace.
func (s *Session) follow(call func(Key) error) error {
	for range maxMoves {
		err := call(s.key())
		if err == nil {
			return nil
		}
		moved, ok := errors.AsType[*MovedError](err)
		if !ok {
			return err
		}
		s.rename(moved.To)
	}
	return ErrGone
}

// fresh runs a store call with new ids until one is not taken. With working ids the first one is free.
func (s *Session) fresh(call func(id string) error) error {
	const tries = 4
	var err error
	for range tries {
		if err = call(s.m.cfg.IDs.New()); !errors.Is(err, ErrExists) {
			return err
		}
	}
	return err
}

// note remembers what an error says about the session itself.
func (s *Session) note(err error) error {
	s.ended = s.ended || errors.Is(err, ErrGone)
	s.lockLost = s.lockLost || errors.Is(err, ErrLockLost)
	return err
}
