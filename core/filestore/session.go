//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/holdover-web/holdover/core"
)

// stored is a session as its file has it.
type stored struct {
	rec   core.Record
	birth uint64
}

// Create implements core.Store. It returns core.ErrTooLarge for a record of more than 256 MiB, and an
// error for ids of more than 64 KiB.
func (s *Store) Create(ctx context.Context, key core.Key, rec core.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	if err := checkKey(key); err != nil {
		return err
	}
	c, err := s.enter(ctx, key, true)
	if err != nil {
		return err
	}
	defer c.leave()
	if err := c.vacate(rec.Accessed); err != nil { // a session begins with its first access
		return err
	}
	rec.Version = 1
	return c.put(&entry{kind: kindSession, key: key, birth: newBirth(c.hash.shard()), rec: rec})
}

// Load implements core.Store. It opens, reads and closes one file, and takes no lock unless it moves the
// last access.
func (s *Store) Load(ctx context.Context, key core.Key, opt core.LoadOptions) (core.Record, error) {
	if err := s.begin(ctx); err != nil {
		return core.Record{}, err
	}
	defer s.end()
	if opt.Touch != 0 {
		h := hashOf(key.Manager, key.ID)
		sh, err := s.shard(key.Manager, h.shard(), false)
		if err != nil {
			return core.Record{}, absentAs(core.ErrNotFound, err)
		}
		cur, err := sh.find(key, h.name(), opt.Now)
		_, bad := errors.AsType[badFile](err)
		switch {
		case bad:
			// Look again with nobody writing, and set it aside.
		case err != nil:
			return core.Record{}, absentAs(core.ErrNotFound, err)
		case cur.rec.Expired(opt.Now):
			return core.Record{}, core.ErrNotFound
		case !opt.TouchDue(&cur.rec):
			return cur.rec, nil
		}
	}
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return core.Record{}, absentAs(core.ErrNotFound, err)
	}
	defer c.leave()
	cur, err := c.living(opt.Now, core.ErrNotFound)
	if err != nil {
		return core.Record{}, err
	}
	return cur.rec, c.touchOnLoad(&cur.rec, opt)
}

// Save implements core.Store. Beside c.MaxSize it returns core.ErrTooLarge for more than 256 MiB.
func (s *Store) Save(ctx context.Context, key core.Key, ch *core.Change) (uint64, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return 0, absentAs(core.ErrGone, err)
	}
	defer c.leave()
	cur, err := c.held(ch.Now, ch.Fence)
	if err != nil {
		return 0, err
	}
	if ch.Version != 0 && ch.Version != cur.rec.Version {
		return 0, &core.ConflictError{Key: key, Have: ch.Version, Current: cur.rec}
	}
	rec := cur.rec
	if rec.Values, err = ch.Apply(rec.Values); err != nil {
		return 0, err
	}
	rec.Version++
	if ch.Now.After(rec.Accessed) {
		rec.Accessed = ch.Now
	}
	if ch.SetIdle {
		rec.Idle = ch.Idle
	}
	if err := c.put(&entry{kind: kindSession, key: key, birth: cur.birth, rec: rec}); err != nil {
		return 0, err
	}
	if ch.Unlock && ch.Fence != 0 {
		s.locks.release(ch.Fence)
	}
	return rec.Version, nil
}

// Touch implements core.Store. It sets the file's modification time.
func (s *Store) Touch(ctx context.Context, key core.Key, now time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return absentAs(core.ErrGone, err)
	}
	defer c.leave()
	cur, err := c.living(now, core.ErrGone)
	if err != nil || !now.After(cur.rec.Accessed) {
		return err
	}
	return c.sh.dir.setTime(c.name, now)
}

// Delete implements core.Store.
func (s *Store) Delete(ctx context.Context, key core.Key, now time.Time) (core.Record, bool, error) {
	if err := s.begin(ctx); err != nil {
		return core.Record{}, false, err
	}
	defer s.end()
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return core.Record{}, false, absentAs(nil, err)
	}
	defer c.leave()
	cur, err := c.find(now)
	if _, moved := errors.AsType[*core.MovedError](err); moved {
		return core.Record{}, false, errors.Join(err, c.removeForward())
	}
	if err != nil {
		return core.Record{}, false, absentAs(nil, err)
	}
	if err := c.removeSession(cur.birth); err != nil {
		return core.Record{}, false, err
	}
	return cur.rec, true, nil
}

// checkKey refuses keys that a file can not hold.
func checkKey(key core.Key) error {
	if len(key.Manager) > maxKeySize || len(key.ID) > maxKeySize {
		return fmt.Errorf("filestore: an id is longer than %d bytes", maxKeySize)
	}
	return nil
}

// absentAs returns as where err says that there is no such file, and err otherwise.
func absentAs(as, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return as
	}
	return err
}
