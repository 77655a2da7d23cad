//go:build unix && !aix

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/holdover-web/holdover/core"
)

// find reads what the key holds, expired or not. It may run beside others who change the session: it
// then sees the session before or after. Errors: fs.ErrNotExist; *core.MovedError if it forwards at
// now; badFile.
func (sh *shard) find(key core.Key, name string, now time.Time) (stored, error) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	h, err := sh.readWhole(name, buf)
	if errors.Is(err, fs.ErrNotExist) {
		return stored{}, sh.findForward(key, name, now, buf)
	}
	if err != nil {
		return stored{}, err
	}
	if h.kind != kindSession || string(h.manager) != key.Manager ||
		string(h.id) != key.ID && string(h.next) != key.ID {
		return stored{}, badFile("it is another session's")
	}
	return stored{rec: h.rec, birth: h.birth}, nil
}

// findForward returns a *core.MovedError if the key forwards at now, and fs.ErrNotExist if not.
func (sh *shard) findForward(key core.Key, name string, now time.Time, buf *[]byte) error {
	h, err := sh.readWhole(name+forwardSuffix, buf)
	if err != nil {
		return err
	}
	if h.kind != kindForward || string(h.manager) != key.Manager || string(h.id) != key.ID {
		return badFile("it is another session's")
	}
	if h.rec.Expired(now) {
		return fs.ErrNotExist
	}
	return &core.MovedError{Key: key, To: string(h.next)}
}

// readWhole reads a file into buf.
func (sh *shard) readWhole(name string, buf *[]byte) (head, error) {
	size, mtime, err := sh.dir.read(name, buf, maxFile+1)
	if err != nil {
		return head{}, err
	}
	if size > maxFile {
		return head{}, badFile("it is too long")
	}
	h, err := decode(*buf)
	h.rec.Accessed = mtime
	return h, err
}

// find reads what the section's key holds, expired or not. What can not be read it sets aside.
// Errors: fs.ErrNotExist; *core.MovedError if it forwards at now; *core.CorruptError.
func (c *section) find(now time.Time) (stored, error) {
	cur, err := c.sh.find(c.key, c.name, now)
	if bad, ok := errors.AsType[badFile](err); ok {
		return stored{}, c.setAside(bad)
	}
	return cur, err
}

// living reads the session. If there is none at now it returns absent.
func (c *section) living(now time.Time, absent error) (stored, error) {
	cur, err := c.find(now)
	if err != nil {
		return stored{}, absentAs(absent, err)
	}
	if cur.rec.Expired(now) {
		return stored{}, absent
	}
	return cur, nil
}

// held reads the session for someone who has locked it under fence, or for anyone if fence is 0.
func (c *section) held(now time.Time, fence uint64) (stored, error) {
	cur, err := c.living(now, core.ErrGone)
	if fence == 0 {
		return cur, err
	}
	if err != nil {
		if errors.Is(err, core.ErrGone) {
			c.s.locks.forget(c.key, fence, 0)
		}
		return stored{}, err
	}
	if !c.s.locks.holds(fence, cur.birth) {
		c.s.locks.forget(c.key, fence, cur.birth)
		return stored{}, core.ErrLockLost
	}
	return cur, nil
}

// vacate sees to it that the key holds nothing. Errors: core.ErrExists if it holds a session or
// forwards at now; *core.CorruptError.
func (c *section) vacate(now time.Time) error {
	cur, err := c.find(now)
	if _, moved := errors.AsType[*core.MovedError](err); moved {
		return core.ErrExists
	}
	if errors.Is(err, fs.ErrNotExist) {
		return c.removeForward() // it has expired
	}
	if err != nil {
		return err
	}
	if !cur.rec.Expired(now) {
		return core.ErrExists
	}
	// Sweep has yet to tell its end.
	if err := c.removeForward(); err != nil {
		return err
	}
	c.s.locks.drop(cur.birth)
	return renameFile(c.sh.dir, c.name, c.sh.dir, fmt.Sprintf("%s%s%016x", c.name, endedSuffix, cur.birth))
}

// put writes the session's file, or its forwarding record.
func (c *section) put(e *entry) error {
	if !e.fits() {
		return core.ErrTooLarge
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = e.append((*buf)[:0])
	name := c.name
	if e.kind == kindForward {
		name += forwardSuffix
	}
	return c.sh.dir.replace(c.name+tempSuffix, name, *buf, e.rec.Accessed, c.s.cfg.Durability)
}

// removeSession removes the session's file, and before it what a rotation that was cut short may have
// left: it would count once the session is gone.
func (c *section) removeSession(birth uint64) error {
	if err := c.removeForward(); err != nil {
		return err
	}
	if err := c.sh.dir.remove(c.name); err != nil {
		return err
	}
	c.s.locks.drop(birth)
	return c.sh.dir.sync(c.s.cfg.Durability)
}

func (c *section) removeForward() error { return c.sh.dir.remove(c.name + forwardSuffix) }

// touchOnLoad moves the last access if it is time to.
func (c *section) touchOnLoad(rec *core.Record, opt core.LoadOptions) error {
	if !opt.TouchDue(rec) {
		return nil
	}
	return c.sh.dir.setTime(c.name, opt.Now)
}
