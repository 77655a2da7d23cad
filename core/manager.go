package core

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxManagerID bounds what a manager id adds to each key.
const maxManagerID = 128

// Manager opens, creates and ends the sessions of one application (or group of applications that
// share them). It owns waiting: queues, leases and retries; the store owns exclusion. Its methods may
// be called from several goroutines.
type Manager struct {
	id     string
	store  Store
	locker Locker // nil if the store has no locks
	cfg    Config

	turns   *queue // requests that want a session's lock
	updates *queue // Update calls, which want a session without others getting in between
	leases  leaseSet

	listeners listenerSet
	closed    atomic.Bool
	closing   context.Context // ends when the manager closes
	shut      context.CancelFunc
	sweeping  sync.RWMutex    // held for reading by each sweep, for writing to wait for their end
	hearing   context.Context // ends when the manager has closed, or stopped waiting for its listeners
	hush      context.CancelFunc
	work      sync.WaitGroup // the sweeper and the listeners
	stopEvict func()
}

// New returns a manager for the sessions that id names. The id comes from configuration and stays
// the same for the life of the application: its sessions are lost to it otherwise. It is 1 to 128
// letters, digits, '-', '_', '.', ':' and '/'.
//
// All mistakes in cfg are reported together; a policy that the store can not honour matches
// ErrUnsupported. The caller closes the manager, and then the store.
func New(id string, store Store, cfg Config) (*Manager, error) {
	if err := checkManagerID(id); err != nil {
		return nil, err
	}
	if store == nil {
		return nil, errors.New("core: New: the store is nil; use memstore.New or core.OpenStore")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(store); err != nil {
		return nil, err
	}
	m := &Manager{id: id, store: store, cfg: cfg, turns: newQueue(), updates: newQueue(), stopEvict: func() {}}
	m.locker, _ = store.(Locker)
	m.closing, m.shut = context.WithCancel(context.Background())
	m.hearing, m.hush = context.WithCancel(context.Background())
	if e, ok := store.(Evictor); ok {
		m.stopEvict = e.OnEvict(id, func(id string, rec Record) {
			if m.heard() {
				m.tell(m.ended(id, rec, EndEvicted))
			}
		})
	}
	if _, ok := store.(Sweeper); ok && cfg.SweepInterval > 0 {
		m.work.Go(m.sweepAtIntervals)
	}
	return m, nil
}

func checkManagerID(id string) error {
	if id == "" || len(id) > maxManagerID {
		return fmt.Errorf("core: New: the manager id is %d characters long, 1 to %d are allowed", len(id), maxManagerID)
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
			c != '-' && c != '_' && c != '.' && c != ':' && c != '/' {
			return fmt.Errorf("core: New: the manager id %q has a character %q; letters, digits and - _ . : / are allowed", id, c)
		}
	}
	return nil
}

// ID returns the manager's id.
func (m *Manager) ID() string { return m.id }

// Store returns the manager's store.
func (m *Manager) Store() Store { return m.store }

// Config returns the manager's settings with all defaults filled in.
func (m *Manager) Config() Config { return m.cfg }

// ValidID reports whether the manager could have made the id. It says nothing about whether there is
// such a session.
func (m *Manager) ValidID(id string) bool {
	return (m.cfg.IDs.exact || travels(id)) && m.cfg.IDs.Valid(id)
}

func (m *Manager) key(id string) Key { return Key{m.id, id} }

func (m *Manager) now() time.Time { return m.cfg.Now().UTC().Round(0) }

func (m *Manager) loadOptions() LoadOptions {
	return LoadOptions{Now: m.now(), Touch: max(m.cfg.TouchInterval, 0)}
}

// Open loads the session with that id for a request and counts as an access to it. Options override
// the manager's mode, locking policy and save policy for this request. Whoever opens a session ends
// its use with Session.End, Commit or Rollback.
//
// If ctx carries a Scope, a session that is open in it is returned again, made writable or locked if
// the options ask for it.
//
// Errors: ErrNotFound (also for an id that can not be ours, see ErrBadID): start a new session with
// Create. ErrLockTimeout, ErrQueueFull, ctx's error: the session is busy. *CorruptError, if
// Config.Corrupt says so. ErrUnsupported for Serialized on a store without locks. ErrClosed. Anything
// else is the store's: the session is there or not, nobody knows, so do not go on with an empty one.
func (m *Manager) Open(ctx context.Context, id string, opts ...OpenOption) (*Session, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	if !m.ValidID(id) {
		return nil, ErrBadID
	}
	cfg, err := m.openConfig(opts)
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	scope.enter()
	defer scope.leave()
	if s := scope.find(m, id); s != nil {
		if err := s.reopen(ctx, cfg); err != nil {
			return nil, err
		}
		return s, nil
	}
	s := &Session{m: m, ctx: ctx, id: id, cfg: cfg, stored: true}
	if err := s.load(ctx); err != nil {
		return nil, s.opening(err)
	}
	if m.closed.Load() { // while the request waited
		_ = s.release(ctx)
		return nil, ErrClosed
	}
	scope.add(s)
	return s, nil
}

// Create returns a new, empty session under a fresh id. Nothing is stored until a commit with
// something in it, so a request that stores nothing leaves nothing behind. A Mode option has no effect.
// Errors: ErrClosed, ErrUnsupported.
func (m *Manager) Create(ctx context.Context, opts ...OpenOption) (*Session, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	cfg, err := m.openConfig(opts)
	if err != nil {
		return nil, err
	}
	cfg.mode = ReadWrite
	s := &Session{m: m, ctx: ctx, id: m.cfg.IDs.New(), cfg: cfg, created: true}
	now := m.now()
	s.rec = Record{Created: now, Accessed: now, Idle: max(m.cfg.IdleTimeout, 0)}
	s.before = now
	if m.cfg.AbsoluteTimeout > 0 {
		s.rec.Ends = now.Add(m.cfg.AbsoluteTimeout)
	}
	scopeOf(ctx).add(s)
	return s, nil
}

// Has reports whether a living session has that id, or had it and was rotated within its grace. It is no
// access to the session, and takes no lock. Errors: *CorruptError, if Config.Corrupt says so; ErrClosed;
// anything else is the store's: nobody knows.
func (m *Manager) Has(ctx context.Context, id string) (bool, error) {
	if m.closed.Load() {
		return false, ErrClosed
	}
	if !m.ValidID(id) {
		return false, nil
	}
	_, err := m.store.Load(ctx, m.key(id), LoadOptions{Now: m.now(), Touch: NoTouch})
	if _, moved := errors.AsType[*MovedError](err); err == nil || moved {
		return true, nil
	}
	if err = m.lost(id, err); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return false, err
}

// load fills rec from the store and follows a session that was rotated to its present id, which it returns. After an
// error rec is as it was.
func (m *Manager) load(ctx context.Context, id string, rec *Record) (string, error) {
	for range maxMoves {
		found, err := m.store.Load(ctx, m.key(id), m.loadOptions())
		if err == nil {
			*rec = found
			return id, nil
		}
		if moved, ok := errors.AsType[*MovedError](err); ok {
			id = moved.To
			continue
		}
		return id, m.lost(id, err)
	}
	return id, ErrNotFound
}

// maxMoves bounds how many rotations within their grace are followed.
const maxMoves = 8

// lost tells of a session whose stored bytes make no sense, and gives its owner what was configured.
func (m *Manager) lost(id string, err error) error {
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	hash := m.key(id).Hash()
	m.cfg.Logger.Error("session data can not be read and was set aside", "manager", m.id, "session", hash, "error", err)
	if m.heard() {
		m.tell(Event{Kind: EventEnded, Reason: EndLost, Manager: m.id, Session: hash, Time: m.now(), Err: err})
	}
	if m.cfg.Corrupt == CorruptFail {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotFound, err)
}

// Delete ends a session: its data is gone when Delete returns, and no request in flight brings it
// back. Listeners get the last data. A session that is not there is no error.
//
// Errors: ErrBadID, ErrClosed, and the store's.
func (m *Manager) Delete(ctx context.Context, id string) error {
	if m.closed.Load() {
		return ErrClosed
	}
	if !m.ValidID(id) {
		return ErrBadID
	}
	return m.delete(ctx, id)
}

func (m *Manager) delete(ctx context.Context, id string) error {
	for range maxMoves {
		now := m.now()
		rec, ok, err := m.store.Delete(ctx, m.key(id), now)
		if moved, is := errors.AsType[*MovedError](err); is {
			id = moved.To
			continue
		}
		if err != nil {
			return fmt.Errorf("core: delete session %s: %w", m.key(id).Hash(), err)
		}
		if ok && m.heard() {
			reason := EndInvalidated
			if rec.Expired(now) {
				reason = EndExpired
			}
			m.tell(m.ended(id, rec, reason))
		}
		return nil
	}
	return fmt.Errorf("core: delete session %s: it is rotated faster than it can be followed; try again", m.key(id).Hash())
}

// IDs yields the ids of all living sessions, in no order. Sessions that come and go meanwhile may be
// missed or shown. After an error, which matches ErrUnsupported if the store can not enumerate, it ends.
func (m *Manager) IDs(ctx context.Context) iter.Seq2[string, error] {
	l, ok := m.store.(Lister)
	if !ok {
		return func(yield func(string, error) bool) {
			yield("", fmt.Errorf("core: list sessions: %w", ErrUnsupported))
		}
	}
	return l.IDs(ctx, m.id, m.now())
}

// Count returns how many living sessions there are. The error matches ErrUnsupported if the store can
// not count.
func (m *Manager) Count(ctx context.Context) (int, error) {
	l, ok := m.store.(Lister)
	if !ok {
		return 0, fmt.Errorf("core: count sessions: %w", ErrUnsupported)
	}
	return l.Count(ctx, m.id, m.now())
}

// Sweep removes expired sessions from the store, tells listeners of their end, and returns how many
// there were. Managers do this by themselves every Config.SweepInterval. A store that expires sessions
// alone gives 0.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	sw, ok := m.store.(Sweeper)
	if !ok {
		return 0, nil
	}
	m.sweeping.RLock()
	defer m.sweeping.RUnlock()
	if m.closed.Load() {
		return 0, ErrClosed
	}
	sweep, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(m.closing, stop)()
	n := 0
	err := sw.Sweep(sweep, m.id, m.now(), func(id string, rec Record) {
		n++
		if m.heard() {
			m.tellWaiting(ctx, m.ended(id, rec, EndExpired))
		}
	})
	return n, err
}

func (m *Manager) sweepAtIntervals() {
	for {
		// Many processes started together should not sweep together.
		pause := m.cfg.SweepInterval + rand.N(m.cfg.SweepInterval/8+1)
		timer := time.NewTimer(pause)
		select {
		case <-m.closing.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if _, err := m.Sweep(m.hearing); err != nil && m.closing.Err() == nil {
			m.cfg.Logger.Error("sweeping expired sessions failed", "manager", m.id, "error", err)
		}
	}
}

// Close ends the manager's own work: sweeping, leases, listeners. Events that are in the queues are
// still delivered, until ctx ends; then Close returns ctx's error. Sessions that are open may still be
// committed, but others can not be opened any more. The store stays open. A second Close returns nil.
func (m *Manager) Close(ctx context.Context) error {
	if m.closed.Swap(true) {
		return nil
	}
	defer m.hush()
	m.stopEvict()
	m.shut()
	m.leases.stopAll()
	done := make(chan struct{})
	go func() {
		m.sweeping.Lock() // what was swept is told
		m.listeners.close()
		m.sweeping.Unlock()
		m.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("core: close manager %s: a sweep or a listener is still at work: %w", m.id, ctx.Err())
	}
}
