//go:build unix && !aix

package filestore

import (
	"bytes"
	"context"
	"errors"

	"github.com/holdover-web/holdover/core"
)

// Rotate implements core.Store.
//
// Everything is prepared so that renaming one file is the whole rotation: the session's file is made
// valid under both ids, and the forwarding record is put where it counts once the session's file has
// left. Who is killed before the rename leaves the session under its old id, with remains that nobody
// sees; who is killed after it leaves the session under the new one.
func (s *Store) Rotate(ctx context.Context, key core.Key, r core.Rotation) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	to := core.Key{Manager: key.Manager, ID: r.To}
	if err := checkKey(to); err != nil {
		return err
	}
	if to == key {
		return s.rotateToSelf(ctx, key, r)
	}
	from, dest, err := s.enterBoth(ctx, key, to)
	if err != nil {
		return absentAs(core.ErrGone, err)
	}
	defer from.leave()
	defer dest.leave()
	cur, err := from.held(r.Now, r.Fence)
	if err != nil {
		return err
	}
	if err := dest.vacate(r.Now); err != nil {
		return err
	}
	if err := from.prepareRotation(cur, r); err != nil {
		return err
	}
	if err := renameFile(from.sh.dir, from.name, dest.sh.dir, dest.name); err != nil {
		return err
	}
	s.locks.rotated(cur.birth, to)
	return errors.Join(dest.sh.dir.sync(s.cfg.Durability), from.sh.dir.sync(s.cfg.Durability))
}

// prepareRotation writes what shall be there after the rename. None of it counts before.
func (c *section) prepareRotation(cur stored, r core.Rotation) error {
	both := &entry{kind: kindSession, key: c.key, next: r.To, birth: cur.birth, rec: cur.rec}
	if err := c.put(both); err != nil {
		return err
	}
	if r.Grace <= 0 {
		return c.removeForward() // a rotation that was cut short may have left one
	}
	forward := &entry{kind: kindForward, key: c.key, next: r.To, birth: cur.birth,
		rec: core.Record{Accessed: r.Now, Created: r.Now, Ends: r.Now.Add(r.Grace)}}
	return c.put(forward)
}

// rotateToSelf finds that the new id is taken, if nothing else is wrong.
func (s *Store) rotateToSelf(ctx context.Context, key core.Key, r core.Rotation) error {
	c, err := s.enter(ctx, key, false)
	if err != nil {
		return absentAs(core.ErrGone, err)
	}
	defer c.leave()
	if _, err := c.held(r.Now, r.Fence); err != nil {
		return err
	}
	return core.ErrExists
}

// enterBoth enters two sections, always in the same order, so that two rotations can not wait for
// each other. The folder of to is created if it is missing.
func (s *Store) enterBoth(ctx context.Context, key, to core.Key) (from, dest *section, err error) {
	a, b := hashOf(key.Manager, key.ID), hashOf(to.Manager, to.ID)
	if _, err := s.shard(key.Manager, a.shard(), false); err != nil {
		return nil, nil, err // nothing is created for a session that is not there
	}
	if bytes.Compare(a[:], b[:]) < 0 {
		if from, err = s.enter(ctx, key, false); err != nil {
			return nil, nil, err
		}
		if dest, err = s.enter(ctx, to, true); err != nil {
			from.leave()
		}
		return from, dest, err
	}
	if dest, err = s.enter(ctx, to, true); err != nil {
		return nil, nil, err
	}
	if from, err = s.enter(ctx, key, false); err != nil {
		dest.leave()
	}
	return from, dest, err
}
