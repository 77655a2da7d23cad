package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdover-web/holdover/core"
)

// Save applies c in one step and returns the new version. A lost reply does no harm: the save is
// repeated, and a save that was carried out already is not carried out again.
func (s *Store) Save(ctx context.Context, key core.Key, c *core.Change) (uint64, error) {
	it, id := s.subject(key), nonce()
	writer, layout, known := s.known.writer(it.data, c.Base)
	v := valuesOf(c, known, layout)
	repeated, unlock := false, c.Fence != 0 && c.Unlock
	packs := 20
	if unlock {
		packs++
	}
	reply, err := s.ask(ctx, it, request{script: saveScript, packs: packs, pack: func(p *packed, again bool) {
		repeated = again
		p.keys(it, unlock)
		p.text(key.ID)
		p.int(s.grace)
		p.bytes(id[:])
		p.flag(again)
		p.int(int64(c.Base))
		p.int(int64(c.Version))
		p.fence(c.Fence)
		p.int(reserve.Microseconds())
		if c.SetIdle {
			p.int(idle(c.Idle))
		} else {
			p.text("")
		}
		p.int(int64(c.MaxSize))
		p.int(int64(v.kind))
		p.int(int64(v.count))
		p.bytes(v.items)
		p.bytes(v.changed)
		p.bytes(v.deleted)
		if known {
			p.bytes(writer[:])
		} else {
			p.text("")
		}
		p.int(int64(v.place))
	}}, core.ErrGone)
	if moved, ok := errors.AsType[*core.MovedError](err); ok && repeated {
		return 0, fmt.Errorf("%w: %v", ErrUnknown, moved) // not made twice by whoever follows
	}
	if err != nil {
		return 0, err
	}
	switch reply := reply.(type) {
	case int64:
		if repeated { // the first time may have merged
			s.known.forgetWrite(it.data)
		} else {
			s.known.noteWrite(it.data, uint64(reply), id, v.layout)
		}
		return uint64(reply), nil
	case []any:
		if version, merged := reply[1].(int64); merged {
			s.known.forgetWrite(it.data)
			return uint64(version), nil
		}
		rec, err := s.record(ctx, it, reply[1])
		if err != nil {
			return 0, err
		}
		return 0, &core.ConflictError{Key: key, Have: c.Version, Current: rec}
	}
	return 0, fmt.Errorf("redisstore: session %s: a script replied with a %T", key.Hash(), reply)
}

// savedValues is what a save sends of the values.
type savedValues struct {
	kind             int // of the items; see save.lua
	count            int
	items            []byte
	changed, deleted []byte
	place            int    // of the only changed item, or 0
	layout           uint64 // of what is stored afterwards, if it is what was sent; 0 if that is not known
}

// What the items of a save are.
const (
	noItems     = 0 // there are changes only
	wholeOfBase = 1 // all items, if the stored version is still the one that the caller began with
	replacement = 2 // all items
)

// smallSession is up to what size, in bytes, all of a session is sent to spare Redis the merging.
const smallSession = 8 << 10

// valuesOf spares Redis the merging if it can be told for sure what the changes were worked out from: it sends all of a
// small session together with the changes, which count only if somebody else has saved meanwhile. If all names and
// lengths stay as they are stored, which their layout tells, it says in their stead where the only change belongs.
func valuesOf(c *core.Change, sure bool, layout uint64) savedValues {
	if c.Replace {
		return savedValues{kind: replacement, count: len(c.Set), items: encodeItems(c.Set), layout: layoutOf(c.Set)}
	}
	var v savedValues
	if whole, ok := c.Whole(); ok && sure && whole.Size() <= smallSession {
		v.layout = layoutOf(whole)
		if v.layout == layout && len(c.Set) == 1 && len(c.Delete) == 0 {
			v.place = placeOf(whole, c.Set[0].Name)
		} else {
			v.kind, v.count, v.items = wholeOfBase, len(whole), encodeItems(whole)
			if c.Version == c.Base {
				return v // it is this or a conflict
			}
		}
	}
	v.changed, v.deleted = encodeItems(c.Set), encodeNames(c.Delete)
	return v
}
