//go:build unix && !aix

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// peek is how much of a file is read to learn about its session: the head with ids of usual length.
const peek = 512

// IDs implements core.Lister. It reads the heads of all files of the manager, and of no other: about
// four system calls a session, whatever its size. Files that can not be read are left out; loading
// their session or sweeping reports them.
func (s *Store) IDs(ctx context.Context, manager string, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range shardCount {
			sh, names, err := s.list(ctx, manager, i)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range names {
				h, suffix, ok := parseName(name)
				if !ok || suffix != "" {
					continue
				}
				id, living, err := s.headOf(ctx, sh, manager, h, now)
				if err != nil {
					yield("", err)
					return
				}
				if living && !yield(id, nil) {
					return
				}
			}
		}
	}
}

// Count implements core.Lister, at the cost of IDs.
func (s *Store) Count(ctx context.Context, manager string, now time.Time) (int, error) {
	n := 0
	for _, err := range s.IDs(ctx, manager, now) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Sweep implements core.Sweeper. It costs what IDs does, and then reading and removing what has
// expired. It also removes what killed processes left behind, and sets aside files that can not be
// read: it goes on after such a one and at the end returns errors that match core.ErrCorrupt.
func (s *Store) Sweep(ctx context.Context, manager string, now time.Time, ended func(id string, rec core.Record)) error {
	var damaged []error
	for i := range shardCount {
		sh, names, err := s.list(ctx, manager, i)
		if err != nil {
			return errors.Join(append(damaged, err)...)
		}
		for _, name := range names {
			id, rec, removed, err := s.sweepFile(ctx, sh, manager, name, now)
			switch {
			case errors.Is(err, core.ErrCorrupt):
				damaged = append(damaged, err)
			case err != nil:
				return errors.Join(append(damaged, err)...)
			case removed:
				ended(id, rec)
			}
		}
	}
	return errors.Join(damaged...)
}

// list returns the names in one of the manager's folders, each once. There are none if the folder does
// not exist.
func (s *Store) list(ctx context.Context, manager string, i int) (*shard, []string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, nil, err
	}
	defer s.end()
	sh, err := s.shard(manager, i, false)
	if err != nil {
		return nil, nil, absentAs(nil, err)
	}
	names, err := sh.dir.names()
	if err != nil {
		return nil, nil, fmt.Errorf("filestore: %w", err)
	}
	slices.Sort(names)
	return sh, slices.Compact(names), nil // some file systems show a file twice that is replaced meanwhile
}

// headOf returns the id of the session in a file, and whether it is living.
func (s *Store) headOf(ctx context.Context, sh *shard, manager string, h hash, now time.Time) (id string, living bool, err error) {
	if err := s.begin(ctx); err != nil {
		return "", false, err
	}
	defer s.end()
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	hd, err := sh.readHead(h.name(), buf)
	if err != nil {
		return "", false, passable(err)
	}
	id, ok := hd.idAt(manager, h)
	return id, ok && hd.kind == kindSession && !hd.rec.Expired(now), nil
}

// passable returns nil for the errors of a file that is gone or can not be read, and err otherwise.
func passable(err error) error {
	if _, bad := errors.AsType[badFile](err); bad || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readHead reads the head of a file; its slices are those of buf.
func (sh *shard) readHead(name string, buf *[]byte) (head, error) {
	for limit := int64(peek); ; {
		size, mtime, err := sh.dir.read(name, buf, limit)
		if err != nil {
			return head{}, err
		}
		h, need, err := decodeHead(*buf, size)
		if need == 0 {
			h.rec.Accessed = mtime
			return h, err
		}
		if limit >= int64(need) {
			return head{}, badFile("it was cut off while it was read")
		}
		limit = int64(need)
	}
}

// idAt returns the id under which the file with that name holds a session of the manager.
func (h *head) idAt(manager string, name hash) (string, bool) {
	if string(h.manager) != manager {
		return "", false
	}
	for _, id := range [][]byte{h.id, h.next} {
		if id := string(id); hashOf(manager, id) == name {
			return id, true
		}
	}
	return "", false
}

// sweepFile removes one file if it is time to. If that ended a session, removed is true.
func (s *Store) sweepFile(ctx context.Context, sh *shard, manager, name string, now time.Time) (id string, rec core.Record, removed bool, err error) {
	h, suffix, ok := parseName(name)
	if err := s.begin(ctx); err != nil {
		return "", rec, false, err
	}
	defer s.end()
	if !ok {
		sh.slots.tidy(name)
		return "", rec, false, nil
	}
	if suffix != tempSuffix && !strings.HasPrefix(suffix, endedSuffix) {
		if due, err := sh.looksExpired(name, now); !due {
			return "", rec, false, err
		}
	}
	if err := sh.enter(ctx, s.done, h); err != nil {
		return "", rec, false, err
	}
	c := &section{s: s, sh: sh, key: core.Key{Manager: manager}, hash: h, name: name[:nameSize]}
	defer c.leave()
	switch {
	case suffix == "" || strings.HasPrefix(suffix, endedSuffix):
		return c.sweepSession(name, now)
	case suffix == forwardSuffix:
		return "", rec, false, c.sweepForward(now)
	case suffix == tempSuffix: // who wrote it is not in the section, so is not there any more
		return "", rec, false, sh.dir.remove(name)
	}
	return "", rec, false, nil
}

// looksExpired reads the head without excluding anyone. It says true also for what can not be read.
func (sh *shard) looksExpired(name string, now time.Time) (bool, error) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	h, err := sh.readHead(name, buf)
	if _, bad := errors.AsType[badFile](err); bad {
		return true, nil
	}
	if err != nil {
		return false, passable(err)
	}
	return h.rec.Expired(now), nil
}

// sweepSession removes the session's file if the session has expired. The name may be that of a
// session that was moved over for a new one.
func (c *section) sweepSession(name string, now time.Time) (id string, rec core.Record, removed bool, err error) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	h, err := c.sh.readWhole(name, buf)
	id, ok := h.idAt(c.key.Manager, c.hash)
	if err == nil && (!ok || h.kind != kindSession) {
		err = badFile("it is another session's")
	}
	if bad, ok := errors.AsType[badFile](err); ok {
		return "", rec, false, c.sweepDamaged(name, id, bad)
	}
	if err != nil {
		return "", rec, false, absentAs(nil, err)
	}
	if !h.rec.Expired(now) {
		return "", rec, false, nil
	}
	if name == c.name {
		err = c.removeSession(h.birth)
	} else {
		err = errors.Join(c.sh.dir.remove(name), c.sh.dir.sync(c.s.cfg.Durability))
	}
	return id, h.rec, err == nil, err
}

// sweepForward removes the forwarding record if it has run out or can not be read.
func (c *section) sweepForward(now time.Time) error {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	h, err := c.sh.readWhole(c.name+forwardSuffix, buf)
	if bad, ok := errors.AsType[badFile](err); ok {
		return c.sweepDamaged(c.name+forwardSuffix, string(h.id), bad)
	}
	if err != nil {
		return absentAs(nil, err)
	}
	if !h.rec.Expired(now) {
		return nil
	}
	return c.removeForward()
}

// sweepDamaged sets a file aside. Its session's id is known only if at least its head could be read.
func (c *section) sweepDamaged(name, id string, bad badFile) error {
	place, err := c.moveAside(name)
	if err != nil {
		return err
	}
	if id == "" {
		return fmt.Errorf("filestore: %w: %s; the bytes are kept at %s", core.ErrCorrupt, string(bad), place)
	}
	return &core.CorruptError{Key: core.Key{Manager: c.key.Manager, ID: id}, Place: place, Reason: string(bad)}
}
