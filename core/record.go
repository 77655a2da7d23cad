package core

import (
	"crypto/sha256"
	"encoding/base32"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Key names a session in a store. The manager id comes from configuration, the session id from the
// manager that made it; a store treats both as opaque bytes.
type Key struct {
	Manager string // which application's sessions
	ID      string // which session; a secret, see Hash
}

// Hash returns a short name for the session that is safe in logs, events and error texts: ten
// characters that do not lead back to the id.
func (k Key) Hash() string {
	h := sha256.New()
	h.Write([]byte(k.Manager))
	h.Write([]byte{0})
	h.Write([]byte(k.ID))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:7])[:10])
}

// String returns the manager id and the hash, so that a key can be printed and logged.
func (k Key) String() string { return k.Manager + "/" + k.Hash() }

// GoString is String, for the %#v of fmt.
func (k Key) GoString() string { return k.String() }

// LogValue is String, for log/slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Item is one named value in its encoded form. Data holds bytes, not text.
type Item struct {
	Name string
	Data string
}

// Values are a session's encoded values, sorted by name, each name once. They are immutable: nobody
// changes a Values after handing it on, so stores and requests share them without copying.
type Values []Item

// Get returns the encoded value of name, and whether there is one.
func (v Values) Get(name string) (data string, ok bool) {
	i, ok := v.find(name)
	if !ok {
		return "", false
	}
	return v[i].Data, true
}

func (v Values) find(name string) (int, bool) {
	if len(v) <= fewNames {
		for i := range v {
			if v[i].Name == name {
				return i, true
			}
		}
		return 0, false
	}
	return slices.BinarySearchFunc(v, name, func(it Item, name string) int {
		return strings.Compare(it.Name, name)
	})
}

// fewNames is up to which number of names looking at each is quicker than searching.
const fewNames = 16

// Size returns the bytes of all names and values together.
func (v Values) Size() int {
	n := 0
	for _, it := range v {
		n += len(it.Name) + len(it.Data)
	}
	return n
}

// Record is what a store holds for a key.
type Record struct {
	Values   Values
	Version  uint64        // 1 when created, one more with each save; touching leaves it alone
	Created  time.Time     // UTC
	Accessed time.Time     // UTC; the last access before the call that returned the record
	Idle     time.Duration // ends this long after the last access; 0 means never
	Ends     time.Time     // ends then, whatever happens; the zero time means never
}

// Expires returns the moment from which on the session does not exist any more, or the zero time if
// it never expires.
func (r *Record) Expires() time.Time {
	if r.Idle <= 0 {
		return r.Ends
	}
	idle := r.Accessed.Add(r.Idle)
	if !r.Ends.IsZero() && r.Ends.Before(idle) {
		return r.Ends
	}
	return idle
}

// Expired reports whether the session has ended at now. The moment of expiry itself is too late.
func (r *Record) Expired(now time.Time) bool {
	at := r.Expires()
	return !at.IsZero() && !now.Before(at)
}

// Change is what a save does to a record. It is given by per-name differences, or as a whole with
// Replace, and carries the condition under which it applies.
type Change struct {
	Now     time.Time // the manager's clock; a store that hosts share uses its own instead
	Set     Values    // the names to write
	Delete  []string  // the names to remove, sorted; none of them is in Set
	Replace bool      // remove every name that is not in Set

	Base    uint64 // the version that the change was worked out from, or 0; no condition
	Version uint64 // if not 0: only when the stored version is this one, else *ConflictError
	Fence   uint64 // if not 0: only while the lock is held under this fence, else ErrLockLost
	Unlock  bool   // with Fence: let the lock go in the same step, if and only if the change was made

	SetIdle  bool          // change the record's idle timeout to Idle
	settled  bool          // nobody alters the change any more, so Apply may remember what it gave
	keepLock bool          // Unlock stays false, see Session.Flush
	of       int32         // how many items Apply was first given then
	Idle     time.Duration // see Record.Idle

	MaxSize int // if not 0: refuse with ErrTooLarge what would make Values.Size larger than this

	from *Item   // the first of those
	to   Values  // what Apply gave for them; of the record with version Base
	room [1]Item // for Set, which mostly has one name
}

// Apply returns the values after the change, leaving v as it is. The error is ErrTooLarge or nil.
// Conditions are the store's matter; Apply does not look at them. It must not be called from several
// goroutines at once.
func (c *Change) Apply(v Values) (Values, error) {
	if c.Replace {
		v = nil
	}
	if c.to != nil && len(v) == int(c.of) && first(v) == c.from {
		return c.to, nil // the manager has applied it to the same record before
	}
	out := v
	if len(c.Set) > 0 || len(c.Delete) > 0 {
		out = merge(v, c.Set, c.Delete)
	}
	if c.MaxSize > 0 && out.Size() > c.MaxSize {
		return nil, ErrTooLarge
	}
	if c.settled && c.to == nil { // the first time, which is the manager's; see Whole
		c.from, c.of, c.to = first(v), int32(len(v)), out
	}
	return out, nil
}

// Whole returns all values that a record of version Base has after the change, for stores that would
// rather write a record whole than work the change out anew. ok is false if the manager has not told.
func (c *Change) Whole() (v Values, ok bool) { return c.to, c.to != nil && c.Base != 0 }

func overwrite(v, set Values) Values {
	if len(set) == 0 || len(set) > 4 {
		return nil
	}
	var places [4]int
	for i := range set {
		at, ok := v.find(set[i].Name)
		if !ok {
			return nil
		}
		places[i] = at
	}
	out := make(Values, len(v))
	copy(out, v)
	for i := range set {
		out[places[i]] = set[i]
	}
	return out
}

// first returns where v begins, or nil. Values are immutable, so one place in memory is one content.
func first(v Values) *Item {
	if len(v) == 0 {
		return nil
	}
	return &v[0]
}

// merge walks the three sorted lists side by side, unless all that is set is there to be overwritten.
func merge(v, set Values, del []string) Values {
	if out := overwrite(v, set); out != nil && len(del) == 0 {
		return out
	}
	out := make(Values, 0, len(v)+len(set))
	for len(v) > 0 || len(set) > 0 {
		switch {
		case len(set) > 0 && (len(v) == 0 || set[0].Name <= v[0].Name):
			if len(v) > 0 && set[0].Name == v[0].Name {
				v = v[1:]
			}
			out = append(out, set[0])
			set = set[1:]
		default:
			for len(del) > 0 && del[0] < v[0].Name {
				del = del[1:]
			}
			if len(del) == 0 || del[0] != v[0].Name {
				out = append(out, v[0])
			}
			v = v[1:]
		}
	}
	return out
}
