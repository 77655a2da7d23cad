package core

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Bounds on session ids, whatever their format. Shorter ones could be guessed, longer ones do not fit
// everywhere an id travels.
const (
	minIDLength = 20
	maxIDLength = 128
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
}

// RandomIDs is the default format: 26 characters of A-Z and 2-7, at least 128 random bits.
func RandomIDs() IDFormat {
	const length = 26
	return IDFormat{
		New: rand.Text,
		Valid: func(id string) bool {
			if len(id) != length {
				return false
			}
			for i := range len(id) {
				if c := id[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
					return false
				}
			}
			return true
		},
	}
}

// UUIDs is a legacy-shaped format: two random UUIDs (version 4) as 64 hexadecimal digits, in the
// manner of applications that expect an id of hexadecimal digits. One UUID has 122 random bits, which
// is less than an id must have; two have 244.
func UUIDs() IDFormat {
	const length = 64
	return IDFormat{
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
		if err := checkID(id); err != nil {
			return fmt.Errorf("core: Config.IDs: New made an id that %w", err)
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
	if n := changing(varies); n < minIDLength {
		return fmt.Errorf("core: Config.IDs: only %d characters of an id are random, at least %d must be", n, minIDLength)
	}
	for _, bad := range []string{"", "../../etc/passwd", strings.Repeat("A", 4096), "a\x00b", "a b"} {
		if f.Valid(bad) {
			return fmt.Errorf("core: Config.IDs: Valid accepts %.20q", bad)
		}
	}
	return nil
}

// changing counts the places of an id that took more than a handful of values.
func changing(varies []map[byte]bool) int {
	n := 0
	for _, chars := range varies {
		if len(chars) > 4 {
			n++
		}
	}
	return n
}

func checkID(id string) error {
	if len(id) < minIDLength || len(id) > maxIDLength {
		return fmt.Errorf("is %d characters long, %d to %d are allowed", len(id), minIDLength, maxIDLength)
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("has a character %q at %d; letters, digits, '-', '_' and '.' are allowed", c, i)
		}
	}
	return nil
}
