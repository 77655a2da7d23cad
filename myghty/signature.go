package myghty

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// LegacySignature is a form of signed cookies that an application may have in its users' browsers. It is read, and written
// never: a browser that brings one gets its cookie anew when its session is used.
type LegacySignature string

// The forms that there are.
const (
	// MyghtySignature is HMAC-MD5 over the id, as 32 hexadecimal digits in front of it.
	MyghtySignature LegacySignature = "myghty"
	// BeakerSignature is HMAC-SHA-1 over the id, as 40 hexadecimal digits in front of it.
	BeakerSignature LegacySignature = "beaker"
)

// Signature signs the session ids in cookies: what the option secret asks for. It is a compat.CookieCodec, and may be used
// from several goroutines.
//
// The value is the id, a dot, and HMAC-SHA-256 over the name of the cookie and the id, so that a cookie of another name that
// was signed with the same secret is worth nothing. A session needs no signature to be safe, because ids can not be
// guessed and unknown ones are never adopted; it keeps forged ids away from the store.
type Signature struct {
	keys   [][]byte
	legacy []LegacySignature
}

var _ compat.CookieCodec = (*Signature)(nil)

// Bounds on what a stranger can make us work at.
const (
	maxKeys     = 16
	maxIDLength = 128 // of ids, see core.IDFormat
)

// signatureLength is that of HMAC-SHA-256 in base64.
var signatureLength = base64.RawURLEncoding.EncodedLen(sha256.Size)

// NewSignature returns a Signature. The first secret signs, all of them verify: to change the secret put a new one in
// front, and take the old one away when no cookie can have it any more. The legacy forms are read too, if they
// verify with one of the secrets.
//
// The error tells of a secret that is empty, of too many secrets, and of a form that there is not.
func NewSignature(secrets []string, legacy ...LegacySignature) (*Signature, error) {
	if len(secrets) == 0 || len(secrets) > maxKeys {
		return nil, errors.New("myghty: NewSignature: give 1 to 16 secrets")
	}
	s := &Signature{legacy: legacy}
	for _, secret := range secrets {
		if secret == "" {
			return nil, errors.New("myghty: NewSignature: a secret is empty")
		}
		s.keys = append(s.keys, []byte(secret))
	}
	for _, form := range legacy {
		if form != MyghtySignature && form != BeakerSignature {
			return nil, errors.New("myghty: NewSignature: a legacy signature is myghty or beaker")
		}
	}
	return s, nil
}

// Encode implements compat.CookieCodec.
func (s *Signature) Encode(name, id string) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(sign(s.keys[0], name, id))
}

// Decode implements compat.CookieCodec.
func (s *Signature) Decode(name, value string) (id string, renew, ok bool) {
	if len(value) > maxIDLength+1+signatureLength {
		return "", false, false
	}
	if dot := len(value) - signatureLength - 1; dot > 0 && value[dot] == '.' {
		if mac, err := base64.RawURLEncoding.Strict().DecodeString(value[dot+1:]); err == nil {
			for i, key := range s.keys {
				if hmac.Equal(mac, sign(key, name, value[:dot])) {
					return value[:dot], i > 0, true
				}
			}
		}
	}
	for _, form := range s.legacy {
		if id, ok := s.verifyLegacy(form, value); ok {
			return id, true, true
		}
	}
	return "", false, false
}

// sign binds an id to the name of its cookie. The zero byte is in neither.
func sign(key []byte, name, id string) []byte {
	return keyed(sha256.New, key, name+"\x00"+id)
}

func keyed(algorithm func() hash.Hash, key []byte, text string) []byte {
	mac := hmac.New(algorithm, key)
	mac.Write([]byte(text)) // never fails
	return mac.Sum(nil)
}

func (s *Signature) verifyLegacy(form LegacySignature, value string) (id string, ok bool) {
	algorithm, size := md5.New, md5.Size
	if form == BeakerSignature {
		algorithm, size = sha1.New, sha1.Size
	}
	if len(value) <= 2*size {
		return "", false
	}
	id = value[2*size:]
	mac, err := hex.DecodeString(value[:2*size])
	if err != nil || strings.ToLower(value[:2*size]) != value[:2*size] {
		return "", false
	}
	for _, key := range s.keys {
		if hmac.Equal(mac, keyed(algorithm, key, id)) {
			return id, true
		}
	}
	return "", false
}

// LegacyIDs returns format, extended so that the ids of Myghty and Beaker, 32 hexadecimal digits, are ids too. New ones
// are of the format. It is for sessions that were brought over under their old ids.
func LegacyIDs(format core.IDFormat) core.IDFormat {
	if format.New == nil {
		format = core.RandomIDs()
	}
	return core.IDFormat{
		New:   format.New,
		Valid: func(id string) bool { return isLegacyID(id) || format.Valid(id) },
	}
}

func isLegacyID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 2*md5.Size
}
