package core

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
)

// Bounds on session ids, whatever their format. Shorter ones could be guessed, longer ones do not fit
// everywhere an id travels.
const (
	minIDLength = 20
	maxIDLength = 128
	minIDBits   = 110 // as estimated from a sample, which shows less than there are
)

// IDFormat makes session ids and recognises their shape. New managers try a format out and refuse one
// that makes bad ids.
type IDFormat struct {
	// New returns a fresh id. It must be unguessable: at least 128 bits from crypto/rand. Ids are 20 to
	// 128 characters long, of letters, digits, '-', '_' and '.'. It may be called from several
	// goroutines.
	New func() string

	// Valid reports whether New could have made the id. Ids come from strangers: what Valid refuses is
	// never shown to a store. It may be called from several goroutines.
	Valid func(id string) bool

	exact bool // Valid is ours and lets nothing through that does not travel
}

// randomLength is a little more than 128 bits need, because of a new id for an old session up to 16 bits are
// known to who knows the old one; see Placer.
const randomLength = 30

// RandomIDs is the default format: 30 characters of A-Z and 2-7, 150 random bits.
func RandomIDs() IDFormat {
	return IDFormat{
		exact: true,
		New:   randomID,
		Valid: func(id string) bool {
			if len(id) != randomLength {
				return false
			}
			var bad byte // without a branch for each character, because every request comes by here
			for i := range randomLength {
				bad |= notInRandom[id[i]]
			}
			return bad == 0
		},
	}
}

const randomAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// notInRandom is 1 for the bytes that are not in randomAlphabet.
var notInRandom = func() (not [256]byte) {
	for b := range not {
		if strings.IndexByte(randomAlphabet, byte(b)) < 0 {
			not[b] = 1
		}
	}
	return not
}()

func randomID() string {
	var b [randomLength]byte
	rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = randomAlphabet[b[i]%byte(len(randomAlphabet))]
	}
	return string(b[:])
}

// UUIDs is a legacy-shaped format: two random UUIDs (version 4) as 64 hexadecimal digits, in the
// manner of applications that expect an id of hexadecimal digits. One UUID has 122 random bits, which
// is less than an id must have; two have 244.
func UUIDs() IDFormat {
	const length = 64
	return IDFormat{
		exact: true,
		New: func() string {
			a, b := uuid.New(), uuid.New()
			return fmt.Sprintf("%x%x", a[:], b[:])
		},
		Valid: func(id string) bool { return len(id) == length && isHex(id) },
	}
}

// PrefixedIDs puts a fixed prefix in front of the ids of another format, as Webware's SessionPrefix
// does to tell servers apart.
func PrefixedIDs(prefix string, format IDFormat) IDFormat {
	return IDFormat{
		New: func() string { return prefix + format.New() },
		Valid: func(id string) bool {
			rest, ok := strings.CutPrefix(id, prefix)
			return ok && format.Valid(rest)
		},
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// check tries the format out. It can not measure randomness, but it catches what people get wrong:
// characters that do not travel, ids that repeat, ids of which little changes, a Valid that disagrees.
func (f IDFormat) check() error {
	if f.New == nil || f.Valid == nil {
		return errors.New("core: Config.IDs: New and Valid must both be set")
	}
	const tries = 64
	seen := make(map[string]bool, tries)
	varies := make([]map[byte]bool, maxIDLength)
	for range tries {
		id := f.New()
		if !travels(id) {
			return fmt.Errorf("core: Config.IDs: New made an id of %d characters; %d to %d letters, digits, '-', '_' and '.' are allowed",
				len(id), minIDLength, maxIDLength)
		}
		if !f.Valid(id) {
			return errors.New("core: Config.IDs: Valid refuses an id that New made")
		}
		if seen[id] {
			return errors.New("core: Config.IDs: New made the same id twice")
		}
		seen[id] = true
		for i := range len(id) {
			if varies[i] == nil {
				varies[i] = make(map[byte]bool)
			}
			varies[i][id[i]] = true
		}
	}
	if bits := spread(varies); bits < minIDBits {
		return fmt.Errorf("core: Config.IDs: the ids have about %.0f random bits, at least 128 are needed", bits)
	}
	for _, bad := range []string{"", "../../etc/passwd", strings.Repeat("A", 4096), "a\x00b", "a b"} {
		if f.Valid(bad) {
			return fmt.Errorf("core: Config.IDs: Valid accepts %.20q", bad)
		}
	}
	return nil
}

// spread estimates how many bits vary, from how many characters each place of an id took.
func spread(varies []map[byte]bool) float64 {
	bits := 0.0
	for _, chars := range varies {
		if len(chars) > 0 {
			bits += math.Log2(float64(len(chars)))
		}
	}
	return bits
}

// travels reports whether an id has a length and characters that fit everywhere an id goes. Strangers
// choose what it is asked, so it costs nothing.
func travels(id string) bool {
	return len(id) >= minIDLength && len(id) <= maxIDLength && strings.IndexFunc(id, outsideID) < 0
}

func outsideID(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
}
